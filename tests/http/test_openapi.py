"""The service conforms to its OpenAPI document."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, Response
from schemathesis.checks import not_a_server_error

from chalicelib.web import openapi
from tests.http.client import Service
from tests.http.document import CHECKS, DOCUMENT

CLIENTS = 8

AnyCase: TypeAlias = Case[Any]

# The operations that links start at, and those that they lead to.
UPLOADS = {"upload_image", "upload_image_form", "upload_file"}
OF_AN_IMAGE = {
    *("view_image", "update_image", "delete_image", "download_image", "render_image", "list_similar_images"),
    *("get_image_link", "delete_linked_image", "view_entry", "delete_entry"),
}
OF_AN_ITEM = {"view_item", "update_item", "delete_item"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends generated requests, and records what they create."""

    service: Service
    images: dict[str, str] = field(default_factory=dict)  # owners, by image id
    items: list[str] = field(default_factory=list)
    succeeded: set[str] = field(default_factory=set)  # ids of operations

    def send(self, case: AnyCase) -> Response:
        """Send a request. Raises FailureGroup: the response does not conform to the document."""
        answer = case.call(base_url=self.service.url)
        operation = case.operation.definition.raw["operationId"]
        if answer.status_code < 400:
            self.succeeded.add(operation)
            if operation in UPLOADS:
                self.images[answer.json()["image_id"]] = answer.json()["metadata"]["user_id"]
            elif operation == "create_item":
                self.items.append(answer.json()["id"])
        return answer

    def delete_all(self) -> None:
        """Delete everything that was created and still exists."""
        created = [(f"/images/{image_id}", {"user_id": owner}) for image_id, owner in self.images.items()]
        created += [(f"/items/{item_id}", {}) for item_id in self.items]

        def delete(path: str, query: dict[str, str]) -> int:
            return self.service.call("DELETE", path, params=query).status_code

        with ThreadPoolExecutor(CLIENTS) as clients:
            assert set(clients.map(delete, *zip(*created, strict=True))) <= {200, 404}


@pytest.fixture(scope="module")
def sender(service: Service) -> Iterator[Sender]:
    sender = Sender(service)
    yield sender
    sender.delete_all()


def test_the_service_serves_its_document(service: Service) -> None:
    assert service.get("/openapi.json") == openapi.of_contract("b")


@pytest.mark.usefixtures("odd_requests_arrive")
@DOCUMENT.parametrize()
def test_every_response_conforms_to_the_document(case: AnyCase, sender: Sender) -> None:
    case.validate_response(sender.send(case), checks=[not_a_server_error, *CHECKS])


@pytest.mark.usefixtures("odd_requests_arrive")
@pytest.mark.parametrize(
    ("starts", "leads_to"), [(UPLOADS, OF_AN_IMAGE), ({"create_item"}, OF_AN_ITEM)], ids=["images", "items"]
)
def test_links_lead_from_each_creation_to_every_operation_on_the_result(
    service: Service, starts: set[str], leads_to: set[str]
) -> None:
    sender = Sender(service)
    machine: type[Any] = DOCUMENT.include(operation_id=[*starts, *leads_to]).as_state_machine()

    class Walk(machine):  # type: ignore[misc]
        def before_call(self, case: AnyCase) -> None:
            # The service stores the keys: in a second run, it would return images that the first run has deleted.
            case.headers.pop("Idempotency-Key", None)
            if case.operation.definition.raw["operationId"] in UPLOADS:
                case.headers.setdefault("X-User-Id", "alice")  # whose an upload without an owner is

        def call(self, case: AnyCase, **_: Any) -> Response:
            return sender.send(case)

        def validate_response(self, response: Response, case: AnyCase, *_: Any, **__: Any) -> None:
            case.validate_response(response, checks=[not_a_server_error, *CHECKS])

    try:
        for examples in (40, 160):  # few usually reach every operation; the others begin with the same ones
            Walk.run(
                settings=settings(
                    derandomize=True,
                    database=None,
                    deadline=None,
                    max_examples=examples,
                    stateful_step_count=6,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
            )
            if sender.succeeded == starts | leads_to:
                break
    finally:
        sender.delete_all()
    assert sender.succeeded == starts | leads_to

"""The examples of the OpenAPI document are true: each operation's request is answered as its example says."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import requests

from tests.http.client import TIMEOUT_SECONDS, Json, User
from tests.http.uploads import wait_until_processed
from tests.openapi import DOCUMENT, operations, parameters, resolved

OPERATIONS = {operation["operationId"]: (method, path, operation) for method, path, operation in operations()}
EXAMPLE_USER = "user123"
UPLOAD = DOCUMENT["components"]["requestBodies"]["Upload"]["content"]["application/json"]["example"]
PICTURE = base64.b64decode(UPLOAD["image_data"])
EMPTY: Mapping[str, str] = MappingProxyType({})
PARTS_BYTES = 60_000_000  # more than MULTIPART_THRESHOLD_BYTES


def send(operation: str, user: User, ids: Mapping[str, str] = EMPTY, **changed: Any) -> requests.Response:
    """Send the example request of an operation, for a user and ids of the test. `changed` are fields of its JSON."""
    method, path, described = OPERATIONS[operation]

    def of_test(example: Any) -> Any:
        return user.user_id if example == EXAMPLE_USER else example

    values: dict[str, Json] = {"query": {}, "header": {}, "path": {}}
    for parameter in parameters(path, described):
        if "example" in parameter:
            values[parameter["in"]][parameter["name"]] = of_test(parameter["example"])
    options: Json = {"params": values["query"], "headers": values["header"], "allow_redirects": False}
    if "requestBody" in described:
        ((content_type, form),) = resolved(described["requestBody"])["content"].items()
        body = {name: of_test(example) for name, example in form["example"].items()} | changed
        if content_type == "application/json":
            options["json"] = body
        else:  # the example names the file in place of its bytes
            del body["file"]
            options |= {"data": body, "files": {"file": ("dunes.png", PICTURE)}}
    return user.service.call(method, path.format(**ids), **options)


def same_shape(schema: Json, example: Any, real: Any) -> bool:
    """Whether an answer has the fields of its example, at every level. Fields that are not described are ignored."""
    schema = resolved(schema)
    if isinstance(example, dict) and isinstance(real, dict):
        described = schema.get("properties", {})
        if schema.get("additionalProperties"):  # an example has some of the fields
            matches = example.keys() <= real.keys()
        else:
            matches = example.keys() == real.keys() & described.keys()
        return matches and all(same_shape(described.get(name, {}), example[name], real[name]) for name in example)
    if isinstance(example, list) and isinstance(real, list):
        inner = schema.get("items", {})
        return bool(example) is bool(real) and all(same_shape(inner, example[0], each) for each in real)
    return example is None or real is None or {type(example), type(real)} <= {int, float} or type(example) is type(real)


def upload(user: User) -> str:
    """Upload the example image, wait until it is processed, and return its id."""
    answer = send("upload_image", user)
    assert answer.status_code == 201, answer.text
    image_id: str = answer.json()["image_id"]
    wait_until_processed(user, image_id)
    return image_id


def several_images(user: User) -> dict[str, str]:
    """Upload more images than a page of the examples has, and return the id of one."""
    sent = [send("upload_image", user) for _ in range(6)]
    image_id = sent[0].json()["image_id"]
    wait_until_processed(user, image_id)
    return {"image_id": image_id}


def upload_in_parts(user: User) -> dict[str, str]:
    """Start a direct upload in parts, and send the first part."""
    started = send("start_direct_upload", user, size=PARTS_BYTES).json()
    _send_part(started["parts"][0])
    return {"image_id": started["image_id"]}


def upload_of_all_parts(user: User) -> dict[str, str]:
    """Start a direct upload in parts, and send all of them."""
    started = send("start_direct_upload", user, size=PARTS_BYTES).json()
    for part in started["parts"]:
        _send_part(part)
    return {"image_id": started["image_id"]}


def unused_id(operation: Json) -> str:
    """Return an id with the time of the example of an import. Another test may have taken the example's own id."""
    example = resolved(operation["requestBody"])["content"]["application/json"]["example"]["image_id"]
    return f"{example[:13]}-7000-8000-{secrets.token_hex(6)}"


def _send_part(part: Json) -> None:
    sent = requests.put(part["url"], data=bytes(part["size"]), timeout=TIMEOUT_SECONDS)
    assert sent.status_code == 200, sent.text


# What exists before an operation, if it is not one image or one item.
BEFORE: dict[str, Callable[[User], dict[str, str]]] = {
    "list_images": several_images,
    "list_entries": several_images,
    "count_images": several_images,
    "list_tags": several_images,
    "list_similar_images": several_images,
    "resume_direct_upload": upload_in_parts,
    "cancel_direct_upload": upload_in_parts,
    "complete_direct_upload": upload_of_all_parts,
}


@pytest.fixture
def items(alice: User) -> Iterator[list[str]]:
    """Return a list of items to delete after the test."""
    items: list[str] = []
    yield items
    for item in items:
        alice.service.call("DELETE", f"/items/{item}", headers={"X-User-Id": alice.user_id})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_example_request_gets_an_answer_like_its_example(operation: str, alice: User, items: list[str]) -> None:
    _, path, described = OPERATIONS[operation]
    ids: dict[str, str] = {}
    if operation in BEFORE:
        ids = BEFORE[operation](alice)
    elif "{image_id}" in path:
        ids = {"image_id": upload(alice)}
    if path.startswith("/items"):
        items.append(send("create_item", alice).json()["id"])
        ids = {"item_id": items[-1]}

    changed = {"image_id": unused_id(described)} if operation == "import_image" else {}

    answer = send(operation, alice, ids, **changed)

    responses = described["responses"]
    assert answer.status_code < 400, answer.text
    body = answer.json()
    if operation == "create_item":
        items.append(body["id"])
    if operation == "list_items":  # the list has the items of every test
        body["items"] = [item for item in body["items"] if item["id"] in items]
    content = resolved(responses[str(answer.status_code)])["content"]["application/json"]
    examples = [content["example"]] if "example" in content else []
    examples += [resolved(each)["value"] for each in content.get("examples", {}).values()]
    assert any(same_shape(content["schema"], example, body) for example in examples), json.dumps(body, indent=2)

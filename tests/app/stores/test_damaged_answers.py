"""An answer of DynamoDB that was damaged on its way is asked for again."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse

from chalicelib.stores import aws
from tests.app.conftest import Api, Stores


@pytest.mark.parametrize("content", [b"<html>Bad gateway</html>", b'{"Item": {"image_id"', b""])
def test_an_answer_whose_checksum_is_wrong(api: Api, stores: Stores, content: bytes) -> None:
    image_id = api.upload()["image_id"]
    damaged: list[Any] = []

    def damage(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        if damaged:
            return None
        damaged.append(request)
        raw: Any = MockRawResponse(content)
        return AWSResponse(request.url, 200, HTTPHeaders.from_pairs([("x-amz-crc32", "1")]), raw)

    events: Any = aws.dynamodb().meta.events
    handler: Callable[..., AWSResponse | None] = damage
    events.register_first("before-send", handler)
    try:
        assert api.get(f"/images/{image_id}").status_code == 200
    finally:
        events.unregister("before-send", handler)
    assert len(damaged) == 1

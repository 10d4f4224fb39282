"""Direct uploads in tests."""

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.app.conftest import Api, Stores
from tests.pictures import picture

PNG = picture()
CUT_OFF = picture("JPEG", width=400, height=400)[:20_000]
DAMAGED = PNG.replace(b"IDAT", b"IDAT\0\0", 1)  # is not cut off, and no decoder can read its pixels
BROKEN = base64.b64encode(DAMAGED).decode()
ANNOUNCED = {
    "user_id": "alice",
    "title": "Dunes",
    "tags": ["sea"],
    "filename": "dunes.png",
    "content_type": "image/png",
}


def announce(api: Api, **fields: Any) -> dict[str, Any]:
    """Announce a direct upload of PNG. Other fields can be given."""
    answer = api.call("POST", "/images/direct-upload", {**ANNOUNCED, "size": len(PNG), **fields})
    assert answer.status_code == 201, answer.body
    announced: dict[str, Any] = answer.json_body
    return announced


def send(stores: Stores, announced: dict[str, Any], content: bytes = PNG) -> str:
    """Put a file where the form of an upload puts it. Returns its key."""
    key: str = announced["fields"]["key"]
    stores.s3.put_object(Bucket="images-staged", Key=key, Body=content)
    return key


def send_parts(stores: Stores, announced: dict[str, Any], content: bytes, left_out: tuple[int, ...] = ()) -> None:
    """Upload the parts of an announced upload, except those in `left_out`."""
    for part in announced["parts"]:
        if part["part_number"] not in left_out:
            url = urlsplit(part["url"])
            query = parse_qs(url.query)
            start = (part["part_number"] - 1) * announced["part_size"]
            stores.s3.upload_part(
                Bucket="images-staged",
                Key=url.path.removeprefix("/images-staged/"),
                UploadId=query["uploadId"][0],
                PartNumber=int(query["partNumber"][0]),
                Body=content[start : start + part["size"]],
            )

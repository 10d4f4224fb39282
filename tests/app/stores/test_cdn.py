"""CloudFront in front of the buckets: every URL of an image leads to CloudFront, every upload goes to S3."""

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.app.background import object_created
from tests.app.conftest import Api
from tests.app.uploads import announce
from tests.pictures import picture

BASE = "https://d1.cloudfront.net"


@pytest.fixture
def cloudfront(configured: Callable[..., None]) -> None:
    """A CloudFront distribution and its signing key."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    configured(CDN_URL=BASE, CDN_KEY_PAIR_ID="K1", CDN_PRIVATE_KEY=pem)


def test_every_url_of_an_image_leads_to_cloudfront(cloudfront: None, api: Api) -> None:
    image = api.upload(image_data=base64.b64encode(picture(width=700, height=500)).decode())
    object_created(api, image["s3_key"])
    path = f"/images/{image['image_id']}"
    original = f"{BASE}/{image['s3_key']}?"
    assert api.get(path).json_body["presigned_url"].startswith(f"{original}Expires=")
    assert api.get(f"{path}/download").json_body["download_url"].startswith(f"{original}response-content-disposition=")
    assert api.get("/images?include=url").json_body["images"][0]["presigned_url"].startswith(f"{original}Expires=")
    location = api.get(f"{path}/render?w=320").headers["Location"]
    assert location.startswith(f"{BASE}/{image['s3_key']}/320.webp?Expires=")


def test_direct_uploads_go_to_s3(cloudfront: None, api: Api) -> None:
    assert announce(api)["url"].startswith("https://s3.")

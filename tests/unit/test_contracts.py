from chalicelib import contracts
from chalicelib.model import Page, Stores, View
from tests.unit.samples import IMAGE

METADATA = {
    "image_id": IMAGE.image_id,
    "user_id": "alice",
    "title": "Dunes",
    "description": "At noon",
    "tags": ["Sea", "sand"],
    "s3_key": f"alice/{IMAGE.image_id}",
    "s3_url": f"s3://images-originals/alice/{IMAGE.image_id}",
    "created_at": "2022-02-22T19:22:22.000Z",
    "updated_at": "2022-02-22T19:22:22.000Z",
    "filename": "dunes.jpg",
    "content_type": "image/jpeg",
    "size": 12_345,
    "checksum": "ab" * 32,
    "width": 400,
    "height": 300,
    "visibility": "public",
    "version": 1,
}


def test_an_upload() -> None:
    assert contracts.uploaded(IMAGE) == {
        "message": "Image uploaded successfully",
        "image_id": IMAGE.image_id,
        "metadata": METADATA,
    }


def test_a_page_has_a_key_only_while_there_is_more() -> None:
    last = {"images": [METADATA], "count": 1, "has_more": False}
    assert contracts.listed(Page((IMAGE,), None, 1, 0.5)) == last
    assert contracts.listed(Page((IMAGE,), "key", 1, 0.5)) == {**last, "has_more": True, "last_evaluated_key": "key"}


def test_a_view() -> None:
    assert contracts.viewed(View(IMAGE, "http://s3/x", 3600)) == {
        "image_id": IMAGE.image_id,
        "metadata": METADATA,
        "presigned_url": "http://s3/x",
        "expires_in": 3600,
    }


def test_a_deletion() -> None:
    assert contracts.deleted(IMAGE) == {"message": "Image deleted successfully", "image_id": IMAGE.image_id}


def test_health_names_the_store_that_is_away() -> None:
    assert contracts.health(Stores(s3=True, dynamodb=True))["status"] == "ok"
    assert contracts.health(Stores(s3=False, dynamodb=True)) == {
        "status": "unavailable",
        "stores": {"s3": "unavailable", "dynamodb": "ok"},
    }


def test_the_welcome_leads_to_every_call() -> None:
    assert set(contracts.welcome()["calls"]) == {"upload", "list", "view", "delete", "health"}

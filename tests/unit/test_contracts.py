import json
from dataclasses import replace

import orjson
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import contracts
from chalicelib.model import ITEM_NAMES, ItemPage, Page, Stores, View, Visibility
from tests.unit.samples import IMAGE, ITEM

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
    assert contracts.listed(Page((IMAGE,), None)) == last
    assert contracts.listed(Page((IMAGE,), "key")) == {**last, "has_more": True, "last_evaluated_key": "key"}


# Of control characters, which take six bytes, readers let through none but these.
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\t\n\r"))
any_text = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text not in ITEM_NAMES)


@given(texts, texts, texts, st.lists(texts))
def test_no_metadata_is_longer_than_its_image_says(user_id: str, title: str, filename: str, tags: list[str]) -> None:
    image = replace(IMAGE, size=10**12, width=10**9, height=10**9, version=10**9, visibility=Visibility.PRIVATE)
    image = replace(image, user_id=user_id, title=title, description=title, filename=filename, tags=tuple(tags))
    answer = orjson.dumps(contracts.metadata(image)).decode()
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < image.answer_bytes


def test_a_view() -> None:
    assert contracts.viewed(View(IMAGE, "http://s3/x", 3600)) == {
        "image_id": IMAGE.image_id,
        "metadata": METADATA,
        "presigned_url": "http://s3/x",
        "expires_in": 3600,
    }


def test_a_deletion() -> None:
    assert contracts.deleted(IMAGE) == {"message": "Image deleted successfully", "image_id": IMAGE.image_id}


ITEM_SHAPE = {
    "id": ITEM.item_id,
    "item_id": ITEM.item_id,
    "name": "Dunes",
    "size": [400, None],
    "created_at": "2022-02-22T19:22:22.000Z",
    "updated_at": "2022-02-22T19:23:00.000Z",
    "version": 3,
}


def test_an_item_is_its_document_and_what_the_service_gives() -> None:
    assert contracts.item(ITEM) == ITEM_SHAPE
    assert contracts.item(replace(ITEM, text="{}")).keys() == set(ITEM_NAMES)


def test_a_page_of_items_has_a_key_only_while_there_is_more() -> None:
    last = {"items": [ITEM_SHAPE], "count": 1, "has_more": False}
    assert contracts.listed_items(ItemPage((ITEM,), None)) == last
    assert contracts.listed_items(ItemPage((ITEM,), "key")) == {**last, "has_more": True, "last_evaluated_key": "key"}


def test_an_items_deletion() -> None:
    assert contracts.deleted_item(ITEM.item_id) == {
        "message": "Item deleted successfully",
        "id": ITEM.item_id,
        "item_id": ITEM.item_id,
    }


def test_the_version_is_the_etag() -> None:
    assert contracts.etag(ITEM) == {"ETag": '"3"'}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(any_text, json_values))
def test_no_item_is_longer_in_an_answer_than_it_says(document: dict[str, object]) -> None:
    item = replace(ITEM, text=orjson.dumps(document).decode(), version=10**18)
    assert item.document == document
    answer = orjson.dumps(contracts.item(item)).decode()
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < item.answer_bytes


def test_health_names_the_store_that_is_away() -> None:
    assert contracts.health(Stores(s3=True, dynamodb=True))["status"] == "ok"
    assert contracts.health(Stores(s3=False, dynamodb=True)) == {
        "status": "unavailable",
        "stores": {"s3": "unavailable", "dynamodb": "ok"},
    }


def test_the_welcome_leads_to_every_call() -> None:
    assert set(contracts.welcome()["calls"]) == {"upload", "list", "view", "delete", "health"}

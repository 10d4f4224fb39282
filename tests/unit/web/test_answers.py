import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.images.model import Download, DownloadType, Health, View
from chalicelib.items.model import ITEM_NAMES, ItemPage
from chalicelib.lists.model import Page
from chalicelib.model import Visibility
from chalicelib.web import answers
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

VIEW = View(IMAGE, "http://s3/x", 3600, "attachment; filename=x")
DOWNLOAD_LINK = {"image_id": IMAGE.image_id, "download_url": "http://s3/x", "expires_in": 3600, "metadata": METADATA}
ENTRY = {
    "id": IMAGE.image_id,
    "filename": "dunes.jpg",
    "user": "alice",
    "description": "At noon",
    "created_at": 1_645_557_742,
}
KEY = f"alice/{IMAGE.image_id}.jpg"


def test_an_upload_is_answered_with_its_metadata() -> None:
    assert answers.uploaded(IMAGE) == {
        "message": "Image uploaded successfully",
        "image_id": IMAGE.image_id,
        "metadata": METADATA,
    }


def test_a_page_has_a_key_only_if_another_page_follows() -> None:
    last = {"images": [METADATA], "count": 1, "has_more": False}
    assert answers.listed(Page((IMAGE,), None)) == last
    assert answers.listed(Page((IMAGE,), "key")) == {**last, "has_more": True, "last_evaluated_key": "key"}


# Readers reject other control characters, which take six bytes in JSON.
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\t\n\r"))
any_text = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text not in ITEM_NAMES)


@given(texts, texts, texts, st.lists(texts))
def test_metadata_is_never_longer_than_answer_bytes(user_id: str, title: str, filename: str, tags: list[str]) -> None:
    image = replace(IMAGE, size=10**12, width=10**9, height=10**9, version=10**9, visibility=Visibility.PRIVATE)
    image = replace(image, user_id=user_id, title=title, description=title, filename=filename, tags=tuple(tags))
    answer = orjson.dumps(answers.metadata(image)).decode()
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < image.answer_bytes


def test_a_view_is_answered_with_a_presigned_url_and_the_state() -> None:
    assert answers.viewed(VIEW) == {
        "image_id": IMAGE.image_id,
        "metadata": METADATA,
        "presigned_url": "http://s3/x",
        "expires_in": 3600,
        "state": "ready",
    }


def test_a_deletion_is_answered_with_the_id() -> None:
    assert answers.deleted(IMAGE) == {"message": "Image deleted successfully", "image_id": IMAGE.image_id}


def test_an_update_is_answered_with_the_metadata() -> None:
    assert answers.updated(IMAGE) == {
        "message": "Image updated successfully",
        "image_id": IMAGE.image_id,
        "metadata": METADATA,
    }


def test_an_upload_of_contracts_a_and_c_has_the_keys_of_both() -> None:
    assert answers.contract_a_and_c_upload(IMAGE) == {
        "message": "Upload successful",
        "id": IMAGE.image_id,
        "image_id": IMAGE.image_id,
        "key": KEY,
        "bucket": "images-originals",
        "metadata": METADATA,
    }


def test_contract_c_has_its_own_entries_and_keys() -> None:
    assert answers.contract_c_list(Page((IMAGE,), None)) == [ENTRY]
    assert answers.contract_c_view(VIEW) == {**ENTRY, "key": KEY, "bucket": "images-originals", "url": "http://s3/x"}
    assert answers.contract_c_deletion(IMAGE) == {"deleted": IMAGE.image_id, "key": KEY}


@pytest.mark.parametrize(
    ("filename", "extension"),
    [("a.JPEG", ".JPEG"), ("a.tar.gz", ".gz"), ("a", ".png"), ("", ".png"), ("a.b c", ".png")],
)
def test_a_key_has_the_extension_of_the_filename_or_of_the_content_type(filename: str, extension: str) -> None:
    image = replace(IMAGE, filename=filename, content_type="image/png")
    assert answers.contract_c_deletion(image)["key"] == image.s3_key + extension


def test_a_list_of_contract_c_has_a_link_to_the_next_page_with_the_same_filters() -> None:
    query = {"tag": ["a b", "c"], "limit": ["2"], "nextToken": ["old"]}
    assert answers.contract_c_next_page(Page((), None), query) == {}
    assert answers.contract_c_next_page(Page((), "new"), query) == {
        "Link": '<?tag=a+b&tag=c&limit=2&last_evaluated_key=new>; rel="next"'
    }


def test_each_type_of_download_has_its_own_answer() -> None:
    def answered(download_type: DownloadType) -> object:
        return answers.downloaded(Download(VIEW, download_type, b"bytes"))

    headers = {
        "Content-Type": "image/jpeg",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "attachment; filename=x",
    }
    assert answered(DownloadType.LINK) == (DOWNLOAD_LINK, {}, 200)
    assert answered(DownloadType.REDIRECT) == (
        DOWNLOAD_LINK,
        {"Location": "http://s3/x", "Cache-Control": "no-store"},
        302,
    )
    assert answered(DownloadType.BINARY) == (b"bytes", headers, 200)
    assert answered(DownloadType.BASE64) == (
        {"image_id": IMAGE.image_id, "content": "Ynl0ZXM=", "metadata": METADATA},
        {},
        200,
    )
    assert answers.contract_a_view(VIEW) == DOWNLOAD_LINK


def test_the_etag_of_an_image_is_its_version() -> None:
    assert answers.etag(replace(IMAGE, version=7)) == {"ETag": '"7"'}


ITEM_SHAPE = {
    "id": ITEM.item_id,
    "item_id": ITEM.item_id,
    "name": "Dunes",
    "size": [400, None],
    "created_at": "2022-02-22T19:22:22.000Z",
    "updated_at": "2022-02-22T19:23:00.000Z",
    "version": 3,
}


def test_an_item_has_its_document_and_the_fields_of_the_service() -> None:
    assert answers.item(ITEM) == ITEM_SHAPE
    assert answers.item(replace(ITEM, text="{}")).keys() == set(ITEM_NAMES)


def test_a_page_of_items_has_a_key_only_if_another_page_follows() -> None:
    last = {"items": [ITEM_SHAPE], "count": 1, "has_more": False}
    assert answers.listed_items(ItemPage((ITEM,), None)) == last
    assert answers.listed_items(ItemPage((ITEM,), "key")) == {**last, "has_more": True, "last_evaluated_key": "key"}


def test_the_deletion_of_an_item_is_answered_with_its_id() -> None:
    assert answers.deleted_item(ITEM.item_id) == {
        "message": "Item deleted successfully",
        "id": ITEM.item_id,
        "item_id": ITEM.item_id,
    }


def test_the_etag_of_an_item_is_its_version() -> None:
    assert answers.etag(ITEM) == {"ETag": '"3"'}


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
def test_an_item_is_never_longer_than_answer_bytes(document: dict[str, object]) -> None:
    item = replace(ITEM, text=orjson.dumps(document).decode(), version=10**18)
    assert item.document == document
    answer = orjson.dumps(answers.item(item)).decode()
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < item.answer_bytes


def test_health_names_the_unavailable_store() -> None:
    assert answers.health(Health(s3=True, dynamodb=True))["status"] == "ok"
    assert answers.health(Health(s3=False, dynamodb=True)) == {
        "status": "unavailable",
        "stores": {"s3": "unavailable", "dynamodb": "ok"},
    }


def test_the_welcome_page_lists_every_call() -> None:
    assert set(answers.welcome()["calls"]) == {
        *("upload", "list", "count", "tags", "view", "render", "similar", "update", "delete", "describe", "health")
    }

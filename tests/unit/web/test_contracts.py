from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from chalicelib.images.model import Download, DownloadType, View
from chalicelib.index.query import Include
from chalicelib.lists.model import Entry, Link, Page, Picture
from chalicelib.model import State, Variant, Visibility
from chalicelib.web import contracts
from chalicelib.web.contracts import A, Answer, B, C, D, E
from tests.unit.samples import ANALYSIS, IMAGE, ITEM, METADATA

VIEW = View(IMAGE, Picture("http://s3/x", None, "attachment; filename=x"), 3600)
VARIANT = Variant(width=320, height=240, content_type="image/webp", size=900)
BUCKET = "images-originals"
KEY = f"alice/{IMAGE.image_id}.jpg"
LINK = {"image_id": IMAGE.image_id, "download_url": "http://s3/x", "expires_in": 3600, "metadata": METADATA}
C_RECORD = {
    "id": IMAGE.image_id,
    "filename": "dunes.jpg",
    "original_name": "dunes.jpg",
    "user": "alice",
    "description": "At noon",
    "created_at": 1_645_557_742,
}
D_RECORD = {
    "image_id": IMAGE.image_id,
    "user_id": "alice",
    "title": "Dunes",
    "description": "At noon",
    "tags": ["sea", "sand"],
    "content_type": "image/jpeg",
    "s3_bucket": BUCKET,
    "s3_key": f"alice/{IMAGE.image_id}",
    "size": 12_345,
    "checksum": "ab" * 32,
    "created_at": "2022-02-22T19:22:22.000Z",
}
E_RECORD = {
    "id": IMAGE.image_id,
    "objectKey": f"alice/{IMAGE.image_id}",
    "bucket": BUCKET,
    "userId": "alice",
    "filename": "dunes.jpg",
    "contentType": "image/jpeg",
    "description": "At noon",
    "visibility": "public",
    "tags": ["Sea", "sand"],
    "size": 12_345,
    "createdAt": "2022-02-22T19:22:22.000Z",
    "updatedAt": "2022-02-22T19:22:22.000Z",
}
UPLOADED = {"message": "Image uploaded successfully"}
A_UPLOADED = {**UPLOADED, "image_id": IMAGE.image_id, "s3_url": METADATA["s3_url"]}
B_UPLOADED = {**UPLOADED, "image_id": IMAGE.image_id, "metadata": METADATA}
C_UPLOADED = {"id": IMAGE.image_id, "key": KEY, "bucket": BUCKET, "message": "Upload successful"}
E_UPLOADED = UPLOADED | {
    name: E_RECORD[name] for name in ("id", "filename", "objectKey", "bucket", "contentType", "size", "userId")
}
E_FILE = {"filename": "dunes.jpg", "object_key": f"alice/{IMAGE.image_id}", "bucket": BUCKET, "size": 12_345}
DELETED = {"message": "Image deleted successfully", "image_id": IMAGE.image_id}

ETAG = {"ETag": '"1-ready"'}
VALIDATORS = {**ETAG, "Last-Modified": "Tue, 22 Feb 2022 19:22:22 GMT"}
NO_STORE = {"Cache-Control": "no-store"}
PUBLIC = {"Cache-Control": "public, no-cache", "Vary": "Authorization, X-User-Id"}
PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, X-User-Id"}


def under(contract: B) -> list[Answer]:
    """Return the answers of a contract to an upload, a view, an update and a deletion."""
    return [contract.uploaded(IMAGE), contract.viewed(VIEW), contract.updated(IMAGE), contract.deleted(IMAGE)]


def test_contract_b_answers_with_nested_metadata() -> None:
    view = {"image_id": IMAGE.image_id, "metadata": METADATA, "presigned_url": "http://s3/x", "expires_in": 3600}
    updated = {"message": "Image updated successfully", "image_id": IMAGE.image_id, "metadata": METADATA}
    assert under(B()) == [
        (B_UPLOADED, ETAG, 201),
        ({**view, "render": f"images/{IMAGE.image_id}/render", "state": "ready"}, {**VALIDATORS, **NO_STORE}, 200),
        (updated, ETAG, 200),
        (DELETED, {}, 200),
    ]
    assert under(A()) == under(B()) == under(C())


def test_contract_d_answers_with_flat_records() -> None:
    assert under(D()) == [
        (D_RECORD, ETAG, 201),
        (D_RECORD, {**VALIDATORS, **PUBLIC}, 200),
        under(B())[2],
        ("", {}, 204),
    ]


def test_contract_e_answers_with_flat_records_in_camel_case() -> None:
    assert under(E()) == [
        (B_UPLOADED, ETAG, 201),
        (E_RECORD, {**VALIDATORS, **PUBLIC}, 200),
        (E_RECORD, ETAG, 200),
        ("", {}, 204),
    ]
    assert E().uploaded_in_either_form(IMAGE) == (E_UPLOADED, ETAG, 200)
    assert B().uploaded_in_either_form(IMAGE) == ({**E_UPLOADED, **B_UPLOADED}, ETAG, 201)


def test_the_upload_that_several_contracts_share_has_the_keys_of_the_stage_s_contract() -> None:
    everything = {**E_FILE, **A_UPLOADED, **B_UPLOADED, **C_UPLOADED}
    answered = {
        (type(contract), as_form): contract.uploaded_by_verb(IMAGE, as_form=as_form)
        for contract, as_form in product((A(), B(), C(), D(), E()), (True, False))
    }
    assert answered == {
        (A, True): (A_UPLOADED, ETAG, 200),
        (A, False): (A_UPLOADED, ETAG, 201),
        (B, True): (everything, ETAG, 200),
        (B, False): (everything, ETAG, 201),
        (C, True): (C_UPLOADED, ETAG, 200),
        (C, False): (C_UPLOADED, ETAG, 200),
        (D, True): (everything, ETAG, 200),
        (D, False): (everything, ETAG, 201),
        (E, True): ({"message": "File uploaded successfully", **E_FILE}, ETAG, 200),
        (E, False): ({"message": "File uploaded successfully", **E_FILE}, ETAG, 200),
    }


def test_a_list_has_a_cursor_only_if_another_page_follows() -> None:
    last = {"images": [METADATA], "count": 1, "has_more": False}
    cursors = {"last_evaluated_key": "key", "next_token": "key", "nextToken": "key"}
    message = {"message": "Images retrieved successfully"}
    pages = Page((Entry(IMAGE),), None), Page((Entry(IMAGE),), "key")

    def listed(contract: B) -> list[object]:
        return [contract.listed(page)[0] for page in pages]

    assert listed(B()) == [last, {**last, "has_more": True, **cursors}]
    assert listed(A()) == [message | last, message | last | {"has_more": True} | cursors]
    assert listed(C()) == listed(B())
    assert listed(D()) == [{"items": [D_RECORD], "next_token": None}, {"items": [D_RECORD], "next_token": "key"}]
    entries = {"images": [E_RECORD], "count": 1}
    assert listed(E()) == [entries, {**entries, "nextToken": "key"}]


@pytest.mark.parametrize("contract", [B(), D(), E()])
def test_a_cache_may_keep_a_list_unless_it_has_urls_and_for_its_caller_only_if_it_has_private_images(
    contract: B,
) -> None:
    private = replace(IMAGE, visibility=Visibility.PRIVATE)
    assert contract.listed(Page((Entry(IMAGE),), None))[1:] == (PUBLIC, 200)
    assert contract.listed(Page((Entry(IMAGE), Entry(private)), None))[1:] == (PRIVATE, 200)
    body, headers, _ = contract.listed(Page((Entry(IMAGE, "http://s3/x"),), None, frozenset({Include.URL})))
    assert (headers, body["expires_in"]) == (NO_STORE, 3600)
    assert [entry["presigned_url"] for entry in body.get("images") or body["items"]] == ["http://s3/x"]


@pytest.mark.parametrize("listed", [B().listed, D().listed, E().listed, lambda page: contracts.c_listed(page, {})])
def test_every_contract_adds_the_same_fields_to_its_records(listed: Callable[[Page], Answer]) -> None:
    link = Link(VARIANT, "http://s3/small")
    shown = {"url": "http://s3/small", "width": 320, "height": 240}
    analysis = {"placeholder": "AAAA", "color": "#102030", "taken_at": None, "animated": False}
    image = replace(IMAGE, analysis=replace(ANALYSIS, color="#102030", placeholder="AAAA", variants=(VARIANT,)))
    plain = listed(Page((Entry(image),), None))[0]
    body, headers, _ = listed(Page((Entry(image, "", link, (link,)),), None, frozenset(Include) - {Include.URL}))
    (before,), (after,) = (
        each if isinstance(each, list) else each.get("images") or each["items"] for each in (plain, body)
    )
    assert headers == NO_STORE
    assert after == {
        **before,
        "state": "ready",
        "thumbnail": shown,
        "variants": [{**shown, "content_type": "image/webp"}],
        "analysis": analysis,
    }
    unprocessed = Entry(replace(IMAGE, state=State.PROCESSING))
    body, headers, _ = listed(Page((unprocessed,), None, frozenset(Include) - {Include.URL}))
    (entry,) = body if isinstance(body, list) else body.get("images") or body["items"]
    assert entry == {**before, "state": "processing", "thumbnail": None, "variants": [], "analysis": None}
    assert listed(Page((unprocessed,), None, frozenset({Include.ANALYSIS})))[1] == PUBLIC  # it has no URL


def test_contract_a_has_a_view_of_its_own() -> None:
    view = {
        "message": "Image retrieved successfully",
        "image_id": IMAGE.image_id,
        "download_url": "http://s3/x",
    }
    assert A().linked(VIEW) == (view, {**VALIDATORS, **NO_STORE}, 200)
    assert B().linked(VIEW) == ({**LINK, **view}, {**VALIDATORS, **NO_STORE}, 200)


def test_contract_c_has_its_own_records_and_keys() -> None:
    link = {**C_RECORD, "key": KEY, "bucket": BUCKET, "url": "http://s3/x"}
    assert contracts.c_listed(Page((Entry(IMAGE),), None), {}) == ([C_RECORD], PUBLIC, 200)
    assert contracts.c_viewed(VIEW) == (link, {**VALIDATORS, **NO_STORE}, 200)
    assert contracts.c_deleted(IMAGE) == ({"deleted": IMAGE.image_id, "key": KEY}, {}, 200)


@pytest.mark.parametrize(
    ("filename", "extension"),
    [("a.JPEG", ".JPEG"), ("a.tar.gz", ".gz"), ("a", ".png"), ("", ".png"), ("a.b c", ".png")],
)
def test_a_key_has_the_extension_of_the_filename_or_of_the_content_type(filename: str, extension: str) -> None:
    image = replace(IMAGE, filename=filename, content_type="image/png")
    assert contracts.c_deleted(image)[0]["key"] == image.s3_key + extension


def test_a_list_of_contract_c_has_a_link_to_the_next_page_with_the_same_filters() -> None:
    query = {"tag": ["a b", "c"], "limit": ["2"], "nextToken": ["old"]}
    assert contracts.c_listed(Page((), None), query)[1] == PUBLIC
    assert contracts.c_listed(Page((), "new"), query)[1] == {
        **PUBLIC,
        "Link": '<?tag=a+b&tag=c&limit=2&last_evaluated_key=new>; rel="next"',
    }


def test_each_type_of_download_has_its_own_answer() -> None:
    def answered(contract: B, download_type: DownloadType) -> Answer:
        return contract.downloaded(Download(VIEW, download_type, b"bytes"))

    headers = {"Content-Type": "image/jpeg", "Content-Disposition": "attachment; filename=x", **NO_STORE}
    assert answered(B(), DownloadType.LINK) == ({**LINK, "url": "http://s3/x"}, NO_STORE, 200)
    assert answered(D(), DownloadType.LINK) == ({"url": "http://s3/x"}, NO_STORE, 200)
    assert answered(B(), DownloadType.REDIRECT) == (LINK, {"Location": "http://s3/x", **NO_STORE}, 302)
    assert answered(B(), DownloadType.BINARY) == (b"bytes", headers, 200)
    assert answered(B(), DownloadType.BASE64) == (
        {"image_id": IMAGE.image_id, "content": "Ynl0ZXM=", "metadata": METADATA},
        NO_STORE,
        200,
    )


def test_an_item_of_contract_e_has_times_in_camel_case() -> None:
    times = {"createdAt": "2022-02-22T19:22:22.000Z", "updatedAt": "2022-02-22T19:23:00.000Z"}
    headers = {"ETag": '"3"', "Last-Modified": "Tue, 22 Feb 2022 19:23:00 GMT", **PUBLIC}
    assert E().item(ITEM, 201) == ({"id": ITEM.item_id, "name": "Dunes", "size": [400, None], **times}, headers, 201)
    assert E().deleted_item(ITEM.item_id) == ("", {}, 204)
    assert B().item(ITEM)[1:] == (headers, 200)


@pytest.mark.parametrize(
    ("contract", "keys"),
    [(A(), {"message"}), (B(), {"error", "message"}), (C(), {"error", "message"}), (D(), {"error"}), (E(), {"error"})],
)
def test_an_error_has_the_keys_of_the_contract(contract: B, keys: set[str]) -> None:
    assert contract.error("No.") == dict.fromkeys(keys, "No.")


@pytest.mark.parametrize(("name", "contract"), [("", B), ("a", A), ("b", B), ("c", C), ("d", D), ("e", E)])
def test_the_setting_chooses_the_contract(configured: Callable[..., None], name: str, contract: type[B]) -> None:
    configured(CONTRACT=name)
    assert type(contracts.contract()) is contract

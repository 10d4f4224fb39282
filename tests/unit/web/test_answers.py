import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.images.model import Detail, Health, View
from chalicelib.index.query import Include
from chalicelib.items.model import ITEM_NAMES, ItemPage
from chalicelib.lists.model import Entry, Link, Picture
from chalicelib.model import CameraFacts, Location, State, Variant, Visibility
from chalicelib.web import answers
from tests.pictures import CAMERA, LOCATION
from tests.unit.samples import ANALYSIS, IMAGE, ITEM, METADATA

VIEW = View(IMAGE, Picture("http://s3/x", None, "attachment; filename=x"), 3600)

# Readers reject other control characters, which take six bytes in JSON.
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\t\n\r"))
any_text = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text not in ITEM_NAMES)


@given(texts, texts, texts, st.lists(texts))
def test_metadata_is_never_longer_than_answer_bytes(user_id: str, title: str, filename: str, tags: list[str]) -> None:
    image = replace(IMAGE, size=10**12, width=10**9, height=10**9, version=10**9, visibility=Visibility.PRIVATE)
    image = replace(image, user_id=user_id, title=title, description=title, filename=filename, tags=tuple(tags))
    answer = orjson.dumps(answers.metadata(image)).decode()
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < image.answer_bytes


@pytest.mark.parametrize("state", [State.PROCESSING, State.READY])
@pytest.mark.parametrize("variants", [0, 1, 24])
def test_an_entry_is_never_longer_than_answer_bytes(state: State, variants: int) -> None:
    image = replace(IMAGE, size=10**12, width=10**9, height=10**9, version=10**9, visibility=Visibility.PRIVATE)
    if state is State.READY:
        taken_at, placeholder = "2022-02-22T19:22:22.123456+00:00", "A" * 40
        image = replace(image, analysis=replace(ANALYSIS, taken_at=taken_at, placeholder=placeholder))
    variant = Variant(width=65_535, height=65_535, content_type="image/webp", size=10**9)
    links = [Link(variant, f"https://s3/{n}?a=b&c=d") for n in range(variants)]
    entry = Entry(replace(image, state=state), "https://s3/x", links[0] if links else None, tuple(links))
    answer = orjson.dumps(answers.metadata(image) | answers.included(entry, frozenset(Include))).decode()
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < entry.answer_bytes


def test_a_view_is_answered_with_a_presigned_url_and_the_state() -> None:
    assert answers.viewed(VIEW) == {
        "image_id": IMAGE.image_id,
        "metadata": METADATA,
        "presigned_url": "http://s3/x",
        "expires_in": 3600,
        "render": f"images/{IMAGE.image_id}/render",
        "state": "ready",
    }


def test_a_view_has_the_analysis_without_what_exif_says() -> None:
    analysis = replace(ANALYSIS, exif=CameraFacts(**CAMERA), location=Location(**LOCATION))
    processed = replace(VIEW, image=replace(IMAGE, analysis=analysis))
    assert answers.viewed(processed)["analysis"] == {
        "width": 400,
        "height": 300,
        "taken_at": None,
        "color": "#ffffff",
        "placeholder": "",
        "perceptual_hash": "0" * 16,
        "animated": False,
        "variants": [],
    }


def test_the_details_are_those_that_are_wanted() -> None:
    analysis = replace(ANALYSIS, exif=CameraFacts(make="Contoso"), location=Location(**LOCATION))
    image = replace(IMAGE, analysis=analysis)
    exif = {**dict.fromkeys(CAMERA), "make": "Contoso"}
    assert answers.details(image, ()) == {}
    assert answers.details(image, (Detail.EXIF,)) == {"exif": exif}
    assert answers.details(image, tuple(Detail)) == {"exif": exif, "location": LOCATION}
    assert answers.details(IMAGE, tuple(Detail)) == {"exif": dict.fromkeys(CAMERA), "location": None}


def test_a_deletion_is_answered_with_the_id() -> None:
    assert answers.deleted(IMAGE) == {"message": "Image deleted successfully", "image_id": IMAGE.image_id}


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
    cursors = {"last_evaluated_key": "key", "next_token": "key", "nextToken": "key"}
    assert answers.listed_items(ItemPage((ITEM,), "key")) == {**last, "has_more": True, **cursors}


def test_the_deletion_of_an_item_is_answered_with_its_id() -> None:
    assert answers.deleted_item(ITEM.item_id) == {
        "message": "Item deleted successfully",
        "id": ITEM.item_id,
        "item_id": ITEM.item_id,
    }


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
        *("upload", "list", "count", "tags", "view", "render", "similar", "update", "delete", "describe", "health"),
        *("gallery", "docs"),
    }

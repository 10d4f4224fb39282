from dataclasses import replace

import pytest

from chalicelib.model import State
from chalicelib.web import caching
from tests.unit.samples import IMAGE, ITEM


def test_the_etag_of_an_item_is_its_version() -> None:
    assert caching.etag(ITEM) == {"ETag": '"3"'}


@pytest.mark.parametrize(
    ("state", "etag"),
    [(State.PROCESSING, '"7"'), (State.READY, '"7-ready"'), (State.AWAITING_UPLOAD, '"7-awaiting_upload"')],
)
def test_the_etag_of_an_image_changes_with_its_version_and_when_it_was_processed(state: State, etag: str) -> None:
    assert caching.etag(replace(IMAGE, version=7, state=state)) == {"ETag": etag}


def test_the_etag_of_a_list_covers_its_content_and_whether_there_is_a_next_page() -> None:
    page = {"images": [1, 2], "last_evaluated_key": "x"}
    shapes: list[object] = [page, {**page, "images": [1]}, {"images": [1, 2]}, [1, 2]]
    etags = {caching.content_etag(shape, {}, 0, 100) for shape in shapes}
    assert len(etags) == len(shapes)
    assert caching.content_etag([1, 2], {"Link": "<?x>"}, 0, 100) not in etags


def test_a_new_cursor_changes_the_etag_only_after_half_of_its_lifetime() -> None:
    first, second = {"last_evaluated_key": "x", "next_token": "x"}, {"last_evaluated_key": "y", "next_token": "y"}
    assert caching.content_etag(first, {}, 100, 100) == caching.content_etag(second, {}, 149, 100)
    assert caching.content_etag(first, {}, 100, 100) != caching.content_etag(first, {}, 150, 100)


@pytest.mark.parametrize(
    ("if_none_match", "etag", "unchanged"),
    [
        ('"1"', '"1"', True),
        ('W/"1"', '"1"', True),
        ('"1"', 'W/"1"', True),
        ('"0", "1"', '"1"', True),
        ("*", '"1"', True),
        ('"1"', '"11"', False),
        ("1", '"1"', False),
        ("", '"1"', False),
        ("*", None, False),
        ('"1"', None, False),
    ],
)
def test_if_none_match_lists_the_answers_that_a_client_has(
    if_none_match: str, etag: str | None, unchanged: bool
) -> None:
    headers = {} if etag is None else {"ETag": etag}
    assert caching.is_unchanged(if_none_match, headers) is unchanged

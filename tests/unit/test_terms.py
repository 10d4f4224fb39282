from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import terms
from chalicelib.model import Chunk, Query, Row, Visibility
from chalicelib.terms import EVERYTHING, Owner, Term
from tests.unit.samples import IMAGE

ANYTHING = Query(limit=10)


def chunk(*image_ids: str, end: bool) -> Chunk:
    rows = tuple(Row(image_id, "alice", Visibility.PUBLIC, None) for image_id in image_ids)
    return Chunk(rows, None if end else image_ids[-1], 0.5)


def test_tags_differ_neither_by_case_nor_by_compatibility_forms() -> None:
    assert terms.fold("STRASSE") == terms.fold("straße") == "strasse"
    assert terms.fold("ＡＢＣ") == "abc"
    assert terms.fold("Caf\N{LATIN SMALL LETTER E WITH ACUTE}") == terms.fold("CAFE\N{COMBINING ACUTE ACCENT}")


@given(st.text())
def test_folding_twice_changes_nothing_more(tag: str) -> None:
    assert terms.fold(terms.fold(tag)) == terms.fold(tag)


def test_an_image_is_found_by_everything_and_once_by_each_tag() -> None:
    assert terms.of(replace(IMAGE, tags=("Sea", "SEA", "sky"))) == (EVERYTHING, "sea", "sky")


def test_each_filter_is_a_list_that_holds_the_whole_answer() -> None:
    assert terms.sources(ANYTHING) == (Term(EVERYTHING),)
    assert terms.sources(replace(ANYTHING, user_id="alice")) == (Owner("alice"),)
    assert terms.sources(replace(ANYTHING, user_id="alice", tags=("sea", "sky"))) == (
        Owner("alice"),
        Term("sea"),
        Term("sky"),
    )


def test_an_image_matches_when_it_has_all_that_is_asked_for() -> None:
    image = replace(IMAGE, user_id="alice", tags=("Sea", "Sky"))
    assert terms.matches(image, ANYTHING)
    assert terms.matches(image, replace(ANYTHING, user_id="alice", tags=("sea", "sky")))
    assert not terms.matches(image, replace(ANYTHING, user_id="bob"))
    assert not terms.matches(image, replace(ANYTHING, tags=("sea", "sand")))
    assert terms.matches(image, replace(ANYTHING, visibility=Visibility.PUBLIC))
    assert not terms.matches(image, replace(ANYTHING, visibility=Visibility.PRIVATE))


@pytest.mark.parametrize("field", ["title", "description", "filename"])
def test_each_word_of_a_filter_begins_a_word_of_the_field(field: str) -> None:
    def found(text: str, wanted: str) -> bool:
        has: dict[str, Any] = {field: text}
        asks: dict[str, Any] = {field: terms.words(wanted)}
        return terms.matches(replace(IMAGE, **has), replace(ANYTHING, **asks))

    assert found("Sunset at the sea", "SEA sun")
    assert found("Crème brûlée", "creme BRU")
    assert found("Creme brulee", "crème")
    assert found("IMG_0001-beach.JPG", "beach.jpg img")
    assert found("Straße", "STRASSE")
    assert found("Москва, весна", "вес")
    assert not found("Sunset at the sea", "set")
    assert not found("Sunset at the sea", "sea side")
    assert not found("", "sea")


def test_the_list_that_has_ended_is_the_rarest_and_of_several_the_shortest() -> None:
    assert (
        terms.rarest([chunk("9", "1", end=False), chunk("9", "8", end=True), chunk("9", end=True)], oldest_first=False)
        == 2
    )


def test_the_list_whose_chunk_reaches_furthest_is_the_rarest() -> None:
    newest = [chunk("9", "8", end=False), chunk("9", "2", end=False), chunk("9", "5", end=False)]
    assert terms.rarest(newest, oldest_first=False) == 1
    oldest = [chunk("1", "2", end=False), chunk("1", "5", end=False), chunk("1", "8", end=False)]
    assert terms.rarest(oldest, oldest_first=True) == 2

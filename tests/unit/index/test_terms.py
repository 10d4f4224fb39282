from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index import terms
from chalicelib.index.query import Query
from chalicelib.index.ranges import Index, Range
from chalicelib.index.terms import EVERYTHING, MAX_TAGS_AND_WORDS, Key, Kind, Term
from chalicelib.model import Visibility
from tests.unit.samples import IMAGE

ANYTHING = Query(limit=10)
PRIVATE = replace(IMAGE, visibility=Visibility.PRIVATE)


def test_tags_differ_neither_by_case_nor_by_compatibility_forms() -> None:
    assert terms.fold("STRASSE") == terms.fold("straße") == "strasse"
    assert terms.fold("ＡＢＣ") == "abc"
    assert terms.fold("Caf\N{LATIN SMALL LETTER E WITH ACUTE}") == terms.fold("CAFE\N{COMBINING ACUTE ACCENT}")


@given(st.text())
def test_folding_twice_changes_nothing_more(tag: str) -> None:
    assert terms.fold(terms.fold(tag)) == terms.fold(tag)


def test_an_image_is_found_by_its_fields() -> None:
    image = replace(IMAGE, title="The Dunes, the sea", description="At noon", filename="IMG_1.jpg", tags=("Sea", "SEA"))
    assert [term.name for term in terms.of(image)] == [
        "everything",
        "owner:alice",
        "content_type:image/jpeg",
        "checksum:" + "ab" * 32,
        "tag:sea",
        "title:the",
        "title:dunes",
        "title:sea",
        "filename:img",
        "filename:1",
        "filename:jpg",
        "description:at",
        "description:noon",
    ]


def test_a_private_image_is_not_among_what_others_may_see_of_its_owner() -> None:
    assert Term(Kind.OWNER, "alice") not in terms.of(PRIVATE)
    assert {terms.key(PRIVATE, term).partition[:8] for term in terms.of(PRIVATE)} == {"\x1f@alice\x1f"}


def test_where_there_is_room_for_some_words_the_description_gives_way_first() -> None:
    text = " ".join(f"w{n}" for n in range(50))
    image = replace(IMAGE, tags=tuple(f"t{n}" for n in range(25)), title=text, filename=text, description=text)
    found = terms.of(image)
    counted = {kind: sum(term.kind is kind for term in found) for kind in Kind}
    assert counted[Kind.TAG] + sum(counted[kind] for kind in Kind if kind.is_text) == MAX_TAGS_AND_WORDS
    assert (counted[Kind.TITLE], counted[Kind.FILENAME], counted[Kind.DESCRIPTION]) == (12, 4, 0)


@given(st.lists(st.text("abc ", max_size=9), max_size=30), st.text(max_size=300), st.sampled_from(Visibility))
def test_an_update_of_everything_fits_a_transaction(tags: list[str], text: str, visibility: Visibility) -> None:
    image = replace(IMAGE, tags=tuple(tags), title=text, description=text[::-1], filename=text, visibility=visibility)
    assert len(set(terms.of(image))) == len(terms.of(image)) <= 4 + MAX_TAGS_AND_WORDS
    assert 2 + 2 * (4 + MAX_TAGS_AND_WORDS) <= 100


def test_the_row_of_a_plain_tag_is_as_contract_d_publishes_it() -> None:
    assert terms.key(IMAGE, Term(Kind.TAG, "sea")) == Key("sea", IMAGE.image_id, "tag:sea")


def test_words_of_one_letter_share_a_partition_in_the_order_of_the_alphabet() -> None:
    keys = [terms.key(IMAGE, Term(Kind.TITLE, word)) for word in ("sun", "suna", "sunset")]
    assert {key.partition for key in keys} == {"\x1ftitle:s"}
    assert sorted(key.sort for key in keys) == [key.sort for key in keys]


TERMS = st.builds(Term, st.sampled_from(Kind), st.text("abc:@~", max_size=3))
OWNERS = st.sampled_from([None, "a", "b", "@", "~1"])


@given(TERMS, OWNERS, TERMS, OWNERS)
def test_no_two_terms_share_a_list(term: Term, owner: str | None, other: Term, other_owner: str | None) -> None:
    def place(term: Term, owner: str | None) -> tuple[str, str | None]:
        return term.partition(owner), term.word

    if (term.kind, term.value, owner) != (other.kind, other.value, other_owner):
        assert place(term, owner) != place(other, other_owner) or term.value == other.value == ""


DAY = 86_400_000
CREATED = ids.milliseconds(IMAGE.image_id)  # 22 February 2022


def test_a_list_is_spread_from_a_day_on(configured: Callable[..., None]) -> None:
    configured(SHARDS="tag:sea 2022-02-22 4; tag:sea 2030-01-01 8; title:dunes 2022-02-23 2")
    first, second = CREATED // DAY * DAY, 1_893_456_000_000
    found = terms.key_ranges(Term(Kind.TAG, "sea"), None, ANYTHING)
    assert found[0] == Range(Index.TERMS, "sea", None, 0, first)
    assert [(r.since, r.before) for r in found[1:]] == [(first, second)] * 4 + [(second, ids.END)] * 8
    assert len({r.partition for r in found[1:5]}) == 4
    # The shards that stay are the same ones.
    assert {r.partition for r in found[1:5]} < {r.partition for r in found[5:]}
    assert [r.since for r in terms.key_ranges(Term(Kind.TITLE, "dunes"), None, ANYTHING)] == [0, *[first + DAY] * 2]
    assert len(terms.key_ranges(EVERYTHING, None, ANYTHING)) == 1
    within = replace(ANYTHING, since=first - 5, before=first + 5)
    assert {(r.since, r.before) for r in terms.key_ranges(Term(Kind.TAG, "sea"), None, within)} == {
        (first - 5, first),
        (first, first + 5),
    }


@given(st.integers(0, 2**32 - 1), st.sampled_from([CREATED - 9 * DAY, CREATED, CREATED + 9 * DAY]))
def test_the_row_of_an_image_lies_in_one_range_of_its_term(end: int, created: int) -> None:
    image = replace(IMAGE, image_id=ids.smallest_id(created)[:-8] + f"{end:08x}")
    term = _Spread(Kind.TAG, "sea")
    key = terms.key(image, term)
    lies = [r for r in terms.key_ranges(term, None, ANYTHING) if r.partition == key.partition]
    assert sum(r.since <= created < r.before for r in lies) == 1


class _Spread(Term):
    """A term that is spread, whatever the settings: they can't change between examples."""

    def shards(self) -> tuple[tuple[int, int, int], ...]:
        return ((0, CREATED, 1), (CREATED, CREATED + DAY, 3), (CREATED + DAY, ids.END, 5))


def test_a_list_by_updates_has_those_that_were_updated_in_a_range_of_their_own() -> None:
    by_update = replace(ANYTHING, order=replace(ANYTHING.order, by_update=True))
    found = terms.key_ranges(Term(Kind.TITLE, "dunes"), "alice", by_update)
    assert found[1] == Range(Index.CHANGED_TERMS, "@alice\x1ftitle:dunes")
    assert found[1].partition == terms.key(PRIVATE, Term(Kind.TITLE, "dunes")).term


def test_an_image_matches_when_it_has_all_that_is_asked_for() -> None:
    image = replace(IMAGE, user_id="alice", tags=("Sea", "Sky"))
    assert terms.matches(image, ANYTHING)
    assert terms.matches(image, replace(ANYTHING, user_id="alice", tags=("sea", "sky")))
    assert terms.matches(image, replace(ANYTHING, any_tags=("sand", "sky")))
    assert not terms.matches(image, replace(ANYTHING, user_id="bob"))
    assert not terms.matches(image, replace(ANYTHING, tags=("sea", "sand")))
    assert not terms.matches(image, replace(ANYTHING, any_tags=("sand", "snow")))
    assert terms.matches(image, replace(ANYTHING, visibility=Visibility.PUBLIC))
    assert not terms.matches(image, replace(ANYTHING, visibility=Visibility.PRIVATE))
    assert terms.matches(image, replace(ANYTHING, content_type="image/jpeg", checksum="ab" * 32))
    assert not terms.matches(image, replace(ANYTHING, content_type="image/png"))
    assert not terms.matches(image, replace(ANYTHING, checksum="cd" * 32))
    assert terms.matches(image, replace(ANYTHING, since=CREATED, before=CREATED + 1))
    assert not terms.matches(image, replace(ANYTHING, since=CREATED + 1))
    assert not terms.matches(image, replace(ANYTHING, before=CREATED))


@pytest.mark.parametrize("field", ["title", "description", "filename"])
def test_each_word_of_a_filter_begins_a_word_of_the_field(field: str) -> None:
    def found(text: str, wanted: str) -> bool:
        has: dict[str, Any] = {field: text}
        asks: dict[str, Any] = {field: terms.words(wanted, Kind(field))}
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
    # Of both, as many words and characters count.
    many = " ".join(f"w{n}" for n in range(60))
    assert found(many, many)
    assert not found(many, "w59")
    assert found("x" * 50, "x" * 40)


def test_words_that_are_not_kept_are_not_found_wherever_the_image_is_met(configured: Callable[..., None]) -> None:
    configured(MAX_TITLE_WORDS="1")
    image = replace(IMAGE, title="sea side")
    assert terms.matches(image, replace(ANYTHING, title=("sea",)))
    assert not terms.matches(image, replace(ANYTHING, title=("side",)))

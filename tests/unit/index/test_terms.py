from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index import terms
from chalicelib.index.query import Order, Query, Time
from chalicelib.index.ranges import Index, Range
from chalicelib.index.terms import EVERYTHING, MAX_TAGS_AND_WORDS, Key, Kind, Term
from chalicelib.model import Visibility
from tests.unit.samples import IMAGE

NO_FILTERS = Query(limit=10)
PRIVATE = replace(IMAGE, visibility=Visibility.PRIVATE)


def test_folding_ignores_case_and_compatibility_forms() -> None:
    assert terms.fold("STRASSE") == terms.fold("straße") == "strasse"
    assert terms.fold("ＡＢＣ") == "abc"
    assert terms.fold("Caf\N{LATIN SMALL LETTER E WITH ACUTE}") == terms.fold("CAFE\N{COMBINING ACUTE ACCENT}")


@given(st.text())
def test_folding_twice_equals_folding_once(tag: str) -> None:
    assert terms.fold(terms.fold(tag)) == terms.fold(tag)


def test_an_image_has_terms_of_its_fields() -> None:
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


def test_all_rows_of_a_private_image_are_in_partitions_of_its_owner() -> None:
    assert Term(Kind.OWNER, "alice") not in terms.of(PRIVATE)
    assert {terms.key(PRIVATE, term).partition[:8] for term in terms.of(PRIVATE)} == {"\x1f@alice\x1f"}


def test_words_of_the_description_are_dropped_first() -> None:
    text = " ".join(f"w{n}" for n in range(50))
    image = replace(IMAGE, tags=tuple(f"t{n}" for n in range(25)), title=text, filename=text, description=text)
    image_terms = terms.of(image)
    counts = {kind: sum(term.kind is kind for term in image_terms) for kind in Kind}
    assert counts[Kind.TAG] + sum(counts[kind] for kind in Kind if kind.is_text) == MAX_TAGS_AND_WORDS
    assert (counts[Kind.TITLE], counts[Kind.FILENAME], counts[Kind.DESCRIPTION]) == (12, 4, 0)


@given(st.lists(st.text("abc ", max_size=9), max_size=30), st.text(max_size=300), st.sampled_from(Visibility))
def test_an_update_of_all_fields_fits_into_one_transaction(tags: list[str], text: str, visibility: Visibility) -> None:
    image = replace(IMAGE, tags=tuple(tags), title=text, description=text[::-1], filename=text, visibility=visibility)
    assert len(set(terms.of(image))) == len(terms.of(image)) <= 4 + MAX_TAGS_AND_WORDS
    assert 2 + 2 * (4 + MAX_TAGS_AND_WORDS) <= 100


def test_the_row_of_a_tag_has_the_key_of_contract_d() -> None:
    assert terms.key(IMAGE, Term(Kind.TAG, "sea")) == Key("sea", IMAGE.image_id, "tag:sea")


def test_words_with_the_same_first_letter_share_a_partition_in_alphabetical_order() -> None:
    keys = [terms.key(IMAGE, Term(Kind.TITLE, word)) for word in ("sun", "suna", "sunset")]
    assert {key.partition for key in keys} == {"\x1ftitle:s"}
    assert sorted(key.sort for key in keys) == [key.sort for key in keys]


TERMS = st.builds(Term, st.sampled_from(Kind), st.text("abc:@~", max_size=3))
OWNERS = st.sampled_from([None, "a", "b", "@", "~1"])


@given(TERMS, OWNERS, TERMS, OWNERS)
def test_two_terms_never_share_a_list(term: Term, owner: str | None, other: Term, other_owner: str | None) -> None:
    def location(term: Term, owner: str | None) -> tuple[str, str | None]:
        return term.partition(owner), term.word

    if (term.kind, term.value, owner) != (other.kind, other.value, other_owner):
        assert location(term, owner) != location(other, other_owner) or term.value == other.value == ""


DAY = 86_400_000
CREATED = ids.milliseconds(IMAGE.image_id)  # 22 February 2022


def test_a_list_has_shards_from_a_day_on(configured: Callable[..., None]) -> None:
    configured(SHARDS="tag:sea 2022-02-22 4; tag:sea 2030-01-01 8; title:dunes 2022-02-23 2")
    first, second = CREATED // DAY * DAY, 1_893_456_000_000
    key_ranges = terms.key_ranges(Term(Kind.TAG, "sea"), None, NO_FILTERS)
    assert key_ranges[0] == Range(Index.TERMS, "sea", None, 0, first)
    assert [(r.since, r.before) for r in key_ranges[1:]] == [(first, second)] * 4 + [(second, ids.END)] * 8
    assert len({r.partition for r in key_ranges[1:5]}) == 4
    # The first shards keep their partitions.
    assert {r.partition for r in key_ranges[1:5]} < {r.partition for r in key_ranges[5:]}
    assert [r.since for r in terms.key_ranges(Term(Kind.TITLE, "dunes"), None, NO_FILTERS)] == [0, *[first + DAY] * 2]
    assert len(terms.key_ranges(EVERYTHING, None, NO_FILTERS)) == 1
    within = replace(NO_FILTERS, since=first - 5, before=first + 5)
    assert {(r.since, r.before) for r in terms.key_ranges(Term(Kind.TAG, "sea"), None, within)} == {
        (first - 5, first),
        (first, first + 5),
    }


@given(st.integers(0, 2**32 - 1), st.sampled_from([CREATED - 9 * DAY, CREATED, CREATED + 9 * DAY]))
def test_the_row_of_an_image_is_in_exactly_one_range_of_its_term(end: int, created: int) -> None:
    image = replace(IMAGE, image_id=ids.smallest_id(created)[:-8] + f"{end:08x}")
    term = _ShardedTerm(Kind.TAG, "sea")
    key = terms.key(image, term)
    in_partition = [r for r in terms.key_ranges(term, None, NO_FILTERS) if r.partition == key.partition]
    assert sum(r.since <= created < r.before for r in in_partition) == 1


class _ShardedTerm(Term):
    """A term with shards. It ignores the settings, because they cannot change between examples."""

    def shards(self) -> tuple[tuple[int, int, int], ...]:
        return ((0, CREATED, 1), (CREATED, CREATED + DAY, 3), (CREATED + DAY, ids.END, 5))


def test_a_list_by_update_has_a_separate_range_for_updated_images() -> None:
    by_update = replace(NO_FILTERS, order=replace(NO_FILTERS.order, by=Time.UPDATED))
    key_ranges = terms.key_ranges(Term(Kind.TITLE, "dunes"), "alice", by_update)
    assert key_ranges[1] == Range(Index.CHANGED_TERMS, "@alice\x1ftitle:dunes")
    assert key_ranges[1].partition == terms.key(PRIVATE, Term(Kind.TITLE, "dunes")).term


def test_an_image_matches_if_it_passes_every_filter() -> None:
    image = replace(IMAGE, user_id="alice", tags=("Sea", "Sky"))
    assert terms.matches(image, NO_FILTERS)
    assert terms.matches(image, replace(NO_FILTERS, user_id="alice", tags=("sea", "sky")))
    assert terms.matches(image, replace(NO_FILTERS, any_tags=("sand", "sky")))
    assert not terms.matches(image, replace(NO_FILTERS, user_id="bob"))
    assert not terms.matches(image, replace(NO_FILTERS, tags=("sea", "sand")))
    assert not terms.matches(image, replace(NO_FILTERS, any_tags=("sand", "snow")))
    assert terms.matches(image, replace(NO_FILTERS, visibility=Visibility.PUBLIC))
    assert not terms.matches(image, replace(NO_FILTERS, visibility=Visibility.PRIVATE))
    assert terms.matches(image, replace(NO_FILTERS, content_type="image/jpeg", checksum="ab" * 32))
    assert not terms.matches(image, replace(NO_FILTERS, content_type="image/png"))
    assert not terms.matches(image, replace(NO_FILTERS, checksum="cd" * 32))
    assert terms.matches(image, replace(NO_FILTERS, since=CREATED, before=CREATED + 1))
    assert not terms.matches(image, replace(NO_FILTERS, since=CREATED + 1))
    assert not terms.matches(image, replace(NO_FILTERS, before=CREATED))


@pytest.mark.parametrize("field", ["title", "description", "filename"])
def test_each_word_of_a_filter_must_begin_a_word_of_the_field(field: str) -> None:
    def matches(text: str, words: str) -> bool:
        fields: dict[str, Any] = {field: text}
        filters: dict[str, Any] = {field: terms.words(words, Kind(field))}
        return terms.matches(replace(IMAGE, **fields), replace(NO_FILTERS, **filters))

    assert matches("Sunset at the sea", "SEA sun")
    assert matches("Crème brûlée", "creme BRU")
    assert matches("Creme brulee", "crème")
    assert matches("IMG_0001-beach.JPG", "beach.jpg img")
    assert matches("Straße", "STRASSE")
    assert matches("Москва, весна", "вес")
    assert not matches("Sunset at the sea", "set")
    assert not matches("Sunset at the sea", "sea side")
    assert not matches("", "sea")
    # The field and the filter have the same limits of words and characters.
    many = " ".join(f"w{n}" for n in range(60))
    assert matches(many, many)
    assert not matches(many, "w59")
    assert matches("x" * 50, "x" * 40)


def test_words_beyond_the_limit_do_not_match(configured: Callable[..., None]) -> None:
    configured(MAX_TITLE_WORDS="1")
    image = replace(IMAGE, title="sea side")
    assert terms.matches(image, replace(NO_FILTERS, title=("sea",)))
    assert not terms.matches(image, replace(NO_FILTERS, title=("side",)))


def test_a_list_by_time_taken_has_one_range_for_each_partition(configured: Callable[..., None]) -> None:
    configured(SHARDS="tag:sea 2022-02-22 2; tag:sea 2030-01-01 3")
    query = replace(NO_FILTERS, order=Order(by=Time.TAKEN), taken_since=-5, taken_before=9)
    assert terms.key_ranges(Term(Kind.TAG, "sea"), None, query) == tuple(
        Range(Index.TAKEN_TERMS, partition, None, -5, 9)
        for partition in ("sea", *(f"\x1f~{n}\x1fsea" for n in range(3)))
    )
    # Images that were created before the first shards are in one partition.
    assert len(terms.key_ranges(Term(Kind.TAG, "sea"), None, replace(query, before=CREATED // DAY * DAY))) == 1
    [of_word] = terms.key_ranges(Term(Kind.TITLE, "dunes"), "alice", replace(NO_FILTERS, order=Order(by=Time.TAKEN)))
    assert of_word == Range(Index.TAKEN_TERMS, "\x1f@alice\x1f\x1ftitle:d", "dunes", ids.START, ids.END)


def test_an_image_matches_a_range_of_time_taken_by_its_creation_if_the_time_is_not_known() -> None:
    created = replace(NO_FILTERS, taken_since=CREATED, taken_before=CREATED + 1)
    assert terms.matches(IMAGE, created)
    assert not terms.matches(IMAGE, replace(NO_FILTERS, taken_since=CREATED + 1))
    assert not terms.matches(IMAGE, replace(NO_FILTERS, taken_before=CREATED))
    old = replace(IMAGE, taken_at="1950-01-01T00:00:00.000Z")
    assert not terms.matches(old, created)
    assert terms.matches(old, replace(NO_FILTERS, taken_before=0))
    assert not terms.matches(old, replace(NO_FILTERS, taken_since=0))


def test_each_word_of_a_search_must_be_a_whole_word_or_a_tag() -> None:
    image = replace(
        IMAGE, title="Sunset dunes", description="At the café", filename="IMG_1.jpg", tags=("Été", "low tide")
    )

    def matches(search: str) -> bool:
        return terms.matches(image, replace(NO_FILTERS, words=terms.query_words(search)))

    assert all(map(matches, ("SUNSET", "dunes sunset", "cafe", "Café img", "1 jpg", "été", "E\u0301te\u0301 dunes")))
    assert not any(map(matches, ("sun", "sunset sea", "reef", "7", "ete", "gif")))


def test_a_search_finds_only_words_that_are_indexed(configured: Callable[..., None]) -> None:
    configured(MAX_TITLE_WORDS="1", MAX_FILENAME_WORDS="0")
    image = replace(IMAGE, title="sea side", filename="side.jpg", description="")
    [sea, side] = terms.query_words("sea side")
    assert terms.matches(image, replace(NO_FILTERS, words=(sea,)))
    assert not terms.matches(image, replace(NO_FILTERS, words=(side,)))
    assert [term.name for term in terms.alternatives(side)] == ["title:side", "description:side", "tag:side"]


def test_a_word_that_is_longer_than_a_tag_can_be_is_searched_in_texts_only(configured: Callable[..., None]) -> None:
    configured(MAX_TITLE_WORDS="1", MAX_FILENAME_WORDS="0", MAX_WORD_CHARS="4", MAX_TAG_CHARS="7")
    [seven] = terms.query_words("abcdefg")
    [eight] = terms.query_words("abcdefgh")
    texts = ["title:abcd", "description:abcd"]
    assert [term.name for term in terms.alternatives(seven)] == [*texts, "tag:abcdefg", "tag:abcd"]
    assert [term.name for term in terms.alternatives(eight)] == [*texts, "tag:abcd"]

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.ranges import Index
from chalicelib.index.terms import Kind, Term
from chalicelib.lists import prefixes
from chalicelib.lists.plan import Prefix
from tests.unit.tables import Table, row

SUN = Prefix(Term(Kind.TITLE, "sun"), None)


def titled(words: dict[str, int]) -> Table:
    """So many images of each word of a title."""
    table = Table()
    made = [(word, ids.smallest_id(1_700_000_000_000 + n)) for word, count in words.items() for n in range(count)]
    rows = ((ranges.sort_key(word, image_id), row(image_id, word)) for word, image_id in made)
    table.put(Index.TERMS, "\x1ftitle:s", rows)
    return table


def test_a_word_that_begins_no_other_costs_one_read() -> None:
    table = titled({"sun": 100, "sea": 100, "surf": 100})
    found = prefixes.words(SUN, table.read, 21, 8)
    assert found is not None
    assert {word: (len(chunk.rows), chunk.after is None) for word, chunk in found.items()} == {"sun": (21, False)}
    assert len(table.reads) == 1


def test_words_are_skipped_through_from_one_to_the_next() -> None:
    table = titled({"sun": 100, "sunday": 5, "sunset": 1000, "sunsets": 3, "sea": 9})
    found = prefixes.words(SUN, table.read, 21, 8)
    assert found is not None
    assert list(found) == ["sunsets", "sunset", "sunday", "sun"]
    assert [len(chunk.rows) for chunk in found.values()] == [3, 18, 5, 16]
    assert len(table.reads) == 2


def test_too_many_words_are_given_up() -> None:
    table = titled({f"sun{n:03}": 30 for n in range(100)})
    assert prefixes.words(SUN, table.read, 21, 8) is None
    assert len(table.reads) <= 9
    assert prefixes.words(SUN, titled({f"sun{n:03}": 1 for n in range(9)}).read, 21, 8) is None
    assert prefixes.words(SUN, titled({}).read, 21, 8) == {}


@given(st.dictionaries(st.text("sune", min_size=1, max_size=5), st.integers(1, 9), max_size=8), st.integers(1, 30))
def test_all_words_are_found_with_the_newest_rows_of_each(words: dict[str, int], rows: int) -> None:
    table = titled(words)
    wanted = {word: count for word, count in words.items() if word.startswith("s")}
    found = prefixes.words(Prefix(Term(Kind.TITLE, "s"), None), table.read, rows, 100)
    assert found is not None
    assert {word for word in found if found[word].rows} <= wanted.keys() == found.keys()
    for word, chunk in found.items():
        newest = [ids.smallest_id(1_700_000_000_000 + n) for n in range(wanted[word])][::-1]
        assert [each.image_id for each in chunk.rows] == newest[: len(chunk.rows)]
        assert chunk.after is not None or len(chunk.rows) == wanted[word]

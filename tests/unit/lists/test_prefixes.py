from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.query import Order, Time
from chalicelib.index.ranges import Index
from chalicelib.index.terms import Kind, Term
from chalicelib.lists import prefixes
from chalicelib.lists.plan import Prefix
from tests.unit.tables import Table, row

SUN = Prefix(Term(Kind.TITLE, "sun"), None)


def titled(words: dict[str, int]) -> Table:
    """Return a table with this many images for each word of a title."""
    table = Table()
    images = [(word, ids.smallest_id(1_700_000_000_000 + n)) for word, count in words.items() for n in range(count)]
    rows = ((ranges.sort_key(word, image_id), row(image_id, word)) for word, image_id in images)
    table.put(Index.TERMS, "\x1ftitle:s", rows)
    return table


def test_a_prefix_of_a_single_word_takes_one_read() -> None:
    table = titled({"sun": 100, "sea": 100, "surf": 100})
    chunks = prefixes.words(SUN, Order(), table.read, 21, 8)
    assert chunks is not None
    assert {word: (len(chunk.rows), chunk.after is None) for word, chunk in chunks.items()} == {"sun": (21, False)}
    assert len(table.reads) == 1


def test_reads_skip_from_one_word_to_the_next() -> None:
    table = titled({"sun": 100, "sunday": 5, "sunset": 1000, "sunsets": 3, "sea": 9})
    chunks = prefixes.words(SUN, Order(), table.read, 21, 8)
    assert chunks is not None
    assert list(chunks) == ["sunsets", "sunset", "sunday", "sun"]
    assert [len(chunk.rows) for chunk in chunks.values()] == [3, 18, 5, 16]
    assert len(table.reads) == 2


def test_too_many_words_give_none() -> None:
    table = titled({f"sun{n:03}": 30 for n in range(100)})
    assert prefixes.words(SUN, Order(), table.read, 21, 8) is None
    assert len(table.reads) <= 9
    assert prefixes.words(SUN, Order(), titled({f"sun{n:03}": 1 for n in range(9)}).read, 21, 8) is None
    assert prefixes.words(SUN, Order(), titled({}).read, 21, 8) == {}


@given(st.dictionaries(st.text("sune", min_size=1, max_size=5), st.integers(1, 9), max_size=8), st.integers(1, 30))
def test_every_word_is_returned_with_its_newest_rows(words: dict[str, int], rows: int) -> None:
    table = titled(words)
    expected = {word: count for word, count in words.items() if word.startswith("s")}
    chunks = prefixes.words(Prefix(Term(Kind.TITLE, "s"), None), Order(), table.read, rows, 100)
    assert chunks is not None
    assert {word for word in chunks if chunks[word].rows} <= expected.keys() == chunks.keys()
    for word, chunk in chunks.items():
        newest = [ids.smallest_id(1_700_000_000_000 + n) for n in range(expected[word])][::-1]
        assert [each.image_id for each in chunk.rows] == newest[: len(chunk.rows)]
        assert chunk.after is not None or len(chunk.rows) == expected[word]


def test_in_the_order_of_time_taken_each_word_has_the_pictures_that_were_taken_last() -> None:
    table = Table()
    for word in ("sun", "sunset"):
        for n in range(30):  # the picture of the oldest image was taken last
            image_id = ids.smallest_id(1_700_000_000_000 + n)
            taken = ranges.time_key(ids.timestamp_of(-n), image_id)
            each = row(image_id, word, taken=taken)
            table.put(Index.TAKEN_TERMS, "\x1ftitle:s", [(ranges.sort_key(word, taken), each)])
    chunks = prefixes.words(SUN, Order(by=Time.TAKEN), table.read, 21, 8)
    assert chunks is not None
    assert list(chunks) == ["sunset", "sun"]
    assert [each.image_id for each in chunks["sun"].rows] == [
        ids.smallest_id(1_700_000_000_000 + n) for n in range(len(chunks["sun"].rows))
    ]
    assert len(table.reads) == 2

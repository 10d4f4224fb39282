"""The words that begin with a prefix, found by skipping from one to the next."""

from chalicelib.index import ranges
from chalicelib.index.rows import Chunk
from chalicelib.lists.merge import Reader
from chalicelib.lists.plan import Prefix


def words(prefix: Prefix, read: Reader, rows: int, most: int) -> dict[str, Chunk] | None:
    """Each word of a prefix, with its newest rows; None where there are more than `most`.

    One call where the prefix is itself the only word; else about one for each word that has more images than are read
    at once. A partition of words is sorted by word, then by image.
    """
    found: dict[str, Chunk] = {}
    below: str | None = None
    while len(found) <= most:
        chunk = read(ranges.words(prefix.partition, prefix.term.value, below), rows)
        for word in dict.fromkeys(row.word for row in chunk.rows):
            found[word] = Chunk(tuple(row for row in chunk.rows if row.word == word), None, 0)
        below = None if chunk.after is None else ranges.word_of(chunk.after)
        if below is None:
            return found if len(found) <= most else None
        found[below] = Chunk(found[below].rows if below in found else (), chunk.after, 0)
        if below == prefix.term.value:  # the first of its words in the order of the alphabet
            return found
    return None

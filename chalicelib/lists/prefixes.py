"""The words with a prefix, found by a skip scan of their partition.

A partition of words is sorted by word, then by the key of an order. It is read in descending order, and a read that
begins below a word skips the remaining rows of this word. The module makes no calls of its own: the caller passes the
function that reads rows.
"""

from collections.abc import Callable

from chalicelib.index import ranges
from chalicelib.index.query import Order
from chalicelib.index.ranges import Bounds
from chalicelib.index.rows import Chunk
from chalicelib.lists.plan import Prefix

Reader = Callable[[Bounds, int], Chunk]  # from bounds and the maximum number of rows


def words(prefix: Prefix, order: Order, read: Reader, rows: int, max_words: int) -> dict[str, Chunk] | None:
    """Return each word with a prefix and its newest rows; None if there are more than `max_words` words.

    In the order of time taken, these are the pictures that were taken last; in each other order, the last images.

    One call if the prefix itself is the only word. Otherwise about one call for each word that has more images than one
    read returns. `rows` is the maximum of one read.
    """
    chunks: dict[str, Chunk] = {}
    below: str | None = None
    while len(chunks) <= max_words:
        chunk = read(ranges.word_bounds(prefix.index(order), prefix.partition, prefix.term.value, below), rows)
        for word in dict.fromkeys(row.word for row in chunk.rows):
            chunks[word] = Chunk(tuple(row for row in chunk.rows if row.word == word), None, 0)
        below = None if chunk.after is None else ranges.word_of(chunk.after)
        if below is None:
            return chunks if len(chunks) <= max_words else None
        chunks[below] = Chunk(chunks[below].rows if below in chunks else (), chunk.after, 0)
        if below == prefix.term.value:  # the prefix itself sorts before all other words: there are no more words
            return chunks
    return None

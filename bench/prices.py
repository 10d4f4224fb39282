"""Compute the write units of an upload by its tags and words, and what a million uploads cost.

Prices of on-demand tables in us-east-1 since 1 November 2024 (https://aws.amazon.com/dynamodb/pricing/on-demand/).
"""

from dataclasses import replace

from bench import album
from chalicelib.model import Image, Visibility
from chalicelib.stores import catalog, records
from chalicelib.stores.dynamodb import Attributes

DOLLARS_A_WRITE_UNIT = 0.625 / 1e6
DOLLARS_A_READ_UNIT = 0.125 / 1e6

_TAGS = (0, 1, 3, 5, 10)
_WORDS = ((0, 0, 0), (0, 0, 3), (4, 0, 3), (4, 8, 3), (12, 12, 6))  # words of title, description and filename
_WRITE_UNIT = 1024  # bytes


def main() -> None:
    """Print a table in Markdown."""
    print(f"| words of title, description, filename | {' | '.join(f'{tags} tags' for tags in _TAGS)} |")
    print("|---|" + "---|" * len(_TAGS))
    for words in _WORDS:
        units = [write_units(sample(tags, *words)) for tags in _TAGS]
        cells = [f"{each} (${each * DOLLARS_A_WRITE_UNIT * 1e6:.2f})" for each in units]
        print(f"| {', '.join(map(str, words))} | {' | '.join(cells)} |")


def write_units(image: Image) -> int:
    """Return the write units of an upload's transaction on AWS.

    Each item counts twice, to prepare and to commit it (Developer Guide, "transactions: capacity"). Its copies in the
    indexes are written after the transaction, and count once: the record's in user_id-index and user_id-taken-index,
    and the rows' in tag-taken-index.
    """
    put, *rows = [_units(write["Put"]["Item"]) for write in (catalog.put(image), *catalog.row_writes(None, image))]
    change = 3 if image.tags else 0  # tag_counts: one item, and its copy in queue-index
    return 2 * (put + sum(rows)) + 2 * put + sum(rows) + change


def _units(item: Attributes) -> int:
    return -(-records.size(item) // _WRITE_UNIT)


def sample(tags: int, title: int, description: int, filename: int) -> Image:
    """Return a public image with the given numbers of tags and words."""
    words = album.WORDS
    return replace(
        album.image(0),
        tags=tuple(album.TAGS[:tags]),
        title=" ".join(words[:title]),
        description=" ".join(words[:description]),
        filename="_".join(words[:filename]),
        visibility=Visibility.PUBLIC,
    )


if __name__ == "__main__":
    main()

"""Values of the use cases of items."""

from dataclasses import dataclass
from typing import Any

from chalicelib import ids
from chalicelib.model import ESCAPED

# The fields that the service adds to an item's document in an answer. A document cannot have them.
ITEM_NAMES = ("id", "item_id", "created_at", "updated_at", "version")

Document = dict[str, Any]  # a JSON object


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A JSON document."""

    item_id: str  # a UUIDv7
    user_id: str  # the owner
    text: str  # the document as JSON, without white space
    updated_at: str  # RFC 3339, UTC
    version: int = 1  # increases with each write

    @property
    def document(self) -> Document:
        """The document, parsed from its text."""
        import orjson

        document: Document = orjson.loads(self.text)
        return document

    @property
    def created_at(self) -> str:
        """Time of creation: RFC 3339, UTC."""
        return ids.created_at(self.item_id)

    @property
    def answer_bytes(self) -> int:
        """The most bytes that the item takes in an answer; see Image.answer_bytes. Its text is escaped once already."""
        return 300 + len(self.text.encode()) + len(ESCAPED.findall(self.text))


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """A request for a page of items, newest first."""

    limit: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One page of items."""

    items: tuple[Item, ...]  # newest first, at most the query's limit
    cursor: str | None  # opaque, for the next page; None: this is the last page

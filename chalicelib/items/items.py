"""The use cases of generic items: create, view, list, update and delete a JSON document. Anyone may read them."""

import time
from dataclasses import replace

from chalicelib import access, ids
from chalicelib.config import settings
from chalicelib.errors import BadInput, NotFound, PreconditionFailed, TooLarge, Unavailable
from chalicelib.items import store
from chalicelib.lists import cursors
from chalicelib.lists.cursors import Position
from chalicelib.model import Caller, Document, Item, ItemPage, ItemQuery
from chalicelib.stores import catalog

_CURSORS_OF = "items"
_NOBODY = "anonymous"  # whose an item is where no caller is named
_TRIES = 12


def create(caller: Caller, document: Document) -> Item:
    """Keep a document: one call.

    Raises BadInput: the caller's name is too long. Raises Unauthorized, TooLarge.
    """
    owner = caller.user_id or _NOBODY
    access.check_owner(caller, owner)
    if len(owner) > settings().max_user_id_chars:
        raise BadInput(f"user_id has more than {settings().max_user_id_chars} characters, which is the limit.")
    item_id = ids.new_id()
    item = Item(item_id=item_id, user_id=owner, text=_text(document), updated_at=ids.created_at(item_id))
    store.put(item)
    return item


def view(item_id: str) -> Item:
    """An item: one call.

    Raises NotFound.
    """
    item = store.get(item_id) if ids.is_id(item_id) else None
    if item is None:
        raise NotFound(item_id, "item")
    return item


def list_items(query: ItemQuery) -> ItemPage:
    """A page of all items, newest first: one call for each MB.

    It is shorter than the query's limit, and has a cursor, where it would be longer than MAX_PAGE_BYTES.
    Raises BadInput: the cursor isn't this list's.
    """
    key = settings().cursor_key
    after = cursors.decode(query.cursor, _CURSORS_OF, 1, key).place if query.cursor is not None else None
    page: list[Item] = []
    size = 0
    for item in store.newest_first(after, query.limit + 1):
        size += item.answer_bytes
        if len(page) == query.limit or (page and size > settings().max_page_bytes):
            # With this item the next page begins.
            return ItemPage(
                tuple(page), cursors.encode(Position(0, page[-1].item_id), _CURSORS_OF, key, settings().cursor_seconds)
            )
        page.append(item)
    return ItemPage(tuple(page), None)


def update(caller: Caller, item_id: str, fields: Document, *, if_match: frozenset[int] | None) -> Item:
    """Set fields of an item's document and leave the others: a read, and a put if nothing changed in between.

    Raises NotFound, Unauthorized, Forbidden, TooLarge.
    Raises PreconditionFailed: the item's version is not in `if_match` (None: any will do).
    """
    changed = None
    for attempt in range(_TRIES):
        item = view(item_id)
        if item == changed:
            # The put was answered, the answer was lost, and its repetition found it done (RFC 9110 section 13.1.1).
            return item
        _check_change(caller, item, if_match)
        changed = replace(
            item,
            text=_text({**item.document, **fields}),
            updated_at=ids.timestamp(time.time()),
            version=item.version + 1,
        )
        if store.replace(item, by=changed):
            return changed
        catalog.pause(attempt)
    raise Unavailable("The item is being changed by other requests; try again in a moment.")


def delete(caller: Caller, item_id: str, *, if_match: frozenset[int] | None) -> None:
    """Delete an item: a read, and a deletion if nothing changed in between.

    Raises NotFound, Unauthorized, Forbidden.
    Raises PreconditionFailed: the item's version is not in `if_match` (None: any will do).
    """
    for attempt in range(_TRIES):
        item = view(item_id)
        _check_change(caller, item, if_match)
        if store.delete(item):
            return
        catalog.pause(attempt)
    raise Unavailable("The item is being changed by other requests; try again in a moment.")


def _check_change(caller: Caller, item: Item, if_match: frozenset[int] | None) -> None:
    access.check_owner(caller, item.user_id)
    if if_match is not None and item.version not in if_match:
        raise PreconditionFailed(item.version)


def _text(document: Document) -> str:
    import orjson

    text = orjson.dumps(document)
    if len(text) > settings().max_item_bytes:
        raise TooLarge("The item", settings().max_item_bytes, "bytes of JSON", "MAX_ITEM_BYTES")
    return text.decode()

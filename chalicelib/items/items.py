"""The use cases of items: create, view, list, update and delete a JSON document. Everyone may read items."""

from dataclasses import replace
from functools import partial

from chalicelib import access, ids
from chalicelib.config import settings
from chalicelib.errors import NotFound, PreconditionFailed, TooLarge
from chalicelib.items import store
from chalicelib.items.model import Document, Item, ItemPage, ItemQuery
from chalicelib.lists import cursors
from chalicelib.lists.cursors import Cursor
from chalicelib.model import Caller
from chalicelib.stores import dynamodb, idempotency
from chalicelib.stores.dynamodb import Attributes, Write
from chalicelib.stores.model import KeyedRequest
from chalicelib.stores.secrets import secrets

_CURSORS_OF = "items"
_NOBODY = "anonymous"  # the owner of an item whose creator is not known
_CONTENDED = "The item is being changed by other requests; try again in a moment."


def create(caller: Caller, document: Document) -> Item:
    """Store a document: one call.

    Raises Unauthorized, TooLarge.
    """
    owner = caller.user_id or _NOBODY
    access.check_owner(caller, owner)
    item_id = ids.new_id()
    item = Item(item_id=item_id, user_id=owner, text=_text(document), updated_at=ids.created_at(item_id))
    store.put(item)
    return item


def view(item_id: str) -> Item:
    """Return an item: one call.

    Raises NotFound.
    """
    item = store.get(item_id) if ids.is_id(item_id) else None
    if item is None:
        raise NotFound(item_id, "item")
    return item


def list_items(query: ItemQuery) -> ItemPage:
    """Return a page of all items, newest first: one call for each MB.

    A page that would be longer than MAX_PAGE_BYTES is shorter than its limit and has a cursor.
    Raises BadInput: the cursor is not one of this list.
    """
    keys = secrets().cursor_keys
    after = cursors.decode(query.cursor, _CURSORS_OF, 1, keys).position if query.cursor is not None else None
    page: list[Item] = []
    size = 0
    for item in store.newest_first(after, query.limit + 1):
        size += item.answer_bytes
        if len(page) == query.limit or (page and size > settings().max_page_bytes):
            # The next page begins with this item.
            cursor = cursors.encode(Cursor(0, page[-1].item_id), _CURSORS_OF, keys[0], settings().cursor_seconds)
            return ItemPage(tuple(page), cursor)
        page.append(item)
    return ItemPage(tuple(page), None)


def update(
    caller: Caller,
    item_id: str,
    fields: Document,
    *,
    if_match: frozenset[int] | None,
    idempotency_key: str | None = None,
) -> Item:
    """Set fields of an item's document and keep the others: a read, and a write if nothing changed in between.

    An idempotency key costs one read more, and the write becomes a transaction of two. The same request with the same
    key changes nothing, and returns what it returned first.
    Raises NotFound, Unauthorized, Forbidden, TooLarge. Raises Conflict: the key was used for another request.
    Raises PreconditionFailed: the item's version is not in `if_match` (None: any version).
    """
    keyed = idempotency.of_record(item_id, idempotency_key, ["PUT", _text(fields)]) if idempotency_key else None
    written: Item | None = None

    def attempt() -> Item:
        nonlocal written
        item = view(item_id)
        if item == written:
            # The write succeeded, its answer was lost, and its repetition found it done (RFC 9110 section 13.1.1).
            return item
        access.check_owner(caller, item.user_id)
        if done := idempotency.find(keyed):
            return _result_of(done)
        _check_version(item, if_match)
        written = replace(
            item,
            text=_text({**item.document, **fields}),
            updated_at=ids.now(),
            version=item.version + 1,
        )
        store.replace(item, by=written, also=_record_of(keyed, written))
        return written

    return dynamodb.retried(attempt, _CONTENDED)


def delete(
    caller: Caller, item_id: str, *, if_match: frozenset[int] | None, idempotency_key: str | None = None
) -> None:
    """Delete an item: a read, and a deletion if nothing changed in between.

    An idempotency key costs as much as for an update. The same request with the same key succeeds again.
    Raises NotFound, Unauthorized, Forbidden. Raises Conflict: the key was used for another request.
    Raises PreconditionFailed: the item's version is not in `if_match` (None: any version).
    """
    keyed = idempotency.of_record(item_id, idempotency_key, ["DELETE"]) if idempotency_key else None
    try:
        dynamodb.retried(partial(_delete, caller, item_id, if_match, keyed), _CONTENDED)
    except NotFound:
        if not (keyed and _was_deleted(caller, keyed)):
            raise


def _delete(caller: Caller, item_id: str, if_match: frozenset[int] | None, keyed: KeyedRequest | None) -> None:
    item = view(item_id)
    access.check_owner(caller, item.user_id)
    idempotency.find(keyed)
    _check_version(item, if_match)
    # The key keeps none of the document, which is deleted.
    store.delete(item, also=_record_of(keyed, replace(item, text="{}")))


def _was_deleted(caller: Caller, keyed: KeyedRequest) -> bool:
    """Whether the same request deleted an item before: one call.

    Raises Conflict: the key was used for another request.
    """
    done = idempotency.get(keyed)
    if done is None or not access.owns(caller, _result_of(done).user_id):
        return False
    idempotency.check(keyed, done)
    return True


def _record_of(keyed: KeyedRequest | None, result: Item) -> Write | None:
    return idempotency.put(keyed, {"item": {"M": store.to_attributes(result)}}) if keyed else None


def _result_of(done: Attributes) -> Item:
    return store.from_attributes(done["item"]["M"])


def _check_version(item: Item, if_match: frozenset[int] | None) -> None:
    if if_match is not None and item.version not in if_match:
        raise PreconditionFailed(item.version)


def _text(document: Document) -> str:
    import orjson

    text = orjson.dumps(document)
    if len(text) > settings().max_item_bytes:
        raise TooLarge("The item", settings().max_item_bytes, "bytes of JSON", "MAX_ITEM_BYTES")
    return text.decode()

"""The use cases: upload, list, view and delete images, and mend what a crash left of them."""

import hashlib
import logging
import time
from dataclasses import replace

from chalicelib import access, catalog, cursors, ids, objects, pictures, terms
from chalicelib.config import settings
from chalicelib.cursors import Position
from chalicelib.errors import NotFound, Unavailable
from chalicelib.model import (
    Caller,
    Image,
    ObjectCreated,
    Page,
    Query,
    Row,
    State,
    Stores,
    Upload,
    View,
    Visibility,
)

log = logging.getLogger("images-api")

_MOST_ROWS = 1_000  # of one read

_DELETE_TRIES = 5


class TooEarly(Exception):
    """It can't be known yet whether an object is left over: S3's event is to be delivered again later."""


def upload(caller: Caller, upload: Upload) -> Image:
    """Keep an image: one S3 put, then one transaction of its record and terms.

    Put before the transaction: an object without a record can be found by its event; a record without an object
    can't be seen to be wrong.
    """
    access.check_owner(caller, upload.user_id)
    picture = pictures.identify(upload.file)
    digest = hashlib.sha256(upload.file)
    image_id = ids.new_id()
    image = Image(
        image_id=image_id,
        user_id=upload.user_id,
        title=upload.title,
        description=upload.description,
        tags=upload.tags,
        filename=upload.filename,
        content_type=picture.content_type,
        size=len(upload.file),
        checksum=digest.hexdigest(),
        width=picture.width,
        height=picture.height,
        visibility=upload.visibility,
        updated_at=ids.created_at(image_id),
    )
    objects.put(image.s3_key, upload.file, image.content_type, digest.digest())
    try:
        catalog.commit([catalog.put(image), *(catalog.put_row(image, term) for term in terms.of(image))])
    except catalog.Changed:  # reap() was here
        raise Unavailable("The upload took too long; send it again.") from None
    return image


def list_images(caller: Caller, query: Query) -> Page:
    """A page of what a query finds and the caller may see.

    One call where one list answers. Of several lists, the first chunk of each shows which is the rarest; it is read
    on, and its images are filtered by the rest. At most MAX_PAGE_READS reads: then the page is shorter, with a cursor.
    """
    sources = terms.sources(query)
    size = min(query.limit + 1, _MOST_ROWS)
    if query.cursor is None:
        chunks = [catalog.read(source, None, size) for source in sources]
        driver = terms.rarest(chunks)
        chunk, reads, read_units = chunks[driver], len(chunks), sum(chunk.read_units for chunk in chunks)
    else:
        position = cursors.decode(query.cursor, query, settings().cursor_key)
        driver = position.source
        chunk = catalog.read(sources[driver], position.image_id, size)
        reads, read_units = 1, chunk.read_units

    found: list[Image] = []
    while True:
        images, calls, used = _visible(caller, chunk.rows)
        found += [image for image in images if terms.matches(image, query)]
        reads, read_units = reads + calls, read_units + used
        if chunk.end or len(found) > query.limit or reads >= settings().max_page_reads:
            break
        size = min(2 * size, _MOST_ROWS)
        chunk = catalog.read(sources[driver], chunk.rows[-1].image_id, size)
        reads, read_units = reads + 1, read_units + chunk.read_units

    if len(found) > query.limit:
        last = found[query.limit - 1].image_id
    else:
        last = "" if chunk.end else chunk.rows[-1].image_id
    return Page(
        images=tuple(found[: query.limit]),
        cursor=cursors.encode(Position(driver, last), query, settings().cursor_key) if last else None,
        reads=reads,
        read_units=read_units,
    )


def view(caller: Caller, image_id: str, *, download: bool) -> View:
    """An image with a presigned URL of its original: as an attachment under its own name where `download`.

    One call; a second one, consistent, before an id is said to be unknown: it may have been written just now.
    Raises NotFound: no such image for this caller.
    """
    image = _find(image_id) or _find(image_id, consistent=True)
    if image is None or image.state is not State.READY or not access.may_see(caller, image.user_id, image.visibility):
        raise NotFound(image_id)
    name = image.filename or image.image_id + pictures.EXTENSIONS[image.content_type]
    expires_in = settings().presigned_url_expiration
    disposition = objects.attachment(name) if download else None
    return View(image, objects.presign(image.s3_key, expires_in, disposition), expires_in)


def delete(caller: Caller, image_id: str) -> Image:
    """Delete an image: first from every list and view, in one transaction; then its bytes; then its record.

    A crash in between leaves a record in state DELETING, which a repeated call or sweep() finishes.
    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    """
    for _ in range(_DELETE_TRIES):
        image = _find(image_id, consistent=True)
        if image is None:
            raise NotFound(image_id)
        access.check_change(caller, image)
        if image.state is State.READY:
            deleting = replace(
                image, state=State.DELETING, version=image.version + 1, updated_at=ids.timestamp(time.time())
            )
            rows = [catalog.delete_row(image, term) for term in terms.of(image)]
            try:
                catalog.commit([catalog.replace(image, by=deleting), *rows])
            except catalog.Changed:
                continue
        _finish_delete(image)
        return image
    raise Unavailable("The image is being changed by other requests; try again in a moment.")


def reap(created: ObjectCreated) -> None:
    """Remove an object whose upload never wrote its record. Safe to run twice.

    Its id is claimed first, so that an upload that has slept (a closed laptop) can't write the record any more;
    sweep() removes the claim, long after.
    Raises TooEarly: the upload may still be under way.
    """
    user_id, _, image_id = created.key.rpartition("/")
    if not user_id or not ids.is_id(image_id):
        log.warning("An object that is no original lies in the bucket: %r", created.key)
        return
    if catalog.get(image_id, consistent=True) is not None:
        return
    if time.time() - created.written_at <= settings().api_timeout_seconds:
        raise TooEarly(image_id)
    claim = Image(
        image_id=image_id,
        user_id=user_id,
        title="",
        description="",
        tags=(),
        filename="",
        content_type="",
        size=0,
        checksum="",
        width=0,
        height=0,
        visibility=Visibility.PRIVATE,
        updated_at=ids.timestamp(time.time()),
        state=State.DELETING,
    )
    try:
        catalog.commit([catalog.put(claim)])
    except catalog.Changed:
        return
    objects.delete(claim.s3_key)
    log.info("Removed the object of an upload that never finished: %s", image_id)


def sweep() -> int:
    """Finish the deletions that a crash left half done: those older than SWEEP_AFTER_SECONDS, at most 1,000 a run.

    Returns how many. Safe to run twice, and while they are being finished by others.
    """
    before = ids.timestamp(time.time() - settings().sweep_after_seconds)
    left = catalog.unfinished(State.DELETING, before, _MOST_ROWS)
    for image_id in left:
        if image := catalog.get(image_id, consistent=True):
            _finish_delete(image)
    return len(left)


def health() -> Stores:
    """Whether both stores answer: two calls."""
    return Stores(s3=objects.answers(), dynamodb=catalog.answers())


def _find(image_id: str, *, consistent: bool = False) -> Image | None:
    return catalog.get(image_id, consistent=consistent) if ids.is_id(image_id) else None


def _finish_delete(image: Image) -> None:
    objects.delete(image.s3_key)
    catalog.forget(image.image_id)


def _visible(caller: Caller, rows: tuple[Row, ...]) -> tuple[list[Image], int, float]:
    """The images of rows that a caller may see; the calls and units it took to fetch those that rows don't carry.

    A row whose record is gone is passed over.
    """
    seen = [row for row in rows if access.may_see(caller, row.user_id, row.visibility)]
    fetched, calls, read_units = catalog.fetch([row.image_id for row in seen if row.image is None])
    images = (row.image or fetched.get(row.image_id) for row in seen)
    return [image for image in images if image and image.state is State.READY], calls, read_units

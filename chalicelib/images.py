"""The use cases of one image: upload, view and delete it, and mend what a crash left of it."""

import hashlib
import logging
import time
from dataclasses import replace

from chalicelib import access, catalog, ids, objects, pictures, terms
from chalicelib.config import settings
from chalicelib.errors import NotFound, Unavailable
from chalicelib.model import Caller, Image, ObjectCreated, State, Stores, Upload, View, Visibility

log = logging.getLogger("images-api")

_SWEPT_AT_ONCE = 1_000

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


def view(caller: Caller, image_id: str, *, download: bool) -> View:
    """An image with a presigned URL of its original: as an attachment under its own name where `download`.

    One call; a second one, consistent, before an id is said to be unknown: it may have been written just now.
    Raises NotFound: no such image for this caller.
    """
    image = _find(image_id) or _find(image_id, consistent=True)
    if image is None or image.state is not State.READY or not access.may_see(caller, image.user_id, image.visibility):
        raise NotFound(image_id)
    expires_in = settings().presigned_url_expiration
    disposition = objects.attachment(_saved_as(image)) if download else None
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
        if image.state is not State.DELETING:
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
    # An object that is gone was deleted with its record.
    if catalog.get(image_id, consistent=True) is not None or not objects.exists(created.key):
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


def sweep() -> None:
    """Finish the deletions that a crash left half done: those older than SWEEP_AFTER_SECONDS, at most 1,000 a run.

    Safe to run twice, and while they are being finished by others.
    """
    before = ids.timestamp(time.time() - settings().sweep_after_seconds)
    for image_id in catalog.unfinished(State.DELETING, before, _SWEPT_AT_ONCE):
        image = catalog.get(image_id, consistent=True)
        if image and image.state is State.DELETING:  # the index is behind the records
            _finish_delete(image)
            log.info("Finished the deletion of %s", image_id)


def health() -> Stores:
    """Whether both stores answer: two calls."""
    return Stores(s3=objects.answers(), dynamodb=catalog.answers())


def _find(image_id: str, *, consistent: bool = False) -> Image | None:
    return catalog.get(image_id, consistent=consistent) if ids.is_id(image_id) else None


def _saved_as(image: Image) -> str:
    return image.filename or image.image_id + pictures.EXTENSIONS[image.content_type]


def _finish_delete(image: Image) -> None:
    objects.delete(image.s3_key)
    catalog.forget(image.image_id)

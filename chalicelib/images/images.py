"""The use cases of one image: upload, view, update and delete it."""

import hashlib
import json
import logging
import time
from contextlib import suppress
from dataclasses import replace

from chalicelib import access, ids, logs
from chalicelib.config import settings
from chalicelib.errors import Conflict, NotFound, PreconditionFailed, TooLarge, Unavailable
from chalicelib.model import (
    As,
    Caller,
    Download,
    Image,
    Patch,
    Picture,
    Remembered,
    State,
    Stores,
    Upload,
    View,
)
from chalicelib.pictures import identify
from chalicelib.stores import catalog, derived, originals, staged
from chalicelib.stores.catalog import Write
from chalicelib.tags import store, tallies

log = logging.getLogger("images-api")

_CONTENDED = "The image is being changed by other requests; try again in a moment."

_TRIES = 12  # of a change that another one came before


def upload(caller: Caller, upload: Upload) -> Image:
    """Keep an image: one S3 put, then one transaction of its record, its terms, its tags' counts, and its key, if any.

    Put before the transaction: an object without a record can be found by its event; a record without an object
    can't be seen to be wrong. The same upload with the same key gives the image as it was kept the first time.
    Raises Conflict: the key was used for another upload.
    """
    access.check_owner(caller, upload.user_id)
    logs.note_caller(upload.user_id)
    picture = identify.identify(upload.file)
    digest = hashlib.sha256(upload.file)
    image = _new(upload, picture, digest.hexdigest(), ids.new_id())
    logs.note_image(image.image_id)
    if first := _first(upload, image):
        return first
    originals.put(image.s3_key, upload.file, image.content_type, digest.digest())
    writes = [catalog.put(image), *catalog.rows(image), *count_tags(None, image)]
    if upload.idempotency_key:
        used_for = Remembered(image.image_id, _fingerprint(upload, image.checksum))
        writes.append(catalog.remember(image.user_id, upload.idempotency_key, used_for))
    try:
        catalog.commit(writes)
    except catalog.Changed:
        # The same upload came first, and this one's object will be reaped; or it has been already.
        if first := _first(upload, image):
            return first
        raise Unavailable("The upload took too long; send it again.") from None
    return image


def find(caller: Caller, image_id: str) -> Image:
    """An image, whether it is in lists or not yet.

    One call; a second one, consistent, before an id is said to be unknown: it may have been written just now.
    Raises NotFound: no such image for this caller.
    """
    image = _find(image_id) or _find(image_id, consistent=True)
    if image is None or image.is_gone or not access.may_see(caller, image.user_id, image.visibility):
        raise NotFound(image_id)
    return image


def shown(caller: Caller, image_id: str) -> Image:
    """An image that is in lists: as many calls as to find it.

    Raises NotFound: no such image in this caller's lists.
    """
    image = find(caller, image_id)
    if not image.listed:
        raise NotFound(image_id)
    return image


def view(caller: Caller, image_id: str, *, download: bool) -> View:
    """An image with a presigned URL of its original: as an attachment under its own name where `download`.

    As many calls as to find it. Raises NotFound: see shown.
    """
    return opened(shown(caller, image_id), download=download)


def opened(image: Image, *, download: bool) -> View:
    """An image with a presigned URL of its original, as in view: no call."""
    expires_in = settings().presigned_url_expiration
    disposition = originals.attachment(image.saved_as) if download else None
    return View(image, originals.presigned_url(image.s3_key, expires_in, disposition), expires_in, disposition)


def download(caller: Caller, image_id: str, how: As) -> Download:
    """An image's original, answered in one of the ways: one call, and one more where its bytes are asked for.

    An image of more than MAX_DOWNLOAD_BYTES is redirected to, where its bytes were asked for as they are.
    Raises NotFound: see view. Raises TooLarge: it was asked for in base64, and has more bytes than that.
    """
    found = view(caller, image_id, download=True)
    most = settings().max_download_bytes
    if found.image.size > most:
        if how is As.BASE64:
            raise TooLarge("The image", most, "bytes", "MAX_DOWNLOAD_BYTES")
        how = As.REDIRECT if how is As.BINARY else how
    if how not in (As.BINARY, As.BASE64):
        return Download(found, how)
    content = originals.get(found.image.s3_key)
    if content is None:  # deleted in between
        raise NotFound(image_id)
    return Download(found, how, content)


def update(caller: Caller, image_id: str, patch: Patch, if_match: frozenset[int] | None) -> Image:
    """Change an image: its record, its rows and its tags' counts, in one transaction of at most 100 writes.

    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    Raises PreconditionFailed: the record is not at one of the versions `if_match`.
    """
    for attempt in range(_TRIES):
        image = changeable(caller, image_id)
        if image.is_gone:
            raise NotFound(image_id)
        if not image.listed:
            raise Conflict(f"The image is {image.state}; it can be changed when it is in lists.")
        _check_version(image, if_match)
        changed = replace(
            _next(image),
            title=image.title if patch.title is None else patch.title,
            description=image.description if patch.description is None else patch.description,
            tags=image.tags if patch.tags is None else patch.tags,
            visibility=patch.visibility or image.visibility,
        )
        try:
            rows = catalog.rows(changed, before=image)
            catalog.commit([catalog.replace(image, by=changed), *rows, *count_tags(image, changed)])
        except catalog.Changed:
            catalog.pause(attempt)
            continue
        return changed
    raise Unavailable(_CONTENDED)


def delete(caller: Caller, image_id: str, if_match: frozenset[int] | None) -> Image:
    """Delete an image: first from every list and view, in one transaction; then its bytes; then its record.

    A crash in between leaves a record in state DELETING, which a repeated call or the schedule finishes.
    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    Raises PreconditionFailed: the record is not at one of the versions `if_match`.
    """
    for attempt in range(_TRIES):
        image = changeable(caller, image_id)
        if image.state is State.DELETED:
            raise NotFound(image_id)
        deleting = image
        if image.state is not State.DELETING:
            _check_version(image, if_match)
            deleting = replace(_next(image), state=State.DELETING, listed=False)
            try:
                rows = catalog.delete_rows(image)
                catalog.commit([catalog.replace(image, by=deleting), *rows, *count_tags(image, deleting)])
            except catalog.Changed:
                catalog.pause(attempt)
                continue
        finish_delete(deleting)
        return image
    raise Unavailable(_CONTENDED)


def health() -> Stores:
    """Whether both stores answer: two calls."""
    return Stores(s3=originals.answers(), dynamodb=catalog.answers())


def _find(image_id: str, *, consistent: bool = False) -> Image | None:
    return catalog.get(image_id, consistent=consistent) if ids.is_id(image_id) else None


def changeable(caller: Caller, image_id: str) -> Image:
    """An image as it is now, for a caller who may change it: one call.

    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    """
    image = _find(image_id, consistent=True)
    if image is None:
        raise NotFound(image_id)
    access.check_change(caller, image)
    return image


def _check_version(image: Image, if_match: frozenset[int] | None) -> None:
    if if_match is not None and image.version not in if_match:
        raise PreconditionFailed(image.version)


def _next(image: Image) -> Image:
    return replace(image, version=image.version + 1, updated_at=ids.timestamp(time.time()))


def _new(upload: Upload, picture: Picture, checksum: str, image_id: str) -> Image:
    return Image(
        image_id=image_id,
        user_id=upload.user_id,
        title=upload.title,
        description=upload.description,
        tags=upload.tags,
        filename=upload.filename,
        content_type=picture.content_type,
        size=len(upload.file),
        checksum=checksum,
        width=picture.width,
        height=picture.height,
        visibility=upload.visibility,
        updated_at=ids.created_at(image_id),
        state=State.PROCESSING,
    )


def _first(upload: Upload, image: Image) -> Image | None:
    """What was kept of an upload when it came before with the same idempotency key, if it did."""
    remembered = catalog.remembered(upload.user_id, upload.idempotency_key) if upload.idempotency_key else None
    if remembered is None:
        return None
    if remembered.fingerprint != _fingerprint(upload, image.checksum):
        raise Conflict("This Idempotency-Key was used for another upload.")
    logs.note_image(remembered.image_id)
    # All that an upload's answer says follows from the upload, but for the id.
    return replace(image, image_id=remembered.image_id, updated_at=ids.created_at(remembered.image_id))


def _fingerprint(upload: Upload, checksum: str) -> str:
    """SHA-256 of all that an upload says; not of its body, since a form has another boundary each time."""
    said = [upload.title, upload.description, upload.tags, upload.filename, upload.visibility, checksum]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def count_tags(before: Image | None, after: Image | None) -> list[Write]:
    """Note what a write to an image changes about how often its owner's tags are used; None: there is no image."""
    return [store.note(change) for change in tallies.changes(before, after)]


def give_up(image: Image) -> None:
    """Delete an image that is in no list.

    Raises catalog.Changed: it is not as it was read any more.
    """
    deleting = replace(image, state=State.DELETING, updated_at=ids.timestamp(time.time()))
    catalog.commit([catalog.replace(image, by=deleting)])
    finish_delete(deleting)


def finish_delete(image: Image) -> None:
    """Remove what a deletion leaves: an image's objects, then its record.

    The record of one that was never processed stays, DELETED, until no attempt to do so can be under way any more:
    what that leaves is then removed by the schedule.
    """
    delete_objects(image)
    if image.look is None and image.state is not State.DELETED:
        with suppress(catalog.Changed):  # it was finished by someone else
            catalog.commit([catalog.replace(image, by=replace(image, state=State.DELETED))])
    else:
        catalog.forget(image.image_id)


def delete_objects(image: Image) -> None:
    """Remove all that S3 has of an image: its original and variants, and what was sent before it was processed."""
    originals.delete(image.s3_key)
    derived.delete(image)
    if image.look is None:
        staged.delete(image.s3_key)
    if image.upload_id:
        staged.abort(image.s3_key, image.upload_id)

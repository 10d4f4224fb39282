"""Background processing of uploaded objects. Each function can run twice, at the same time, and in any order.

An event only says where to look. What happens follows from the record and the objects as they are now, so it does not
matter in which order events arrive, or whether an event arrives twice.
"""

import logging
import time
from collections.abc import Callable
from functools import partial

from chalicelib import ids, logs
from chalicelib.config import settings
from chalicelib.errors import BadInput, TooLarge, Unsupported
from chalicelib.images import images, lifecycle
from chalicelib.images.lifecycle import ChecksumMismatch, Step
from chalicelib.images.model import ObjectCreated
from chalicelib.model import Analysis, Image, State
from chalicelib.pictures import completeness, decode, variants
from chalicelib.pictures.identify import Picture, identify
from chalicelib.stores import catalog, derived, dynamodb, originals, s3, staged
from chalicelib.stores.model import LocalCopy

log = logging.getLogger("images-api")

_LOOK_UPS = 6  # of a record that its request is about to write: about two seconds
_OWN_FAULT = "The image could not be processed, because of an error in the service."
_NOT_FINISHED = "Processing did not finish: the image needs more time or memory than is available."


class TooEarly(Exception):
    """The upload of an object may still be running. S3's event has to be delivered again later."""


class _Rejected(Exception):
    """The bytes are not as announced."""


def original_created(created: ObjectCreated) -> None:
    """Process the original of an upload, or remove an original whose upload never wrote its record.

    Raises TooEarly: the upload may still be running. Raises whatever the processing attempt raises.
    """
    orphan = _orphan(created)
    if orphan is None:
        return
    image = _find_uploaded(orphan.image_id, created.written_at)
    if image is None:
        _remove_orphan(orphan, created.written_at)
    elif image.listed and image.is_processable:
        _attempt(image, _process)


def staged_created(created: ObjectCreated) -> None:
    """Check, process and list a direct upload, or remove the object if nothing awaits it.

    Raises whatever the processing attempt raises.
    """
    orphan = _orphan(created)
    if orphan is None:
        return
    image = catalog.get(orphan.image_id, consistent=True)
    if image is None:
        images.delete_objects(orphan)  # the image was deleted, perhaps while an earlier attempt was running
    elif image.listed or not image.is_processable:
        staged.delete(image.s3_key)  # the object was sent again, or too late
    else:
        _attempt(image, _receive)


def resume(image: Image) -> None:
    """Process an image whose last attempt did not finish, or whose event was lost.

    The attempt is counted before it begins, because the last one may have ended its process.
    Raises whatever the processing attempt raises.
    """
    if image.attempts >= settings().processing_attempts:
        with logs.image(image.image_id):
            _take(partial(lifecycle.failed, reason=_NOT_FINISHED), image)
        return
    image = _take(lifecycle.counted, image)
    if image.is_processable:
        _attempt(image, _process if image.listed else _receive, counted=True)


def _attempt(image: Image, process: Callable[[Image], None], *, counted: bool = False) -> None:
    """Run a processing attempt, and count it if it raises, unless it is counted already.

    Raises whatever the attempt raises, unless another process has finished or deleted the image in the meantime.
    """

    def step(image: Image) -> Image:
        attempted = image if counted else lifecycle.counted(image)
        return lifecycle.failed_after(attempted, settings().processing_attempts, _OWN_FAULT)

    with logs.image(image.image_id):
        try:
            process(image)
        except Exception:
            if _take(step, image).is_processable:
                raise


def _process(image: Image) -> None:
    """Make the variants of an image that is listed."""
    step: Step
    with s3.local_copy(settings().s3_bucket_name, image.s3_key) as original:
        if original is None:
            _check_missing(image)
            return
        try:
            step = partial(lifecycle.processed, analysis=_analyze(image, original))
        except decode.Undecodable as error:
            step = partial(lifecycle.failed, reason=str(error))
    _take(step, image)


def _receive(image: Image) -> None:
    """Check a direct upload, make its variants, move it to the originals, and list the image in one transaction.

    A file that is as announced and can't be decoded is kept: the image is listed, as if it came through the API.
    """
    step: Step
    with s3.local_copy(settings().staged_bucket_name, image.s3_key) as copy:
        if copy is None:
            _check_missing(image)
            return
        try:
            picture = _check(image, copy)
            image = _take(partial(lifecycle.claimed, checksum=copy.checksum), image)
        except (_Rejected, ChecksumMismatch, BadInput, TooLarge, Unsupported) as error:
            _take(partial(lifecycle.rejected, reason=str(error)), image)
            return
        if not image.is_processable:
            return
        try:
            step = partial(lifecycle.shown, analysis=_analyze(image, copy))
        except decode.Undecodable as error:
            step = partial(lifecycle.kept, picture=picture, reason=str(error))
        try:
            staged.copy_to_originals(image, copy)
        except staged.Gone:
            # The image was deleted; or another file was sent since, and the event of that file rejects it.
            _remove_if_over(image, _read(image))
            return
    if _take(step, image).listed:
        staged.delete(image.s3_key)


def _check(image: Image, copy: LocalCopy) -> Picture:
    """Check that the bytes are as announced: their number, their SHA-256 and their content type. Returns what they are.

    Raises _Rejected, ChecksumMismatch, and what completeness.check and identify raise.
    """
    if copy.size != image.size:
        raise _Rejected(f"The file has {copy.size} bytes, but {image.size} were announced.")
    lifecycle.claimed(image, copy.checksum)
    completeness.check(copy.path)
    picture = identify(copy.path)
    if picture.content_type != image.content_type:
        raise _Rejected(f"The file is {picture.content_type}, but {image.content_type} was announced.")
    return picture


def _analyze(image: Image, original: LocalCopy) -> Analysis:
    """Make an image's variants and write them: one call for each.

    Raises decode.Undecodable: the image can't be decoded.
    """
    analysis, contents = variants.make(original.path)
    for variant, content in zip(analysis.variants, contents, strict=True):
        derived.put(image, variant, content)
    return analysis


def _take(step: Step, image: Image) -> Image:
    """Commit a step of processing; return the image as it is now.

    If the image is deleted or rejected by now, removes the objects that this attempt has written.
    """
    before, after = lifecycle.take(step, partial(_read, image), image)
    if after.state is not before.state:
        logs.note_state(after.state)
    _remove_if_over(image, after)
    return after


def _remove_if_over(image: Image, now: Image) -> None:
    if now.is_gone or now.state is State.REJECTED:
        images.delete_objects(image)


def _check_missing(image: Image) -> None:
    """Handle bytes that are not in S3, which mostly means that another process has finished or deleted the image.

    Raises RuntimeError: the image should have its bytes.
    """
    now = _read(image)
    _remove_if_over(image, now)
    if now.is_processable:
        raise RuntimeError(f"The bytes of {image.image_id} are not in S3.")


def _read(image: Image) -> Image:
    """Return an image as it is now; DELETED if it has no record."""
    return catalog.get(image.image_id, consistent=True) or lifecycle.without_record(image)


def _find_uploaded(image_id: str, written_at: float) -> Image | None:
    """Return the record of an upload, and wait for it while its request may still be about to write it."""
    for attempt in range(_LOOK_UPS):
        image = catalog.get(image_id, consistent=True)
        if image is not None or _is_over(written_at):
            return image
        dynamodb.pause(attempt)
    return None


def _is_over(written_at: float) -> bool:
    """Whether the request that wrote an object has ended, successfully or not."""
    return time.time() - written_at > settings().api_timeout_seconds


def _remove_orphan(orphan: Image, written_at: float) -> None:
    """Remove an object whose upload never wrote its record.

    A record in deletion takes the id first, so that a request which was suspended (a closed laptop) can't write its own
    record later. The schedule removes that record after a long time.
    Raises TooEarly: the upload may still be running.
    """
    if not originals.exists(orphan.s3_key):
        images.delete_objects(orphan)  # the image was deleted, perhaps while an earlier attempt was running
        return
    if not _is_over(written_at):
        raise TooEarly(orphan.image_id)
    try:
        dynamodb.commit(lifecycle.writes(None, orphan))
    except dynamodb.Changed:
        return
    images.delete_objects(orphan)
    log.info("Removed the object of an upload that did not finish.", extra={"fields": {"image_id": orphan.image_id}})


def _orphan(created: ObjectCreated) -> Image | None:
    """Return the image that an object key names, as it is if there is no record; None if the key is not of an image."""
    user_id, _, image_id = created.key.rpartition("/")
    if not user_id or not ids.is_id(image_id):
        log.warning("The bucket has an object that is not an upload: %r", created.key)
        return None
    return lifecycle.orphaned(user_id, image_id, ids.now())

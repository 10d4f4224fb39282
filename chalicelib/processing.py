"""What becomes of uploaded bytes in the background. Each step is safe to run twice, at the same time, and in any order.

An event only says where to look: what is done follows from the record and the objects as they are by now, so that it
makes no difference which of several events comes first, or whether one comes again.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from chalicelib import catalog, derived, ids, images, objects, pictures, staging, variants
from chalicelib.config import settings
from chalicelib.errors import TooLarge, Unavailable, Unsupported
from chalicelib.model import Image, LocalCopy, Look, ObjectCreated, State, Visibility

log = logging.getLogger("images-api")

_TRIES = 12  # of a change that another one came before
_LOOKS = 6  # for a record that is about to be written: two seconds
_NO_REASON = "It could not be processed: something went wrong on our side."
_NO_END = "Processing it came to no end: it takes more time or memory than there is."


class TooEarly(Exception):
    """It can't be known yet whether an object is left over: S3's event is to be delivered again later."""


class _Rejected(Exception):
    """The bytes are not what was announced."""


class _Overtaken(Exception):
    """The image was finished, or deleted, by someone else in the meantime."""


def original_created(created: ObjectCreated) -> None:
    """Process the original of an upload that was answered; remove that of one which never finished.

    Raises TooEarly: the upload may still be under way. Whatever else it raises was an attempt to process.
    """
    named = _named(created)
    if named is None:
        return
    image = _kept(named.image_id, created.written_at)
    if image is None:
        _reap(named, created.written_at)
    elif image.listed and image.state is not State.READY:
        _attempted(image, _process)


def staged_created(created: ObjectCreated) -> None:
    """Check what was sent to S3 directly, process and show it; or remove it, and say why in its record.

    Whatever it raises was an attempt to process.
    """
    named = _named(created)
    if named is None:
        return
    image = catalog.get(named.image_id, consistent=True)
    if image is None:
        images.delete_objects(named)  # its deletion may have overtaken an earlier attempt
    elif image.listed or image.state in (State.REJECTED, State.DELETING):
        staging.delete(image.s3_key)  # it was sent once more
    else:
        _attempted(image, _receive)


def resume(image: Image) -> None:
    """Go on with an image whose processing came to no end, or was never begun, since its event was lost.

    Whatever it raises was an attempt to process.
    """
    with suppress(_Overtaken):
        # Counted before it begins: the last attempt may have taken its process with it.
        image = _fail(image, _NO_END)
        if image.state is not State.FAILED:
            _attempted(image, _process if image.listed else _receive)


def _process(image: Image) -> None:
    """Make the variants of an image that is listed already."""
    with objects.on_disk(settings().s3_bucket_name, image.s3_key) as original:
        if original is None:
            raise _missing(image)
        try:
            look = _derive(image, original)
        except variants.Broken as broken:
            reason = str(broken)
            _conclude(image, lambda now: replace(now, state=State.FAILED, reason=reason))
            return
    _conclude(image, lambda now: replace(now, state=State.READY, look=look, reason="", attempts=0))


def _receive(image: Image) -> None:
    """Check and process what was sent to S3 directly, and show it in every list, in one transaction."""
    if image.state is not State.PROCESSING:
        image = _conclude(image, lambda now: replace(now, state=State.PROCESSING, updated_at=_now()))
    with objects.on_disk(settings().staged_bucket_name, image.s3_key) as staged:
        if staged is None:
            raise _missing(image)
        try:
            _check(image, staged)
            look = _derive(image, staged)
        except (_Rejected, variants.Broken, TooLarge, Unsupported) as error:
            reason = str(error)
            _conclude(image, lambda now: replace(now, state=State.REJECTED, reason=reason, updated_at=_now()))
            images.delete_objects(image)
            return
        staging.copy(image, staged)
    _conclude(image, lambda now: _shown(now, staged, look))
    staging.delete(image.s3_key)


def _shown(image: Image, staged: LocalCopy, look: Look) -> Image:
    return replace(
        image,
        state=State.READY,
        listed=True,
        reason="",
        attempts=0,
        upload_id="",
        checksum=staged.checksum,
        width=look.width,
        height=look.height,
        updated_at=ids.created_at(image.image_id),
        look=look,
    )


def _check(image: Image, staged: LocalCopy) -> None:
    """Whether bytes are what was announced: their number, their SHA-256, and the content type.

    Raises _Rejected, and what pictures.identify does.
    """
    if staged.size != image.size:
        raise _Rejected(f"The file has {staged.size} bytes; {image.size} were announced.")
    if image.checksum and staged.checksum != image.checksum:
        raise _Rejected(f"The file's SHA-256 is {staged.checksum}; {image.checksum} was announced.")
    found = pictures.identify(staged.path)
    if found.content_type != image.content_type:
        raise _Rejected(f"The file is {found.content_type}; {image.content_type} was announced.")


def _derive(image: Image, original: LocalCopy) -> Look:
    """Make an image's variants: one call for each of them."""
    look, contents = variants.make(original.path)
    for variant, content in zip(look.variants, contents, strict=True):
        derived.put(image, variant, content)
    return look


def _attempted(image: Image, handle: Callable[[Image], None]) -> None:
    try:
        handle(image)
    except _Overtaken:
        return
    except Exception:
        with suppress(_Overtaken):
            _fail(image, _NO_REASON)
        raise


def _fail(image: Image, reason: str) -> Image:
    """Count an attempt that came to no end; after PROCESSING_ATTEMPTS of them the image is FAILED."""

    def failed(now: Image) -> Image:
        attempts = now.attempts + 1
        if attempts < settings().processing_attempts:
            return replace(now, attempts=attempts)
        return replace(now, attempts=attempts, state=State.FAILED, reason=reason)

    return _conclude(image, failed)


def _conclude(image: Image, change: Callable[[Image], Image]) -> Image:
    """Write what has become of an image; as it is by now, if its owner has changed it meanwhile.

    Raises _Overtaken: there is nothing to write any more. What an attempt has put into S3 behind a deletion is removed.
    """
    for attempt in range(_TRIES):
        changed = change(image)
        rows = catalog.new_rows(changed, image)
        try:
            catalog.commit([catalog.replace(image, by=changed), *rows, *images.count_tags(image, changed)])
            return changed
        except catalog.Changed:
            image = _still_unfinished(image)
            catalog.pause(attempt)
    raise Unavailable("The image is being changed all the time.")


def _still_unfinished(image: Image) -> Image:
    now = catalog.get(image.image_id, consistent=True)
    if now is None or now.state is State.DELETING:
        images.delete_objects(image)
        raise _Overtaken
    if now.state in (State.READY, State.REJECTED):
        raise _Overtaken
    return now


def _missing(image: Image) -> Exception:
    """Why an image's bytes are not there: mostly since someone else has finished or deleted it."""
    try:
        _still_unfinished(image)
    except _Overtaken as overtaken:
        return overtaken
    return RuntimeError(f"The bytes of {image.image_id} are not in S3.")


def _kept(image_id: str, written_at: float) -> Image | None:
    """The record of an upload, after some time if its request may still be about to write it."""
    for attempt in range(_LOOKS):
        image = catalog.get(image_id, consistent=True)
        if image is not None or _is_over(written_at):
            return image
        catalog.pause(attempt)
    return None


def _is_over(written_at: float) -> bool:
    """Whether the request that wrote an object has ended, whatever became of it."""
    return time.time() - written_at > settings().api_timeout_seconds


def _reap(named: Image, written_at: float) -> None:
    """Remove an object whose upload never wrote its record.

    Its id is claimed first, so that an upload that has slept (a closed laptop) can't write the record any more;
    the schedule removes the claim, long after.
    Raises TooEarly: the upload may still be under way.
    """
    if not objects.exists(settings().s3_bucket_name, named.s3_key):
        images.delete_objects(named)  # its deletion may have overtaken an attempt to process it
        return
    if not _is_over(written_at):
        raise TooEarly(named.image_id)
    try:
        catalog.commit([catalog.put(named)])
    except catalog.Changed:
        return
    images.delete_objects(named)
    log.info("Removed the object of an upload that never finished: %s", named.image_id)


def _named(created: ObjectCreated) -> Image | None:
    """What an object key says of its image; None: it is no key of ours."""
    user_id, _, image_id = created.key.rpartition("/")
    if not user_id or not ids.is_id(image_id):
        log.warning("An object lies in the bucket that is no upload: %r", created.key)
        return None
    return Image(
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
        updated_at=_now(),
        state=State.DELETING,
        listed=False,
    )


def _now() -> str:
    return ids.timestamp(time.time())

"""What becomes of uploaded bytes in the background. Each step is safe to run twice, at the same time, and in any order.

An event only says where to look: what is done follows from the record and the objects as they are by now, so that it
makes no difference which of several events comes first, or whether one comes again.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from chalicelib import ids, logs
from chalicelib.config import settings
from chalicelib.errors import TooLarge, Unavailable, Unsupported
from chalicelib.images import images
from chalicelib.model import Image, LocalCopy, Look, ObjectCreated, State, Visibility
from chalicelib.pictures import identify, variants
from chalicelib.stores import catalog, derived, originals, staged

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
        _attempt(image, _process)


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
    elif image.listed or image.is_gone or image.state is State.REJECTED:
        staged.delete(image.s3_key)  # it was sent once more, or too late
    else:
        _attempt(image, _receive)


def resume(image: Image) -> None:
    """Go on with an image whose processing came to no end, or was never begun, since its event was lost.

    The attempt is counted before it is made: the last one may have taken its process with it.
    Whatever it raises was an attempt to process.
    """
    with suppress(_Overtaken):
        if image.attempts >= settings().processing_attempts:
            with logs.image(image.image_id), suppress(_Overtaken):
                _conclude(image, lambda now: _failed(now, _NO_END))
        else:
            _attempt(_conclude(image, _counted), _process if image.listed else _receive, counted=True)


def _process(image: Image) -> None:
    """Make the variants of an image that is listed already."""
    with originals.on_disk(settings().s3_bucket_name, image.s3_key) as original:
        if original is None:
            raise _missing(image)
        try:
            look = _derive(image, original)
        except variants.Broken as broken:
            reason = str(broken)
            _conclude(image, lambda now: _failed(now, reason))
            return
    _conclude(image, lambda now: replace(now, state=State.READY, look=look, reason="", attempts=0))


def _receive(image: Image) -> None:
    """Check and process what was sent to S3 directly, and show it in every list, in one transaction.

    Its checksum claims the record: of several files that are sent by one form, the first that is claimed counts.
    """
    with originals.on_disk(settings().staged_bucket_name, image.s3_key) as copy:
        if copy is None:
            raise _missing(image)
        try:
            _check(image, copy)
            image = _conclude(image, lambda now: _claimed(now, copy))
            look = _derive(image, copy)
        except (_Rejected, variants.Broken, TooLarge, Unsupported) as error:
            reason = str(error)
            _conclude(image, lambda now: replace(now, state=State.REJECTED, reason=reason))
            images.delete_objects(image)
            return
        try:
            staged.copy(image, copy)
        except staged.Gone:  # it was deleted; or another file was sent since, whose own event rejects it
            _still_unfinished(image)
            raise _Overtaken from None
    _conclude(image, lambda now: _shown(now, look))
    staged.delete(image.s3_key)


def _claimed(image: Image, copy: LocalCopy) -> Image:
    if image.checksum not in ("", copy.checksum):
        raise _Rejected(f"The file's SHA-256 is {copy.checksum}; {image.checksum} was announced, or sent before.")
    return replace(image, state=State.PROCESSING, checksum=copy.checksum, reason="", upload_id="", part_size=0)


def _shown(image: Image, look: Look) -> Image:
    return replace(
        image,
        state=State.READY,
        listed=True,
        attempts=0,
        width=look.width,
        height=look.height,
        look=look,
    )


def _check(image: Image, copy: LocalCopy) -> None:
    """Whether bytes are what was announced: their number, their SHA-256, and the content type.

    Raises _Rejected, and what pictures.identify does.
    """
    if copy.size != image.size:
        raise _Rejected(f"The file has {copy.size} bytes; {image.size} were announced.")
    _claimed(image, copy)
    found = identify.identify(copy.path)
    if found.content_type != image.content_type:
        raise _Rejected(f"The file is {found.content_type}; {image.content_type} was announced.")


def _derive(image: Image, original: LocalCopy) -> Look:
    """Make an image's variants: one call for each of them."""
    look, contents = variants.make(original.path)
    for variant, content in zip(look.variants, contents, strict=True):
        derived.put(image, variant, content)
    return look


def _attempt(image: Image, handle: Callable[[Image], None], *, counted: bool = False) -> None:
    """Handle an image; what that raises is an attempt that came to no end, to be counted unless it is already."""
    with logs.image(image.image_id), suppress(_Overtaken):
        try:
            handle(image)
        except _Overtaken:
            raise
        except Exception:
            _conclude(image, lambda now: _after_an_error(now if counted else _counted(now)))
            raise


def _counted(image: Image) -> Image:
    return replace(image, attempts=image.attempts + 1)


def _after_an_error(image: Image) -> Image:
    return image if image.attempts < settings().processing_attempts else _failed(image, _NO_REASON)


def _failed(image: Image, reason: str) -> Image:
    return replace(image, state=State.FAILED, reason=reason)


def _conclude(image: Image, change: Callable[[Image], Image]) -> Image:
    """Write what has become of an image; as it is by now, if its owner has changed it meanwhile.

    Raises _Overtaken: there is nothing to write any more. What an attempt has put into S3 behind a deletion is removed.
    """
    for attempt in range(_TRIES):
        changed = change(image)
        if changed == image:
            return image
        rows = catalog.new_rows(changed, image)
        try:
            catalog.commit([catalog.replace(image, by=changed), *rows, *images.count_tags(image, changed)])
            if changed.state is not image.state:
                logs.note_state(changed.state)
            return changed
        except catalog.Changed:
            image = _still_unfinished(image)
            catalog.pause(attempt)
    raise Unavailable("The image is being changed all the time.")


def _still_unfinished(image: Image) -> Image:
    now = catalog.get(image.image_id, consistent=True)
    if now is None or now.is_gone or now.state is State.REJECTED:
        images.delete_objects(image)
    elif now.state is not State.READY:
        return now
    raise _Overtaken


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
    if not originals.exists(settings().s3_bucket_name, named.s3_key):
        images.delete_objects(named)  # its deletion may have overtaken an attempt to process it
        return
    if not _is_over(written_at):
        raise TooEarly(named.image_id)
    try:
        catalog.commit([catalog.put(named)])
    except catalog.Changed:
        return
    images.delete_objects(named)
    log.info("Removed the object of an upload that never finished.", extra={"fields": {"image_id": named.image_id}})


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
        updated_at=ids.timestamp(time.time()),
        state=State.DELETING,
        listed=False,
    )

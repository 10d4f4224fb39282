"""Uploads that go to S3 directly, without the size wall: announced here, sent by the client, finished by S3's event."""

from dataclasses import replace
from math import ceil

from chalicelib import access, ids, logs
from chalicelib.config import settings
from chalicelib.errors import Conflict, NotFound, TooLarge, Unavailable
from chalicelib.images import images
from chalicelib.model import Announcement, Caller, Form, Image, Part, Parts, SentPart, State
from chalicelib.stores import catalog, originals, staged

_TRIES = 12  # of a change that another one came before


def begin(caller: Caller, announced: Announcement) -> tuple[Image, Form | Parts]:
    """Keep a record that waits for its bytes; and what lets the client send them, in parts where they are many.

    One call; and one before it that begins a multipart upload, of which a crash in between leaves nothing but what
    S3's lifecycle rule removes.
    Raises Unauthorized, Forbidden: see access.check_owner. Raises TooLarge: over MAX_DIRECT_UPLOAD_BYTES.
    """
    access.check_owner(caller, announced.user_id)
    logs.note_caller(announced.user_id)
    limits = settings()
    if announced.size > limits.max_direct_upload_bytes:
        raise TooLarge("The image", limits.max_direct_upload_bytes, "bytes", "MAX_DIRECT_UPLOAD_BYTES")
    image_id = ids.new_id()
    logs.note_image(image_id)
    image = Image(
        image_id=image_id,
        user_id=announced.user_id,
        title=announced.title,
        description=announced.description,
        tags=announced.tags,
        filename=announced.filename,
        content_type=announced.content_type,
        size=announced.size,
        checksum=announced.checksum,
        width=0,
        height=0,
        visibility=announced.visibility,
        updated_at=ids.created_at(image_id),
        state=State.AWAITING_UPLOAD,
        listed=False,
    )
    if image.size > limits.multipart_threshold_bytes:
        upload_id = staged.begin(image.s3_key, image.content_type)
        image = replace(image, upload_id=upload_id, part_size=limits.part_bytes)
    catalog.commit([catalog.put(image)])
    if image.upload_id:
        return image, _parts(image, ())
    return image, staged.form(image.s3_key, image.content_type, image.size, image.checksum)


def parts(caller: Caller, image_id: str) -> tuple[Image, Parts]:
    """What of a multipart upload has been sent, and URLs for the rest: two calls.

    Raises NotFound, Unauthorized, Forbidden: see images.changeable. Raises Conflict: it isn't under way.
    """
    image = _under_way(_announced(caller, image_id))
    try:
        return image, _parts(image, staged.sent(image.s3_key, image.upload_id))
    except staged.Gone:
        raise Conflict("This upload is in parts no more: it was completed, or given up.") from None


def complete(caller: Caller, image_id: str) -> Image:
    """Make an object of the parts that were sent, for S3's event to finish: three calls. Safe to repeat.

    Raises NotFound, Unauthorized, Forbidden: see images.changeable.
    Raises Conflict: parts are missing, or have another size than announced; or S3 has given the upload up.
    """
    image = _announced(caller, image_id)
    if image.state in (State.REJECTED, State.FAILED):
        raise Conflict(f"The image is {image.state}: {image.reason}")
    if image.state is not State.AWAITING_UPLOAD:
        return image
    image = _under_way(image)
    try:
        sent = staged.sent(image.s3_key, image.upload_id)
        staged.complete(image.s3_key, image.upload_id, _complete(image, sent))
    except staged.Gone:
        if not originals.exists(settings().staged_bucket_name, image.s3_key):
            image = _announced(caller, image_id)
            if image.state is State.AWAITING_UPLOAD:
                raise Conflict("The upload was given up; begin a new one.") from None
    return image


def abort(caller: Caller, image_id: str) -> Image:
    """Give an upload up, with what was sent of it.

    Raises NotFound, Unauthorized, Forbidden: see images.changeable. Raises Conflict: it was finished.
    """
    for attempt in range(_TRIES):
        image = _announced(caller, image_id)
        if image.listed:
            raise Conflict("The upload was finished; delete the image instead.")
        try:
            images.give_up(image)
        except catalog.Changed:
            catalog.pause(attempt)
            continue
        return image
    raise Unavailable("The image is being changed all the time.")


def _announced(caller: Caller, image_id: str) -> Image:
    image = images.changeable(caller, image_id)
    if image.is_gone:
        raise NotFound(image_id)
    return image


def _under_way(image: Image) -> Image:
    if image.state is not State.AWAITING_UPLOAD:
        raise Conflict(f"The image is not awaiting its upload any more; it is {image.state}.")
    if not image.upload_id:
        raise Conflict("This upload isn't one in parts: its form takes the whole file.")
    return image


def _parts(image: Image, sent: tuple[SentPart, ...]) -> Parts:
    sizes = _sizes(image)
    done = {part.number for part in sent if part.size == sizes.get(part.number)}
    wanted = tuple(
        Part(number, size, staged.part_url(image.s3_key, image.upload_id, number, size))
        for number, size in sizes.items()
        if number not in done
    )
    return Parts(
        part_size=image.part_size,
        wanted=wanted,
        sent=tuple(part for part in sent if part.number in done),
        expires_in=settings().direct_upload_seconds,
    )


def _sizes(image: Image) -> dict[int, int]:
    """The sizes of an upload's parts, by number."""
    count = ceil(image.size / image.part_size)
    return {n: min(image.part_size, image.size - (n - 1) * image.part_size) for n in range(1, count + 1)}


def _complete(image: Image, sent: tuple[SentPart, ...]) -> tuple[SentPart, ...]:
    """The parts that make the file.

    Raises Conflict: some are missing, or have another size than announced.
    """
    found = {part.number: part for part in sent}
    sizes = _sizes(image)
    wrong = [str(number) for number, size in sizes.items() if number not in found or found[number].size != size]
    if wrong:
        raise Conflict(f"Parts are missing, or have another size than announced: {', '.join(wrong[:20])}.")
    return tuple(found[number] for number in sizes)

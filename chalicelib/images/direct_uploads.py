"""Direct uploads: the client announces an image, sends its bytes to S3, and S3's event has them processed."""

from dataclasses import replace
from functools import partial
from math import ceil

from chalicelib import access, ids, logs
from chalicelib.config import settings
from chalicelib.errors import Conflict, TooLarge
from chalicelib.images import images, lifecycle
from chalicelib.images.model import DirectUploadRequest, MissingPart, UploadParts
from chalicelib.model import Caller, Image, State
from chalicelib.stores import staged
from chalicelib.stores.model import UploadedPart, UploadForm

_MOST_NUMBERS = 20  # part numbers in an error message


def begin(caller: Caller, request: DirectUploadRequest) -> tuple[Image, UploadForm | UploadParts]:
    """Write a record that waits for its bytes, and return how the client sends them: one call, two for parts.

    The bytes come by one form or, above MULTIPART_THRESHOLD_BYTES, in parts. The multipart upload begins before the
    record is written; after a crash in between, S3's lifecycle rule removes it.
    Raises Unauthorized, Forbidden: see access.check_owner. Raises TooLarge: over MAX_DIRECT_UPLOAD_BYTES.
    """
    access.check_owner(caller, request.user_id)
    logs.note_caller(request.user_id)
    limits = settings()
    if request.size > limits.max_direct_upload_bytes:
        raise TooLarge("The image", limits.max_direct_upload_bytes, "bytes", "MAX_DIRECT_UPLOAD_BYTES")
    image = lifecycle.announced(request, ids.new_id())
    logs.note_image(image.image_id)
    if image.size > limits.multipart_threshold_bytes:
        upload_id = staged.begin_multipart(image.s3_key, image.content_type)
        image = replace(image, upload_id=upload_id, part_size=limits.part_bytes)
    lifecycle.create(image)
    if image.upload_id:
        return image, _upload_parts(image, ())
    return image, staged.upload_form(image.s3_key, image.content_type, image.size, image.checksum)


def parts(caller: Caller, image_id: str) -> tuple[Image, UploadParts]:
    """Return which parts S3 has, and URLs for the missing ones: two calls.

    Raises NotFound, Unauthorized, Forbidden: see images.find_existing.
    Raises Conflict: the image is not waiting for parts.
    """
    image = _check_parts(images.find_existing(caller, image_id))
    try:
        return image, _upload_parts(image, staged.uploaded_parts(image.s3_key, image.upload_id))
    except staged.Gone:
        raise Conflict("This upload has no open parts: it was completed or aborted.") from None


def complete(caller: Caller, image_id: str) -> Image:
    """Make an object of the parts, which S3's event has processed: three calls. Can be repeated.

    Raises NotFound, Unauthorized, Forbidden: see images.find_existing.
    Raises Conflict: the image has no parts; no part has been uploaded; parts are missing or have another size than
    announced; the image is rejected or failed; or the upload was aborted.
    """
    image = _check_not_over(images.find_existing(caller, image_id))
    if image.state is not State.AWAITING_UPLOAD:
        return image
    try:
        uploaded = staged.uploaded_parts(image.s3_key, image.upload_id)
        staged.complete_multipart(image.s3_key, image.upload_id, _check_complete(image, uploaded))
    except staged.Gone:
        if not staged.exists(image.s3_key):
            image = _check_not_over(images.find_existing(caller, image_id))
            if image.state is State.AWAITING_UPLOAD:
                raise Conflict("The upload was aborted; begin a new one.") from None
    return image


def abort(caller: Caller, image_id: str) -> Image:
    """Abandon an upload, and delete what was sent of it.

    Raises NotFound, Unauthorized, Forbidden: see images.find_changeable. Raises Conflict: see lifecycle.discarded.
    """
    read = partial(images.find_changeable, caller, image_id)
    _, discarded = lifecycle.take(lambda image: lifecycle.discarded(image, ids.now()), read)
    images.finish_delete(discarded)
    return discarded


def _check_parts(image: Image) -> Image:
    """Return the image if it is waiting for parts.

    Raises Conflict: it is not.
    """
    _check_not_over(image)
    if image.state is not State.AWAITING_UPLOAD:
        raise Conflict(f"The image does not await an upload; it is {image.state}.")
    return image


def _check_not_over(image: Image) -> Image:
    """Return the image if its file is sent in parts and was not refused.

    Raises Conflict.
    """
    if image.state in (State.REJECTED, State.FAILED):
        raise Conflict(f"The image is {image.state}: {image.reason}")
    if not image.part_size:
        raise Conflict("This upload has no parts: the whole file is sent in one request.")
    return image


def _upload_parts(image: Image, uploaded: tuple[UploadedPart, ...]) -> UploadParts:
    sizes = _part_sizes(image)
    complete = {part.number for part in uploaded if part.size == sizes.get(part.number)}
    missing = tuple(
        MissingPart(number, size, staged.part_url(image.s3_key, image.upload_id, number, size))
        for number, size in sizes.items()
        if number not in complete
    )
    return UploadParts(
        part_size=image.part_size,
        missing=missing,
        uploaded=tuple(part for part in uploaded if part.number in complete),
        expires_in=settings().direct_upload_seconds,
    )


def _part_sizes(image: Image) -> dict[int, int]:
    """Return the size of each part in bytes, by its number."""
    count = ceil(image.size / image.part_size)
    return {n: min(image.part_size, image.size - (n - 1) * image.part_size) for n in range(1, count + 1)}


def _check_complete(image: Image, uploaded: tuple[UploadedPart, ...]) -> tuple[UploadedPart, ...]:
    """Return the parts that make the file, by number.

    Raises Conflict: no part has been uploaded; or parts are missing, or have another size than announced.
    """
    if not uploaded:
        raise Conflict("No part has been uploaded; PUT each part to its URL, then complete the upload.")
    by_number = {part.number: part for part in uploaded}
    sizes = _part_sizes(image)
    wrong = [str(n) for n, size in sizes.items() if n not in by_number or by_number[n].size != size]
    if wrong:
        numbers = ", ".join(wrong[:_MOST_NUMBERS])
        raise Conflict(f"Parts are missing, or have another size than announced: {numbers}.")
    return tuple(by_number[number] for number in sizes)

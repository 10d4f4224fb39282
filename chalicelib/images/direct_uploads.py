"""Direct uploads: the client announces an image, sends its bytes to S3, and S3's event has them processed.

An import is a direct upload of an image whose id, version and time of change are given.
"""

from dataclasses import replace
from functools import partial
from math import ceil

from chalicelib import access, ids, logs
from chalicelib.config import settings
from chalicelib.errors import Conflict, Forbidden, TooLarge
from chalicelib.images import images, lifecycle
from chalicelib.images.model import DirectUploadRequest, Import, ImportRequest, MissingPart, UploadParts
from chalicelib.model import Caller, Image, State
from chalicelib.stores import catalog, dynamodb, staged
from chalicelib.stores.model import UploadedPart, UploadForm

_MOST_NUMBERS = 20  # part numbers in an error message


def begin(caller: Caller, request: DirectUploadRequest) -> tuple[Image, UploadForm | UploadParts]:
    """Write a record that waits for its bytes, and return how the client sends them: one call, two for parts.

    The bytes come by one form or, above MULTIPART_THRESHOLD_BYTES, in parts. The multipart upload begins before the
    record is written; after a crash in between, S3's lifecycle rule removes it.
    Raises Unauthorized, Forbidden: see access.check_owner. Raises TooLarge: over MAX_DIRECT_UPLOAD_BYTES.
    """
    _check_request(caller, request)
    image = lifecycle.announced(request, ids.new_id())
    logs.note_image(image.image_id)
    image = _with_parts(image)
    lifecycle.create(image)
    return image, _form_or_parts(image, ())


def begin_import(caller: Caller, request: ImportRequest) -> Import:
    """Write a record with a given id that waits for its bytes, or find the one that was written before.

    Reads the record, begins the multipart upload if there are parts, and writes the record: two or three calls. If the
    record exists: one call, and one more for parts. If another request is first, the record is read again, and S3's
    lifecycle rule removes the multipart upload that is left over.
    Raises Forbidden: IMPORTS=nobody. Raises Unauthorized, Forbidden, TooLarge: see begin.
    Raises Conflict: the id is taken, or the bytes of this image were rejected.
    """
    if settings().imports != "owners":
        raise Forbidden("This service accepts no imports; its operator can set IMPORTS=owners for the time of a move.")
    _check_request(caller, request)
    logs.note_image(request.image_id)

    def attempt() -> Import:
        if (existing := catalog.get(request.image_id, consistent=True)) is not None:
            return Import(_check_same(existing, request), _rest(existing), created=False)
        image = _with_parts(lifecycle.imported(request, ids.now()))
        dynamodb.commit(lifecycle.writes(None, image))
        return Import(image, _form_or_parts(image, ()), created=True)

    return dynamodb.retried(attempt)


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


def _check_request(caller: Caller, request: DirectUploadRequest) -> None:
    """Check that a caller may upload an image for its owner, and its size.

    Raises Unauthorized, Forbidden: see access.check_owner. Raises TooLarge: over MAX_DIRECT_UPLOAD_BYTES.
    """
    access.check_owner(caller, request.user_id)
    logs.note_caller(request.user_id)
    limit = settings().max_direct_upload_bytes
    if request.size > limit:
        raise TooLarge("The image", limit, "bytes", "MAX_DIRECT_UPLOAD_BYTES")


def _check_same(image: Image, request: ImportRequest) -> Image:
    """Return the image that has the id of an import if it is the imported one.

    Raises Conflict: it is another image or in deletion, which have the same message; or its bytes were rejected.
    """
    if image.is_gone or (image.user_id, image.checksum) != (request.user_id, request.checksum):
        raise Conflict(
            "The image_id is taken by an image with another owner or another checksum, or by one that is being "
            "deleted; after a deletion, import the image an hour later."
        )
    if image.state is State.REJECTED:
        raise Conflict(f"The image is rejected: {image.reason}")
    return image


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


def _with_parts(image: Image) -> Image:
    """Return a new image with a multipart upload, which begins now, if the image is to be sent in parts."""
    limits = settings()
    if image.size <= limits.multipart_threshold_bytes:
        return image
    upload_id = staged.begin_multipart(image.s3_key, image.content_type)
    return replace(image, upload_id=upload_id, part_size=limits.part_bytes)


def _rest(image: Image) -> UploadForm | UploadParts | None:
    """Return how to send what S3 does not have of an image; None if the image awaits nothing, or only its event."""
    if image.state is not State.AWAITING_UPLOAD:
        return None
    try:
        return _form_or_parts(image, staged.uploaded_parts(image.s3_key, image.upload_id) if image.upload_id else ())
    except staged.Gone:  # completed; or aborted in S3, then the schedule deletes the record
        return None


def _form_or_parts(image: Image, uploaded: tuple[UploadedPart, ...]) -> UploadForm | UploadParts:
    """Return how to send an image that awaits its bytes: in parts, of which some may be uploaded, or in one form."""
    if image.upload_id:
        return _upload_parts(image, uploaded)
    return staged.upload_form(image.s3_key, image.content_type, image.size, image.checksum)


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

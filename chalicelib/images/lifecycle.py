"""The life of an image: its states, the steps between them, and what each step writes.

A step is a pure function from an image to the image after the step. `take` commits a step: the record, the index rows
and the tag counts change in one transaction, or nothing changes.

    An upload through the API is listed from the beginning:

        uploaded --> PROCESSING --processed--> READY
                     PROCESSING --failed--> FAILED --processed--> READY

    A direct upload is listed once it is READY, or its bytes are an image that can't be decoded:

        announced, imported --> AWAITING_UPLOAD
        AWAITING_UPLOAD --claimed--> PROCESSING --shown--> READY
                      PROCESSING --kept--> FAILED --processed--> READY
                      AWAITING_UPLOAD, PROCESSING --rejected--> REJECTED
                      AWAITING_UPLOAD, PROCESSING --failed--> FAILED --claimed--> PROCESSING

    The end of every image:

        any state --deleting--> DELETING, not listed --discarded--> DELETING
        DELETING --> no record, if the image was processed
        DELETING --deleted--> DELETED --> no record, if it was not

A step of processing does not change an image that is READY, REJECTED or gone: another process was first. FAILED is not
final: a repeated event, or the operator's redrive, processes the image again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.errors import BadInput, Conflict, NotFound, PreconditionFailed
from chalicelib.images.model import DirectUploadRequest, ImportRequest, Metadata, UpdateRequest, UploadRequest
from chalicelib.model import Analysis, Image, State, Visibility
from chalicelib.pictures.identify import Picture
from chalicelib.stores import catalog, dynamodb, idempotency, records
from chalicelib.stores.dynamodb import Attributes, Write
from chalicelib.stores.model import KeyedRequest
from chalicelib.tags import tags

Step = Callable[[Image], Image]


class ChecksumMismatch(Exception):
    """The bytes of a direct upload are not the announced ones, or another file was sent first."""


def writes(before: Image | None, after: Image) -> list[Write]:
    """Return every write of a step: the record, its index rows and its tag counts. `before` is None for a new image."""
    record = catalog.put(after) if before is None else catalog.replace(before, by=after)
    return [record, *catalog.row_writes(before, after), *tags.count_writes(before, after)]


def create(image: Image, *also: Write) -> None:
    """Commit the first step of a new image, with other writes.

    Raises Changed: the condition of another write does not hold, or the image was removed as unfinished.
    """
    try:
        dynamodb.commit([*writes(None, image), *also])
    except dynamodb.Changed:
        stored = catalog.get(image.image_id, consistent=True)
        if stored is None or stored.is_gone:
            raise
        # The id is new, so the record is this one: the write succeeded, its answer was lost, and it was repeated.


def take(
    step: Step, read: Callable[[], Image], image: Image | None = None, request: KeyedRequest | None = None
) -> tuple[Image, Image]:
    """Commit a step of an image. If another writer is first, read the image again and repeat the step.

    A caller that has just read the image passes it, which saves the first read. If the same `request` was made before,
    the step is not repeated. Otherwise the request's key is one more write of the transaction.
    Returns the image before and after the step; both are the same if the step changes nothing.
    Raises Unavailable: other writers keep changing the image. Raises Conflict: the key was used for another request.
    Raises BadInput: there are too many writes for one transaction. Raises whatever the step raises.
    """
    known = [image] if image else []
    sent: list[tuple[Image, Image]] = []

    def attempt() -> tuple[Image, Image]:
        before = known.pop() if known else read()
        if sent and _has(before, *sent[-1]):
            # The write succeeded, its answer was lost, and its repetition found it done (RFC 9110 section 13.1.1).
            return sent[-1][0], before
        if request and (done := idempotency.find(request)):
            return before, result_of(done)
        after = step(before)
        changes = writes(before, after) if after != before else []
        if request:
            changes.append(idempotency.put(request, {"image": {"M": _result(after)}}))
            _check_number(changes)
        if changes:
            sent.append((before, after))
            dynamodb.commit(changes)
        return before, after

    return dynamodb.retried(attempt, "The image is being changed by other requests; try again in a moment.")


def result_of(done: Attributes) -> Image:
    """Return the image as a request left it, from what the request's key was used for."""
    return records.from_item(done["image"]["M"])


def _has(now: Image, before: Image, after: Image) -> bool:
    """Whether an image has a change, although processing may have changed the image since."""
    if after.version == before.version or after.is_gone:
        return now == after
    return not now.is_gone and _unprocessed(now) == _unprocessed(after)


def _unprocessed(image: Image) -> Image:
    return replace(image, state=State.READY, reason="", attempts=0, taken_at="", analysis=None)


def _result(image: Image) -> Attributes:
    """Return the record for the answer to a repeated request. Of a deleted image, without what its owner wrote."""
    result = replace(image, analysis=None)
    if image.is_gone:
        result = replace(result, title="", description="", tags=())
    return records.to_item(result, settings().s3_bucket_name)


def _check_number(changes: list[Write]) -> None:
    if len(changes) > dynamodb.MAX_WRITES:
        raise BadInput(
            "This update replaces too many tags and words for an Idempotency-Key; change the visibility in another "
            "update, or send it without the key."
        )


# The first step of a new image.


def uploaded(request: UploadRequest, image_id: str, picture: Picture, checksum: str) -> Image:
    """Return the image of an upload through the API."""
    return replace(
        _new(request, image_id, State.PROCESSING, listed=True),
        content_type=picture.content_type,
        size=len(request.file),
        checksum=checksum,
        **_seen(picture),
    )


def announced(request: DirectUploadRequest, image_id: str) -> Image:
    """Return the image of a direct upload that has no bytes yet."""
    return replace(
        _new(request, image_id, State.AWAITING_UPLOAD, listed=False),
        content_type=request.content_type,
        size=request.size,
        checksum=request.checksum,
    )


def imported(request: ImportRequest, at: str) -> Image:
    """Return the image of an import that has no bytes yet. The import begins at a time (RFC 3339).

    Until the image is listed, `updated_at` is this time: by `updated_at`, the schedule deletes unfinished uploads.
    """
    return replace(
        announced(request, request.image_id),
        version=request.version,
        updated_at=at,
        imported_updated_at=request.updated_at,
    )


def orphaned(user_id: str, image_id: str, at: str) -> Image:
    """Return the image of an object whose upload wrote no record: in deletion, at a time (RFC 3339)."""
    metadata = Metadata(user_id=user_id, title="", description="", tags=(), filename="", visibility=Visibility.PRIVATE)
    return replace(_new(metadata, image_id, State.DELETING, listed=False), updated_at=at)


def with_id(image: Image, image_id: str) -> Image:
    """Return a new image as it was when the same request stored it before, under another id."""
    return replace(image, image_id=image_id, updated_at=ids.created_at(image_id))


def without_record(image: Image) -> Image:
    """Return an image whose record was deleted after it was read."""
    return replace(image, state=State.DELETED, listed=False)


# Steps of the owner.


def updated(image: Image, request: UpdateRequest, if_match: frozenset[int] | None, at: str) -> Image:
    """Change the metadata of an image, at a time (RFC 3339).

    Raises NotFound: the image is gone. Raises Conflict: it is not listed.
    Raises PreconditionFailed: its version is not in `if_match`.
    """
    if image.is_gone:
        raise NotFound(image.image_id)
    if not image.listed:
        raise Conflict(f"The image is {image.state}; it can be changed once it is in lists.")
    _check_version(image, if_match)
    return replace(
        image,
        version=image.version + 1,
        updated_at=at,
        title=image.title if request.title is None else request.title,
        description=image.description if request.description is None else request.description,
        tags=image.tags if request.tags is None else request.tags,
        visibility=request.visibility or image.visibility,
    )


def deleting(image: Image, if_match: frozenset[int] | None, at: str) -> Image:
    """Take an image out of every list and view. Does not change an image that is DELETING.

    Raises NotFound: the image is DELETED. Raises PreconditionFailed: its version is not in `if_match`.
    """
    if image.state is State.DELETED:
        raise NotFound(image.image_id)
    if image.state is State.DELETING:
        return image
    _check_version(image, if_match)
    return replace(image, version=image.version + 1, updated_at=at, state=State.DELETING, listed=False)


def discarded(image: Image, at: str) -> Image:
    """Abandon an image that is not listed.

    Raises NotFound: the image is gone. Raises Conflict: it is listed.
    """
    if image.is_gone:
        raise NotFound(image.image_id)
    if image.listed:
        raise Conflict("The upload is finished; delete the image instead.")
    return replace(image, updated_at=at, state=State.DELETING)


def deleted(image: Image) -> Image:
    """Note that the objects of an image in deletion are removed."""
    return replace(image, state=State.DELETED) if image.state is State.DELETING else image


# Steps of processing.


def claimed(image: Image, checksum: str) -> Image:
    """Bind a direct upload to the bytes with this checksum: of several files sent by one form, the first one counts.

    Raises ChecksumMismatch: other bytes were announced or sent first.
    """
    if image.listed or not image.is_processable:
        return image
    if image.checksum not in ("", checksum):
        raise ChecksumMismatch(
            f"The file's SHA-256 is {checksum}, but {image.checksum} was announced or uploaded before."
        )
    return replace(image, state=State.PROCESSING, checksum=checksum, reason="", upload_id="")


def processed(image: Image, analysis: Analysis) -> Image:
    """Note the result of processing an image that is listed."""
    if not (image.listed and image.is_processable):
        return image
    taken_at = ids.utc(analysis.taken_at)
    return replace(image, state=State.READY, taken_at=taken_at, analysis=analysis, reason="", attempts=0)


def shown(image: Image, analysis: Analysis) -> Image:
    """Note the result of processing a direct upload, and list the image."""
    if image.listed or not image.is_processable:
        return image
    return replace(_listed(image), state=State.READY, analysis=analysis, **_seen(analysis))


def kept(image: Image, picture: Picture, reason: str) -> Image:
    """List a direct upload that can't be decoded: its bytes are what was announced, so they are not deleted."""
    if image.listed or not image.is_processable:
        return image
    return replace(_listed(image), state=State.FAILED, reason=reason, **_seen(picture))


def rejected(image: Image, reason: str) -> Image:
    """Reject the bytes of a direct upload."""
    if image.listed or not image.is_processable:
        return image
    return replace(image, state=State.REJECTED, reason=reason)


def counted(image: Image) -> Image:
    """Count an attempt at processing."""
    return replace(image, attempts=image.attempts + 1) if image.is_processable else image


def failed(image: Image, reason: str) -> Image:
    """Note that processing did not succeed and will not be repeated by itself."""
    return replace(image, state=State.FAILED, reason=reason) if image.is_processable else image


def failed_after(image: Image, attempts: int, reason: str) -> Image:
    """Note a failure once this many attempts were counted."""
    return image if image.attempts < attempts else failed(image, reason)


def _listed(image: Image) -> Image:
    """Return a direct upload as it is listed: an import with the time of change that it was imported with."""
    updated_at = image.imported_updated_at or image.updated_at
    return replace(image, listed=True, attempts=0, updated_at=updated_at, imported_updated_at="")


def _seen(picture: Picture | Analysis) -> dict[str, Any]:
    """Return the fields of an image that its file has."""
    return {"width": picture.width, "height": picture.height, "taken_at": ids.utc(picture.taken_at)}


def _new(metadata: Metadata, image_id: str, state: State, *, listed: bool) -> Image:
    return Image(
        image_id=image_id,
        user_id=metadata.user_id,
        title=metadata.title,
        description=metadata.description,
        tags=metadata.tags,
        filename=metadata.filename,
        content_type="",
        size=0,
        checksum="",
        width=0,
        height=0,
        visibility=metadata.visibility,
        updated_at=ids.created_at(image_id),
        state=state,
        listed=listed,
    )


def _check_version(image: Image, if_match: frozenset[int] | None) -> None:
    if if_match is not None and image.version not in if_match:
        raise PreconditionFailed(image.version)

"""The use cases of one image: upload, view, download, update and delete it."""

import hashlib
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

from chalicelib import access, ids, logs
from chalicelib.config import settings
from chalicelib.errors import Conflict, Gone, NotFound, TooLarge, Unavailable
from chalicelib.images import lifecycle, signatures
from chalicelib.images.model import Detail, Download, DownloadType, Health, Unready, UpdateRequest, UploadRequest, View
from chalicelib.lists import entries
from chalicelib.model import Caller, Image, State, Visibility
from chalicelib.pictures import completeness
from chalicelib.pictures.identify import identify
from chalicelib.stores import catalog, derived, dynamodb, idempotency, originals, staged
from chalicelib.stores.model import KeyedRequest


def upload(caller: Caller, request: UploadRequest) -> Image:
    """Store an image: one S3 PutObject call, then one DynamoDB transaction.

    The transaction writes the record, its index rows, the tag counts and, if given, the idempotency key. The object
    comes first: its event finds an object without a record, but nothing would find a record without an object. The same
    request with the same idempotency key returns the image that was stored first.
    Raises Unauthorized, Forbidden: see access.check_owner. Raises Unsupported, TooLarge: see identify.
    Raises BadInput: see completeness.check.
    Raises Conflict: the idempotency key was used for another request. Raises Gone: that image was deleted.
    """
    access.check_owner(caller, request.user_id)
    logs.note_caller(request.user_id)
    completeness.check(request.file)
    picture = identify(request.file)
    digest = hashlib.sha256(request.file)
    image = lifecycle.uploaded(request, ids.new_id(), picture, digest.hexdigest())
    logs.note_image(image.image_id)
    keyed = _keyed_upload(request, image.checksum)
    if first := _stored_before(keyed, image):
        return first
    originals.put(image.s3_key, request.file, image.content_type, digest.digest())
    key = [idempotency.put(keyed, {"image_id": {"S": image.image_id}})] if keyed else []
    try:
        lifecycle.create(image, *key)
    except dynamodb.Changed:
        # Either the same request was first, and the event of this object will remove it; or the upload took so long
        # that the event has removed the object already.
        if first := _stored_before(keyed, image):
            return first
        raise Unavailable("The upload took too long; send it again.") from None
    return image


def find(caller: Caller, image_id: str, shows: Callable[[Image], bool] = lambda image: False) -> Image:
    """Return an image, listed or not: one call, and a consistent second one if the first finds nothing to see.

    `shows` says whether the request may see an image that the caller may not see. A hidden image takes as many calls
    as an unknown id, so that the time of an answer does not tell one from the other.
    Raises NotFound: no such image for this caller.
    """
    image = _visible(caller, _get(image_id), shows) or _visible(caller, _get(image_id, consistent=True), shows)
    if image is None:
        raise NotFound(image_id)
    return image


def find_with(caller: Caller, image_id: str, details: Collection[Detail]) -> Image:
    """Return an image whose details the caller may see: as many calls as `find`.

    Raises NotFound: see find. Raises Unauthorized, Forbidden: see access.check_location.
    """
    image = find(caller, image_id)
    if Detail.LOCATION in details:
        access.check_location(caller, image)
    return image


def find_listed(caller: Caller, image_id: str) -> Image:
    """Return an image that is in lists: as many calls as `find`.

    Raises NotFound: no such image in this caller's lists.
    """
    image = find(caller, image_id)
    if not image.listed:
        raise NotFound(image_id)
    return image


def find_changeable(caller: Caller, image_id: str) -> Image:
    """Return an image that the caller may change, as it is now: one consistent call.

    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    """
    image = _get(image_id, consistent=True)
    if image is None:
        raise NotFound(image_id)
    access.check_change(caller, image)
    return image


def find_existing(caller: Caller, image_id: str) -> Image:
    """Return an image that the caller may change and that is not deleted: one consistent call.

    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    """
    image = find_changeable(caller, image_id)
    if image.is_gone:
        raise NotFound(image_id)
    return image


def view(caller: Caller, image_id: str, *, download: bool) -> View:
    """Return an image with a presigned URL of the picture that the caller gets: as many calls as `find`.

    With `download`, S3 answers the URL as an attachment with the image's filename. Raises NotFound: see find_listed.
    """
    return with_url(caller, find_listed(caller, image_id), download=download)


def with_url(caller: Caller, image: Image, *, download: bool) -> View:
    """Return an image with a presigned URL of the picture that the caller gets, as `view` does: no call."""
    picture = entries.picture(image, caller, download=download)
    keys = signatures.keys() if image.visibility is Visibility.PRIVATE else ()
    signature = signatures.sign(image, keys[0], settings().render_signature_seconds) if keys else ""
    return View(image, picture, settings().presigned_url_expiration, signature)


def without_variant(image: Image) -> Unready:
    """Return an image that has no variant yet, for a caller who gets nothing else.

    Raises Conflict: it will not have any.
    """
    if image.state not in (State.AWAITING_UPLOAD, State.PROCESSING):
        raise Conflict("The image could not be processed: it has no variant, and only its owner gets the original.")
    return Unready(image)


def download(caller: Caller, image_id: str, how: DownloadType) -> Download | Unready:
    """Return the picture that the caller gets, in one of the ways: one call, and one more if the answer has its bytes.

    A BINARY download of more than MAX_DOWNLOAD_BYTES becomes a redirect.
    Raises NotFound: see find_listed. Raises TooLarge: a BASE64 download of more than MAX_DOWNLOAD_BYTES.
    Raises Conflict: see without_variant.
    """
    found = view(caller, image_id, download=True)
    variant, limit = found.picture.variant, settings().max_download_bytes
    if found.presigned_url is None:
        return without_variant(found.image)
    if (variant or found.image).size > limit:
        if how is DownloadType.BASE64:
            raise TooLarge("The image", limit, "bytes", "MAX_DOWNLOAD_BYTES")
        how = DownloadType.REDIRECT if how is DownloadType.BINARY else how
    if how not in (DownloadType.BINARY, DownloadType.BASE64):
        return Download(found, how)
    content = derived.get(found.image, variant) if variant else originals.get(found.image.s3_key)
    if content is None:  # deleted after the record was read
        raise NotFound(image_id)
    return Download(found, how, content)


def update(
    caller: Caller,
    image_id: str,
    request: UpdateRequest,
    *,
    if_match: frozenset[int] | None,
    idempotency_key: str | None = None,
) -> Image:
    """Change an image: its record, its index rows and its tag counts, in one transaction of at most 100 writes.

    An idempotency key costs one read and one write more. The same request with the same key changes nothing, and
    returns what it returned first.
    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    Raises Conflict, PreconditionFailed, BadInput: see lifecycle.updated and lifecycle.take.
    """
    read = partial(find_existing, caller, image_id)
    said = ["PUT", request.title, request.description, request.tags, request.visibility]
    keyed = idempotency.of_record(image_id, idempotency_key, said) if idempotency_key else None
    _, updated = lifecycle.take(
        lambda image: lifecycle.updated(image, request, if_match, ids.now()), read, request=keyed
    )
    return updated


def delete(
    caller: Caller, image_id: str, *, if_match: frozenset[int] | None, idempotency_key: str | None = None
) -> Image:
    """Delete an image: first from every list and view, in one transaction; then its objects; then its record.

    After a crash the record is DELETING; a repeated call or the schedule finishes the deletion. An idempotency key
    costs one read and one write more. The same request with the same key returns what it returned first.
    Raises NotFound, Unauthorized, Forbidden: see access.check_change.
    Raises PreconditionFailed, Conflict: see lifecycle.deleting and lifecycle.take.
    """
    read = partial(find_changeable, caller, image_id)
    keyed = idempotency.of_record(image_id, idempotency_key, ["DELETE"]) if idempotency_key else None
    try:
        before, after = lifecycle.take(
            lambda image: lifecycle.deleting(image, if_match, ids.now()), read, request=keyed
        )
    except NotFound:
        if keyed and (deleted := _deleted_before(caller, keyed)):
            return deleted
        raise
    unfinished = before if before.is_gone else after
    if unfinished.state is State.DELETING:
        finish_delete(unfinished)
    return after


def discard(image: Image) -> None:
    """Delete an image that is not listed.

    Raises dynamodb.Changed: the image is not as it was read.
    """
    deleting = lifecycle.discarded(image, ids.now())
    dynamodb.commit(lifecycle.writes(image, deleting))
    finish_delete(deleting)


def finish_delete(image: Image) -> None:
    """Remove the objects of an image in deletion, then its record.

    The record of an image that was never processed stays as DELETED until no processing attempt can still be running:
    such an attempt may write variants, which the schedule then removes.
    """
    delete_objects(image)
    if image.analysis is None and image.state is not State.DELETED:
        with suppress(dynamodb.Changed):  # another process has finished the deletion
            dynamodb.commit(lifecycle.writes(image, lifecycle.deleted(image)))
    else:
        catalog.delete(image.image_id)


def delete_objects(image: Image) -> None:
    """Remove every object of an image: its original, its variants, and an object or parts of its direct upload."""
    originals.delete(image.s3_key)
    derived.delete(image)
    if image.analysis is None:
        staged.delete(image.s3_key)
    if image.upload_id:
        staged.abort_multipart(image.s3_key, image.upload_id)


def health() -> Health:
    """Return whether each store answers: two calls."""
    return Health(s3=originals.answers(), dynamodb=catalog.answers())


def _get(image_id: str, *, consistent: bool = False) -> Image | None:
    return catalog.get(image_id, consistent=consistent) if ids.is_id(image_id) else None


def _visible(caller: Caller, image: Image | None, shows: Callable[[Image], bool]) -> Image | None:
    if image is None or image.is_gone:
        return None
    return image if access.may_see(caller, image.user_id, image.visibility) or shows(image) else None


def _keyed_upload(request: UploadRequest, checksum: str) -> KeyedRequest | None:
    if not request.idempotency_key:
        return None
    # Not the body itself: each form has a different boundary.
    said = [request.title, request.description, request.tags, request.filename, request.visibility, checksum]
    return idempotency.of_owner(request.user_id, request.idempotency_key, said)


def _stored_before(request: KeyedRequest | None, image: Image) -> Image | None:
    """Return the image that the same request stored before, or None if its idempotency key is new: up to two calls.

    Raises Conflict: the key was used for another request. Raises Gone: the image was deleted.
    """
    done = idempotency.find(request)
    if done is None:
        return None
    image_id = done["image_id"]["S"]
    logs.note_image(image_id)
    stored = _get(image_id, consistent=True)
    if stored is None or stored.is_gone:
        raise Gone(
            f"This Idempotency-Key was used for image {image_id!r}, which has been deleted since; send another key to "
            "upload it again."
        )
    return lifecycle.with_id(image, image_id)


def _deleted_before(caller: Caller, request: KeyedRequest) -> Image | None:
    """Return the image that the same request deleted before, or None if there is none for this caller: one call.

    Raises Conflict: the key was used for another request.
    """
    done = idempotency.get(request)
    if done is None:
        return None
    image = lifecycle.result_of(done)
    if not (access.owns(caller, image.user_id) and access.may_see(caller, image.user_id, image.visibility)):
        return None
    idempotency.check(request, done)
    return image

"""What the schedule repairs. It reads the sparse index of unfinished records, never a whole table."""

import logging
import time
from collections.abc import Sequence
from functools import partial

from chalicelib import deadline, ids, logs, tasks
from chalicelib.config import settings
from chalicelib.images import images, processing
from chalicelib.images.model import Repaired
from chalicelib.model import Image, State
from chalicelib.stores import catalog, dynamodb, staged
from chalicelib.tags import tags

log = logging.getLogger("images-api")

_MOST_IMAGES = 1_000  # of one state in one run

# After so many seconds, a run begins no other image: its function has 300, and one image takes at most ten. The rest is
# for the tag changes that follow (tags.APPLY_SECONDS).
_SECONDS = 140
_IMAGE_SECONDS = 60  # one image may take so long if a store is slow


def sweep(*, dry_run: bool) -> tuple[Repaired, ...]:
    """Finish what was interrupted, then apply the queued changes of tag counts. Returns the images that it repaired.

    With `dry_run`, changes nothing and returns the images that it would repair. Finishes deletions and processing older
    than SWEEP_AFTER_SECONDS, also of direct uploads whose file has arrived. Deletes direct uploads that did not arrive
    or were rejected after ABANDONED_UPLOAD_SECONDS, and failed ones after FAILED_UPLOAD_SECONDS. Can run twice, and
    while others finish the same images. The log line has the number of images and the age of the oldest unfinished one.
    A step that fails does not stop the others. Raises their errors after the last one: see tasks.run_all.
    """
    repaired: dict[Repaired, None] = {}  # a set in order
    try:
        tasks.run_all(
            (
                *_repairs(repaired, dry_run=dry_run),
                _note_oldest,
                *(() if dry_run else (tags.apply_changes,)),
            )
        )
    finally:
        logs.note(repaired=0 if dry_run else len(repaired))
    return tuple(repaired)


def _repairs(repaired: dict[Repaired, None], *, dry_run: bool) -> Sequence[partial[None]]:
    """Return the steps that repair images, one for each state. Each adds the images that it repaired."""
    until = time.monotonic() + _SECONDS
    limits = settings()
    step = partial(_repair_all, repaired, until=until, dry_run=dry_run)
    return (
        partial(step, State.DELETING, limits.sweep_after_seconds),
        partial(step, State.DELETED, limits.sweep_after_seconds),
        partial(step, State.REJECTED, limits.abandoned_upload_seconds),
        partial(step, State.AWAITING_UPLOAD, limits.abandoned_upload_seconds),
        partial(step, State.FAILED, limits.failed_upload_seconds),
        partial(step, State.PROCESSING, limits.sweep_after_seconds),
        # The newest first: uploads that never arrive, of which there may be thousands, can't hide one that did.
        partial(step, State.AWAITING_UPLOAD, limits.sweep_after_seconds, newest_first=True),
    )


def _repair_all(
    repaired: dict[Repaired, None],
    state: State,
    seconds: int,
    *,
    until: float,
    dry_run: bool,
    newest_first: bool = False,
) -> None:
    """Repair the images in a state that were last changed `seconds` ago or before."""
    before = ids.timestamp(time.time() - seconds)
    for image_id, _ in catalog.unfinished(state, before, _MOST_IMAGES, newest_first=newest_first):
        if time.monotonic() > until or deadline.remaining() < _IMAGE_SECONDS:  # the next run goes on
            return
        if _repair(image_id, state, dry_run=dry_run):
            repaired[Repaired(image_id, state)] = None


def _note_oldest() -> None:
    """Note the age of the oldest image in processing or deletion, 0 if there is none: two calls of one row."""
    now = time.time()
    oldest = (catalog.unfinished(state, ids.timestamp(now), 1) for state in (State.PROCESSING, State.DELETING))
    since = [ids.milliseconds_of(timestamp) / 1000 for rows in oldest for _, timestamp in rows]
    logs.note(oldest_unfinished_seconds=round(now - min(since, default=now), 1))


def _repair(image_id: str, state: State, *, dry_run: bool) -> bool:
    """Finish what was interrupted with an image; return whether that succeeded or, in a dry run, is needed."""
    fields = {"image_id": image_id, "was": state}
    try:
        image = catalog.get(image_id, consistent=True)
        if image is None or image.state is not state:  # the index is eventually consistent
            return False
        has_arrived = _has_arrived(image)
        if not (has_arrived or _is_due(image)):
            return False
        if dry_run:
            return True
        _finish(image, has_arrived=has_arrived)
    except dynamodb.Changed:  # another process was first
        return False
    except Exception:  # an error of one image must not stop the run
        log.exception("An unfinished image could not be repaired.", extra={"fields": fields})
        return False
    log.info("Repaired an unfinished image.", extra={"fields": fields})
    return True


def _finish(image: Image, *, has_arrived: bool) -> None:
    if image.is_gone:
        images.finish_delete(image)
    elif image.state is State.PROCESSING or has_arrived:
        processing.resume(image)
    else:
        images.discard(image)


def _is_due(image: Image) -> bool:
    """Whether there is something to finish, even if no object has arrived: an awaited upload must be abandoned."""
    if image.state is not State.AWAITING_UPLOAD:
        return True
    age = time.time() - ids.milliseconds_of(image.updated_at) / 1000
    return age >= settings().abandoned_upload_seconds


def _has_arrived(image: Image) -> bool:
    """Whether the object of an awaited upload is in S3 although its event was lost or failed."""
    return image.state is State.AWAITING_UPLOAD and staged.exists(image.s3_key)

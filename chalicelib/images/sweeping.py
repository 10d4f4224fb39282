"""What the schedule repairs. It reads the sparse index of unfinished records, never a whole table."""

import logging
import time

from chalicelib import deadline, ids, logs
from chalicelib.config import settings
from chalicelib.images import images, processing
from chalicelib.images.model import Repaired
from chalicelib.model import Image, State
from chalicelib.stores import catalog, dynamodb, staged

log = logging.getLogger("images-api")

_MOST_IMAGES = 1_000  # of one state in one run
# A run begins no other image after this time, or if its function has less time left than one image may take. The next
# run goes on. The function also applies changes of tag counts, see tags.apply_changes: each has its share.
_MOST_SECONDS = 120
_IMAGE_SECONDS = 60


def sweep(*, dry_run: bool) -> tuple[Repaired, ...]:
    """Finish what was interrupted, and return those images; with `dry_run`, only return them.

    Finishes deletions and processing older than SWEEP_AFTER_SECONDS. Deletes direct uploads that did not arrive or were
    rejected after ABANDONED_UPLOAD_SECONDS, and failed ones after FAILED_UPLOAD_SECONDS. Can run twice, and while
    others finish the same images. The log line has the number of images and the age of the oldest unfinished one.
    """
    repaired = _sweep(dry_run=dry_run)
    logs.note(repaired=0 if dry_run else len(repaired), oldest_unfinished_seconds=_oldest_unfinished_seconds())
    return repaired


def _sweep(*, dry_run: bool) -> tuple[Repaired, ...]:
    started = time.monotonic()
    limits = settings()
    ages = (
        (State.DELETING, limits.sweep_after_seconds),
        (State.DELETED, limits.sweep_after_seconds),
        (State.REJECTED, limits.abandoned_upload_seconds),
        (State.AWAITING_UPLOAD, limits.abandoned_upload_seconds),
        (State.FAILED, limits.failed_upload_seconds),
        (State.PROCESSING, limits.sweep_after_seconds),
    )
    repaired: list[Repaired] = []
    for state, seconds in ages:
        for image_id, _ in catalog.unfinished(state, ids.timestamp(time.time() - seconds), _MOST_IMAGES):
            if time.monotonic() - started > _MOST_SECONDS or deadline.remaining() < _IMAGE_SECONDS:
                return tuple(repaired)
            image = catalog.get(image_id, consistent=True)
            if image is None or image.state is not state:  # the index is eventually consistent
                continue
            if dry_run or _repair(image):
                repaired.append(Repaired(image_id, state))
    return tuple(repaired)


def _oldest_unfinished_seconds() -> float:
    """Return the age of the oldest image in processing or deletion, 0 if there is none: two calls of one row."""
    now = time.time()
    oldest = (catalog.unfinished(state, ids.timestamp(now), 1) for state in (State.PROCESSING, State.DELETING))
    since = [ids.milliseconds_of(timestamp) / 1000 for rows in oldest for _, timestamp in rows]
    return round(now - min(since, default=now), 1)


def _repair(image: Image) -> bool:
    """Finish what was interrupted with an image; return whether that succeeded."""
    fields = {"image_id": image.image_id, "was": image.state}
    try:
        if image.is_gone:
            images.finish_delete(image)
        elif image.state is State.PROCESSING or _has_arrived(image):
            processing.resume(image)
        else:
            images.discard(image)
    except dynamodb.Changed:  # another process was first
        return False
    except Exception:  # an error of one image must not stop the run
        log.exception("An unfinished image could not be repaired.", extra={"fields": fields})
        return False
    log.info("Repaired an unfinished image.", extra={"fields": fields})
    return True


def _has_arrived(image: Image) -> bool:
    """Whether the object of an awaited upload is in S3 although its event was lost."""
    return image.state is State.AWAITING_UPLOAD and staged.exists(image.s3_key)

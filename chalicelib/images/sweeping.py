"""What the schedule finds unfinished and mends; it reads the sparse index of unfinished records, never a table."""

import logging
import time

from chalicelib import ids, logs
from chalicelib.config import settings
from chalicelib.images import images, processing
from chalicelib.model import Image, Mended, State
from chalicelib.stores import catalog, originals

log = logging.getLogger("images-api")

_SWEPT_AT_ONCE = 1_000
_SECONDS = 240  # after which no other image is begun: the schedule's function has 300, one image takes ten at most


def sweep(*, dry_run: bool) -> tuple[Mended, ...]:
    """Mend what crashes left unfinished, and what clients abandoned; or only say what that would be.

    Deletions and processing older than SWEEP_AFTER_SECONDS are finished; direct uploads that didn't come, or were
    rejected, are forgotten after ABANDONED_UPLOAD_SECONDS, and those that failed after FAILED_UPLOAD_SECONDS. Safe to
    run twice, and while others finish the same. The log says how many they were, and how old the oldest is
    that is left.
    """
    mended = _sweep(dry_run=dry_run)
    logs.note(swept=0 if dry_run else len(mended), oldest_unfinished_seconds=_oldest_unfinished_seconds())
    return mended


def _sweep(*, dry_run: bool) -> tuple[Mended, ...]:
    started = time.monotonic()
    limits = settings()
    steps = (
        (State.DELETING, limits.sweep_after_seconds),
        (State.DELETED, limits.sweep_after_seconds),
        (State.REJECTED, limits.abandoned_upload_seconds),
        (State.AWAITING_UPLOAD, limits.abandoned_upload_seconds),
        (State.FAILED, limits.failed_upload_seconds),
        (State.PROCESSING, limits.sweep_after_seconds),
    )
    mended: list[Mended] = []
    for state, seconds in steps:
        for image_id, _ in catalog.unfinished(state, ids.timestamp(time.time() - seconds), _SWEPT_AT_ONCE):
            if time.monotonic() - started > _SECONDS:  # the rest is for the next round
                return tuple(mended)
            image = catalog.get(image_id, consistent=True)
            if image is None or image.state is not state:  # the index is behind the records
                continue
            if dry_run or _mended(image):
                mended.append(Mended(image_id, state))
    return tuple(mended)


def _oldest_unfinished_seconds() -> float:
    """How long the oldest image has been in processing, or in deletion; 0 where there is none: two calls of one row."""
    now = time.time()
    oldest = (catalog.unfinished(state, ids.timestamp(now), 1) for state in (State.PROCESSING, State.DELETING))
    since = [ids.milliseconds_of(timestamp) / 1000 for found in oldest for _, timestamp in found]
    return round(now - min(since, default=now), 1)


def _mended(image: Image) -> bool:
    fields = {"image_id": image.image_id, "was": image.state}
    try:
        if image.is_gone:
            images.finish_delete(image)
        elif image.state is State.PROCESSING or _has_come(image):
            processing.resume(image)
        else:
            images.give_up(image)
    except catalog.Changed:  # someone else was faster
        return False
    except Exception:  # the others are not to wait for this one
        log.exception("Mending failed.", extra={"fields": fields})
        return False
    log.info("Mended.", extra={"fields": fields})
    return True


def _has_come(image: Image) -> bool:
    """Whether what a record awaits is there, since the event that should have told so was lost."""
    return image.state is State.AWAITING_UPLOAD and originals.exists(settings().staged_bucket_name, image.s3_key)

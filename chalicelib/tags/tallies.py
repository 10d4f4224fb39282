"""How a write to an image changes tag counts, and how such changes are added up. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from chalicelib import ids
from chalicelib.index import terms
from chalicelib.model import Image, Visibility
from chalicelib.stores.dynamodb import MAX_WRITES
from chalicelib.tags.model import TagChange, TagCounter, Tally

K = TypeVar("K")

# Tags of one change: it is applied as a whole, by its deletion and, for each tag, the owner's counter and everyone's.
MOST_TAGS = (MAX_WRITES - 1) // 2


def changes(before: Image | None, after: Image | None) -> tuple[TagChange, ...]:
    """Return what a write to an image changes: usually one change, none if no count changes. None: there is no image.

    Two changes if more tags change than one transaction can apply. An update of so many tags has room for both: its
    record, two changes, and at most (7 + 41) + (8 + 41) index rows are 100 writes (terms.MAX_TAGS_AND_WORDS).
    """
    tallies = added(_of(after, 1), _of(before, -1))
    owner = next((image.user_id for image in (before, after) if image), "")
    tags = sorted(tallies)
    parts = [tags[start : start + MOST_TAGS] for start in range(0, len(tags), MOST_TAGS)]
    return tuple(TagChange(ids.new_id(), owner, {tag: tallies[tag] for tag in part}) for part in parts)


def added(*mappings: Mapping[K, Tally]) -> dict[K, Tally]:
    """Return the sums of tallies by key, without those that are zero."""
    sums: dict[K, Tally] = {}
    for tallies in mappings:
        for key, tally in tallies.items():
            sums[key] = sums.get(key, Tally()) + tally
    return {key: tally for key, tally in sums.items() if tally}


def counters(change: TagChange) -> dict[TagCounter, Tally]:
    """Return what a change adds to each counter. Everyone's counters count public images only."""
    own = {TagCounter(change.user_id, tag): tally for tag, tally in change.tallies.items()}
    public = {TagCounter(None, tag): Tally(tally.public) for tag, tally in change.tallies.items() if tally.public}
    return own | public


def batch(queued: Sequence[TagChange]) -> tuple[TagChange, ...]:
    """Return the first changes that one transaction can delete while it writes all of their counters."""
    written: set[TagCounter] = set()
    for n, change in enumerate(queued):
        written |= counters(change).keys()
        if n + 1 + len(written) > MAX_WRITES:
            return tuple(queued[:n])
    return tuple(queued)


def between(tallies: Mapping[str, Tally], prefix: str, after: str | None, until: str | None) -> dict[str, Tally]:
    """Return the tallies of tags with a prefix that are after one tag and up to another one. None: no such bound.

    Code points have DynamoDB's order, which is that of bytes in UTF-8.
    """
    return {
        tag: tally
        for tag, tally in tallies.items()
        if tag.startswith(prefix) and (after is None or after < tag) and (until is None or tag <= until)
    }


def _of(image: Image | None, sign: int) -> dict[str, Tally]:
    if image is None or not image.listed:
        return {}
    tally = Tally(public=sign) if image.visibility is Visibility.PUBLIC else Tally(private=sign)
    return dict.fromkeys(map(terms.fold, image.tags), tally)

"""How often tags are used: what a write to an image changes about it, and how changes are summed up. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from chalicelib import ids
from chalicelib.index import terms
from chalicelib.model import Image, TagChange, TagCounter, Tally, Visibility

K = TypeVar("K")

MOST_WRITES = 100  # DynamoDB: TransactWriteItems

# A change is folded whole or not at all: its deletion, and for each tag the owner's counter and everyone's.
MOST_TAGS = (MOST_WRITES - 1) // 2


def changes(before: Image | None, after: Image | None) -> tuple[TagChange, ...]:
    """What a write to an image changes (None: there is no image): mostly one change; none where nothing does.

    Two where more tags change than can be folded in one transaction. An update that changes so many has room for both:
    its record, these, and at most (7 + 41) + (8 + 41) rows of terms are 100 writes (terms.MOST_TAGS_AND_WORDS).
    """
    tallies = added(_of(after, 1), _of(before, -1))
    owner = next((image.user_id for image in (before, after) if image), "")
    tags = sorted(tallies)
    parts = [tags[start : start + MOST_TAGS] for start in range(0, len(tags), MOST_TAGS)]
    return tuple(TagChange(ids.new_id(), owner, {tag: tallies[tag] for tag in part}) for part in parts)


def added(*each: Mapping[K, Tally]) -> dict[K, Tally]:
    """The sums, without those that are zero."""
    sums: dict[K, Tally] = {}
    for tallies in each:
        for key, tally in tallies.items():
            sums[key] = sums.get(key, Tally()) + tally
    return {key: tally for key, tally in sums.items() if tally}


def counters(change: TagChange) -> dict[TagCounter, Tally]:
    """The counters that a change is to be added to; everyone's have what is public alone."""
    own = {TagCounter(change.user_id, tag): tally for tag, tally in change.tallies.items()}
    public = {TagCounter(None, tag): Tally(tally.public) for tag, tally in change.tallies.items() if tally.public}
    return own | public


def batch(waiting: Sequence[TagChange]) -> tuple[TagChange, ...]:
    """The first of the changes: as many as one transaction can delete while it writes all of their counters."""
    written: set[TagCounter] = set()
    for n, change in enumerate(waiting):
        written |= counters(change).keys()
        if n + 1 + len(written) > MOST_WRITES:
            return tuple(waiting[:n])
    return tuple(waiting)


def between(tallies: Mapping[str, Tally], prefix: str, after: str | None, until: str | None) -> dict[str, Tally]:
    """Those of tags that begin so and come behind one tag, up to another one; None: no such bound.

    Code points have the order that DynamoDB sorts by, which is that of bytes in UTF-8.
    """
    return {
        tag: tally
        for tag, tally in tallies.items()
        if tag.startswith(prefix) and (after is None or after < tag) and (until is None or tag <= until)
    }


def _of(image: Image | None, times: int) -> dict[str, Tally]:
    if image is None or not image.listed:
        return {}
    tally = Tally(public=times) if image.visibility is Visibility.PUBLIC else Tally(private=times)
    return dict.fromkeys(map(terms.fold, image.tags), tally)

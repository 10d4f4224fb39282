from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index import terms
from chalicelib.model import Image, Visibility
from chalicelib.stores.dynamodb import MAX_WRITES
from chalicelib.tags import tallies
from chalicelib.tags.model import TagChange, TagCounter, Tally
from tests.unit.samples import IMAGE

MAX_TAGS = 41
NAMES = st.sampled_from([f"{letter}{n}" for n in range(25) for letter in "abAB"])


def images(owners: Sequence[str] = ("alice", "bob")) -> st.SearchStrategy[Image]:
    return st.builds(
        replace,
        st.just(IMAGE),
        user_id=st.sampled_from(owners),
        tags=st.lists(NAMES, max_size=MAX_TAGS, unique_by=terms.fold).map(tuple),
        visibility=st.sampled_from(Visibility),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[TagChange], list[Image]]:
    """Tag changes of images that are uploaded, updated and deleted, in any order, and the remaining images."""
    changes: list[TagChange] = []
    remaining: list[Image] = []
    for image in draw(st.lists(images(), max_size=8)):
        before: Image | None = None
        states = [image, *draw(st.lists(images((image.user_id,)), max_size=2)), *draw(st.lists(st.none(), max_size=1))]
        for after in states:
            changes += tallies.changes(before, after)
            before = after
        remaining += [before] if before else []
    return draw(st.permutations(changes)), remaining


def recounted(remaining: list[Image]) -> dict[TagCounter, Tally]:
    counts: Counter[tuple[str | None, str, Visibility]] = Counter()
    for image in remaining:
        public = image.visibility is Visibility.PUBLIC
        for tag in set(map(terms.fold, image.tags)):
            counts.update(
                (owner, tag, image.visibility) for owner in {image.user_id, None if public else image.user_id}
            )
    return {
        TagCounter(owner, tag): Tally(*(counts[owner, tag, each] for each in (Visibility.PUBLIC, Visibility.PRIVATE)))
        for owner, tag, _ in counts
    }


@given(histories())
def test_the_sum_of_changes_in_any_order_equals_a_recount(history: tuple[list[TagChange], list[Image]]) -> None:
    changes, remaining = history
    assert tallies.added(*map(tallies.counters, changes)) == recounted(remaining)


@given(histories())
def test_each_batch_of_changes_fits_into_one_transaction(
    history: tuple[list[TagChange], list[Image]],
) -> None:
    queued, remaining = history
    counts: dict[TagCounter, Tally] = {}
    while queued:
        batch = tallies.batch(queued)
        assert batch == tuple(queued[: len(batch)])
        sums = tallies.added(*map(tallies.counters, batch))
        assert len(batch) > 0
        assert len(batch) + len(sums) <= MAX_WRITES
        counts, queued = tallies.added(counts, sums), queued[len(batch) :]
    assert counts == recounted(remaining)


def test_an_empty_queue_gives_an_empty_batch() -> None:
    assert tallies.batch([]) == ()


@given(images(("alice",)), images(("alice",)))
def test_a_change_has_only_tags_that_differ_and_fits_into_one_transaction(before: Image, after: Image) -> None:
    changes = tallies.changes(before, after)
    assert len(changes) <= 2
    assert [change.change_id for change in changes] == sorted(change.change_id for change in changes)
    assert all(tally for change in changes for tally in change.tallies.values())
    same = {terms.fold(tag) for tag in before.tags} & {terms.fold(tag) for tag in after.tags}
    changed = {tag for change in changes for tag in change.tallies}
    assert changed.isdisjoint(same) or before.visibility is not after.visibility
    for change in changes:
        assert change.user_id == "alice"
        assert tallies.batch([change]) == (change,)


def test_another_spelling_of_a_tag_is_not_a_change() -> None:
    assert tallies.changes(IMAGE, replace(IMAGE, title="New", tags=tuple(map(str.upper, IMAGE.tags)))) == ()
    assert tallies.changes(None, replace(IMAGE, tags=())) == ()


@given(
    st.dictionaries(st.text(max_size=3), st.just(Tally(1))),
    st.text(max_size=1),
    st.text(max_size=2),
    st.text(max_size=2),
)
def test_tags_between_two_tags_follow_the_order_of_dynamodb(
    counted: dict[str, Tally], prefix: str, after: str, until: str
) -> None:
    def sort_key(tag: str) -> bytes:
        return tag.encode()

    between = tallies.between(counted, prefix, after, until)
    assert between.keys() == {
        tag
        for tag in counted
        if sort_key(after) < sort_key(tag) <= sort_key(until) and sort_key(tag).startswith(sort_key(prefix))
    }
    assert tallies.between(counted, "", None, None) == counted


def test_ids_of_changes_are_in_order_of_time() -> None:
    first, second = (tallies.changes(None, IMAGE)[0].change_id for _ in range(2))
    assert ids.is_id(first)
    assert first < second

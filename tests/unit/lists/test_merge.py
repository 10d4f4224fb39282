from collections.abc import Iterable, Sequence
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.query import Order, Time
from chalicelib.index.ranges import Index, Range
from chalicelib.index.rows import Chunk, Row
from chalicelib.lists.budget import Spent
from chalicelib.lists.merge import Merge, Stream, read
from chalicelib.lists.model import PlannedRead
from tests.unit.tables import Table, row

ORDERS = [Order(oldest_first, by) for oldest_first in (False, True) for by in Time]
START = 1_700_000_000_000


def image_id(milliseconds: int, end: int = 0) -> str:
    return ids.smallest_id(START + milliseconds)[:-4] + f"{end:04x}"


def entry(image_id: str, order: Order) -> tuple[str, Row]:
    """Return the sort key and the row of an image. The later it was created, the earlier its picture was taken."""
    taken = ranges.time_key(ids.timestamp_of(START - ids.milliseconds(image_id)), image_id)
    each = row(image_id, taken=taken)
    return (taken if order.by is Time.TAKEN else image_id), each


def index(order: Order) -> Index:
    return Index.TAKEN_TERMS if order.by is Time.TAKEN else Index.TERMS


def source(partition: str, order: Order) -> Range:
    return Range(index(order), partition, since=ids.START if order.by is Time.TAKEN else 0)


def in_order(image_ids: Iterable[str], order: Order) -> list[str]:
    keys = {ranges.key(entry(each, order)[1], order): each for each in image_ids}
    return [keys[key] for key in sorted(keys, reverse=not order.oldest_first)]


def read_all(merge: Merge, table: Table, rows: int) -> list[Row]:
    """Return all rows of a list, in reads of this many rows."""
    all_rows: list[Row] = []
    for _ in count():
        all_rows += merge.known_rows()
        if merge.head is None:
            return all_rows
        read([merge], table.read_all, rows)
    raise AssertionError


IMAGES = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=20)


@given(st.lists(IMAGES, min_size=1, max_size=4), st.integers(1, 30), st.sampled_from(ORDERS))
def test_merged_lists_are_in_order_and_have_each_image_once(
    parts: list[set[tuple[int, int]]], rows: int, order: Order
) -> None:
    table = Table()
    for n, part in enumerate(parts):
        table.put(index(order), f"tag{n}", (entry(image_id(*each), order) for each in part))
    sources = [source(f"tag{n}", order) for n in range(len(parts))]
    merge = Merge("sea", [Stream(each, order, ranges.beginning(order)) for each in sources], order)
    expected = in_order({image_id(*each) for part in parts for each in part}, order)
    assert [each.image_id for each in read_all(merge, table, rows)] == expected


@given(st.lists(IMAGES, min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 4), st.sampled_from(ORDERS))
def test_a_list_read_page_by_page_has_each_image_once(
    parts: list[set[tuple[int, int]]], rows: int, page_size: int, order: Order
) -> None:
    table = Table()
    for n, part in enumerate(parts):
        table.put(index(order), f"tag{n}", (entry(image_id(*each), order) for each in part))
    expected = in_order({image_id(*each) for part in parts for each in part}, order)
    image_ids: list[str] = []
    position: str | None = ranges.beginning(order)
    while position is not None:
        merge = Merge("sea", [Stream(source(f"tag{n}", order), order, position) for n in range(len(parts))], order)
        read([merge], table.read_all, rows)
        image_ids += [each.image_id for each in islice(merge.known_rows(), page_size)]
        position = merge.head
        assert image_ids == expected[: len(image_ids)]
    assert image_ids == expected


@given(IMAGES, st.integers(1, 5), st.sampled_from([each for each in ORDERS if each.by is not Time.TAKEN]))
def test_images_of_one_owner_and_millisecond_are_in_order_and_appear_once(
    images: set[tuple[int, int]], rows: int, order: Order
) -> None:
    table = Table()
    for each in images:
        # The index has no order of images with the same creation time.
        created_id = image_id(*each)
        table.put(Index.OWNER, "alice", [(f"{ids.created_at(created_id)}/{hash(created_id)}", row(created_id))])
    merge = Merge("sea", [Stream(Range(Index.OWNER, "alice"), order, ranges.beginning(order))], order)
    expected = sorted((image_id(*each) for each in images), reverse=not order.oldest_first)
    assert [each.image_id for each in read_all(merge, table, rows)] == expected


@given(
    st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 3)), st.integers(0, 8)), st.integers(1, 9), st.data()
)
def test_a_list_by_update_sorts_images_by_their_last_update(
    images: dict[tuple[int, int], int], rows: int, data: st.DataObject
) -> None:
    order = Order(data.draw(st.booleans()), Time.UPDATED)
    table = Table()
    expected = []
    for (created, end), delay in images.items():
        created_id = image_id(created, end)
        changed = f"{ids.timestamp((START + created + delay) / 1000)}/{created_id}" if delay else None
        each = row(created_id, changed=changed)
        table.put(Index.TERMS, "sea", [(created_id, each)])
        if changed:
            table.put(Index.CHANGED_TERMS, "tag:sea", [(changed, each)])
        expected.append(changed or f"{ids.created_at(created_id)}/{created_id}")
    expected.sort(reverse=not order.oldest_first)
    sources = [Range(Index.TERMS, "sea"), Range(Index.CHANGED_TERMS, "tag:sea")]

    def merge_from(position: str) -> Merge:
        return Merge("sea", [Stream(each, order, position) for each in sources], order)

    keys = [ranges.key(each, order) for each in read_all(merge_from(ranges.beginning(order)), table, rows)]
    assert keys == expected
    # Reading can continue at any position.
    for n, key in enumerate(expected):
        rest = [ranges.key(each, order) for each in read_all(merge_from(ranges.after(key, order)), table, rows)]
        assert rest == expected[n + 1 :]


@pytest.mark.parametrize("order", ORDERS)
def test_skipped_rows_are_not_read(order: Order) -> None:
    table = Table()
    image_ids = [image_id(n) for n in range(100)]
    table.put(index(order), "sea", (entry(each, order) for each in image_ids))
    merge = Merge("sea", [Stream(source("sea", order), order, ranges.beginning(order))], order)
    read([merge], table.read_all, 3)
    rest = in_order(image_ids, order)[50:]
    merge.seek(ranges.key(entry(rest[0], order)[1], order))
    assert [each.image_id for each in read_all(merge, table, 200)] == rest
    assert len(table.reads) == 2
    merge.seek(ranges.after(ranges.key(entry(rest[-1], order)[1], order), order))
    assert merge.head is None


@pytest.mark.parametrize("order", [Order(), Order(by=Time.UPDATED)])
def test_a_range_of_later_rows_is_not_read_early(order: Order) -> None:
    table = Table()
    created_ids = [image_id(n) for n in range(100)]
    table.put(Index.TERMS, "old", ((each, row(each)) for each in created_ids[:50]))
    table.put(Index.TERMS, "new", ((each, row(each)) for each in created_ids[50:]))
    middle = START + 50
    sources = [Range(Index.TERMS, "old", before=middle), Range(Index.TERMS, "new", since=middle)]
    merge = Merge("sea", [Stream(each, order, ranges.beginning(order)) for each in sources], order)
    read([merge], table.read_all, 40)
    assert {bounds.partition for bounds, _ in table.reads} == {"old" if order.oldest_first else "new"}
    image_ids = [each.image_id for each in read_all(merge, table, 40)]
    assert image_ids == (created_ids if order.oldest_first else created_ids[::-1])


def test_each_of_several_lists_is_read_for_its_share_of_rows() -> None:
    table = Table()
    order = Order()
    sources = [Range(Index.TERMS, f"shard{n}") for n in range(4)]
    for n, source in enumerate(sources):
        table.put(Index.TERMS, source.partition, ((image_id(i, n), row(image_id(i, n))) for i in range(100)))
    merge = Merge("sea", [Stream(each, order, ranges.beginning(order)) for each in sources], order)
    read([merge], table.read_all, 100)
    # Twice the share, so that a list with more rows than the others needs no second read.
    assert [rows for _, rows in table.reads] == [50] * 4
    assert len(list(merge.known_rows())) > 180


@pytest.mark.parametrize("oldest_first", [False, True])
def test_skipping_rows_takes_no_more_reads_than_the_budget_allows(oldest_first: bool) -> None:
    """If all images were updated long after their creation, every row of the list by creation is skipped."""
    order = Order(oldest_first, Time.UPDATED)
    table = Table()
    for n in range(3_000):
        created_id = image_id(n)
        changed = f"{ids.timestamp_of(START + 1_000_000 + n)}/{created_id}"
        table.put(Index.TERMS, "sea", [(created_id, row(created_id, changed=changed))])
        table.put(Index.CHANGED_TERMS, "tag:sea", [(changed, row(created_id, changed=changed))])
    sources = [Range(Index.TERMS, "sea"), Range(Index.CHANGED_TERMS, "tag:sea")]
    position = ranges.beginning(order)
    image_ids: list[str] = []
    while position:
        merge = Merge("sea", [Stream(each, order, position) for each in sources], order)
        reads_before = len(table.reads)
        read([merge], table.read_all, 21, lambda reads_before=reads_before: len(table.reads) - reads_before >= 4)  # type: ignore[misc]
        assert len(table.reads) - reads_before <= 5
        image_ids += [each.image_id for each in merge.known_rows()]
        assert merge.head != position
        position = merge.head or ""
    in_order = [image_id(n) for n in range(3_000)]
    assert image_ids == (in_order if oldest_first else in_order[::-1])


@pytest.mark.parametrize("oldest_first", [False, True])
def test_updates_are_not_read_from_before_the_first_creation(oldest_first: bool) -> None:
    order = Order(oldest_first, Time.UPDATED)
    updates = Range(Index.CHANGED_TERMS, "tag:sea", None, START)
    bounds = updates.bounds(order, updates.beginning(order))
    assert bounds is not None
    assert bounds.low.startswith(ids.timestamp_of(START))


@pytest.mark.parametrize("order", [Order(), Order(oldest_first=True)])
def test_a_range_before_the_position_is_not_read(order: Order) -> None:
    table = Table()
    position = image_id(5)
    skipped = (
        Range(Index.TERMS, "sea", None, START + 6)
        if not order.oldest_first
        else Range(Index.TERMS, "sea", None, 0, START + 5)
    )
    merge = Merge("sea", [Stream(skipped, order, position)], order)
    assert read_all(merge, table, 9) == []
    assert table.reads == []


def test_an_image_updated_between_two_reads_appears_once() -> None:
    order = Order(by=Time.UPDATED)
    updated_id, other_id = image_id(0), image_id(1)
    changed = f"{ids.timestamp((START + 2) / 1000)}/{updated_id}"
    table = Table()
    table.put(Index.TERMS, "sea", [(updated_id, row(updated_id)), (other_id, row(other_id))])  # read before the update
    table.put(Index.CHANGED_TERMS, "tag:sea", [(changed, row(updated_id, changed=changed))])  # and after it
    sources = [Range(Index.TERMS, "sea"), Range(Index.CHANGED_TERMS, "tag:sea")]
    merge = Merge("sea", [Stream(each, order, ranges.beginning(order)) for each in sources], order)
    assert [each.image_id for each in read_all(merge, table, 10)] == [updated_id, other_id]


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("word", [None, "sea"])
def test_a_range_of_time_taken_has_the_pictures_of_its_period_only(oldest_first: bool, word: str | None) -> None:
    order = Order(oldest_first, Time.TAKEN)
    table = Table()
    for n in range(-20, 20):  # milliseconds around the beginning of 1970
        each = image_id(n % 7, 20 + n)
        taken = ranges.time_key(ids.timestamp_of(n), each)
        for other in ("sand", "sea", "season"):
            table.put(Index.TAKEN_TERMS, "s", [(ranges.sort_key(word and other, taken), row(each, taken=taken))])
    merge = Merge(
        "sea", [Stream(Range(Index.TAKEN_TERMS, "s", word, since=-5, before=5), order, ranges.beginning(order))], order
    )
    times = list(range(-5, 5))
    found = [ids.milliseconds_of((each.taken or "").split("/")[0]) for each in read_all(merge, table, 3)]
    assert found == (times if oldest_first else times[::-1])


def test_what_several_lists_must_read_is_read_at_once() -> None:
    order = Order()
    table = Table()
    batches: list[list[tuple[str, str]]] = []

    def read_at_once(planned: Sequence[PlannedRead]) -> list[Chunk]:
        batches.append([(each.what, each.bounds.partition) for each in planned])
        return table.read_all(planned)

    table.put(Index.TERMS, "sea", [(image_id(1), row(image_id(1)))])
    table.put(Index.TERMS, "old", [(image_id(0), row(image_id(0)))])
    later = [Range(Index.TERMS, f"new{n}", since=START + 1) for n in range(2)]
    positions = ranges.beginning(order)
    lists = [
        Merge("tag:sea", [Stream(Range(Index.TERMS, each), order, positions) for each in ("sea", "@sea")], order),
        Merge(
            "everything",
            [Stream(each, order, positions) for each in (*later, Range(Index.TERMS, "old", before=START + 1))],
            order,
        ),
    ]
    read(lists, read_at_once, 10)
    # The older period is only read because the later one has no rows.
    assert batches == [
        [("tag:sea", "sea"), ("tag:sea", "@sea"), ("everything", "new0"), ("everything", "new1")],
        [("everything", "old")],
    ]
    assert [len(each) for each in lists] == [1, 1]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_the_index_of_updates_is_read_after_the_others(oldest_first: bool) -> None:
    """An image that is updated between the two reads would otherwise be in neither."""
    order = Order(oldest_first, Time.UPDATED)
    created_id = image_id(0)
    changed = f"{ids.timestamp((START + 9) / 1000)}/{created_id}"
    table = Table()
    table.put(Index.TERMS, "sea", [(created_id, row(created_id))])
    batches: list[list[str]] = []

    def read_at_once(planned: Sequence[PlannedRead]) -> list[Chunk]:
        batches.append([each.bounds.partition for each in planned])
        chunks = table.read_all(planned)
        updated = row(created_id, changed=changed)
        table.put(Index.TERMS, "sea", [(created_id, updated)])
        table.put(Index.CHANGED_TERMS, "tag:sea", [(changed, updated)])
        return chunks

    sources = [Range(Index.CHANGED_TERMS, "tag:sea"), Range(Index.TERMS, "sea"), Range(Index.TERMS, "@sea")]
    merge = Merge("sea", [Stream(each, order, ranges.beginning(order)) for each in sources], order)
    read([merge], read_at_once, 10)
    assert batches == [["sea", "@sea"], ["tag:sea"]]
    assert [each.image_id for each in merge.known_rows()] == [created_id]


def test_reads_that_the_budget_does_not_allow_can_be_made_later() -> None:
    order = Order()
    table = Table()
    for n in range(3):
        table.put(Index.TERMS, f"shard{n}", [(image_id(n), row(image_id(n)))])

    def read_two(planned: Sequence[PlannedRead]) -> list[Chunk]:
        if len(planned) < 3:
            raise Spent
        return table.read_all(planned[:2])

    streams = [Stream(Range(Index.TERMS, f"shard{n}"), order, ranges.beginning(order)) for n in range(3)]
    merge = Merge("everything", streams, order)
    head = merge.head
    with pytest.raises(Spent):
        read([merge], read_two, 10)
    assert merge.head == head
    assert [each.image_id for each in read_all(merge, table, 10)] == [image_id(n) for n in (2, 1, 0)]
    assert [bounds.partition for bounds, _ in table.reads] == ["shard0", "shard1", "shard2"]


def test_each_part_of_a_list_is_read_for_a_whole_page() -> None:
    """A word that is searched for is usually in one of the fields."""
    order = Order()
    table = Table()
    fields = [Range(Index.TERMS, field) for field in ("title", "filename", "description", "tag")]
    merge = Merge("q:sea", [Stream(each, order, ranges.beginning(order)) for each in fields], order, parts=4)
    read([merge], table.read_all, 21)
    assert [rows for _, rows in table.reads] == [21] * 4

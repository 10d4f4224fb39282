from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.query import Order
from chalicelib.index.ranges import Index, Range
from chalicelib.index.rows import Row
from chalicelib.lists.merge import Merge, Stream
from tests.unit.tables import Table, row

ORDERS = [Order(oldest_first, by_update) for oldest_first in (False, True) for by_update in (False, True)]
BEGAN = 1_700_000_000_000


def image_id(milliseconds: int, end: int = 0) -> str:
    return ids.smallest_id(BEGAN + milliseconds)[:-4] + f"{end:04x}"


def everything(merge: Merge, table: Table, rows: int) -> list[Row]:
    """All rows of a list, read so many at a time."""
    found: list[Row] = []
    for _ in count():
        found += merge.known_rows()
        if merge.head is None:
            return found
        merge.read(table.read, rows)
    raise AssertionError


IMAGES = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=20)


@given(st.lists(IMAGES, min_size=1, max_size=4), st.integers(1, 30), st.sampled_from(ORDERS))
def test_several_lists_are_one_in_order_with_each_image_once(
    parts: list[set[tuple[int, int]]], rows: int, order: Order
) -> None:
    table = Table()
    for n, part in enumerate(parts):
        table.put(Index.TERMS, f"tag{n}", ((image_id(*each), row(image_id(*each))) for each in part))
    sources = [Range(Index.TERMS, f"tag{n}") for n in range(len(parts))]
    merge = Merge([Stream(each, order, ranges.beginning(order)) for each in sources], order)
    wanted = sorted({image_id(*each) for part in parts for each in part}, reverse=not order.oldest_first)
    assert [each.image_id for each in everything(merge, table, rows)] == wanted


@given(st.lists(IMAGES, min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 4), st.sampled_from(ORDERS))
def test_a_list_that_is_left_and_gone_on_with_has_each_image_once(
    parts: list[set[tuple[int, int]]], rows: int, taken: int, order: Order
) -> None:
    table = Table()
    for n, part in enumerate(parts):
        table.put(Index.TERMS, f"tag{n}", ((image_id(*each), row(image_id(*each))) for each in part))
    wanted = sorted({image_id(*each) for part in parts for each in part}, reverse=not order.oldest_first)
    found: list[str] = []
    place: str | None = ranges.beginning(order)
    while place is not None:
        merge = Merge([Stream(Range(Index.TERMS, f"tag{n}"), order, place) for n in range(len(parts))], order)
        merge.read(table.read, rows)
        found += [each.image_id for each in islice(merge.known_rows(), taken)]
        place = merge.head
        assert found == wanted[: len(found)]
    assert found == wanted


@given(IMAGES, st.integers(1, 5), st.sampled_from(ORDERS))
def test_an_owners_images_of_one_millisecond_come_once_and_in_order(
    images: set[tuple[int, int]], rows: int, order: Order
) -> None:
    table = Table()
    for each in images:
        # Within one time of creation the index has an order of its own.
        made = image_id(*each)
        table.put(Index.OWNER, "alice", [(f"{ids.created_at(made)}/{hash(made)}", row(made))])
    merge = Merge([Stream(Range(Index.OWNER, "alice"), order, ranges.beginning(order))], order)
    wanted = sorted((image_id(*each) for each in images), reverse=not order.oldest_first)
    assert [each.image_id for each in everything(merge, table, rows)] == wanted


@given(
    st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 3)), st.integers(0, 8)), st.integers(1, 9), st.data()
)
def test_the_order_of_updates_has_each_image_by_its_last_one(
    images: dict[tuple[int, int], int], rows: int, data: st.DataObject
) -> None:
    order = Order(data.draw(st.booleans()), by_update=True)
    table = Table()
    wanted = []
    for (created, end), later in images.items():
        made = image_id(created, end)
        changed = f"{ids.timestamp((BEGAN + created + later) / 1000)}/{made}" if later else None
        each = row(made, changed=changed)
        table.put(Index.TERMS, "sea", [(made, each)])
        if changed:
            table.put(Index.CHANGED_TERMS, "tag:sea", [(changed, each)])
        wanted.append(changed or f"{ids.created_at(made)}/{made}")
    wanted.sort(reverse=not order.oldest_first)
    sources = [Range(Index.TERMS, "sea"), Range(Index.CHANGED_TERMS, "tag:sea")]

    def begun(place: str) -> Merge:
        return Merge([Stream(each, order, place) for each in sources], order)

    found = [ranges.key(each, order) for each in everything(begun(ranges.beginning(order)), table, rows)]
    assert found == wanted
    # It can be gone on with from any place.
    for n, key in enumerate(wanted):
        on = [ranges.key(each, order) for each in everything(begun(ranges.after(key, order)), table, rows)]
        assert on == wanted[n + 1 :]


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_passed_over_is_not_read(order: Order) -> None:
    table = Table()
    made = [image_id(n) for n in range(100)]
    table.put(Index.TERMS, "sea", ((each, row(each)) for each in made))
    merge = Merge([Stream(Range(Index.TERMS, "sea"), order, ranges.beginning(order))], order)
    merge.read(table.read, 3)
    rest = made[50:] if order.oldest_first else made[50::-1]
    merge.seek(ranges.key(row(rest[0]), order))
    assert [each.image_id for each in everything(merge, table, 200)] == rest
    assert len(table.reads) == 2
    merge.seek(ranges.after(ranges.key(row(rest[-1]), order), order))
    assert merge.head is None


@pytest.mark.parametrize("order", ORDERS[:2])
def test_a_range_of_other_times_is_not_read_before_its_time(order: Order) -> None:
    table = Table()
    made = [image_id(n) for n in range(100)]
    table.put(Index.TERMS, "old", ((each, row(each)) for each in made[:50]))
    table.put(Index.TERMS, "new", ((each, row(each)) for each in made[50:]))
    middle = BEGAN + 50
    sources = [Range(Index.TERMS, "old", before=middle), Range(Index.TERMS, "new", since=middle)]
    merge = Merge([Stream(each, order, ranges.beginning(order)) for each in sources], order)
    merge.read(table.read, 40)
    assert {bounds.partition for bounds, _ in table.reads} == {"old" if order.oldest_first else "new"}
    found = [each.image_id for each in everything(merge, table, 40)]
    assert found == (made if order.oldest_first else made[::-1])


def test_of_several_lists_each_is_asked_for_its_share() -> None:
    table = Table()
    order = Order()
    sources = [Range(Index.TERMS, f"shard{n}") for n in range(4)]
    for n, source in enumerate(sources):
        table.put(Index.TERMS, source.partition, ((image_id(i, n), row(image_id(i, n))) for i in range(100)))
    merge = Merge([Stream(each, order, ranges.beginning(order)) for each in sources], order)
    merge.read(table.read, 100)
    # Twice its share, so that one which has more than the others need not be read again.
    assert [rows for _, rows in table.reads] == [50] * 4
    assert len(list(merge.known_rows())) > 180


@pytest.mark.parametrize("oldest_first", [False, True])
def test_what_is_passed_over_costs_no_more_reads_than_the_budget_has(oldest_first: bool) -> None:
    """Where all images were updated long after they were made, the list by creation has none that counts."""
    order = Order(oldest_first, by_update=True)
    table = Table()
    for n in range(3_000):
        made = image_id(n)
        changed = f"{ids.timestamp_of(BEGAN + 1_000_000 + n)}/{made}"
        table.put(Index.TERMS, "sea", [(made, row(made, changed=changed))])
        table.put(Index.CHANGED_TERMS, "tag:sea", [(changed, row(made, changed=changed))])
    sources = [Range(Index.TERMS, "sea"), Range(Index.CHANGED_TERMS, "tag:sea")]
    place = ranges.beginning(order)
    found: list[str] = []
    while place:
        merge = Merge([Stream(each, order, place) for each in sources], order)
        begun = len(table.reads)
        merge.read(table.read, 21, lambda begun=begun: len(table.reads) - begun >= 4)  # type: ignore[misc]
        assert len(table.reads) - begun <= 5
        found += [each.image_id for each in merge.known_rows()]
        assert merge.head != place
        place = merge.head or ""
    made_first = [image_id(n) for n in range(3_000)]
    assert found == (made_first if oldest_first else made_first[::-1])


@pytest.mark.parametrize("oldest_first", [False, True])
def test_an_update_is_not_looked_for_before_the_creation(oldest_first: bool) -> None:
    order = Order(oldest_first, by_update=True)
    since = Range(Index.CHANGED_TERMS, "tag:sea", None, BEGAN)
    bounds = since.bounds(order, since.beginning(order))
    assert bounds is not None
    assert bounds.low.startswith(ids.timestamp_of(BEGAN))


@pytest.mark.parametrize("order", [Order(), Order(oldest_first=True)])
def test_a_range_that_is_wholly_passed_over_is_not_read(order: Order) -> None:
    table = Table()
    place = image_id(5)
    behind = (
        Range(Index.TERMS, "sea", None, BEGAN + 6)
        if not order.oldest_first
        else Range(Index.TERMS, "sea", None, 0, BEGAN + 5)
    )
    merge = Merge([Stream(behind, order, place)], order)
    assert everything(merge, table, 9) == []
    assert table.reads == []


def test_an_image_that_is_updated_between_two_reads_comes_once() -> None:
    order = Order(by_update=True)
    made, other = image_id(0), image_id(1)
    changed = f"{ids.timestamp((BEGAN + 2) / 1000)}/{made}"
    table = Table()
    table.put(Index.TERMS, "sea", [(made, row(made)), (other, row(other))])  # read before the update
    table.put(Index.CHANGED_TERMS, "tag:sea", [(changed, row(made, changed=changed))])  # and after it
    sources = [Range(Index.TERMS, "sea"), Range(Index.CHANGED_TERMS, "tag:sea")]
    merge = Merge([Stream(each, order, ranges.beginning(order)) for each in sources], order)
    assert [each.image_id for each in everything(merge, table, 10)] == [made, other]

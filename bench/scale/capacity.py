"""Compute what the load of docs/scale.md takes: units of tables and of keys, executions, requests.

All figures are those of a second at the peak. load.py has the assumptions, quotas.py the limits of AWS.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from bench.bill import GB_OF_A_PROCESSOR, LOOK, MAKING_MS, VARIANTS
from bench.prices import sample
from bench.scale import load, quotas
from chalicelib.index.terms import EVERYTHING, Kind, Term
from chalicelib.model import Image
from chalicelib.stores import catalog, records
from chalicelib.stores.dynamodb import MAX_WRITES, Attributes
from chalicelib.tags import tags, tallies
from chalicelib.tags.model import TagChange
from project.stages import project_config

_KB = 1_024
_PAGE = 20
_LEAST_ROWS = 8  # of one read of a page that reads several key ranges: lists/merge
_SCHEDULE_SECONDS = 300
_PROCESSED_RECORD_BYTES = 1_000  # docs/costs.md
_CHANGE_BYTES = 260  # decision 8: about 4,000 changes of tag counts in 1 MB
_KEYS_BYTES = 100  # of an entry in state-index
_UNITS_OF_TWO_FILTERS = 5  # docs/costs.md
_PAGE_CALLS_OF_TWO_FILTERS = 3
_PAGE_WAITS_OF_TWO_FILTERS = 2  # the first calls are made at once


@dataclass(frozen=True, slots=True)
class Store:
    """A table or an index, and the capacity units that it takes in a second."""

    name: str
    items: float
    item_bytes: float
    write_units: float
    read_units: float

    @property
    def gigabytes(self) -> float:
        """What DynamoDB stores and bills, with its overhead for each item."""
        return self.items * (self.item_bytes + quotas.ITEM_OVERHEAD.value) / 1e9

    @property
    def partitions(self) -> int:
        """The partitions that it needs at least, if the load were spread evenly."""
        return math.ceil(
            max(
                1,
                self.gigabytes / quotas.PARTITION_GB.value,
                self.write_units / quotas.PARTITION_WRITES.value,
                self.read_units / quotas.PARTITION_READS.value,
            )
        )


@dataclass(frozen=True, slots=True)
class List:
    """A list that SHARDS can divide: its term, and the share of uploads that add a row to it."""

    term: Term
    rows: float  # of an upload

    @property
    def write_units(self) -> float:
        """Write units in a second."""
        return self.rows * load.UPLOADS * quotas.TRANSACTION_UNITS.value

    @property
    def shards(self) -> int:
        """The number of partitions with which the list accepts the load."""
        return math.ceil(self.write_units / (quotas.PARTITION_WRITES.value * load.FULL))

    @property
    def units_of_a_read(self) -> float:
        """Read units of a page in each partition."""
        if self.shards == 1:
            return page_units()
        return _read_units(max(2 * (_PAGE + 1) // self.shards, _LEAST_ROWS) * row_bytes())

    @property
    def page_units(self) -> float:
        """Read units of a page."""
        return self.shards * self.units_of_a_read

    @property
    def page_ms(self) -> float:
        """Milliseconds of a page, whose calls are made at once."""
        return page_ms(self.shards)

    @property
    def pages(self) -> float:
        """Pages in a second that its partitions can answer."""
        return quotas.PARTITION_READS.value / self.units_of_a_read


@dataclass(frozen=True, slots=True)
class FixedKey:
    """A partition key that no setting divides."""

    index: str
    key: str
    units: float  # write units of each of `what`
    removed: float  # write units by which the schedule empties the queue of tag changes
    load: float  # how many of `what` come
    what: str

    @property
    def most(self) -> float:
        """How many of `what` the partition accepts."""
        return (quotas.PARTITION_WRITES.value - self.removed) / self.units


@dataclass(frozen=True, slots=True)
class Folding:
    """How the schedule adds queued changes of tag counts to the counters."""

    changes: float  # of a transaction
    counters: float  # of a transaction

    @property
    def batch_seconds(self) -> float:
        """The time that a transaction takes, with the two reads before it."""
        calls = load.QUERY_MS + load.BATCH_GET_MS + load.TRANSACTION_MS
        return (on_lambda(load.BATCH_MS) + calls) / 1_000

    @property
    def changes_a_run(self) -> float:
        """How many changes a run of the schedule applies."""
        return tags.APPLY_SECONDS / self.batch_seconds * self.changes

    @property
    def uploads(self) -> float:
        """How many uploads a second it keeps up with, on average over time."""
        return self.changes_a_run / _SCHEDULE_SECONDS

    def hours_after(self, uploads: float) -> float:
        """How long it takes to apply the changes that an hour of so many uploads a second leaves."""
        return uploads / self.uploads - 1


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of request or event."""

    name: str
    function: str
    a_second: float
    milliseconds: float

    @property
    def concurrency(self) -> float:
        """Executions at the same time."""
        return self.a_second * self.milliseconds / 1_000


def on_lambda(milliseconds: float) -> float:
    """Return the time that a function takes for what takes so long with a whole processor."""
    return milliseconds * GB_OF_A_PROCESSOR


def page_ms(calls: int, waits: int = 1) -> float:
    """Return the milliseconds of a page with so many calls, which are made in so many steps."""
    return on_lambda(load.PAGE_MS + (calls - 1) * load.PAGE_CALL_MS) + waits * load.QUERY_MS


@cache
def rows() -> tuple[Attributes, ...]:
    """Return the index rows of an upload."""
    return tuple(write["Put"]["Item"] for write in catalog.row_writes(None, _uploaded()))


@cache
def bands() -> tuple[Attributes, ...]:
    """Return the index rows that processing adds to those of an upload."""
    processed = replace(_uploaded(), analysis=LOOK)
    return tuple(write["Put"]["Item"] for write in catalog.row_writes(_uploaded(), processed))


def page_units() -> float:
    """Return the read units of a page of 20 from one partition, and of a row more, which shows if another follows."""
    return _read_units((_PAGE + 1) * row_bytes())


def row_bytes() -> float:
    """Return the average size of an index row."""
    return sum(map(records.size, rows())) / len(rows())


def row_units() -> float:
    """Return the write units of an image in the table of index rows: by its upload and by its processing."""
    return quotas.TRANSACTION_UNITS.value * (len(rows()) + len(bands()))


def stores() -> tuple[Store, ...]:
    """Return the tables and indexes, with what they contain and take."""
    uploads, folded = load.UPLOADS, folding()
    # Each change is written and deleted in a transaction, which also writes the counters.
    change_writes = 2 * uploads + 2 * folded.uploads * (1 + folded.counters / folded.changes)
    unfinished = uploads * processing_ms() / 1_000
    waiting = uploads * 3_600.0  # changes of tag counts: those of an hour
    all_rows = (*rows(), *bands())
    all_rows_bytes = sum(map(records.size, all_rows)) / len(all_rows)
    by_owner = records.size(catalog.put(_uploaded())["Put"]["Item"])
    return (
        # A record is written by its upload and by its processing, each time in a transaction.
        Store("`images`", load.IMAGES, _PROCESSED_RECORD_BYTES, 4 * uploads, record_reads()),
        Store("`user_id-index`", load.IMAGES, by_owner, uploads, 0),
        Store("`user_id-taken-index`", load.IMAGES, by_owner, uploads, 0),
        Store("`state-index`", unfinished, _KEYS_BYTES, 2 * uploads, 0),
        Store("`image_tags`", load.IMAGES * len(all_rows), all_rows_bytes, row_units() * uploads, row_reads()),
        Store("`tag-taken-index`", load.IMAGES * len(rows()), row_bytes(), len(rows()) * uploads, 0),
        Store("`tag_counts`", waiting, _CHANGE_BYTES, change_writes, 0),
        Store("`queue-index`", waiting, _CHANGE_BYTES, uploads + folded.uploads, 0),
    )


def row_reads() -> float:
    """Return the read units that list pages take from the index rows."""
    two = load.PAGES_OF_TWO_FILTERS
    return load.PAGES * ((1 - two) * page_units() + two * _UNITS_OF_TWO_FILTERS)


def record_reads() -> float:
    """Return the read units of records: by pages with thumbnails, views, redirects, and processing."""
    pages = load.PAGES * load.PAGES_WITH_THUMBNAILS * _PAGE * 0.5
    return pages + 0.5 * (load.VIEWS + load.RENDERS) + load.UPLOADS


@cache
def lists() -> tuple[List, ...]:
    """Return the lists that need more than one partition, the busiest first, and those of the busy tag and owner."""
    named = {Term(Kind.TAG, load.BUSY_TAG), Term(Kind.OWNER, load.BUSY_OWNER), EVERYTHING}
    found = [List(term, share) for term, share in load.heat().terms.items()]
    return tuple(
        sorted((each for each in found if each.shards > 1 or each.term in named), key=lambda each: -each.write_units)
    )


def busiest_letter() -> tuple[str, float, List]:
    """Return the busiest partition of title words: its letter, its write units in a second, and its busiest word."""
    heat = load.heat()
    words = [List(term, share) for term, share in heat.terms.items() if term.kind is Kind.TITLE]
    key = max((each.term.partition(None) for each in words), key=lambda key: heat.partitions[key])
    word = max((each for each in words if each.term.partition(None) == key), key=lambda each: each.rows)
    return key[-1], List(word.term, heat.partitions[key]).write_units, word


def fixed_keys() -> tuple[FixedKey, ...]:
    """Return the partition keys that no setting divides."""
    uploads, owners, folded = load.UPLOADS, load.UPLOADS * load.BUSY, folding().uploads
    return (
        FixedKey("`state-index`", "`processing`", 2, 0, uploads, "uploads"),  # one unit to enter it, one to leave it
        FixedKey("`queue-index`", "`changes`", 1, folded, uploads, "uploads with tags"),
        FixedKey(
            "`tag_counts`", "`changes:<owner>`", 2, 2 * folded * load.BUSY, owners, "uploads of one owner, with tags"
        ),
        FixedKey("`user_id-index`", "`<owner>`", 1, 0, owners, "uploads of one owner"),
        FixedKey("`items`", "`items`", 1, 0, 0, "new items"),
    )


@cache
def folding() -> Folding:
    """Return how many queued changes fit in a transaction, and how many counters they change."""
    queued: Sequence[TagChange] = load.tag_changes()
    batches = []
    while len(queued) >= MAX_WRITES:
        batches.append(tallies.batch(queued[:MAX_WRITES]))
        queued = queued[len(batches[-1]) :]
    counters = [{counter for change in batch for counter in tallies.counters(change)} for batch in batches]
    return Folding(sum(map(len, batches)) / len(batches), sum(map(len, counters)) / len(batches))


def processing_ms() -> float:
    """Return the milliseconds in which a photograph of 12 megapixels is processed."""
    return on_lambda(MAKING_MS) + (1 + VARIANTS) * load.S3_MS + load.QUERY_MS + load.TRANSACTION_MS


def work() -> tuple[Work, ...]:
    """Return the work of the functions."""
    thumbnails = load.PAGES_WITH_THUMBNAILS * (load.BATCH_GET_MS + on_lambda(load.PAGE_CALL_MS))
    two = load.PAGES_OF_TWO_FILTERS
    pages = (1 - two) * page_ms(1) + two * page_ms(_PAGE_CALLS_OF_TWO_FILTERS, _PAGE_WAITS_OF_TWO_FILTERS) + thumbnails
    upload = on_lambda(load.UPLOAD_MS) + load.S3_MS + load.TRANSACTION_MS
    return (
        Work("uploads", "API", load.UPLOADS, upload),
        Work("list pages", "API", load.PAGES, pages),
        Work("views and redirects", "API", load.VIEWS + load.RENDERS, on_lambda(load.VIEW_MS) + load.QUERY_MS),
        Work("processing", "`on_object_created`", load.UPLOADS, processing_ms()),
    )


def requests() -> float:
    """Return the requests to the API in a second."""
    return sum(each.a_second for each in work() if each.function == "API")


def pictures() -> float:
    """Return the pictures that clients get in a second."""
    return load.PAGES * load.PAGES_WITH_THUMBNAILS * load.PICTURES_OF_A_PAGE + load.VIEWS + load.RENDERS


def reserved() -> int:
    """Return the reserved concurrency of the processing function in `prod`."""
    functions = project_config()["stages"]["prod"]["lambda_functions"]
    return int(functions["on_object_created"]["reserved_concurrency"])


def _uploaded() -> Image:
    return sample(tags=3, title=4, description=0, filename=3)


def _read_units(size: float) -> float:
    """Return the units of an eventually consistent read of so many bytes."""
    return math.ceil(size / (4 * _KB)) / 2

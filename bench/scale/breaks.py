"""The limits that the load meets, in the order in which they are reached."""

from dataclasses import dataclass

from bench.bill import VARIANTS
from bench.scale import capacity, load, quotas
from deploy.options import Options

_NOTHING = "**nothing**"
_ON_REQUEST = "quota of AWS, on request"


@dataclass(frozen=True, slots=True)
class Break:
    """A limit, and the load that meets it, in a second."""

    most: float
    load: float
    what: str  # what is limited
    then: str
    moves: str  # what moves the limit

    @property
    def share(self) -> float:
        """The share of the load at which the limit is reached."""
        return self.most / self.load


def breaks() -> list[Break]:
    """Return the limits that the load reaches, first the one that its smallest share reaches."""
    found = [*_of_tables(), *_of_keys(), *_of_functions(), *_of_pictures()]
    return sorted((each for each in found if each.share <= 1), key=lambda each: each.share)


def _of_tables() -> list[Break]:
    """Return the limits of whole tables and indexes."""
    units, new, uploads = quotas.TABLE_UNITS.value, quotas.NEW_TABLE_WRITES.value, load.UPLOADS
    rows, index_rows = capacity.row_units(), len(capacity.rows())
    warm = "[warm throughput](operations.md#quotas)"
    thumbnails = "read units of `images`, mostly for thumbnails"
    return [
        Break(new / rows, uploads, "uploads into a new table", "503, until DynamoDB has split it", warm),
        Break(units / rows, uploads, "uploads: `image_tags`", "503", _ON_REQUEST),
        Break(units / index_rows, uploads, "uploads: `tag-taken-index`", "503", _ON_REQUEST),
        Break(units, capacity.record_reads(), thumbnails, "503", _ON_REQUEST),
        Break(units, capacity.row_reads(), "read units of `image_tags`", "503", _ON_REQUEST),
    ]


def _of_keys() -> list[Break]:
    """Return the limits of single partition keys."""
    images = quotas.PARTITION_WRITES.value / quotas.TRANSACTION_UNITS.value
    pages = quotas.PARTITION_READS.value / capacity.page_units()
    shards = f"`SHARDS`, {capacity.lists()[0].shards} for `everything`"
    more = "`SHARDS`, up to three times as many"
    return [
        Break(images, load.UPLOADS, "uploads into one list", "503", shards),
        Break(pages, load.PAGES * load.PAGES_OF_EVERYTHING, "pages of one list", "503", more),
        Break(capacity.folding().uploads, load.UPLOADS, "uploads with tags, on average", "tag counts lag", _NOTHING),
        *(
            Break(key.most, key.load, key.what, f"503: {key.index}, {key.key}", _NOTHING)
            for key in capacity.fixed_keys()
            if key.load
        ),
    ]


def _of_functions() -> list[Break]:
    """Return the limits of API Gateway and Lambda."""
    options, requests, executions = Options(), capacity.requests(), quotas.CONCURRENCY.value
    work = {each.name: each for each in capacity.work()}
    processing, all_executions = work["processing"], sum(each.concurrency for each in work.values())
    processed = capacity.reserved() / processing.milliseconds * 1_000
    waiting = f"images wait; after {options.event_age_seconds // 3_600} h, their events are dead letters"
    reserved = f"`reserved_concurrency`: {processing.concurrency:,.0f} for the peak"
    rates = "`api_requests_per_second`, `api_burst`"
    invocations = executions * quotas.REQUESTS_OF_AN_EXECUTION.value
    starts, new = quotas.SSM_READS.value, quotas.NEW_EXECUTIONS.value / 10
    ssm = "[a setting of SSM](deploy.md#secrets)"
    return [
        Break(options.api_requests_per_second, requests, "requests to the API", "429", rates),
        Break(quotas.API_REQUESTS.value, requests, "requests to all APIs of the account", "429", _ON_REQUEST),
        Break(invocations, requests, "requests to functions", "5xx", "the quota of executions"),
        Break(executions, all_executions, "executions at the same time", "5xx, and events wait", _ON_REQUEST),
        Break(starts, new, "starts of functions, while they scale", "some start later", ssm),
        Break(processed, load.UPLOADS, "uploads, on average: processing", waiting, reserved),
    ]


def _of_pictures() -> list[Break]:
    """Return the limits of S3 and CloudFront."""
    pictures, uploads = capacity.pictures(), load.UPLOADS * load.BUSY
    reads, writes, cdn = quotas.S3_READS.value, quotas.S3_WRITES.value / VARIANTS, quotas.CDN_REQUESTS.value
    slow, splits = "503 of S3, until it has split the prefix", "[CloudFront](cloudfront.md)"
    itself = "S3 splits by itself, gradually"
    return [
        Break(reads, pictures * load.BUSY, "pictures of one owner, from S3", slow, splits),
        Break(writes, uploads, "uploads of one owner: variants", "S3 refuses; the event is repeated", itself),
        Break(cdn, pictures, "pictures, with CloudFront", "some are refused", _ON_REQUEST),
    ]

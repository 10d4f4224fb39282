"""What the load costs in a month, and what an hour of the peak costs."""

from functools import cache

from bench.bill import MILLION, SECONDS_A_MONTH, Use, operations
from bench.scale import capacity, load

# Dollars, us-east-1: docs/costs.md, docs/cloudfront.md.
_S3_GB = 0.023
_TABLE_GB = 0.25 + 0.20  # with point-in-time recovery
_CDN_GB = 0.085
_CDN_REQUEST = 1.00 / MILLION
_S3_READ = 0.40 / MILLION

_PAGE_ANSWER_BYTES = 13_000  # bench/bill.py
_THUMBNAILS_BYTES = 8_000  # signed URLs of 20 thumbnails


@cache
def costs() -> dict[str, tuple[float, ...]]:
    """Return the dollars of a month by use: API Gateway with data out, Lambda, DynamoDB, S3, logs, CloudFront."""
    uses, work = operations(), {each.name: each for each in capacity.work()}
    pages, views, pictures = (in_a_month(peak) for peak in (load.PAGES, load.VIEWS + load.RENDERS, capacity.pictures()))
    reads = capacity.row_reads() / load.PAGES
    page = Use(
        milliseconds=work["list pages"].milliseconds,
        read_units=reads + load.PAGES_WITH_THUMBNAILS * 10,
        answer_bytes=_PAGE_ANSWER_BYTES + round(load.PAGES_WITH_THUMBNAILS * _THUMBNAILS_BYTES),
    )
    upload = [sum(parts) for parts in zip(uses["upload"].dollars(), uses["its processing"].dollars(), strict=True)]
    stored = sum(each.gigabytes for each in capacity.stores())
    objects = load.IMAGES * (load.ORIGINAL_BYTES + load.VARIANT_BYTES) / 1e9
    cdn = pictures * (load.PICTURE_BYTES / 1e9 * _CDN_GB + _CDN_REQUEST)
    return {
        "uploads, processed": (*(load.UPLOADS_A_MONTH * part for part in upload), 0),
        "list pages": (*(pages * part for part in page.dollars()), 0),
        "views and redirects": (*(views * part for part in uses["view"].dollars()), 0),
        "pictures": (0, 0, 0, pictures * load.CDN_MISSES * _S3_READ, 0, cdn),
        "storage": (0, 0, stored * _TABLE_GB, objects * _S3_GB, 0, 0),
    }


def upload_hour() -> float:
    """Return the dollars of an hour of uploads at the peak, processed."""
    uses = operations()
    return 3_600 * load.UPLOADS * (sum(uses["upload"].dollars()) + sum(uses["its processing"].dollars()))


def in_a_month(peak: float) -> float:
    """Return how many there are in a month of what comes so many times a second at the peak."""
    return peak * load.AVERAGE * SECONDS_A_MONTH

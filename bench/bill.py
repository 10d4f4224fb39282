"""Compute what a million of each operation cost on AWS, by service, from calls and capacity units.

The image has 200 KB, 3 tags, 4 words of title and 3 words of filename. Calls, read units and milliseconds are those of
docs/costs.md. The milliseconds were measured on a laptop, whose emulators have no network latency. Prices are those
that AWS published for us-east-1 in 2026, without free tiers. Functions run on arm64, which is the default of `dev` and
`prod`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.prices import DOLLARS_A_READ_UNIT, DOLLARS_A_WRITE_UNIT, sample, write_units
from chalicelib.index import terms
from chalicelib.model import Analysis, Image
from chalicelib.stores import catalog
from chalicelib.stores.dynamodb import Write
from chalicelib.tags import tallies
from project.resources import template

MILLION = 1_000_000

_API_REQUEST = 3.50 / MILLION  # API Gateway, REST
_INVOCATION = 0.20 / MILLION  # Lambda
_GB_SECOND = 0.0000133334  # Lambda, arm64
_GB_SECOND_PROVISIONED = 0.0000033334  # arm64: paid while it is configured
_GB_SECOND_CACHED = 0.0000015046  # SnapStart: paid for each published version
_GB_RESTORED = 0.0001397998  # SnapStart: paid for each cold start
_S3_WRITE = 5 / MILLION  # PUT, COPY, POST, LIST; DELETE is free
_S3_READ = 0.40 / MILLION  # GET, HEAD
_LOG_BYTE = 0.50 / 1e9
_OUT_BYTE = 0.09 / 1e9

_GB = 1.0  # of memory: lambda_memory_size in .chalice/config.json
GB_OF_A_PROCESSOR = 1_769 / 1_024  # Lambda gives one processor to so much memory, and less to less
LOG_BYTES = 1_000  # of an invocation: our line, and Lambda's own three
SECONDS_A_MONTH = 30 * 24 * 3_600
ACCESS_LOG_BYTES = 500  # of a request: API Gateway's line, and the 26 bytes that CloudWatch adds
_ROUNDS_A_MONTH = 30 * 24 * 12  # of the schedule
VARIANTS = 4 + 1  # WebP, and the JPEG
MAKING_MS = 324 + 17  # of the variants of a photograph of 12 megapixels: WebP, and the JPEG
_FOLDED = 3  # write units of a change of tags, when the schedule adds it to the counters (decision 8)
LOOK = Analysis(
    width=4000,
    height=3000,
    taken_at=None,
    color="#000000",
    placeholder="",
    perceptual_hash="0123456789abcdef",
    animated=False,
    variants=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The resources that one operation uses."""

    milliseconds: float  # duration of the function
    requests: int = 1  # to the API
    invocations: int = 1
    write_units: float = 0
    read_units: float = 0
    s3_writes: int = 0
    s3_reads: int = 0
    answer_bytes: int = 1_000

    def dollars(self) -> tuple[float, ...]:
        """Return the cost by service: API Gateway with data transfer out, Lambda, DynamoDB, S3, logs."""
        return (
            self.requests * (_API_REQUEST + self.answer_bytes * _OUT_BYTE),
            self.invocations * _INVOCATION + self.milliseconds / 1000 * _GB * _GB_SECOND,
            self.write_units * DOLLARS_A_WRITE_UNIT + self.read_units * DOLLARS_A_READ_UNIT,
            self.s3_writes * _S3_WRITE + self.s3_reads * _S3_READ,
            (self.invocations * LOG_BYTES + self.requests * ACCESS_LOG_BYTES) * _LOG_BYTE,
        )


def operations() -> dict[str, Use]:
    """Return what each operation uses on AWS, where a transaction takes two write units for each item."""
    image = sample(tags=3, title=4, description=0, filename=3)
    processed = replace(image, analysis=LOOK)
    bands = len(catalog.row_writes(image, processed))
    upload = write_units(image)
    processing = 2 * (1 + bands)
    # state-index: one unit for an entry that is added, one for an entry that is removed.
    awaited, claimed, shown = 2 + 1, 2 + 2, upload + 2 * bands + 1
    return {
        "upload": Use(milliseconds=27, write_units=upload + _FOLDED, s3_writes=1),
        "its processing": Use(
            requests=0,
            milliseconds=MAKING_MS * GB_OF_A_PROCESSOR,
            write_units=processing + 2,
            read_units=1,
            s3_writes=VARIANTS,
            s3_reads=1,
        ),
        "direct upload, processed": Use(
            invocations=3,  # by the API, by the staged object, and by its copy, which finds nothing to do
            milliseconds=5 + MAKING_MS * GB_OF_A_PROCESSOR,
            write_units=awaited + claimed + shown + _FOLDED,
            read_units=2,
            s3_writes=1 + 1 + VARIANTS,  # the client's upload, the copy, the variants
            s3_reads=1,
        ),
        "view": Use(milliseconds=2.2, read_units=0.5, answer_bytes=2_000),
        "render, and its picture": Use(milliseconds=2.2, read_units=0.5, s3_reads=1, answer_bytes=1_000 + 100_000),
        "list of 20, one filter": Use(milliseconds=5.3, read_units=1, answer_bytes=13_000),
        "list of 20, two filters": Use(milliseconds=18, read_units=5, answer_bytes=13_000),
        "update of the title": Use(milliseconds=22.7, write_units=_of_an_update(processed), read_units=1),
        "deletion": Use(milliseconds=42.9, write_units=_of_a_deletion(processed), read_units=1, s3_writes=2),
    }


def idle_month() -> dict[str, float]:
    """Return the dollars per month of a stage that nobody calls."""
    # Nine eventually consistent reads of half a unit: queued changes, six states, and two ages.
    round_ = Use(requests=0, milliseconds=100, read_units=9 * 0.5)
    alarms, composites = (template().resources(f"AWS::CloudWatch::{kind}") for kind in ("Alarm", "CompositeAlarm"))
    watched = sum(_metrics(alarm["Properties"]) for alarm in alarms.values())
    return {
        "schedule, every 5 minutes": _ROUNDS_A_MONTH * sum(round_.dollars()),
        f"alarms: {watched} metrics in {len(alarms)} alarms, $0.10 each": watched * 0.10,
        f"composite alarms: {len(composites)}, $0.50 each": len(composites) * 0.50,
        "metric of the schedule": 0.30,
        "dashboard": 3.0,
    }


def without_cold_starts() -> dict[str, float]:
    """Return the dollars of the options against cold starts."""
    return {
        "`provisioned_concurrency`, each instance, a month": SECONDS_A_MONTH * _GB * _GB_SECOND_PROVISIONED,
        "`snap_start`, each of two versions, a month": SECONDS_A_MONTH * _GB * _GB_SECOND_CACHED,
        "`snap_start`, a thousand cold starts": 1_000 * _GB * _GB_RESTORED,
    }


def main() -> None:
    """Print three tables in Markdown."""
    print("| per million | API Gateway, data out | Lambda | DynamoDB | S3 | logs | total |")
    print("| -- | -- | -- | -- | -- | -- | -- |")
    for name, use in operations().items():
        parts = [MILLION * part for part in use.dollars()]
        print(f"| {name} | {' | '.join(f'${part:.2f}' for part in (*parts, sum(parts)))} |")
    print("\n| a month without traffic |  |")
    print("| -- | -- |")
    for name, dollars in idle_month().items():
        print(f"| {name} | ${dollars:.2f} |")
    print("\n| against cold starts |  |")
    print("| -- | -- |")
    for name, dollars in without_cold_starts().items():
        print(f"| {name} | ${dollars:.2f} |")


def _metrics(alarm: dict[str, Any]) -> int:
    """Return the number of metrics that an alarm reads. CloudWatch bills each; expressions are free."""
    return sum("MetricStat" in metric for metric in alarm.get("Metrics", ())) or 1


def _of_an_update(image: Image) -> int:
    changed = replace(image, version=2, title="four words unlike before")
    rows = catalog.row_writes(image, changed)
    written = sum("Put" in row for row in rows)
    # The record's copies in the owner's three indexes, and the copies of its rows in the index of updates.
    return 2 * (1 + len(rows)) + 3 + written + _by_time_taken(image, rows)


def _of_a_deletion(image: Image) -> int:
    changes = len(tallies.changes(image, None))
    rows = catalog.row_writes(image, replace(image, listed=False))
    # user_id-index, user_id-taken-index, queue-index; state-index twice; the record.
    indexes = 2 + changes + 2 + _by_time_taken(image, rows)
    return 2 * (1 + len(rows) + changes) + indexes + 1 + _FOLDED * changes


def _by_time_taken(image: Image, rows: Sequence[Write]) -> int:
    """Return the writes of tag-taken-index: one for each row but those of the bands, which are not in it."""
    return len(rows) - len(terms.bands(image.analysis.perceptual_hash) if image.analysis else ())


if __name__ == "__main__":
    main()

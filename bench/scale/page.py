"""The figures in docs/scale.md, between marks in the page."""

import math
from collections.abc import Callable, Iterable

from bench.bill import ACCESS_LOG_BYTES, LOG_BYTES, MILLION, VARIANTS
from bench.scale import breaks, capacity, load, month, quotas
from deploy.options import Options
from project import PROJECT
from project.markdown import formatted, table

PAGE = PROJECT / "docs" / "scale.md"

_LISTS_SHOWN = 5
_REINDEX_CALLS = 0.6  # of an image: docs/reindex.md


def with_figures(text: str) -> str:
    """Return a page with the present figures between its marks."""
    for name, block in _BLOCKS.items():
        begin, end = f"<!-- {name}: written by `make scale` -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{block()}\n{end}{after}"
    return formatted(text)


def _summary() -> str:
    keys, folded = {each.index: each for each in capacity.fixed_keys()}, capacity.folding()
    most, costs = keys["`state-index`"].most, {use: sum(parts) for use, parts in month.costs().items()}
    total = sum(costs.values())
    tables = sum(each.gigabytes for each in capacity.stores()) / 1_000
    objects = load.IMAGES * (load.ORIGINAL_BYTES + load.VARIANT_BYTES) / 1e12
    processed = capacity.reserved() / capacity.processing_ms() * 1_000
    in_time = round(processed * Options().event_age_seconds, -3)
    days = load.IMAGES * _REINDEX_CALLS * load.QUERY_MS / 1_000 / 86_400
    return _bullets(
        f"**{_n(load.IMAGES)} images: yes.** {_n(tables, 1)} TB in DynamoDB, {_n(objects)} TB in S3. Nothing has a "
        "maximum size: no table, list or owner.",
        f"**{_n(load.PAGES)} pages a second: yes,** once AWS has raised the quotas of Lambda, API Gateway, and two "
        f"tables. One list answers {_n(quotas.PARTITION_READS.value / capacity.page_units())} pages a second.",
        f"**{_n(load.UPLOADS)} uploads a second: no.** The most is {_n(most)} in the long run, whatever you set: each "
        "image enters and leaves one partition of `state-index`. For more, the code must change.",
        f"**Tag counts** keep up with {_n(folded.uploads)} uploads a second, on average. An hour of {_n(most)} a "
        f"second leaves work for {_n(folded.hours_after(most), 1)} hours. Nothing else waits for it.",
        f"**Processing** needs concurrency: `prod` reserves {capacity.reserved()} executions, for {_n(processed)} "
        f"images a second, or {_n(in_time)} in the six hours that an event waits.",
        f"**Costs:** {_dollars(total)} a month: {_share(costs['pictures'], total)} for pictures by CloudFront, "
        f"{_share(costs['list pages'], total)} for list pages, {_share(costs['storage'], total)} for storage. Ten "
        f"million uploads are {_dollars(costs['uploads, processed'])}.",
        f"**A rebuild of the index** takes {_n(days)} days or more. Choose word limits before you have the images.",
    )


def _load() -> str:
    return table(
        ("assumed", "figure"),
        [
            ("images stored, all public", _n(load.IMAGES)),
            ("uploads a second at the peak, through the API: 3 tags, 4 and 3 words", _n(load.UPLOADS)),
            ("images with the busiest tag; of the busiest owner", f"{_percent(load.BUSY)} each"),
            ("list pages a second at the peak, 20 images each", _n(load.PAGES)),
            ("of these: everything; the busiest tag; two filters; with thumbnails", _percents(_SHARES)),
            ("views; redirects to a picture, each a second", _n(load.VIEWS)),
            ("pictures of a page that no browser has cached", f"{load.PICTURES_OF_A_PAGE} of 20"),
            ("a picture in a list; an original; its variants", f"{_kb(load.PICTURE_BYTES)}; 3 MB; 0.94 MB"),
            (
                "in a month: uploads; average of pages, views and pictures",
                f"{_n(load.UPLOADS_A_MONTH)}; {_percent(load.AVERAGE)} of the peak",
            ),
            (
                "a call to DynamoDB: a query; 100 items; a transaction; a call to S3",
                f"{load.QUERY_MS}, {load.BATCH_GET_MS}, {load.TRANSACTION_MS}, {load.S3_MS} ms",
            ),
            ("how much of a partition is used", _percent(load.FULL)),
        ],
    )


def _tables() -> str:
    rows = [
        (
            each.name,
            _n(each.items),
            _n(each.gigabytes),
            _n(each.write_units),
            _n(each.read_units),
            _n(each.partitions),
        )
        for each in capacity.stores()
    ]
    return table(("table or index", "items", "GB", "write units/s", "read units/s", "partitions"), rows)


def _lists() -> str:
    shown = [each for each in capacity.lists() if _is_shown(each)]
    rows = [
        (
            f"`{each.term.name}`",
            _percent(each.rows),
            _n(each.write_units),
            str(each.shards),
            f"1 call, {capacity.page_units()} units" if each.shards == 1 else _cost_of_a_page(each),
            _n(each.pages),
        )
        for each in shown
    ]
    return table(("list", "of uploads", "write units/s", "`SHARDS`", "a page then costs", "pages/s"), rows)


def _shards() -> str:
    letter, units, word = capacity.busiest_letter()
    most = max(each.shards for each in capacity.lists())
    rows = quotas.PARTITION_WRITES.value / quotas.TRANSACTION_UNITS.value  # of a partition
    most_rows = rows * load.FULL / load.UPLOADS  # of an upload
    one = capacity.lists()[0]
    setting = "; ".join(f"{each.term.name} <day> {each.shards}" for each in capacity.lists() if _is_shown(each))
    return _bullets(
        f"`SHARDS={setting}`",
        f"A page of `everything` costs {_n(one.page_units)} units and {_n(one.page_ms)} ms instead of "
        f"{capacity.page_units()} and {_n(capacity.page_ms(1))}. `MAX_PAGE_READS` must be at least {2 * most + 6}.",
        f"**Words with one first letter share a partition.** The busiest of titles, `{letter}`, gets {_n(units)} write "
        f"units/s, but DynamoDB can split it between words. Its busiest word, `{word.term.value}`, gets "
        f"{_n(word.write_units)}. A word is sorted by time, and needs `SHARDS` if it is in more than "
        f"{_percent(most_rows)} of the uploads.",
    )


def _keys() -> str:
    rows = [
        (
            each.index,
            each.key,
            each.what,
            _n(each.units),
            _n(each.most),
            _n(each.load) if each.load else "-",
        )
        for each in capacity.fixed_keys()
    ]
    return table(("table or index", "key", "counted", "write units of each", "most a second", "load"), rows)


def _changes() -> str:
    folded = capacity.folding()
    return _bullets(
        f"A transaction applies {_n(folded.changes)} changes, which write {_n(folded.counters)} counters. With the "
        f"calls before it, it takes {_n(folded.batch_seconds * 1_000)} ms: {_n(folded.changes_a_run)} changes in a run "
        f"of the schedule, {_n(folded.uploads)} a second on average, or half while it also repairs images.",
        f"At {_n(load.UPLOADS)} uploads a second, an hour would leave work for {_n(folded.hours_after(load.UPLOADS))} "
        "hours. Until then, counts of everyone are old. Counts of one owner are exact for up to about 4,000 queued "
        f"changes: {_n(4_000 / (load.UPLOADS * load.BUSY))} seconds of the busiest owner.",
    )


def _functions() -> str:
    rows = [
        (each.name, each.function, _n(each.a_second), _n(each.milliseconds), _n(each.concurrency))
        for each in capacity.work()
    ]
    total = sum(each.concurrency for each in capacity.work())
    return table(("work", "function", "a second", "ms", "executions"), [*rows, ("all", "", "", "", f"**{_n(total)}**")])


def _requests() -> str:
    requests, uploads, owner = capacity.requests(), load.UPLOADS, load.UPLOADS * load.BUSY
    pictures = capacity.pictures()
    logs = (requests + uploads) * LOG_BYTES + requests * ACCESS_LOG_BYTES
    return table(
        ("requests", "a second", "AWS", "so"),
        [
            (
                "API Gateway",
                _n(requests),
                f"{_n(quotas.API_REQUESTS.value)} for an account",
                "ask for more; bodies and times fit",
            ),
            ("S3: originals written", _n(uploads), f"{_n(quotas.S3_WRITES.value)} for a prefix", _prefixes(uploads)),
            (
                "S3: variants written",
                _n(uploads * VARIANTS),
                f"{_n(quotas.S3_WRITES.value)} for a prefix",
                _prefixes(uploads * VARIANTS),
            ),
            (
                "of these, of the busiest owner",
                _n(owner * VARIANTS),
                f"{_n(quotas.S3_WRITES.value)} for a prefix",
                f"fits, up to {_n(quotas.S3_WRITES.value / VARIANTS)} uploads",
            ),
            (
                "pictures, without CloudFront",
                _n(pictures),
                f"{_n(quotas.S3_READS.value)} for a prefix",
                f"{math.ceil(pictures / quotas.S3_READS.value)} partitions",
            ),
            (
                "pictures, with CloudFront",
                _n(pictures),
                f"{_n(quotas.CDN_REQUESTS.value)}, 150 Gbit/s",
                f"fits: {_n(pictures * load.PICTURE_BYTES * 8 / 1e9)} Gbit/s",
            ),
            ("S3 events", _n(uploads), "no limit known", "Lambda accepts all, and lets them wait"),
            ("logs", f"{_n(logs / 1e6)} MB", "no limit verified", f"{_n(logs * 86_400 / 1e12, 1)} TB a day"),
        ],
    )


def _breaks() -> str:
    rows = [(_n(each.most), _percent(each.share), each.what, each.then, each.moves) for each in breaks.breaks()]
    return table(("most", "of the load", "a second", "then", "what moves it"), rows)


def _costs() -> str:
    costs = month.costs()
    numbers = {
        "uploads, processed": load.UPLOADS_A_MONTH,
        "list pages": month.in_a_month(load.PAGES),
        "views and redirects": month.in_a_month(load.VIEWS + load.RENDERS),
        "pictures": month.in_a_month(capacity.pictures()),
    }
    labels = {use: f"{_n(number / MILLION)} million {use}" for use, number in numbers.items()}
    rows = [(labels.get(use, use), *map(_cell, parts), _dollars(sum(parts))) for use, parts in costs.items()]
    sums = [sum(parts) for parts in zip(*costs.values(), strict=True)]
    total = ("**all**", *map(_cell, sums), f"**{_dollars(sum(sums))}**")
    names = ("a month", "API Gateway, data out", "Lambda", "DynamoDB", "S3", "logs", "CloudFront", "total")
    return table(names, [*rows, total])


def _hour() -> str:
    hour = month.upload_hour()
    return _bullets(
        f"An hour of {_n(load.UPLOADS)} uploads a second, with processing, would cost {_dollars(hour)}; of 500, "
        f"{_dollars(hour * 500 / load.UPLOADS)}."
    )


def _quotas() -> str:
    by_page: dict[str, list[quotas.Quota]] = {}
    for each in quotas.ALL:
        by_page.setdefault(each.page, []).append(each)
    rows = []
    for page, limits in by_page.items():
        texts = "; ".join(f"{_n(each.value)} {each.unit}" for each in limits)
        rows.append((f"[{texts}]({page}){' (quoted elsewhere)' if limits[0].is_quoted else ''}", limits[0].grows))
    return table(("limit", "AWS raises it"), rows)


_BLOCKS: dict[str, Callable[[], str]] = {
    "summary": _summary,
    "breaks": _breaks,
    "load": _load,
    "tables": _tables,
    "lists": lambda: _paragraphs(_lists(), _shards()),
    "keys": _keys,
    "changes": _changes,
    "functions": lambda: _paragraphs(_functions(), _requests()),
    "costs": lambda: _paragraphs(_costs(), _hour()),
    "quotas": _quotas,
}
_SHARES = (
    *(load.PAGES_OF_EVERYTHING, load.PAGES_OF_THE_TAG),
    *(load.PAGES_OF_TWO_FILTERS, load.PAGES_WITH_THUMBNAILS),
)


def _is_shown(each: capacity.List) -> bool:
    return each in capacity.lists()[:_LISTS_SHOWN] or each.term.value in (load.BUSY_TAG, load.BUSY_OWNER)


def _cost_of_a_page(each: capacity.List) -> str:
    return f"{each.shards} calls, {each.page_units} units, {_n(each.page_ms)} ms"


def _prefixes(writes: float) -> str:
    return f"{math.ceil(writes / quotas.S3_WRITES.value)} partitions: S3 splits by itself, gradually"


def _paragraphs(*parts: str) -> str:
    return "\n".join(parts)


def _bullets(*texts: str) -> str:
    return "".join(f"- {text}\n" for text in texts)


def _n(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def _kb(size: int) -> str:
    return f"{size // 1_000} KB"


def _dollars(value: float) -> str:
    return f"${value:,.0f}"


def _cell(value: float) -> str:
    return _dollars(value) if value else "-"


def _share(part: float, whole: float) -> str:
    return _percent(part / whole)


def _percent(share: float) -> str:
    return f"{100 * share:.{1 if share < 0.1 else 0}f} %"


def _percents(shares: Iterable[float]) -> str:
    return ", ".join(map(_percent, shares))

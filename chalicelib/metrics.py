"""CloudWatch metrics, embedded in the log lines that are written anyway: they need no call to CloudWatch.

The format is in the CloudWatch User Guide, "Specification: Embedded metric format". The metrics have no dimensions:
each combination of values of the dimensions would be one more metric, at $0.30 a month.
"""

from collections.abc import Mapping
from typing import Any

Units = Mapping[str, str]  # field of a log line, which is also the name of the metric -> unit

# The metrics of each kind of log line.
REQUEST: Units = {
    "duration_ms": "Milliseconds",
    "aws_calls": "Count",
    "read_units": "Count",
    "write_units": "Count",
    "list_ms": "Milliseconds",  # of a request for a page of a list: until the page was read
}
IMAGE: Units = {
    "images_ready": "Count",
    "images_rejected": "Count",
    "images_failed": "Count",
    "processing_ms": "Milliseconds",
}
SCHEDULE: Units = {"oldest_unfinished_seconds": "Seconds"}


def member(namespace: str, units: Units, fields: Mapping[str, object], milliseconds: int) -> dict[str, Any]:
    """Return the member `_aws` to add to a log line, so that CloudWatch extracts its fields in `units` as metrics.

    `milliseconds` is the time of the metrics since the epoch. Returns no member if there is no namespace or no such
    field.
    """
    metrics = [{"Name": name, "Unit": unit} for name, unit in units.items() if name in fields]
    if not (namespace and metrics):
        return {}
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics}
    return {"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}}

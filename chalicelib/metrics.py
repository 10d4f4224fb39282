"""CloudWatch metrics inside the lines of the log: no call, and no line of their own.

The form is that of the CloudWatch User Guide, "Specification: Embedded metric format". There are no dimensions: each
combination of their values would be a metric of its own, at $0.30 a month.
"""

from collections.abc import Mapping
from typing import Any

Units = Mapping[str, str]  # by the name of the field that has a metric's value

REQUEST: Units = {
    "duration_ms": "Milliseconds",
    "aws_calls": "Count",
    "read_units": "Count",
    "write_units": "Count",
}
IMAGE: Units = {
    "images_ready": "Count",
    "images_rejected": "Count",
    "images_failed": "Count",
    "processing_ms": "Milliseconds",
}
SCHEDULE: Units = {"oldest_unfinished_seconds": "Seconds"}


def member(namespace: str, units: Units, fields: Mapping[str, object], milliseconds: int) -> dict[str, Any]:
    """What a line says beside its fields so that those of `units` are metrics of a time since the epoch.

    Nothing where there is no namespace, or no such field.
    """
    found = [{"Name": name, "Unit": unit} for name, unit in units.items() if name in fields]
    if not (namespace and found):
        return {}
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": found}
    return {"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}}

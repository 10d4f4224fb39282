"""A check of log lines in CloudWatch's embedded metric format."""

from typing import Any

import jsonschema_rs

# The schema of a document. CloudWatch User Guide, "Specification: Embedded metric format".
NAME = {"type": "string", "minLength": 1, "maxLength": 255}
METRIC = {
    "type": "object",
    "required": ["Name"],
    "properties": {"Name": NAME, "Unit": {"enum": ["Count", "Milliseconds", "Seconds"]}},
    "additionalProperties": False,
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": NAME,
        "Dimensions": {"type": "array", "minItems": 1, "items": {"type": "array", "items": NAME, "maxItems": 30}},
        "Metrics": {"type": "array", "items": METRIC, "maxItems": 100},
    },
    "additionalProperties": False,
}
METADATA = {
    "type": "object",
    "required": ["Timestamp", "CloudWatchMetrics"],
    "properties": {"Timestamp": {"type": "integer"}, "CloudWatchMetrics": {"type": "array", "items": DIRECTIVE}},
    "additionalProperties": False,
}
DOCUMENT = jsonschema_rs.validator_for({"type": "object", "required": ["_aws"], "properties": {"_aws": METADATA}})


def assert_publishes(line: dict[str, object], names: set[str]) -> None:
    """Assert that a line is a document of the format, has exactly these metrics, and has their numbers at its root."""
    DOCUMENT.validate(line)
    aws: Any = line["_aws"]
    (directive,) = aws["CloudWatchMetrics"]
    assert {metric["Name"] for metric in directive["Metrics"]} == names
    assert all(isinstance(line[name], int | float) for name in names)
    assert directive["Dimensions"] == [[]]

from typing import Any

import jsonschema_rs
import pytest

from chalicelib import metrics

# What the CloudWatch User Guide, "Specification: Embedded metric format", demands of a document.
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
    """Let a line be a document of the format, whose metrics are these and have numbers at its root."""
    DOCUMENT.validate(line)
    aws: Any = line["_aws"]
    (directive,) = aws["CloudWatchMetrics"]
    assert {metric["Name"] for metric in directive["Metrics"]} == names
    assert all(isinstance(line[name], int | float) for name in names)
    assert directive["Dimensions"] == [[]]


@pytest.mark.parametrize("units", [metrics.REQUEST, metrics.IMAGE, metrics.SCHEDULE])
def test_fields_that_have_a_unit_are_metrics_of_a_line(units: metrics.Units) -> None:
    fields = {**dict.fromkeys(units, 1.5), "route": "/images"}
    line = {**fields, **metrics.member("images-api/prod", units, fields, 1_700_000_000_000)}
    assert_publishes(line, set(units))


def test_a_field_that_a_line_does_not_have_is_no_metric() -> None:
    fields = {"images_ready": 1, "processing_ms": 9.5}
    line = {**fields, **metrics.member("images-api/prod", metrics.IMAGE, fields, 1_700_000_000_000)}
    assert_publishes(line, {"images_ready", "processing_ms"})


def test_without_a_namespace_or_a_metric_a_line_is_as_it_was() -> None:
    assert metrics.member("", metrics.REQUEST, {"duration_ms": 1.0}, 0) == {}
    assert metrics.member("images-api/prod", metrics.REQUEST, {"route": "/images"}, 0) == {}

import pytest

from chalicelib import metrics
from tests.embedded_metrics import assert_publishes


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

import pytest

from chalicelib import metrics
from tests.embedded_metrics import assert_publishes


@pytest.mark.parametrize("units", [metrics.REQUEST, metrics.IMAGE, metrics.SCHEDULE])
def test_fields_with_a_unit_are_published_as_metrics(units: metrics.Units) -> None:
    fields = {**dict.fromkeys(units, 1.5), "route": "/images"}
    line = {**fields, **metrics.member("images-api/prod", units, fields, 1_700_000_000_000)}
    assert_publishes(line, set(units))


def test_an_absent_field_is_not_published() -> None:
    fields = {"images_ready": 1, "processing_ms": 9.5}
    line = {**fields, **metrics.member("images-api/prod", metrics.IMAGE, fields, 1_700_000_000_000)}
    assert_publishes(line, {"images_ready", "processing_ms"})


def test_nothing_is_added_to_a_line_without_a_namespace_or_a_metric() -> None:
    assert metrics.member("", metrics.REQUEST, {"duration_ms": 1.0}, 0) == {}
    assert metrics.member("images-api/prod", metrics.REQUEST, {"route": "/images"}, 0) == {}

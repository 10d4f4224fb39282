from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import ids


def test_ids_of_one_process_are_unique_and_in_order_of_creation() -> None:
    new_ids = [ids.new_id() for _ in range(10_000)]
    assert new_ids == sorted(set(new_ids))


def test_an_id_contains_its_creation_time() -> None:
    created = datetime.fromisoformat(ids.created_at(ids.new_id()))
    assert abs(datetime.now(UTC) - created) < timedelta(seconds=5)


def test_created_at_reads_the_example_of_rfc_9562() -> None:
    # RFC 9562, appendix A.6.
    assert ids.created_at("017f22e2-79b0-7cc3-98c4-dc0c0c07398f") == "2022-02-22T19:22:22.000Z"


def test_only_the_canonical_form_of_an_id_is_valid() -> None:
    assert ids.is_id("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    for other in ("", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "017f22e279b07cc398c4dc0c0c07398f", "../../x", "1\n"):
        assert not ids.is_id(other)


def test_ids_that_the_service_makes_are_uuids_of_version_7() -> None:
    assert ids.is_uuid7(ids.new_id())
    assert ids.is_uuid7("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    for other in (
        "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n",
        "",
    ):
        assert not ids.is_uuid7(other)


@pytest.mark.parametrize(
    ("time", "timestamp"),
    [
        (None, ""),
        ("2024-05-01T12:30:00+02:00", "2024-05-01T10:30:00.000Z"),
        ("2024-05-01T12:30:00", "2024-05-01T12:30:00.000Z"),
        ("1950-05-01T00:00:00+02:00", "1950-04-30T22:00:00.000Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00+00:01", ""),
        ("9999-12-31T23:59:59-00:01", ""),
    ],
)
def test_a_time_without_an_offset_is_utc(time: str | None, timestamp: str) -> None:
    assert ids.utc(time) == timestamp
    if timestamp:
        assert ids.timestamp_of(ids.milliseconds_of(timestamp)) == timestamp


def test_all_timestamps_lie_between_the_first_and_the_end() -> None:
    assert ids.timestamp_of(ids.START) == "0001-01-01T00:00:00.000Z"
    assert ids.timestamp_of(ids.END - 1) == "9999-12-31T23:59:59.999Z"

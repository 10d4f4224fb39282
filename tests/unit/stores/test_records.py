import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.index.rows import Row
from chalicelib.index.terms import Key
from chalicelib.model import Analysis, CameraFacts, Image, Location, State, Variant
from chalicelib.stores import records
from chalicelib.stores.dynamodb import Attributes
from tests.pictures import CAMERA, LOCATION
from tests.unit.samples import ANALYSIS, IMAGE

SEA = Key("\x1ftitle:s", f"sea\x1f{IMAGE.image_id}", "title:sea")
TAKEN = f"{IMAGE.created_at}/{IMAGE.image_id}"


def test_a_ready_record_has_the_attributes_of_contracts_b_and_d() -> None:
    assert records.to_item(IMAGE, "bucket") == {
        "image_id": {"S": IMAGE.image_id},
        "user_id": {"S": "alice"},
        "title": {"S": "Dunes"},
        "description": {"S": "At noon"},
        "tags": {"L": [{"S": "Sea"}, {"S": "sand"}]},
        "s3_key": {"S": f"alice/{IMAGE.image_id}"},
        "s3_url": {"S": f"s3://bucket/alice/{IMAGE.image_id}"},
        "created_at": {"S": "2022-02-22T19:22:22.000Z"},
        "taken": {"S": f"2022-02-22T19:22:22.000Z/{IMAGE.image_id}"},
        "updated_at": {"S": "2022-02-22T19:22:22.000Z"},
        "filename": {"S": "dunes.jpg"},
        "content_type": {"S": "image/jpeg"},
        "size": {"N": "12345"},
        "checksum": {"S": "ab" * 32},
        "width": {"N": "400"},
        "height": {"N": "300"},
        "visibility": {"S": "public"},
        "version": {"N": "1"},
    }


def test_only_a_record_that_is_not_ready_is_in_the_state_index() -> None:
    assert records.to_item(replace(IMAGE, state=State.PROCESSING), "bucket")["state"] == {"S": "processing"}
    assert "state" not in records.to_item(IMAGE, "bucket")


def test_an_unlisted_record_is_not_in_the_indexes_of_its_owner() -> None:
    unlisted = replace(IMAGE, state=State.AWAITING_UPLOAD, listed=False, version=2)
    assert not {"created_at", "changed", "taken"} & records.to_item(unlisted, "bucket").keys()


MEASURES = st.none() | st.integers(1, 10**6).map(lambda number: float(f"{number / 997:.6g}"))
TEXTS = st.none() | st.text(min_size=1)
ANALYSES = st.builds(
    Analysis,
    width=st.integers(1, 10**5),
    height=st.integers(1, 10**5),
    taken_at=st.sampled_from([None, "2024-05-01T12:30:00+02:00"]),
    color=st.just("#aabbcc"),
    placeholder=st.text(),
    perceptual_hash=st.just("0123456789abcdef"),
    animated=st.booleans(),
    variants=st.lists(
        st.builds(
            Variant,
            width=st.integers(1, 1920),
            height=st.integers(1, 1920),
            content_type=st.just("image/webp"),
            size=st.integers(1, 10**6),
        )
    ).map(tuple),
    exif=st.none()
    | st.builds(
        CameraFacts,
        make=TEXTS,
        model=TEXTS,
        lens_model=TEXTS,
        exposure_seconds=MEASURES,
        f_number=MEASURES,
        iso=st.none() | st.integers(1, 65_534),
        focal_length_mm=MEASURES,
        flash=st.none() | st.booleans(),
    ),
    location=st.none()
    | st.builds(
        Location,
        latitude=st.floats(-90, 90).map(lambda number: round(number, 6)),
        longitude=st.floats(-180, 180).map(lambda number: round(number, 6)),
    ),
)


@given(
    st.sampled_from([(state, listed) for state in State for listed in (True, False) if listed or state != "ready"]),
    st.text(),
    st.lists(st.text()),
    st.integers(0, 10**12),
    st.none() | ANALYSES,
    st.sampled_from(["", "1950-05-01T10:30:00.000Z"]),
)
def test_a_record_reads_back_as_it_was_written(
    state: tuple[State, bool], title: str, tags: list[str], number: int, analysis: Analysis | None, taken_at: str
) -> None:
    image = replace(
        IMAGE, state=state[0], listed=state[1], title=title, tags=tuple(tags), size=number, analysis=analysis
    )
    image = replace(image, reason=title or "Broken", attempts=number, upload_id=title, part_size=number)
    image = replace(image, imported_updated_at=taken_at)
    image = replace(image, reason="") if image.state is State.READY else image
    image = replace(image, taken_at=ids.utc(analysis.taken_at) if analysis else taken_at)
    assert records.from_item(records.to_item(image, "bucket")) == image


def test_what_exif_says_is_beside_the_analysis_so_that_the_version_before_can_read_the_record() -> None:
    analysis = replace(ANALYSIS, exif=CameraFacts(make="Contoso", iso=400), location=Location(**LOCATION))
    before = records.to_item(replace(IMAGE, analysis=ANALYSIS), "bucket")
    item = records.to_item(replace(IMAGE, analysis=analysis), "bucket")
    assert {name: item[name] for name in item if before.get(name) != item[name]} == {
        "exif": {"M": {"make": {"S": "Contoso"}, "iso": {"N": "400"}}},
        "location": {"M": {"latitude": {"N": "-33.8569"}, "longitude": {"N": "151.215139"}}},
    }
    assert records.from_item(before).analysis == ANALYSIS


def test_no_index_row_has_what_exif_says() -> None:
    analysis = replace(ANALYSIS, exif=CameraFacts(**CAMERA), location=Location(**LOCATION))
    for key in (SEA, Key("band", IMAGE.image_id, "band:0:0123", is_of_a_band=True)):
        with_exif = to_row(replace(IMAGE, analysis=analysis), key)
        assert with_exif == to_row(replace(IMAGE, analysis=ANALYSIS), key)


@given(ANALYSES)
def test_a_row_of_a_band_has_the_perceptual_hash_but_not_the_record(analysis: Analysis) -> None:
    key = Key("band", IMAGE.image_id, "band:0:0123", is_of_a_band=True)
    item = to_row(replace(IMAGE, analysis=analysis), key)
    assert "taken" not in item  # no list reads these rows, so they are not in the index by time taken
    band_row = records.from_row(item)
    assert (band_row.image, band_row.user_id, band_row.perceptual_hash) == (None, IMAGE.user_id, "0123456789abcdef")


def test_only_an_updated_record_is_in_the_indexes_by_update() -> None:
    updated = replace(IMAGE, version=2, updated_at="2023-01-01T00:00:00.000Z")
    changed = {"S": f"2023-01-01T00:00:00.000Z/{IMAGE.image_id}"}
    assert "changed" not in records.to_item(IMAGE, "bucket")
    assert records.to_item(updated, "bucket")["changed"] == changed
    assert not {"term", "changed"} & to_row(IMAGE).keys()
    row = to_row(updated)
    assert (row["term"], row["changed"]) == ({"S": "title:sea"}, changed)
    assert records.from_row(row).changed == changed["S"]


def to_row(image: Image, key: Key = SEA) -> Attributes:
    return records.to_rows(image, [key])[key]


def row(image: Image) -> Row:
    return records.from_row(to_row(image))


def test_a_row_contains_its_record_if_both_fit_into_one_write_unit() -> None:
    # The row of IMAGE without its description has this many bytes.
    row_bytes = records.size(to_row(replace(IMAGE, description="")))
    fits = replace(IMAGE, description="x" * (1024 - row_bytes))
    too_long = replace(IMAGE, description="x" * (1025 - row_bytes))
    assert row(fits) == Row(fits.image_id, "alice", fits.visibility, fits, whole=True, word="sea", taken=TAKEN)
    without_description = replace(too_long, description="")
    expected = Row(fits.image_id, "alice", fits.visibility, without_description, whole=False, word="sea", taken=TAKEN)
    assert row(too_long) == expected


def test_a_row_of_a_large_record_has_only_the_owner_and_the_visibility() -> None:
    large = replace(IMAGE, tags=tuple(f"{n} " + "x" * 60 for n in range(20)))
    assert row(large) == Row(IMAGE.image_id, "alice", IMAGE.visibility, None, whole=False, word="sea", taken=TAKEN)


@pytest.mark.parametrize("description", ["At noon", None])
def test_a_row_from_before_the_copy_reads_as_one_with_a_copy(description: str | None) -> None:
    image = replace(IMAGE, description=description or "x" * 1024, version=2, taken_at="1950-05-01T10:30:00.000Z")
    now = to_row(image)
    copied = ("title", "description", "tags", "filename", "content_type", "size", "checksum", "width", "height")
    names = (*copied, "updated_at", "version")
    record = records.to_item(image, "bucket")
    before = {name: record[name] for name in names if name != "description" or description} | now
    del before["copy"]
    assert records.from_row(before) == records.from_row(now)


def test_a_copy_with_values_of_later_versions_can_be_read() -> None:
    item = to_row(IMAGE)
    copied = [*json.loads(item["copy"]["S"]), {"later": True}]
    assert records.from_row({**item, "copy": {"S": json.dumps(copied)}}) == row(IMAGE)


@pytest.mark.parametrize("taken_at", ["", "1950-05-01T10:30:00.000Z"])
def test_a_row_has_the_time_when_the_picture_was_taken(taken_at: str) -> None:
    taken = replace(IMAGE, taken_at=taken_at)
    assert to_row(taken)["taken"] == {"S": f"sea\x1f{taken.dated_at}/{IMAGE.image_id}"}
    assert records.to_item(taken, "bucket")["taken"] == {"S": f"{taken.dated_at}/{IMAGE.image_id}"}
    assert row(taken).image == taken
    assert row(taken).taken == f"{taken.dated_at}/{IMAGE.image_id}"


def test_a_record_from_before_lists_by_time_taken_has_the_time_of_its_analysis() -> None:
    item = records.to_item(replace(IMAGE, analysis=replace(ANALYSIS, taken_at="1950-05-01T12:30:00+02:00")), "bucket")
    assert records.from_item(item).taken_at == "1950-05-01T10:30:00.000Z"
    del item["taken"], item["analysis"]
    assert records.from_item(item).taken_at == ""
    assert records.from_row(item).taken is None


def test_the_size_of_an_item_includes_its_names_and_values() -> None:
    item = {"name": {"S": "\N{EURO SIGN}"}, "n": {"N": "12345"}, "l": {"L": [{"S": "ab"}]}}
    assert records.size(item) == (4 + 3) + (1 + 4) + (1 + 3 + 1 + 2)


def test_the_size_of_a_number_does_not_include_zeros_at_its_ends() -> None:
    assert records.size({"n": {"N": "4000"}}) == records.size({"n": {"N": "0.4"}}) == 1 + 2
    assert records.size({"n": {"N": "-4000"}}) == 1 + 3

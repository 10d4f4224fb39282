import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chalicelib.model import CameraFacts, Location
from chalicelib.pictures.exif import Exif, read
from tests.pictures import CAMERA, LOCATION, camera_exif

ORIENTATION, OFFSET_TIME, TAKEN = 0x0112, 0x9011, 0x9003


def block(orientation: int | None = None, **times: str) -> bytes:
    """Return EXIF as Pillow writes it, with the header `Exif`."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    tags = {TAKEN: times.get("taken"), OFFSET_TIME: times.get("offset")}
    exif.get_ifd(0x8769).update({tag: value for tag, value in tags.items() if value is not None})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0)})
    return exif.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_in_both_byte_orders_with_and_without_a_header(orientation: int) -> None:
    assert read(block(orientation)).orientation == orientation
    assert read(block(orientation)[6:]).orientation == orientation
    entry = struct.pack(">HHIHH", ORIENTATION, 3, 1, orientation, 0)
    assert read(b"MM\0*\0\0\0\x08\0\x01" + entry).orientation == orientation


def test_the_time_has_an_offset_only_if_exif_has_one() -> None:
    assert read(block(taken="2024:05:01 12:30:00")) == Exif(1, "2024-05-01T12:30:00")
    assert read(block(6, taken="2024:05:01 12:30:00", offset="-09:30")) == Exif(6, "2024-05-01T12:30:00-09:30")


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "2024:02:30 12:00:00", "2024:05:01 25:00:00", "    ", "?" * 90]
)
def test_an_invalid_time_is_none(taken: str) -> None:
    assert read(block(taken=taken)).taken_at is None


@pytest.mark.parametrize("offset", ["", "+1", "+24:00", "   :  ", "Z"])
def test_an_invalid_offset_is_ignored(offset: str) -> None:
    assert read(block(taken="2024:05:01 12:30:00", offset=offset)).taken_at == "2024-05-01T12:30:00"


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_invalid_orientation_means_upright(orientation: int) -> None:
    assert read(block(orientation)).orientation == 1


def test_a_truncated_field_is_treated_as_absent() -> None:
    whole = block(6, taken="2024:05:01 12:30:00", offset="+02:00")
    for length in range(len(whole)):
        exif = read(whole[:length])
        assert exif.orientation in (1, 6)
        assert exif.taken_at in (None, "2024-05-01T12:30:00", "2024-05-01T12:30:00+02:00")


def test_a_camera_writes_facts_and_the_place() -> None:
    found = read(camera_exif())
    assert found == Exif(camera=CameraFacts(**CAMERA), location=Location(**LOCATION))
    assert "Alice" not in str(found)
    assert "SN-12345678" not in str(found)


MAKE, EXPOSURE, F_NUMBER, ISO, FLASH, FOCAL_LENGTH, LENS = 0x010F, 0x829A, 0x829D, 0x8827, 0x9209, 0x920A, 0xA434
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
ASCII, SHORT, LONG, RATIONAL, SIGNED = 2, 3, 4, 5, 10

Value = tuple[int, int, bytes]  # type, count, and the bytes of the value
Directory = Mapping[int, Value]
EMPTY: Directory = MappingProxyType({})


def text(content: bytes) -> Value:
    return ASCII, len(content), content


def short(number: int, *more: int) -> Value:
    return SHORT, 1 + len(more), struct.pack(f"<{1 + len(more)}H", number, *more)


def rational(*numbers: int) -> Value:
    return RATIONAL, len(numbers) // 2, struct.pack(f"<{len(numbers)}I", *numbers)


def laid_out(main: Directory = EMPTY, own: Directory = EMPTY, gps: Directory = EMPTY) -> bytes:
    """Return EXIF with three directories, each value after the directories."""
    directories = {8: {**main, EXIF_DIRECTORY: (LONG, 1, b""), GPS_DIRECTORY: (LONG, 1, b"")}}
    second = 8 + 6 + 12 * len(directories[8])
    third = second + 6 + 12 * len(own)
    directories |= {second: dict(own), third: dict(gps)}
    pointers = {EXIF_DIRECTORY: second, GPS_DIRECTORY: third}
    block, values = b"II*\0" + struct.pack("<I", 8), b""
    end = third + 6 + 12 * len(gps)
    for directory in directories.values():
        block += struct.pack("<H", len(directory))
        for tag, (kind, count, content) in directory.items():
            if tag in pointers:
                content = struct.pack("<I", pointers[tag])
            elif len(content) > 4:
                content, values = struct.pack("<I", end + len(values)), values + content
            block += struct.pack("<HHI", tag, kind, count) + content.ljust(4, b"\0")
        block += struct.pack("<I", 8)  # the next directory is the first one again: it is not followed
    return block + values


SYDNEY = {
    1: text(b"S\0"),
    2: rational(33, 1, 51, 1, 2484, 100),
    3: text(b"E\0"),
    4: rational(151, 1, 12, 1, 5450, 100),
}


@pytest.mark.parametrize(
    ("gps", "location"),
    [
        (SYDNEY, LOCATION),
        ({**SYDNEY, 1: text(b"N\0"), 3: text(b"W\0")}, {"latitude": 33.8569, "longitude": -151.215139}),
        ({**SYDNEY, 2: rational(90, 1, 0, 1, 0, 1)}, {**LOCATION, "latitude": -90.0}),
        ({**SYDNEY, 4: rational(180, 1, 0, 1, 0, 1)}, {**LOCATION, "longitude": 180.0}),
        ({**SYDNEY, 2: rational(0, 1, 0, 1, 0, 1)}, {**LOCATION, "latitude": 0.0}),
        ({**SYDNEY, 2: rational(338569, 10000, 0, 1, 0, 1)}, LOCATION),
    ],
)
def test_a_place_has_signs_and_decimals(gps: Directory, location: dict[str, float]) -> None:
    found = read(laid_out(gps=gps)).location
    assert found == Location(**location)
    assert "-0.0," not in str(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {1: text(b"")},
        {1: text(b"X\0")},
        {1: short(78)},
        {2: rational(33, 1, 51, 1)},
        {2: rational(33, 1, 51, 1, 24, 1, 5, 1)},
        {2: rational(33, 1, 51, 1, 24, 0)},
        {2: rational(33, 0, 51, 1, 24, 1)},
        {2: rational(91, 1, 0, 1, 0, 1)},
        {2: rational(33, 1, 61, 1, 0, 1)},
        {2: rational(33, 1, 0, 1, 61, 1)},
        {2: (SIGNED, 3, struct.pack("<6i", 33, 1, 51, 1, 24, 1))},
        {2: (RATIONAL, 3, struct.pack("<I", 2**32 - 9))},
        {2: (RATIONAL, 2**32 - 1, struct.pack("<6I", 33, 1, 51, 1, 24, 1))},
        {4: rational(180, 1, 0, 1, 1, 1)},
    ],
)
def test_a_wrong_place_is_none(wrong: Directory) -> None:
    assert read(laid_out(gps={**SYDNEY, **wrong})) == Exif()


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_a_part_of_a_place_is_none(missing: int) -> None:
    assert read(laid_out(gps={tag: value for tag, value in SYDNEY.items() if tag != missing})) == Exif()


@pytest.mark.parametrize(
    ("main", "own", "facts"),
    [
        ({MAKE: text(b"ABC\0")}, {}, {"make": "ABC"}),
        ({MAKE: text(b"  A\x07\x1b[31mB\xc2\x85C \0junk")}, {}, {"make": "A[31mBC"}),
        ({MAKE: text(b"\xe9t\xc3\xa9\0")}, {}, {"make": "t\u00e9"}),
        ({MAKE: text(b"x" * 300)}, {}, {"make": "x" * 64}),
        ({MAKE: text(b"x" * 63 + b" y")}, {}, {"make": "x" * 63}),
        ({}, {LENS: (ASCII, 2**32 - 1, b"Prime 50mm\0")}, {"lens_model": "Prime 50mm"}),
        ({}, {EXPOSURE: rational(30, 1)}, {"exposure_seconds": 30.0}),
        ({}, {EXPOSURE: rational(1, 3)}, {"exposure_seconds": 0.333333}),
        ({}, {EXPOSURE: rational(1, 2**32 - 1)}, {"exposure_seconds": 2.32831e-10}),
        ({}, {F_NUMBER: rational(2**32 - 1, 1)}, {"f_number": 4294970000.0}),
        ({}, {ISO: short(200, 0)}, {"iso": 200}),
        ({}, {FLASH: short(0x10)}, {"flash": False}),
        ({}, {FOCAL_LENGTH: rational(50, 1)}, {"focal_length_mm": 50.0}),
    ],
)
def test_a_fact_is_read_and_limited(main: Directory, own: Directory, facts: dict[str, Any]) -> None:
    assert read(laid_out(main, own)) == Exif(camera=CameraFacts(**facts))


@pytest.mark.parametrize(
    ("main", "own"),
    [
        ({MAKE: text(b"")}, {}),
        ({MAKE: text(b" \0ABC")}, {}),
        ({MAKE: text(b"\x00\x01\x02")}, {}),
        ({MAKE: short(65)}, {}),
        ({MAKE: (ASCII, 100, struct.pack("<I", 2**32 - 1))}, {}),
        ({}, {EXPOSURE: rational(1, 0)}),
        ({}, {EXPOSURE: rational(0, 0)}),
        ({}, {EXPOSURE: rational(0, 1)}),
        ({}, {EXPOSURE: rational(1, 250, 1, 250)}),
        ({}, {F_NUMBER: (SIGNED, 1, struct.pack("<ii", -28, 10))}),
        ({}, {F_NUMBER: (RATIONAL, 0, b"")}),
        ({}, {ISO: short(0)}),
        ({}, {ISO: short(65_535)}),
        ({}, {ISO: short(1, 2, 3)}),
        ({}, {ISO: (SHORT, 0, b"")}),
        ({}, {ISO: rational(400, 1)}),
        ({}, {FLASH: text(b"yes")}),
    ],
)
def test_a_wrong_fact_is_unknown(main: Directory, own: Directory) -> None:
    assert read(laid_out(main, own)) == Exif()


def test_directories_that_lead_to_each_other_are_read_once() -> None:
    entries = b"".join(struct.pack("<HHII", tag, LONG, 1, 8) for tag in (EXIF_DIRECTORY, GPS_DIRECTORY))
    make = struct.pack("<HHI4s", MAKE, ASCII, 4, b"ABC\0")
    assert read(b"II*\0" + struct.pack("<IH", 8, 3) + make + entries) == Exif(camera=CameraFacts(make="ABC"))


@pytest.mark.parametrize("kind", [SHORT, RATIONAL])
def test_a_directory_of_another_type_is_not_read(kind: int) -> None:
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, 8) for tag in (EXIF_DIRECTORY, GPS_DIRECTORY))
    assert read(b"II*\0" + struct.pack("<IH", 8, 2) + entries) == Exif()


def test_a_cut_off_place_and_cut_off_facts_are_unknown() -> None:
    whole = camera_exif()
    for length in range(len(whole)):
        found = read(whole[:length])
        assert found.location in (None, Location(**LOCATION))
        if found.camera:
            assert found.camera.iso in (None, 400)
            assert found.camera.f_number in (None, 2.8)


@given(st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]), st.binary())
def test_any_bytes_give_a_valid_orientation(start: bytes, rest: bytes) -> None:
    assert read(start + rest).orientation in range(1, 9)


@given(st.binary(max_size=60), st.integers(8, 400), st.binary(max_size=4))
def test_any_damage_gives_a_valid_place_or_none(junk: bytes, at: int, patch: bytes) -> None:
    block = bytearray(laid_out({MAKE: text(b"Contoso\0")}, {EXPOSURE: rational(1, 250)}, SYDNEY) + junk)
    block[at : at + len(patch)] = patch
    location = read(bytes(block)).location
    assert location is None or (abs(location.latitude) <= 90 and abs(location.longitude) <= 180)

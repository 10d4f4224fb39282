import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from chalicelib.images.model import Preference
from chalicelib.web.accept import preference

TYPES = ["image/avif", "image/webp", "image/jpeg", "image/tiff"]
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "content_type", "expected"),
    [
        ("*/*", "image/webp", Preference(1, 0)),
        ("", "image/webp", Preference(0, 0)),
        ("text/html", "image/webp", Preference(0, 0)),
        (CHROME, "image/avif", Preference(1, 2)),
        (CHROME, "image/jpeg", Preference(1, 1)),
        ("image/*;q=0.8, image/avif;q=0", "image/avif", Preference(0, 2)),
        ("image/avif;q=0.5, */*;q=0.9", "image/avif", Preference(0.5, 2)),
        ("IMAGE/WebP ; Q=0.250", "image/webp", Preference(0.25, 2)),
        ("image/webp;q=0.3;v=b3, image/webp;q=0.2", "image/webp", Preference(0.3, 2)),
    ],
)
def test_the_most_specific_range_counts(header: str, content_type: str, expected: Preference) -> None:
    assert preference(header, content_type) == expected


@pytest.mark.parametrize(
    "broken", ["image", "/", ";q=1", "image/webp;q=2", "image/webp;q=nan", "image/webp;q=0.1234", "*"]
)
def test_an_invalid_range_is_ignored(broken: str) -> None:
    assert preference(f"{broken}, image/webp;q=0.5", "image/webp") == Preference(0.5, 2)


def test_a_range_with_parameters_does_not_match_a_type_without_parameters() -> None:
    assert preference("image/webp;level=1, image/*;q=0.1", "image/webp") == Preference(0.1, 1)


@given(st.text())
def test_any_header_gives_a_valid_quality(header: str) -> None:
    assert 0 <= preference(header, "image/webp").quality <= 1


ranges = st.sampled_from([*TYPES, "image/*", "*/*", "text/html", "Image/AVIF"])
qualities = st.sampled_from(["", ";q=0", ";q=0.0", ";q=0.001", "; q=0.5", ";q=1.000", " ; q=1"])


@given(st.lists(st.tuples(ranges, qualities).map("".join)).map(", ".join), st.sampled_from(TYPES))
def test_the_quality_equals_that_of_werkzeug(header: str, content_type: str) -> None:
    assert preference(header, content_type).quality == parse_accept_header(header, MIMEAccept).quality(content_type)

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib import filenames
from chalicelib.model import EXTENSIONS
from tests.unit.samples import IMAGE


def saved_as(filename: str, content_type: str = "image/png") -> str:
    return filenames.saved_as(replace(IMAGE, filename=filename, content_type=content_type))


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("dunes.png", "dunes.png"),
        ("Dunes.PNG", "Dunes.PNG"),
        ("Ünïcode \N{GRINNING FACE}.png", "Ünïcode \N{GRINNING FACE}.png"),
        ("", f"{IMAGE.image_id}.png"),
        (".png", f"{IMAGE.image_id}.png"),
        ("dunes", "dunes.png"),
        ("dunes 1.5", "dunes 1.5.png"),
        ("dunes.jpg", "dunes.png"),
        ("dunes.TIF", "dunes.png"),
        ("evil.html", "evil.html.png"),
        ("evil.exe", "evil.exe.png"),
        ("dunes.png.exe", "dunes.png.exe.png"),
        ("evil\u202egnp.exe", "evilgnp.exe.png"),
        ("a\u2066b\u200f\u061c\x00\n\x85\u2028c\ufeff.png", "abc.png"),
        ("می\u200cخواهم.png", "می\u200cخواهم.png"),
        ("dunes.png.", "dunes.png"),
        ("dunes. . ", "dunes.png"),
        ("dunes .png", "dunes.png"),
        (".htaccess", "htaccess.png"),
        (" ..png", f"{IMAGE.image_id}.png"),
        ("../a\\b.png", "_a_b.png"),
        ("con.png", "_con.png"),
        ("NUL", "_NUL.png"),
        ("Com1.tar.png", "_Com1.tar.png"),
        ("LPT\u00b9.png", "_LPT\u00b9.png"),
        ("conin$ .png", "_conin$.png"),
        ("console.png", "console.png"),
        ("x" * 255 + ".png", "x" * 251 + ".png"),
        ("x" * 250 + " y.png", "x" * 250 + ".png"),
        ("é" * 200 + ".png", "é" * 125 + ".png"),
    ],
)
def test_a_name_ends_in_the_extension_of_the_bytes_and_is_safe(filename: str, name: str) -> None:
    assert saved_as(filename) == name


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.JPEG", "image/jpeg"),
        ("a.jfif", "image/jpeg"),
        ("a.tif", "image/tiff"),
        ("a.heif", "image/heic"),
        ("a.heic", "image/heif"),
    ],
)
def test_an_extension_in_use_for_the_content_type_stays(filename: str, content_type: str) -> None:
    assert saved_as(filename, content_type) == filename


@given(st.text(max_size=300), st.sampled_from(sorted(EXTENSIONS)))
@example("\u202e" * 300, "image/png")
def test_every_name_can_be_saved_everywhere(filename: str, content_type: str) -> None:
    name = saved_as(filename, content_type)
    assert len(name.encode()) <= 255
    assert not set(name) & {"/", "\\", "\u202e", "\x00", "\n"}
    assert name[0] not in ". "
    assert name[-1] not in ". "
    assert saved_as(name, content_type) == name

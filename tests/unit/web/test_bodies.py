from collections.abc import Callable
from typing import Any

import pytest
from chalice.app import Request
from hypothesis import given
from hypothesis import strategies as st
from requests_toolbelt import MultipartEncoder

from chalicelib.errors import ApiError, BadInput, TooLarge
from chalicelib.web import bodies

PHOTO = bytes(range(256)) + b"\r\n--X\r\n--"


def part(disposition: str, content: bytes = b"x", *more: str) -> bytes:
    headers = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *more])
    return b"--B\r\n" + headers.encode() + b"\r\n\r\n" + content + b"\r\n"


def read(body: bytes, content_type: str = "multipart/form-data; boundary=B") -> Any:
    return bodies.read(
        Request(
            {
                "requestContext": {"httpMethod": "POST", "resourcePath": "/upload"},
                "headers": {"content-type": content_type},
                "pathParameters": {},
                "stageVariables": {},
                "multiValueQueryStringParameters": None,
                "body": body,
            }
        )
    )


def form(*parts: bytes) -> Any:
    return read(b"".join(parts) + b"--B--\r\n")


FILE = part('name="file"; filename="a.png"', PHOTO, "Content-Type: image/png")


def test_a_form_is_read_as_texts_and_the_bytes_of_its_file() -> None:
    encoder = MultipartEncoder({"user": "alice", "description": "Größe", "file": ("a.png", PHOTO, "image/png")})
    assert read(encoder.to_string(), encoder.content_type) == {
        "user": "alice",
        "description": "Größe",
        "filename": "a.png",
        "file": PHOTO,
    }


def test_a_repeated_field_is_a_tuple() -> None:
    assert form(part('name="tags"', b"a,b"), part('name="tags"', b"c"))["tags"] == ("a,b", "c")


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('name="file"; filename="a b.png"', "a b.png"),
        ("name=file; filename=a.png", "a.png"),
        ("name=\"file\"; filename*=UTF-8''%e2%82%ac%20x.png", "€ x.png"),
        ("name=\"file\"; filename*=utf-8'en'%C3%A9.png", "é.png"),
        ('name="file"; filename="e.png"; filename*=UTF-8\'\'%c3%a9.png', "é.png"),
        ('name="file"; filename="Größe.png"', "Größe.png"),
        ('name="file"; filename="a%22b.png"', 'a"b.png'),
        ('name="file"; filename="b.png"; filename*=idna\'\'%ff', "b.png"),
        ('name="file"; filename="b.png"; filename*0=a', "b.png"),
        ("name=\"file\"; filename*=UTF-8''%ff.png", "\N{REPLACEMENT CHARACTER}.png"),
        ('name="file"; filename="a; filename*=utf-8\'\'evil.png"', "a; filename*=utf-8''evil.png"),
        ('filename="a; filename*=utf-8\'\'evil.png"; name="file"', "a; filename*=utf-8''evil.png"),
        ('name="file"; filename="\\"; filename*=utf-8\'\'evil.png"', "\"; filename*=utf-8''evil.png"),
        ("name=\"file\"; FileName*=UTF-8''a.png", "a.png"),
        ('name="file"; filename="b.png"; filename*=UTF-8\'a.png', "b.png"),
        ('name="file"; filename="a%22%0D%0Ab%20.png"', 'a"\r\nb%20.png'),
        ('name="file"; filename="a\\"b.png"', 'a"b.png'),
        ('name="file"; filename="a\\b.png"', "a\\b.png"),
        ('name="file"; filename="a\\"', "a\\"),
        ('name="file"; filename="C:\\dir\\a.png"', "a.png"),
    ],
)
def test_a_filename_may_be_encoded(disposition: str, filename: str) -> None:
    assert form(part(disposition))["filename"] == filename


def latin_1(disposition: str, content: bytes = b"x", *more: str) -> bytes:
    """Return a part whose headers are in ISO-8859-1."""
    return part(disposition, content, *more).decode().encode("latin-1")


def test_a_filename_that_is_not_in_utf_8_is_read_as_windows_1252() -> None:
    assert form(latin_1('name="file"; filename="Café.png"'))["filename"] == "Café.png"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"Caf\xe9 \x80", "text/plain; charset=ISO-8859-1"),
        (b"Caf\xe9 \x80", 'text/plain; charset="windows-1252"'),
        (b"Caf\xe9 \xa4", "text/plain; charset=iso-8859-15"),
        ("Café €".encode("utf-16"), "text/plain; charset=utf-16"),
        ("Café €".encode(), "text/plain"),
    ],
)
def test_a_text_is_in_the_charset_of_its_part(content: bytes, content_type: str) -> None:
    title = part('name="title"', content, f"Content-Type: {content_type}", "Content-Transfer-Encoding: 8bit")
    assert form(title) == {"title": "Café €"}


def test_the_field_charset_names_the_charset_of_the_form() -> None:
    parts = (part('name="title"', b"Caf\xe9"), part('name="_charset_"', b"iso-8859-1"))
    file = latin_1('name="file"; filename="Café.png"')
    whole = form(*parts, part('name="user"', "é".encode(), "Content-Type: text/plain; charset=utf-8"), file)
    assert whole == {"title": "Café", "user": "é", "filename": "Café.png", "file": b"x"}


def test_brackets_after_the_name_of_a_field_are_ignored() -> None:
    parts = (part('name="tags[]"', b"a"), part('name="tags[]"', b"b"), part('name="tags[2]"', b"c"))
    file = part('name="file[]"; filename="a.png"')
    assert form(*parts, file) == {"tags": ("a", "b", "c"), "filename": "a.png", "file": b"x"}


def test_a_filename_field_overrides_the_filename_of_the_file() -> None:
    assert form(FILE, part('name="filename"', b"b.png"))["filename"] == "b.png"


@pytest.mark.parametrize("content_type", ['multipart/form-data; boundary="a b;c"', "Multipart/Form-Data;boundary=B"])
def test_a_boundary_may_be_quoted(content_type: str) -> None:
    boundary = b"a b;c" if "a b;c" in content_type else b"B"
    assert (
        read(FILE.replace(b"--B\r\nC", b"--" + boundary + b"\r\nC") + b"--" + boundary + b"--", content_type)["file"]
        == PHOTO
    )


def test_a_file_field_without_a_file_is_absent() -> None:
    assert form(part('name="file"; filename=""', b""), part('name="user"', b"alice")) == {"user": "alice"}


def test_an_empty_file_is_read() -> None:
    assert form(part('name="file"; filename="a.png"', b""))["file"] == b""


@pytest.mark.parametrize("over", range(-1, 10))
def test_a_form_of_any_size_is_read(over: int) -> None:
    """Parsers read forms in pieces of 64 KB: here, the end of the form has each place around the end of a piece."""
    size = len(part('name="file"; filename="a.png"', b"") + b"--B--\r\n")
    content = b"x" * (2**16 + over - size)
    assert form(part('name="file"; filename="a.png"', content))["file"] == content


BROKEN = "The form is malformed or incomplete: check each boundary, also the final one, and each part's headers."


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: read(FILE), BROKEN),
        (lambda: read(FILE[:-5]), BROKEN),
        (lambda: read(FILE + b"--B"), BROKEN),
        (lambda: read(b""), BROKEN),
        (lambda: read(FILE + b"--B--", "multipart/form-data"), BROKEN),
        (lambda: read(FILE + b"--B--", "multipart/form-data; boundary=C"), BROKEN),
        (lambda: form(b"--B\r\n\r\nx\r\n"), BROKEN),
        (lambda: form(b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n"), BROKEN),
        (lambda: form(FILE, FILE), "A form may have one file; this one has more."),
        (
            lambda: form(FILE, part('name="image_file"; filename="b.png"')),
            "A form may have one file; this one has more.",
        ),
        (
            lambda: form(part('name="description"; filename="a.txt"')),
            "description is not a field for a file; the file's field is called file.",
        ),
        (lambda: form(part('name="file"')), "file must be a file: its part has no filename."),
        (lambda: form(part('name="title"', b"\xff")), "title is not text in UTF-8."),
        (
            lambda: form(part('name="title"', b"x", "Content-Type: text/plain; charset=klingon")),
            "title is in the charset 'klingon', which is not known here; send it in UTF-8.",
        ),
        (
            lambda: form(part('name="title"', b"x", "Content-Type: text/plain; charset=idna")),
            "title is in the charset 'idna', which is not known here; send it in UTF-8.",
        ),
        (
            lambda: form(part('name="_charset_"', b"\0"), part('name="title"')),
            "The name of a field is in the charset '\\x00', which is not known here; send it in UTF-8.",
        ),
        (
            lambda: form(part('name="_charset_"', b"ascii"), part('name="file"; filename="é.png"')),
            "The filename is not text in ASCII.",
        ),
    ],
)
def test_a_malformed_form_is_rejected(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        make()
    assert raised.value.message == sentence


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: form(*[part(f'name="n{n}"') for n in range(65)]),
            "The form has more than 64 parts, which is the limit (MAX_FORM_PARTS).",
        ),
        (
            lambda: form(part('name="a"', b"x", f"X: {'y' * 4_100}")),
            "A part of the form has more than 8 headers, or 4096 bytes in one, which is the limit "
            "(MAX_PART_HEADERS, MAX_PART_HEADER_BYTES).",
        ),
        (lambda: form(part('name="a"', b"x", *(f"X{n}: y" for n in range(8)))), "A part of the form has more than 8"),
    ],
)
def test_a_form_over_a_limit_is_rejected_with_the_name_of_the_limit(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(TooLarge) as raised:
        make()
    assert raised.value.message.startswith(sentence)


def test_a_form_at_its_limit_is_read() -> None:
    assert len(form(*[part(f'name="n{n}"') for n in range(64)])) == 64


whole = b"".join([FILE, part('name="user"'), b"--B--\r\n"])
pieces = st.sampled_from(
    [
        b"--B",
        b"\r\n",
        b"--",
        b'name="file"',
        b"filename*=UTF-8''%ff",
        b'name="_charset_"',
        b"Content-Type: text/plain; charset=utf-7\r\n",
        b"; filename*0=a",
        b"; filename*=idna''%ff",
        b";",
        b"\0",
        b"\xff",
        b'"',
        b"'",
    ]
)


@given(st.integers(0, len(whole)), st.integers(0, 40), st.binary(max_size=8) | pieces)
def test_any_edited_form_is_read_or_rejected(at: int, cut: int, inserted: bytes) -> None:
    try:
        read(whole[:at] + inserted + whole[at + cut :])
    except ApiError as error:
        assert 400 <= error.status < 500


@given(st.text())
def test_a_form_with_any_content_type_is_read_or_rejected(options: str) -> None:
    try:
        read(whole, f"multipart/form-data;{options}")
    except ApiError as error:
        assert 400 <= error.status < 500

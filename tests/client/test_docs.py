"""The examples of docs/python-client.md, which run in the order of the page, with another address and user."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest

import images_api_client
from images_api_client import Client, ImagesError
from project import PROJECT

PAGE = PROJECT / "docs" / "python-client.md"


def examples() -> Iterator[tuple[str, str]]:
    """Yield each example in Python with the heading above it."""
    heading, code = "", None
    for line in PAGE.read_text().splitlines():
        if line == "```python":
            code = ""
        elif line == "```" and code is not None:
            yield heading, code
            code = None
        elif code is not None:
            code += line + "\n"
        elif line.startswith("#"):
            heading = line.lstrip("# ")


def test_the_examples_run(url: str, owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = jwt.encode({"sub": owner, "exp": datetime.now(UTC) + timedelta(hours=1)}, "s" * 32)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGES_TOKEN", token)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # of the journals
    (tmp_path / "samples").symlink_to(PROJECT / "samples")
    names: dict[str, Any] = {"fetch_token": lambda: (token, datetime.now(UTC).timestamp() + 3600)}
    printed: dict[str, str] = {}
    for heading, code in examples():
        code = code.replace("http://127.0.0.1:8000", url).replace('"me"', repr(owner))
        with redirect_stdout(StringIO()) as output:
            exec(compile(code, f"{PAGE.name}: {heading}", "exec"), names)  # noqa: S102
        printed[heading] = printed.get(heading, "") + output.getvalue()
        if heading == "Sign in":
            assert names["client"].user == owner

    first, listed = printed["First steps"].splitlines()
    assert first.split()[1:] == ["coffee", str((PROJECT / "samples/coffee.jpg").stat().st_size)]
    assert (listed.startswith("coffee 20"), listed.endswith("('food', 'drink')")) == (True, True)
    assert printed["Upload an image"].startswith("ready #")
    assert printed["Upload an image"].endswith(f"{(PROJECT / 'samples/astronaut.jpg').stat().st_size} bytes\n")
    outcomes = {Path(name).name: status for name, status, *_ in map(str.split, printed["Upload folders"].splitlines())}
    sent = dict.fromkeys(("astronaut.jpg", "coffee.jpg", "hubble-deep-field.jpg"), "already")
    assert outcomes == {**sent, "chelsea.jpg": "uploaded", "CREDITS.md": "refused"}
    assert "\nfood " in printed["Find images"]
    assert "'make'" in printed["View and download"]
    coffee = (PROJECT / "samples/coffee.jpg").read_bytes()
    assert [(tmp_path / name).read_bytes() == coffee for name in ("coffee.jpg", "downloads/coffee.jpg")] == [True, True]
    assert "7 exported" in printed["Export and import"]
    assert "The image 'an-id-that-nobody-has' was not found. 404 " in printed["Errors"]
    assert printed["Threads"] == "5\n"
    with Client(url, user=owner) as client:
        (cat,) = client.list(user_id=owner, q="sleepy")
        assert (cat.title, cat.tags, cat.version) == ("chelsea", ("cat", "sleepy"), 2)


def test_the_page_names_every_error_of_the_package() -> None:
    public = {name: getattr(images_api_client, name) for name in images_api_client.__all__}
    errors = {name for name, value in public.items() if isinstance(value, type) and issubclass(value, ImagesError)}
    assert {name for name in errors if f"`{name}`" not in PAGE.read_text()} == set()

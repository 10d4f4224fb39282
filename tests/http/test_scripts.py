"""The scripts that need only a shell, curl and Python's standard library."""

import json
import os
import pty
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from project import PROJECT
from tests.http.client import Service, User, download, eventually
from tests.pictures import picture

CURL_EXAMPLES = PROJECT / "scripts" / "curl_examples.sh"
SAMPLE_IMAGE = [sys.executable, "-I", "-S", str(PROJECT / "scripts" / "sample_image.py")]  # no installed packages
UNKNOWN = str(uuid.UUID(int=0))


def example(service: Service, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an example, without the locale of this machine."""
    variables = {"PATH": os.environ["PATH"], "API_URL": service.url, **environment}
    return subprocess.run(
        [CURL_EXAMPLES, *arguments], env=variables, capture_output=True, text=True, check=False, timeout=180
    )


def output_json(ended: subprocess.CompletedProcess[str]) -> Any:
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("\n")
    return json.loads(ended.stdout)


def listed(service: Service, *query: str) -> Any:
    return output_json(example(service, *query))["images"]


def assert_is_http_error(ended: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """Check that the error's body is printed, and that the exit status is curl's for an HTTP error."""
    assert (ended.returncode, str(status) in ended.stderr) == (22, True)
    assert all(word in json.loads(ended.stdout)["error"] for word in words)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Write the sample image to a file."""
    file = tmp_path / "sample.png"
    file.write_bytes(subprocess.run(SAMPLE_IMAGE, capture_output=True, check=True, timeout=30).stdout)
    return file


def test_the_sample_image_is_a_small_png(sample: Path) -> None:
    assert sample.stat().st_size < 2_000
    with Image.open(sample) as image:
        image.load()
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (96, 64))
        assert (image.getpixel((0, 0)), image.getpixel((95, 63))) == ((0, 0, 255), (255, 255, 0))


def test_the_sample_image_is_not_written_to_a_terminal() -> None:
    terminal, end = pty.openpty()
    try:
        ended = subprocess.run(SAMPLE_IMAGE, stdout=end, stderr=subprocess.PIPE, text=True, check=False, timeout=30)
    finally:
        os.close(end)
        os.close(terminal)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "> sample.png" in ended.stderr


def test_the_examples_upload_list_get_and_delete(alice: User, sample: Path) -> None:
    service, tag = alice.service, f"tag of {alice.user_id}"
    fields = {"USER_ID": alice.user_id, "TITLE": "Dawn", "DESCRIPTION": "At six", "TAGS": f"{tag},still life"}
    uploaded = output_json(example(service, "upload", str(sample), **fields))["metadata"]
    image_id = uploaded["image_id"]
    assert {name: uploaded[name] for name in ("user_id", "title", "description", "tags", "filename")} == {
        "user_id": alice.user_id,
        "title": "Dawn",
        "description": "At six",
        "tags": [tag, "still life"],
        "filename": "sample.png",
    }
    assert output_json(example(service, "get", image_id))["metadata"] == uploaded
    for query in (("list_user", alice.user_id), ("list_tag", tag)):
        eventually(partial(listed, service, *query), [uploaded])
    assert output_json(example(service, "delete", image_id))["image_id"] == image_id
    eventually(lambda: example(service, "get", image_id).returncode, 22)


def test_the_download_example_returns_a_url_of_the_file(alice: User, sample: Path) -> None:
    image_id = output_json(example(alice.service, "upload", str(sample), USER_ID=alice.user_id))["image_id"]
    url = output_json(example(alice.service, "download", image_id))["download_url"]
    assert download(url).content == sample.read_bytes()


def test_an_upload_without_fields_is_found_by_the_user_and_the_tag_of_the_published_walk_through(
    service: Service, sample: Path
) -> None:
    uploaded = output_json(example(service, "upload", str(sample)))["metadata"]
    eventually(lambda: uploaded in listed(service, "list_user", "user123"), True)
    eventually(lambda: uploaded in listed(service, "list_tag", "sample"), True)
    output_json(example(service, "delete", uploaded["image_id"]))
    assert (uploaded["title"], uploaded["description"]) == ("Sample", "")


def test_an_upload_with_empty_variables_has_empty_fields(alice: User, sample: Path) -> None:
    fields = {"USER_ID": alice.user_id, "TITLE": "", "TAGS": ""}
    uploaded = output_json(example(alice.service, "upload", str(sample), **fields))["metadata"]
    assert (uploaded["title"], uploaded["tags"]) == ("", [])


@pytest.mark.parametrize(
    "text",
    [
        'say "hi" \\n \\" \\\\',
        "line one\nline two\n\ttabbed\r\n",
        "Ünïcode \N{GRINNING FACE} \N{LINE SEPARATOR}",
        "$HOME `id` %s %% & ; 'single' {} [] * \\",
    ],
)
def test_any_text_is_stored_unchanged(alice: User, sample: Path, text: str) -> None:
    file = sample.rename(sample.with_name(text.replace("\\", "").strip().translate({10: 32, 13: 32, 9: 32}) + ".png"))
    fields = {"USER_ID": alice.user_id, "TITLE": text, "DESCRIPTION": f"{text}{text}"}
    uploaded = output_json(example(alice.service, "upload", str(file), **fields))["metadata"]
    assert (uploaded["title"], uploaded["description"]) == (text, f"{text}{text}")


def test_a_tag_may_contain_quotes_and_is_encoded_in_a_query(alice: User, sample: Path) -> None:
    tag = f'"{alice.user_id}" & \\ more=+%20#?é'
    uploaded = output_json(example(alice.service, "upload", str(sample), USER_ID=alice.user_id, TAGS=f"{tag},b"))[
        "metadata"
    ]
    assert uploaded["tags"] == [tag, "b"]
    eventually(partial(listed, alice.service, "list_tag", tag), [uploaded])


def test_a_large_photograph_can_be_uploaded(alice: User, tmp_path: Path) -> None:
    photograph = picture(width=1_200, height=1_150)
    assert 4_000_000 < len(photograph) < 4_500_000
    file = tmp_path / "- a photograph.PNG"
    file.write_bytes(photograph)
    uploaded = output_json(example(alice.service, "upload", str(file), USER_ID=alice.user_id))["metadata"]
    assert (uploaded["size"], uploaded["filename"]) == (len(photograph), "- a photograph.PNG")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ('- a "photograph".png', picture(width=1_500, height=1_350)),
        ("in parts.jpg", picture("JPEG").ljust(51_000_000, b"\0")),  # decoders ignore what follows the image
    ],
    ids=["in one form", "in parts"],
)
def test_a_photograph_that_is_too_large_for_a_form_goes_to_s3(
    alice: User, tmp_path: Path, name: str, content: bytes
) -> None:
    assert len(content) > 6_000_000
    file = tmp_path / name
    file.write_bytes(content)
    fields = {"TITLE": 'say "hi" \\n', "DESCRIPTION": "one\n\ttwo\r\n", "TAGS": "sea,sky"}
    uploaded = output_json(example(alice.service, "upload", str(file), USER_ID=alice.user_id, **fields))
    metadata = uploaded["metadata"]
    assert uploaded["state"] == "ready"
    assert (metadata["title"], metadata["description"]) == (fields["TITLE"], fields["DESCRIPTION"])
    assert (metadata["tags"], metadata["size"], metadata["filename"]) == (["sea", "sky"], len(content), name)
    eventually(partial(listed, alice.service, "list_user", alice.user_id), [metadata])


def test_a_large_file_that_is_no_whole_image_is_refused_before_or_after_it_is_sent(alice: User, tmp_path: Path) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(bytes(4_500_001))
    assert_is_http_error(example(alice.service, "upload", str(file), USER_ID=alice.user_id), 400, "content_type")
    file.write_bytes(b"\xff\xd8\xff".ljust(4_500_001))
    rejected = example(alice.service, "upload", str(file), USER_ID=alice.user_id)
    assert (rejected.returncode, json.loads(rejected.stdout)["state"]) == (22, "rejected")
    assert "cut off" in json.loads(rejected.stdout)["reason"]


def test_an_http_error_is_printed_and_fails_the_script(service: Service, sample: Path) -> None:
    assert_is_http_error(example(service, "get", UNKNOWN), 404)
    assert_is_http_error(example(service, "delete", UNKNOWN), 404)
    assert_is_http_error(example(service, "upload", str(sample), USER_ID="a/b"), 400, "user_id")
    assert_is_http_error(example(service, "upload", str(sample), TITLE="bell\a"), 400, "title")
    nowhere = example(service, "get", UNKNOWN, API_URL="http://127.0.0.1:1")
    assert (nowhere.returncode, nowhere.stderr.startswith("curl: (7)")) == (7, True)


def test_an_unreadable_file_is_reported_in_one_line(service: Service, tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        ended = example(service, "upload", str(path))
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"{path} cannot be read as a file.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("upload",),
        ("get",),
        ("get", ""),
        ("get", "../health"),
        ("get", "a?b"),
        ("list_tag", "a", "b"),
        ("put", "a"),
    ],
)
def test_wrong_arguments_print_the_usage(service: Service, arguments: tuple[str, ...]) -> None:
    ended = example(service, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: scripts/curl_examples.sh upload FILE | list_user ID | list_tag TAG | get ID")

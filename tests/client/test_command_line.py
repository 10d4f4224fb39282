"""The commands that find, show, change and delete images; in pipes and on terminals."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from images_api_client import Client, Image, State
from images_api_client.cli.app import app
from project import PROJECT
from tests.client.commands import COMMAND, Ended, Shell, end, without_escapes
from tests.client.scripted import answer, scripted
from tests.http.client import Service, User, eventually
from tests.http.test_docs import section
from tests.pictures import photograph, picture

UNKNOWN = "018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d"
MISUSED = 2


@dataclass(frozen=True, slots=True)
class Library:
    """Two processed images of an owner, which no test changes, and the shell of this owner."""

    owner: str
    shell: Shell
    harbour: Image
    dunes: Image  # private, uploaded after the other one


@pytest.fixture(scope="module")
def library(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    user = User(Service(url), f"owner-{uuid.uuid4()}")
    with Client(url, user=user.user_id) as client:
        harbour = client.upload(picture(seed=1), title="The old harbour", filename="harbour.png", tags=["sea", "town"])
        dunes = client.upload(photograph(), filename="dunes.jpg", tags=["sea"], visibility="private")
        eventually(lambda: {client.get(image.image_id).state for image in (harbour, dunes)}, {State.READY})
        shell = Shell(tmp_path_factory.mktemp("home"), {"IMAGES_URL": url, "IMAGES_USER": user.user_id})
        yield Library(user.user_id, shell, harbour, dunes)
    user.delete_all()


@pytest.fixture
def shell(url: str, owner: str, tmp_path: Path) -> Shell:
    """Return the shell of a user whose environment names the service."""
    return Shell(tmp_path, {"IMAGES_URL": url, "IMAGES_USER": owner})


@pytest.fixture
def draft(client: Client) -> Image:
    """Upload an image that a test may change."""
    return client.upload(picture(), title="A draft", filename="draft.png", tags=["sea", "town"])


@pytest.fixture
def reader(shell: Shell, tmp_path: Path) -> Callable[[str], Ended]:
    """Return a reader, who pastes commands into a shell in a folder with the samples of the repository."""
    if shutil.which("jq") is None:
        pytest.skip("There is no jq on this machine.")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, program in (("images", shlex.join(COMMAND)), ("browser", "true")):
        (programs / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (programs / name).chmod(0o755)
    (tmp_path / "samples").symlink_to(PROJECT / "samples")
    environment = {**shell.environment, "PATH": f"{programs}:{os.environ['PATH']}", "BROWSER": "browser %s"}

    def paste(commands: str) -> Ended:
        done = subprocess.run(
            ["/bin/sh", "-euc", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return paste


def documents(ended: Ended) -> list[dict[str, Any]]:
    """Return the JSON documents that a command printed, one a line."""
    assert ended.status == 0, ended.err
    return [json.loads(line) for line in ended.lines]


def test_a_list_in_a_pipe_has_a_row_of_exact_values_for_each_image(library: Library) -> None:
    def row(image: Image, name: str, tags: str) -> str:
        created = image.document["metadata"]["created_at"]
        return "\t".join((image.image_id, name, created, str(image.size), tags, image.visibility))

    ended = library.shell.images("list", "--mine")
    rows = [row(library.dunes, "dunes", "sea"), row(library.harbour, "The old harbour", "sea, town")]
    assert (ended.status, ended.lines, ended.err) == (0, rows, "")


def test_json_lines_are_the_documents_of_the_service(library: Library, url: str) -> None:
    listed = Service(url).get("/images", user_id=library.owner)["images"]
    assert documents(library.shell.images("list", "--mine", "--json")) == listed
    viewed = documents(library.shell.images("view", library.harbour.image_id, "--json"))
    assert [each["metadata"] for each in viewed] == listed[1:]
    assert documents(library.shell.images("count", "--mine", "--json")) == [{"count": 2, "at_least": False}]
    assert documents(library.shell.images("tags", "--mine", "--json")) == [
        {"tag": "sea", "count": 2},
        {"tag": "town", "count": 1},
    ]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--tag", "sea", "--tag", "town"], ["harbour"]),
        (["--any-tag", "town", "--any-tag", "sky"], ["harbour"]),
        (["--search", "harbour town"], ["harbour"]),
        (["--title", "harb"], ["harbour"]),
        (["--description", "nothing"], []),
        (["--filename", "dunes"], ["dunes"]),
        (["--visibility", "private"], ["dunes"]),
        (["--content-type", "image/png"], ["harbour"]),
        (["--date-from", "2020-01-01", "--date-to", "2020-12-31"], []),
        (["--taken-from", "1900-01-01", "--taken-to", "1950-12-31"], []),
        (["--sort", "updated_at", "--order", "asc"], ["harbour", "dunes"]),
        (["--limit", "1"], ["dunes"]),
        ([], ["dunes", "harbour"]),
    ],
    ids=" ".join,
)
def test_filters_are_those_of_the_api(library: Library, options: list[str], found: list[str]) -> None:
    listed = documents(library.shell.images("list", "--mine", "--json", *options))
    assert [each["filename"].partition(".")[0] for each in listed] == found
    if "--sort" not in options and "--limit" not in options:
        assert library.shell.images("count", "--mine", *options).out == f"{len(found)}\n"


def test_a_checksum_and_an_owner_find_an_image(library: Library) -> None:
    options = ("--owner", library.owner, "--checksum", library.harbour.checksum)
    assert [each["image_id"] for each in documents(library.shell.images("list", "--json", *options))] == [
        library.harbour.image_id
    ]


def test_a_view_has_all_metadata_but_no_url(library: Library) -> None:
    ended = library.shell.images("view", library.dunes.image_id, "--exif", "--location")
    facts = dict(line.split("\t") for line in ended.lines)
    image = library.dunes
    expected = {
        "Id": image.image_id,
        "Title": "dunes",
        "Tags": "sea",
        "File name": "dunes.jpg",
        "Type": "image/jpeg",
        "Size": str(image.size),
        "Pixels": "40 x 30",
        "Visibility": "private",
        "Owner": library.owner,
        "Version": "1",
        "State": "ready",
        "SHA-256": image.checksum,
        "Exif: model": "Pocket 5",
    }
    assert {name: facts[name] for name in expected} == expected
    assert "Location: latitude" in facts
    assert "://" not in ended.out


def test_open_shows_a_picture_in_the_browser(library: Library, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    process = library.shell.having(BROWSER=f"{browser} %s").start("open", library.dunes.image_id)
    assert end(process) == Ended(0, "", "")
    opened = requests.get((tmp_path / "opened").read_text(), timeout=30)  # without a header that names the owner
    assert (opened.status_code, opened.headers["Content-Type"].partition("/")[0]) == (200, "image")


def test_open_prints_a_url_on_request(library: Library) -> None:
    url = library.shell.images("open", library.dunes.image_id, "--original", "--print").out.strip()
    assert requests.get(url, timeout=30).content == photograph()


def test_an_edit_changes_only_what_is_given(shell: Shell, draft: Image, client: Client) -> None:
    image_id = draft.image_id
    ended = shell.images("edit", image_id, "--title", "", "--add-tag", "Sky", "--remove-tag", "TOWN", "--private")
    assert ended == Ended(0, "", f"Changed the image {image_id}: it has version 2.\n")
    image = client.get(image_id)
    assert (image.title, image.filename, image.visibility) == ("", "draft.png", "private")
    assert [tag.lower() for tag in image.tags] == ["sea", "sky"]

    (changed,) = documents(shell.images("edit", image_id, "--tag", "", "--public", "--json"))
    assert (changed["metadata"]["tags"], changed["metadata"]["visibility"]) == ([], "public")


def test_tags_that_are_added_at_the_same_time_are_all_kept(shell: Shell, draft: Image, client: Client) -> None:
    image_id = draft.image_id
    processes = [shell.start("edit", image_id, "--add-tag", tag) for tag in ("one", "two")]
    assert [end(process).status for process in processes] == [0, 0]
    assert set(client.get(image_id).tags) == {"sea", "town", "one", "two"}


def test_an_edit_of_another_version_changes_nothing(shell: Shell, draft: Image, client: Client) -> None:
    image_id = draft.image_id
    for option in ("--title", "--add-tag"):
        ended = shell.images("edit", image_id, option, "Lost", "--if-version", "7")
        assert (ended.status, ended.out) == (1, "")
        [sentence] = ended.err.splitlines()
        assert sentence.startswith("Nothing is changed: the image is not at version 7.")
    assert client.get(image_id).version == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["edit", UNKNOWN],
        ["edit", UNKNOWN, "--tag", "a", "--add-tag", "b"],
        ["view", "018cc251"],
        ["view", "../health"],
        ["delete", UNKNOWN],
        ["delete"],
        ["list", "--limit", "0"],
        ["list", "--colour"],
        ["list", "--mine", "--owner", "you"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_misuse_is_status_2_and_says_why(shell: Shell, arguments: list[str]) -> None:
    ended = shell.images(*arguments)
    assert (ended.status, ended.out) == (MISUSED, "")
    assert ended.err.strip()


def test_nothing_is_deleted_in_a_pipe_without_yes(shell: Shell, draft: Image, client: Client) -> None:
    ended = shell.images("delete", draft.image_id)
    assert ended == Ended(MISUSED, "", "Nothing is deleted: without a terminal on which to ask, give --yes.\n")
    assert client.count(user_id=client.user).count == 1


def test_deletes_ids_from_standard_input(shell: Shell, draft: Image) -> None:
    ids = f"{draft.image_id}\n\n{draft.image_id}\n"
    assert shell.images("delete", "--yes", "-", stdin=ids) == Ended(0, "", "Deleted: 1.\n")
    assert shell.images("list", "--mine").out == ""


def test_an_invalid_line_of_standard_input_deletes_nothing(shell: Shell, draft: Image, client: Client) -> None:
    assert shell.images("delete", "--yes", "-", stdin=f"{draft.image_id}\nnonsense\n").status == MISUSED
    assert client.count(user_id=client.user).count == 1


def test_images_that_cannot_be_deleted_are_named(shell: Shell, draft: Image) -> None:
    ended = shell.images("delete", "--yes", UNKNOWN, draft.image_id)
    sentences = [f"{UNKNOWN}: The image '{UNKNOWN}' was not found.", "Deleted: 1. Not deleted: 1."]
    assert (ended.status, ended.err.splitlines()) == (1, sentences)


def test_similar_lists_copies_with_how_alike_they_are(library: Library, client: Client) -> None:
    copy = client.upload(picture(seed=1), title="A copy", wait=True)
    (row,) = library.shell.images("similar", library.harbour.image_id).lines
    assert row.split("\t")[:3] == [copy.image_id, "A copy", "same file"]


def test_an_error_is_one_sentence_and_verbose_adds_its_request(shell: Shell) -> None:
    sentence = f"The image '{UNKNOWN}' was not found."
    assert shell.images("view", UNKNOWN) == Ended(1, "", f"{sentence}\n")
    verbose = shell.images("view", UNKNOWN, "--verbose")
    assert re.fullmatch(re.escape(sentence) + r" \(status 404, request [0-9a-f-]{36}\)\n", verbose.err)


def test_a_service_that_does_not_answer_is_one_sentence(shell: Shell) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        assert shell.images("--url", f"http://{host}", "list") == Ended(1, "", f"{host} cannot be reached.\n")


@pytest.mark.parametrize("body", [{}, [], "<html>"])
def test_a_service_that_is_another_one_is_one_sentence(shell: Shell, body: Any) -> None:
    with scripted(answer(document=body)) as server:
        ended = shell.images("list", "--url", server.url)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)


def test_options_of_all_commands_may_follow_the_command(library: Library, url: str) -> None:
    elsewhere = Shell(library.shell.home, {})
    assert elsewhere.images("count", "--mine", "--url", url, "--user", library.owner).out == "2\n"
    assert elsewhere.images("--url", url, "--user", library.owner, "count", "--mine").out == "2\n"


def test_without_an_address_it_says_how_to_give_one(tmp_path: Path) -> None:
    ended = Shell(tmp_path, {}).images("list")
    assert ended == Ended(1, "", "It is not known which service to call: run `images login URL`, or set IMAGES_URL.\n")


def test_a_terminal_shows_a_table_and_a_narrow_one_fewer_columns(library: Library) -> None:
    wide, narrow = (library.shell.on_terminal("list", "--mine", columns=columns) for columns in (120, 60))
    assert "\x1b[" in wide.out
    heading, _, *rows = without_escapes(wide.out).splitlines()
    assert heading.split() == ["Id", "Title", "or", "file", "Uploaded", "Size", "Tags", "Visibility"]
    assert [row.split()[0] for row in rows] == [library.dunes.image_id, library.harbour.image_id]
    assert without_escapes(narrow.out).splitlines()[0].split() == ["Id", "Title", "or", "file"]
    assert all(len(line) <= 60 for line in without_escapes(narrow.out).splitlines())


def test_no_color_and_pipes_get_no_escape_codes(library: Library) -> None:
    assert "\x1b" not in library.shell.having(NO_COLOR="1").on_terminal("list", "--mine").out
    piped = end(library.shell.having(TERM="xterm-256color").start("list", "--mine"))
    assert (piped.status, "\x1b" in piped.out) == (0, False)


def test_a_stream_that_cannot_encode_a_title_gets_the_rest(shell: Shell, client: Client) -> None:
    client.upload(picture(), title="Café")
    listed = end(shell.having(PYTHONIOENCODING="ascii").start("list", "--mine"))
    assert (listed.status, listed.out.split("\t")[1], listed.err) == (0, "Caf?", "")


def test_a_terminal_asks_before_it_deletes(shell: Shell, draft: Image, client: Client) -> None:
    kept = shell.on_terminal("delete", draft.image_id, typed="n\n")
    assert (kept.status, client.get(draft.image_id).version) == (1, 1)
    assert f"Delete the image {draft.image_id} for good? [y/N]:" in kept.out
    assert shell.on_terminal("delete", draft.image_id, typed="y\n").status == 0
    assert client.count(user_id=client.user).count == 0


def test_a_reader_that_closes_the_pipe_gets_no_error(library: Library) -> None:
    process = library.shell.start("list", "--mine", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.wait(60)


def test_control_c_ends_a_command_quietly(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = shell.start("list", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}")
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            os.kill(process.pid, signal.SIGINT)
            ended = end(process)
    assert (ended.status, ended.out, ended.err) == (128 + signal.SIGINT, "", "")


@pytest.mark.parametrize("command", [str(each.name) for each in app.registered_commands])
def test_the_help_of_a_command_has_an_example(shell: Shell, command: str) -> None:
    assert f"\n  {command} " in shell.images("--help").out
    assert re.search(rf"^    images .*\b{command}\b", shell.images(command, "--help").out, re.MULTILINE)


def test_a_shell_completes_commands_and_tags(library: Library) -> None:
    def completed(line: str, shell: Shell = library.shell) -> list[str]:
        words = line.split(" ")
        variables = {"_IMAGES_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        ended = end(shell.having(**variables).start())
        assert ended.err == ""
        return ended.out.split()

    assert completed("images lo") == ["login", "logout"]
    assert completed("images list --tag t") == ["town"]
    assert completed("images list --tag t", library.shell.having(IMAGES_URL="http://127.0.0.1:1")) == []


def test_the_commands_of_the_page_work(reader: Callable[[str], Ended], client: Client) -> None:
    client.upload(picture(), tags=["draft"])
    client.upload(PROJECT / "samples" / "coffee.jpg", tags=["food"])
    commands = "".join(
        section("docs/command-line.md", title)
        for title in ("List and search", "View and open", "Edit", "Scripts and CI", "Delete")
    )
    done = reader(commands.replace('delete "$ID"', 'delete --yes "$ID"'))  # there is no terminal on which to ask
    assert (done.status, [line for line in done.err.splitlines() if not line.startswith("Changed ")]) == (
        0,
        ["Deleted: 1.", "Deleted: 1."],  # one by its id, one by its tag
    )

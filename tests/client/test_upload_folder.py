import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from images_api_client import Client, Forbidden, InUse, JournalUnusable, uploads
from images_api_client.cli.app import app
from images_api_client.errors import Stopped, UserRequired
from images_api_client.folders.journal import Journal
from images_api_client.folders.model import UploadProgress
from images_api_client.model import State, Visibility
from images_api_client.runs import failures
from tests.client.folders import CountingClient, large_picture, statuses, write
from tests.pictures import picture

NOT_AN_IMAGE = "The file is not an image of an accepted type: JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP or HEIC."


@pytest.fixture
def client(url: str, owner: str, tmp_path: Path) -> CountingClient:
    return CountingClient(url, owner, tmp_path / "journal.sqlite")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def titles(client: Client) -> list[str]:
    return sorted(image.title for image in client.list(user_id=client.user or ""))


def test_every_file_has_one_outcome_and_a_second_run_sends_nothing(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png", "b/c.png", "b/d.png"])
    (photos / "a copy.png").write_bytes((photos / "a.png").read_bytes())
    (photos / "cut.png").write_bytes(picture(width=200, height=200)[:50_000])
    (photos / "note.txt").write_text("no image")
    (photos / "empty.jpg").touch()
    (photos / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(photos / "pipe.jpg")
    (photos / ".hidden.png").write_bytes(picture(seed=1))
    (photos / "large.bmp").write_bytes(large_picture())
    (photos / "large copy.bmp").write_bytes(large_picture())
    (photos / "large and cut.bmp").write_bytes(picture("BMP", width=1500, height=1500)[:5_000_000])

    first = client.upload_all(photos)
    assert statuses(first, photos) | {"a copy.png": "", "a.png": "", "large.bmp": "", "large copy.bmp": ""} == {
        "a copy.png": "",
        "a.png": "",
        "b/c.png": "uploaded",
        "b/d.png": "uploaded",
        "cut.png": "refused",
        "empty.jpg": "refused",
        "gone.jpg": "failed",
        "large and cut.bmp": "refused",
        "large copy.bmp": "",
        "large.bmp": "",
        "note.txt": "refused",
        "pipe.jpg": "refused",
    }
    assert sorted(str(outcome.status) for outcome in first if outcome.path.stem.startswith("large")) == [
        "already there",
        "refused",
        "uploaded",
    ]
    reasons = {outcome.path.name: outcome.reason for outcome in first if outcome.reason}
    assert reasons == {
        "cut.png": "The file is cut off: a part of its picture is missing. Send the whole file.",
        "empty.jpg": NOT_AN_IMAGE,
        "gone.jpg": "The file cannot be read: No such file or directory.",
        "large and cut.bmp": "The file is cut off: a part of its picture is missing. Send the whole file.",
        "note.txt": NOT_AN_IMAGE,
        "pipe.jpg": "It is a pipe, a socket or a device, not a file.",
    }
    stored = {image.image_id: image.checksum for image in client.list(user_id=client.user or "")}
    assert len(stored) == len(set(stored.values())) == 4
    assert {outcome.image_id for outcome in first if outcome.status in ("uploaded", "already there")} == set(stored)
    assert client.changes() != []

    second = client.upload_all(photos)
    assert client.changes() == []
    there = {"uploaded": "already there"}
    assert statuses(second, photos) == {
        name: there.get(status, status) for name, status in statuses(first, photos).items()
    }


def test_one_path_as_text_is_that_path_and_not_its_letters(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png"])
    [outcome] = client.upload_many(str(photos), dry_run=True)
    assert outcome.path == photos / "a.png"


def test_names_of_files_and_folders_describe_the_images(client: CountingClient, photos: Path) -> None:
    odd = b"caf\xe9 \x01.png".decode(errors="surrogateescape")
    write(photos, ["Summit.PNG", "Rome, summer/[2024]/Forum.png"])
    (photos / odd).write_bytes(picture(seed=9))
    client.upload_all(photos, tags=["all"], folder_tags=True, description="Ours", visibility="private")
    assert {
        (image.title, image.filename, image.tags, image.description, image.visibility)
        for image in client.list(user_id=client.user or "")
    } == {
        ("Summit", "Summit.PNG", ("all",), "Ours", Visibility.PRIVATE),
        ("Forum", "Forum.png", ("all", "Rome, summer", "[2024]"), "Ours", Visibility.PRIVATE),
        ("caf_ _", "caf_ _.png", ("all",), "Ours", Visibility.PRIVATE),
    }


def test_files_of_the_same_name_in_two_folders_are_two_images(client: CountingClient, photos: Path) -> None:
    write(photos, ["one/1.png", "two/1.png"])
    client.upload_all(photos)
    assert titles(client) == ["1", "1"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["Trash/c.png", "a.PNG", "b.jpg", "x/Trash/d.png", "x/e.png"]),
        ({"exclude": ["trash"]}, ["a.PNG", "b.jpg", "x/e.png"]),
        ({"exclude": ["/Trash/"]}, ["a.PNG", "b.jpg", "x/Trash/d.png", "x/e.png"]),
        ({"exclude": ["*.png", "*.jpg"]}, []),
        ({"exclude": ["*.png", "!x/e.png"]}, ["b.jpg", "x/e.png"]),
        ({"include": ["*.png"], "exclude": ["x/"]}, ["Trash/c.png", "a.PNG"]),
        ({"include": ["x"]}, ["x/Trash/d.png", "x/e.png"]),
    ],
)
def test_patterns_choose_files_and_folders(
    client: CountingClient, photos: Path, options: dict[str, Any], found: list[str]
) -> None:
    write(photos, ["a.PNG", "b.jpg", "Trash/c.png", "x/Trash/d.png", "x/e.png"])
    assert sorted(statuses(client.upload_all(photos, dry_run=True, **options), photos)) == found


def test_hidden_and_system_files_are_left_out_and_counted(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png", ".git/x.png", "._a.png", "@eaDir/a.png", "Thumbs.db", "no/b.png"])
    seen: list[UploadProgress] = []
    client.upload_all(photos, exclude=["no"], dry_run=True, progress=seen.append)
    assert (seen[-1].files, seen[-1].all_files, seen[-1].left_out) == (1, 1, 5)


def test_a_hidden_path_that_is_given_is_uploaded(client: CountingClient, photos: Path) -> None:
    write(photos, [".album/a.png"])
    assert statuses(client.upload_all(photos / ".album"), photos) == {".album/a.png": "uploaded"}


def test_a_file_that_is_given_several_times_counts_once(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png", "b/c.png"])
    (photos / "b/round").symlink_to(photos)
    given = [photos / "b", photos, photos / "a.png", photos / "b/c.png", photos / "a.png"]
    assert statuses(client.upload_all(*given), photos) == {"a.png": "uploaded", "b/c.png": "uploaded"}


def test_links_to_files_and_folders_are_followed(client: CountingClient, photos: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", ["a.png", "b/c.png"])
    (photos / "a.png").symlink_to(tmp_path / "elsewhere/a.png")
    (photos / "b").symlink_to(tmp_path / "elsewhere/b")
    assert statuses(client.upload_all(photos), photos) == {"a.png": "uploaded", "b/c.png": "uploaded"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_what_cannot_be_read_has_failed(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png", "b/c.png"])
    (photos / "a.png").chmod(0)
    (photos / "b").chmod(0)
    outcomes = client.upload_all(photos)
    (photos / "b").chmod(0o700)
    assert [(outcome.path.name, outcome.status, outcome.reason) for outcome in outcomes] == [
        ("a.png", "failed", "The file cannot be read: Permission denied."),
        ("b", "failed", "The folder cannot be read: Permission denied."),
    ]


def test_a_file_that_was_changed_is_uploaded_again(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png", "b.png"])
    client.upload_all(photos)
    (photos / "a.png").write_bytes(picture(seed=77))
    assert statuses(client.upload_all(photos), photos) == {"a.png": "uploaded", "b.png": "already there"}


def test_an_image_that_was_deleted_is_uploaded_again(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png"])
    [first] = client.upload_all(photos)
    client.delete(first.image_id or "")
    [second] = client.upload_all(photos)
    assert (second.status, second.image_id != first.image_id) == ("uploaded", True)
    assert [image.image_id for image in client.list(user_id=client.user or "")] == [second.image_id]


def test_what_was_uploaded_otherwise_is_not_sent(client: CountingClient, photos: Path) -> None:
    write(photos, [f"{n}.png" for n in range(45)])
    client.upload(photos / "3.png", visibility="private")
    client.upload(photos / "4.png")
    client.changes()
    found = statuses(client.upload_all(photos, dry_run=True), photos)
    assert [name for name, status in found.items() if status == "already there"] == ["3.png", "4.png"]
    # One page of the list, which is complete, takes the place of 45 questions.
    assert (client.transport.sent["GET /images"], client.changes()) == (1, [])
    assert statuses(client.upload_all(photos / "3.png"), photos) == {"3.png": "already there"}
    assert client.transport.sent == {"GET /images": 1}  # one question for the checksum


def test_a_dry_run_says_what_the_run_does(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png", "b/c.png"])
    (photos / "copy of c.png").write_bytes((photos / "b/c.png").read_bytes())
    (photos / "note.txt").write_text("no image")
    client.upload(photos / "a.png")
    client.changes()
    planned = client.upload_all(photos, dry_run=True)
    assert client.changes() == []
    count = [str(outcome.status) for outcome in planned]
    assert sorted(count) == ["already there", "already there", "refused", "uploaded"]
    assert sorted(str(outcome.status) for outcome in client.upload_all(photos)) == sorted(count)


def test_a_dry_run_counts_a_copy_of_an_earlier_file_as_already_there(client: CountingClient, photos: Path) -> None:
    write(photos, [f"{n:02}.png" for n in range(20)])
    (photos / "copy.png").write_bytes((photos / "00.png").read_bytes())
    planned = {outcome.path.name: outcome for outcome in client.upload_all(photos, dry_run=True, parallel=1)}
    assert (planned["copy.png"].status, planned["copy.png"].image_id) == ("already there", None)
    assert len(planned) == 21


def test_a_direct_upload_is_in_lists_when_it_is_reported(client: CountingClient, photos: Path) -> None:
    (photos / "large.bmp").write_bytes(large_picture(seed=5))
    [outcome] = client.upload_all(photos)
    [image] = client.list(user_id=client.user or "")
    assert (outcome.status, image.image_id, image.title) == ("uploaded", outcome.image_id, "large")
    assert client.get(image.image_id).state is State.READY


@pytest.mark.parametrize("sent", [False, True])
def test_a_direct_upload_that_cannot_go_on_begins_again(client: CountingClient, photos: Path, sent: bool) -> None:
    (photos / "large.bmp").write_bytes(large_picture(seed=6))
    file = uploads.File.of(photos / "large.bmp")
    announced = uploads.announce(client.transport, client.user, file, uploads.Metadata(), file.checksum())
    journal = Journal(client._journal)
    journal.announced(file.checksum(), announced.image_id)
    if sent:  # and rejected, and deleted by the service a day later
        journal.sent(file.checksum())
        uploads.abandon(client.transport, announced.image_id)
    journal.close()
    [outcome] = client.upload_all(photos)
    assert [image.image_id for image in client.list(user_id=client.user or "")] == [outcome.image_id]
    assert client.transport.sent[f"POST /images/{announced.image_id}/abort"] == 1


def test_two_runs_at_the_same_time_are_one_too_many(client: CountingClient, photos: Path) -> None:
    write(photos, ["a.png", "b.png"])
    running = client.upload_many([photos], journal=client._journal)
    next(running)
    with pytest.raises(InUse, match="Another upload of this user on this machine is not finished"):
        client.upload_all(photos)
    assert len([*running]) == 1


def test_a_damaged_journal_is_one_sentence(client: CountingClient, photos: Path) -> None:
    client._journal.write_bytes(b"no database at all" * 1_000)
    with pytest.raises(JournalUnusable, match="is damaged: delete it"):
        client.upload_all(photos)


def test_a_user_without_the_right_is_told_at_once(client: CountingClient, photos: Path) -> None:
    write(photos, [f"{n}.png" for n in range(20)])
    client.transport.forbids_changes = True
    with pytest.raises(Forbidden):
        next(client.upload_many([photos], journal=client._journal))
    assert len(client.changes()) <= 4  # what was sent at the same time


def test_a_run_stops_when_nothing_can_be_sent(client: CountingClient, photos: Path) -> None:
    write(photos, [f"{n}.png" for n in range(30)])
    outcomes = client.upload_many([photos], tags=["x" * 65], journal=client._journal)
    failed = [next(outcomes).status for _ in range(failures.MOST)]
    assert failed == ["failed"] * failures.MOST
    with pytest.raises(
        Stopped, match=r"Stopped after 12 failures in a row\. The last one: tags has a tag of more than"
    ):
        next(outcomes)
    assert titles(client) == []


def test_wrong_arguments_are_errors_before_anything_is_sent(client: CountingClient, photos: Path, url: str) -> None:
    write(photos, ["a.png"])
    with pytest.raises(FileNotFoundError):
        client.upload_many([photos, photos / "missing"])
    with pytest.raises(ValueError, match="Invalid git pattern"):
        client.upload_many([photos], exclude=["!"])
    with pytest.raises(UserRequired):
        Client(url).upload_many([photos])
    assert client.transport.sent.total() == 0


@pytest.fixture
def command(url: str, owner: str, tmp_path: Path) -> Any:
    environment = {"IMAGES_URL": url, "IMAGES_USER": owner, "XDG_STATE_HOME": str(tmp_path / "state")}

    def run(*arguments: object, **variables: str | None) -> Any:
        return CliRunner().invoke(app, ["upload", *map(str, arguments)], env={**environment, **variables})

    return run


def test_the_command_prints_totals_that_add_up(command: Any, photos: Path) -> None:
    write(photos, ["a.png", "b.png", ".c.png"])
    (photos / "note.txt").write_text("no image")
    first = command(photos)
    assert (first.exit_code, first.stdout.splitlines()) == (
        0,
        [
            "found          3",
            "uploaded       2",
            "already there  0",
            "refused        1",
            f"  1 x {NOT_AN_IMAGE}",
            f"      {photos}/note.txt",
            "failed         0",
            "left out       1  (hidden or excluded, not counted above)",
        ],
    )
    (photos / "lost.png").symlink_to("nowhere")
    second = command(photos)
    assert second.exit_code == 1
    assert "already there  2" in second.stdout.splitlines()


def test_the_command_prints_documents(command: Any, photos: Path) -> None:
    write(photos, ["a.png"])
    (photos / "copy.png").write_bytes((photos / "a.png").read_bytes())
    (photos / "note.txt").write_text("no image")
    answer = command(photos, "--json")
    *files, totals = [json.loads(line) for line in answer.stdout.splitlines()]
    by_status = {document["status"]: document for document in files}
    assert {tuple(document) for document in files} == {("path", "image_id", "status", "reason")}
    assert by_status["uploaded"]["image_id"] == by_status["already_there"]["image_id"]
    assert by_status["refused"] == {
        "path": f"{photos}/note.txt",
        "image_id": None,
        "status": "refused",
        "reason": NOT_AN_IMAGE,
    }
    assert totals == {
        "totals": {"found": 3, "uploaded": 1, "already_there": 1, "refused": 1, "failed": 0},
        "dry_run": False,
    }


def test_a_dry_run_names_what_would_be_sent(command: Any, photos: Path) -> None:
    write(photos, ["a.png"])
    assert command(photos, "--dry-run").stdout.splitlines()[:3] == [
        f"would be uploaded: {photos}/a.png",
        "found          1  (dry run: nothing was uploaded)",
        "uploaded       1",
    ]


def test_wrong_options_of_the_command_are_usage_errors(command: Any, photos: Path) -> None:
    write(photos, ["a.png"])
    for answer, sentence in (
        (command(photos / "missing"), "There is no such file or folder"),
        (command(photos, "--exclude", "!"), "Invalid git pattern: '!'"),
        (command(photos, IMAGES_USER=None), "An upload needs a user: give --user or a token."),
        (command(), "Missing argument"),
    ):
        assert (answer.exit_code, sentence in answer.stderr) == (2, True)

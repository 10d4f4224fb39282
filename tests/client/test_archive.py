"""Exports and imports: the folder of an export, a rehearsed loss of a deployment, and imports that are interrupted."""

import hashlib
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dev.stack import Stack
from images_api_client import Client, Image, ImportsRefused, NoExport, State
from images_api_client.archive import exporting
from images_api_client.archive.report import ArchiveStatus, ImportReport
from images_api_client.cli.app import app
from images_api_client.downloads.folder import VARIANT
from images_api_client.errors import UserRequired
from images_api_client.runs.progress import Meter, TransferProgress
from project import PROJECT
from tests.client.scripted import answer, error, scripted
from tests.pictures import dated_picture, picture

EXPORTED, IMPORTED, PRESENT = ArchiveStatus.EXPORTED, ArchiveStatus.IMPORTED, ArchiveStatus.PRESENT
DELETED, DIFFERENT, FAILED = ArchiveStatus.DELETED, ArchiveStatus.DIFFERENT, ArchiveStatus.FAILED

# A PNG that is not cut off, and whose pixels no decoder can read: processing fails, and the image stays in lists.
DAMAGED = picture().replace(b"IDAT", b"IDAT\0\0", 1)

SECONDS = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "export"


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text("utf-8").splitlines()]


def described(client: Client, **query: Any) -> list[dict[str, Any]]:
    """Return a list of the user as the service describes it, without the names of buckets."""
    images = client.list(user_id=client.user, **query)
    return [{name: value for name, value in image.document.items() if name != "s3_url"} for image in images]


@dataclass(frozen=True, slots=True)
class Library:
    """What a service has of a user."""

    images: list[dict[str, Any]]
    by_time_taken: list[str]
    private: list[str]
    tags: dict[str, int]
    failed: list[str]
    files: dict[str, str]  # SHA-256 of each original, as the service sends it

    @classmethod
    def of(cls, client: Client, folder: Path) -> "Library":
        images = described(client)
        states = client.list(user_id=client.user, include="thumbnail")
        files = {image["image_id"]: client.download(image["image_id"], folder / image["image_id"]) for image in images}
        return cls(
            images=images,
            by_time_taken=[image["image_id"] for image in described(client, sort="taken_at")],
            private=[image["image_id"] for image in described(client, visibility="private")],
            tags={each.tag: each.count for each in client.tags(user_id=client.user)},
            failed=[image.image_id for image in states if image.state is State.FAILED],
            files={name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path},
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A library that was exported and deleted, and imported into another deployment."""

    client: Client  # of the other deployment
    export: Path
    before: Library
    report: ImportReport


@pytest.fixture(scope="module")
def move(url: str, other: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Move]:
    """Export a user from a deployment, delete everything there, and import the export into another deployment."""
    place = tmp_path_factory.mktemp("move")
    user = f"mover-{uuid.uuid4()}"
    with Client(url, user=user) as client:
        fill(client)
        before = Library.of(client, made(place / "before"))
        assert client.export(place / "export").ok
        for image in client.list(user_id=user):
            client.delete(image)
    with Client(other.url, user=user) as client:
        assert described(client) == []
        yield Move(client, place / "export", before, client.import_(place / "export"))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def fill(client: Client) -> None:
    client.upload(dated_picture("1999:12:31 23:59:58", seed=1), filename="Party.jpg", tags=["Party", "old"])
    changed = client.upload(picture(seed=2), title="Wrong", tags=["old"], filename="summit.png")
    client.upload(dated_picture("2004:05:06 07:08:09", "+02:00", seed=3), visibility="private", tags=["secret"])
    client.upload(
        picture("GIF", seed=4), description='Line one\nLine two "quoted" \u00e9\u4e2d\U0001f33e', tags=["a,b"]
    )
    client.upload(DAMAGED, filename="damaged.png")
    client.update(changed, title="Summit", tags=["New"])
    for image in client.list(user_id=client.user):
        wait_until_processed(client, image)


def wait_until_processed(client: Client, image: Image) -> None:
    while client.get(image).state is State.PROCESSING:
        client.transport.pause(0.2)


class TestMove:
    def test_everything_is_imported(self, move: Move) -> None:
        assert (move.report.ok, move.report.counts, move.report.problems) == (True, {IMPORTED: 5}, [])

    def test_the_new_deployment_has_the_same_images(self, move: Move, tmp_path: Path) -> None:
        assert Library.of(move.client, tmp_path) == move.before

    def test_the_library_has_every_kind_of_image(self, move: Move) -> None:
        assert len(move.before.private) == len(move.before.failed) == 1
        assert move.before.tags == {"a,b": 1, "new": 1, "old": 1, "party": 1, "secret": 1}
        assert sorted(image["version"] for image in move.before.images) == [1, 1, 1, 1, 2]

    def test_others_than_the_owner_get_variants_and_can_export_nothing(self, move: Move, tmp_path: Path) -> None:
        owner, folder = move.client, made(tmp_path / "variants")
        (image, *_) = owner.list(user_id=owner.user, filename="summit")
        with Client(owner.transport.url, user="somebody-else") as other:
            for status in ("downloaded", "already there"):
                (outcome,) = other.download_many(folder, user_id=owner.user, filename="summit")
                assert (outcome.status, outcome.path, outcome.reason) == (status, folder / "summit.webp", VARIANT)
            assert other.download(image.image_id, folder) == folder / "summit.webp"
            images = other.list(user_id=owner.user, include="url", filename="summit")
            report = exporting.export(
                other.transport,
                str(owner.user),
                images,
                tmp_path / "denied",
                parallel=1,
                prune=False,
                meter=Meter(None),
            )
        assert [problem.reason for problem in report.problems] == [
            "The service gives the original only to its owner: export as the owner."
        ]
        (outcome,) = owner.download_many(folder, user_id=owner.user, filename="summit")
        assert (outcome.status, outcome.path, outcome.reason) == ("downloaded", folder / "summit.png", "")

    def test_a_second_import_sends_nothing(self, move: Move) -> None:
        sizes: list[int] = []
        report = move.client.import_(move.export, progress=lambda progress: sizes.append(progress.size))
        assert (report.ok, report.counts) == (True, {PRESENT: 5})
        assert {*sizes} == {0}

    def test_an_image_that_was_changed_since_is_reported_and_not_changed(self, client: Client, folder: Path) -> None:
        changed, _ = (client.upload(picture(seed=seed), title=f"Picture {seed}") for seed in range(2))
        assert client.export(folder).ok
        client.update(changed, title="Newer")
        report = client.import_(folder)
        assert (report.ok, report.counts) == (False, {PRESENT: 1, DIFFERENT: 1})
        assert report.problems[0].image_id == changed.image_id
        assert report.problems[0].reason == "The service has another value of: title, updated_at, version."
        assert client.get(changed).title == "Newer"

    def test_a_killed_import_goes_on(self, move: Move, client: Client, folder: Path) -> None:
        for seed in range(4):
            client.upload(dated_picture(seed=seed), title=f"Picture {seed}", visibility="private")
        assert client.export(folder).ok
        url = move.client.transport.url
        with Client(url, user=client.user) as target:
            process = start(url, "import", folder, "--parallel", "1")
            while process.poll() is None and not described(target):
                target.transport.pause(0.05)
            process.send_signal(signal.SIGKILL)  # on a slow machine, it may have just ended
            process.wait(SECONDS)
            done = start(url, "import", folder, "--json")
            out, _ = done.communicate(timeout=SECONDS)
            totals = json.loads(out)["totals"]
            assert (done.returncode, totals["found"]) == (0, 4)
            assert totals["imported"] + totals["already_there"] == 4
            assert totals["already_there"] > 0
            assert described(target) == described(client)

    def test_a_damaged_file_is_not_sent(self, move: Move, client: Client, folder: Path) -> None:
        client.upload(dated_picture(seed=1), title="Whole")
        client.upload(picture(seed=2), title="Damaged")
        client.upload(picture(seed=3), title="Missing")
        client.export(folder)
        missing, damaged, whole = records(folder)
        original = (folder / damaged["file"]).read_bytes()
        (folder / damaged["file"]).write_bytes(original[:-1] + b"?")
        (folder / missing["file"]).rename(folder / "elsewhere")
        with Client(move.client.transport.url, user=client.user) as target:
            report = target.import_(folder)
            assert (report.ok, report.counts) == (False, {IMPORTED: 1, FAILED: 2})
            assert {problem.image_id: problem.reason for problem in report.problems} == {
                damaged[
                    "image_id"
                ]: f"The file {damaged['file']} is damaged: it does not have the checksum of its record.",
                missing["image_id"]: f"The file {missing['file']} is missing.",
            }
            assert [image["title"] for image in described(target)] == [whole["title"]]
            (folder / damaged["file"]).write_bytes(original)
            (folder / "elsewhere").rename(folder / missing["file"])
            assert target.import_(folder).counts == {IMPORTED: 2, PRESENT: 1}
            assert described(target) == described(client)

    def test_a_line_that_is_no_record_does_not_stop_the_others(self, move: Move, client: Client, folder: Path) -> None:
        client.upload(picture(seed=1))
        client.export(folder)
        (record,) = records(folder)
        lines = [
            "{",
            json.dumps({**record, "file": "../secret.png"}),
            json.dumps({**record, "user_id": "somebody-else"}),
            json.dumps({**record, "size": "3698"}),
            json.dumps(record),
            json.dumps(record),
        ]
        (folder / "records.jsonl").write_text("\n".join(lines))
        with Client(move.client.transport.url, user=client.user) as target:
            report = target.import_(folder)
        assert (report.ok, report.counts) == (False, {FAILED: 5, IMPORTED: 1})
        assert [problem.reason for problem in report.problems] == [
            "records.jsonl, line 1: The line is not JSON.",
            "records.jsonl, line 2: The file is not in the folder of the export.",
            f"records.jsonl, line 3: The image belongs to 'somebody-else', but the export to {client.user!r}.",
            "records.jsonl, line 4: The line has no valid size.",
            "records.jsonl, line 6: The image is in the records twice.",
        ]
        assert report.notes == ["records.jsonl has 6 lines, but export.json says 1."]


class TestExport:
    def test_the_folder_is_of_use_without_the_program(self, client: Client, folder: Path) -> None:
        image = client.upload(picture(seed=1), title="Summit", tags=["Sea"])
        report = client.export(folder)
        assert (report.ok, str(report)) == (True, "1 exported.")
        (record,) = records(folder)
        assert record == {**described(client)[0], "s3_url": record["s3_url"], "file": record["file"]}
        assert record["file"] == image.created_at.strftime(f"originals/%Y/%m/{image.image_id}.png")
        assert (folder / record["file"]).read_bytes() == picture(seed=1)
        about = json.loads((folder / "export.json").read_text())
        assert about.pop("exported_at").endswith("Z")
        assert about == {
            "format": "images-api-export",
            "version": 1,
            "owner": client.user,
            "service": client.transport.url,
            "images": 1,
        }
        assert {path.name for path in folder.iterdir()} == {"export.json", "records.jsonl", "originals"}

    def test_a_repeated_export_brings_the_folder_up_to_date(self, client: Client, folder: Path) -> None:
        kept, deleted = (client.upload(picture(seed=seed)) for seed in (1, 2))
        client.export(folder)
        damaged, stays = (folder / record["file"] for record in reversed(records(folder)))
        damaged.write_bytes(b"damaged")
        notes = damaged.with_name("notes.txt")
        notes.write_text("mine")
        client.update(kept, title="Newer")
        client.delete(deleted)
        assert client.export(folder).counts == {EXPORTED: 1}
        assert [(record["title"], record["version"]) for record in records(folder)] == [("Newer", 2)]
        assert damaged.read_bytes() == picture(seed=1)
        assert stays.exists()
        report = client.export(folder, prune=True)
        assert (report.counts, report.notes) == ({PRESENT: 1}, ["Files of deleted images that were removed: 1."])
        assert [*damaged.parent.iterdir()] in ([damaged, notes], [notes, damaged])

    def test_an_interrupted_export_leaves_the_one_before(self, client: Client, folder: Path) -> None:
        client.upload(picture(seed=1))
        client.export(folder)
        before = records(folder)
        client.upload(picture(seed=2))

        def interrupt(_: TransferProgress) -> None:
            raise KeyError

        with pytest.raises(KeyError):
            client.export(folder, progress=interrupt)
        assert records(folder) == before
        assert client.export(folder).found == len(records(folder)) == 2

    def test_a_partial_file_is_continued(self, client: Client, folder: Path) -> None:
        content = picture(width=200, height=200, seed=1)
        client.upload(content)
        client.export(folder)
        file = folder / records(folder)[0]["file"]
        file.with_name(f"{file.name}.part").write_bytes(content[:100_000])
        file.unlink()
        assert client.export(folder).counts == {EXPORTED: 1}
        assert file.read_bytes() == content
        assert [*file.parent.iterdir()] == [file]

    def test_an_image_that_is_deleted_meanwhile_is_not_in_it(self, client: Client, folder: Path) -> None:
        client.upload(picture(seed=1))
        client.upload(picture(seed=2))

        def vanishing() -> Iterator[Image]:
            first, last = client.list(user_id=client.user, include="url")
            client.delete(first)
            yield from (first, last)

        report = exporting.export(
            client.transport, str(client.user), vanishing(), folder, parallel=1, prune=False, meter=Meter(None)
        )
        assert (report.ok, report.counts) == (True, {DELETED: 1, EXPORTED: 1})
        assert [record["image_id"] for record in records(folder)] == [described(client)[0]["image_id"]]

    def test_a_folder_with_something_else_is_not_used(self, client: Client, folder: Path) -> None:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
        with pytest.raises(NoExport, match="not empty"):
            client.export(folder)
        (folder / "notes.txt").unlink()
        client.export(folder)
        with Client(client.transport.url, user="somebody-else") as other:
            with pytest.raises(NoExport, match="choose another folder"):
                other.export(folder)
            with pytest.raises(NoExport, match="only their owner"):
                other.import_(folder)

    def test_it_must_be_known_whose_images_are_exported(self, url: str, folder: Path) -> None:
        with Client(url) as nobody, pytest.raises(UserRequired):
            nobody.export(folder)
        assert not folder.exists()


class TestFolder:
    """Folders that cannot be imported."""

    @pytest.mark.parametrize(
        ("about", "expected"),
        [
            (None, "it has no file export.json"),
            ("{", "not JSON"),
            ('{"format": "something"}', "not about an export"),
            ('{"format": "images-api-export", "version": 2}', "install a newer version"),
            ('{"format": "images-api-export", "version": 1}', "whose images"),
            ('{"format": "images-api-export", "version": 1, "owner": "alice", "service": ""}', "was interrupted"),
        ],
    )
    def test_what_is_wrong_with_the_folder_is_one_sentence(
        self, about: str | None, expected: str, folder: Path
    ) -> None:
        folder.mkdir()
        if about is not None:
            (folder / "export.json").write_text(about)
        with Client("http://127.0.0.1:9", user="alice") as client, pytest.raises(NoExport, match=expected):
            client.import_(folder)


class TestCommands:
    def test_an_export_and_an_import_end_with_counts(
        self, client: Client, folder: Path, images: Callable[..., tuple[int, str]]
    ) -> None:
        client.upload(picture(seed=1))
        status, out = images("--user", str(client.user), "export", folder)
        assert (status, out.splitlines()) == (
            0,
            [
                "found              1",
                "exported           1",
                "already there      0",
                "deleted meanwhile  0",
                "failed             0",
            ],
        )
        # Without --user, the owner is that of the export.
        status, out = images("import", folder, "--json")
        assert (status, json.loads(out)) == (
            0,
            {
                "totals": {"found": 1, "imported": 0, "already_there": 1, "different": 0, "refused": 0, "failed": 0},
                "dry_run": False,
            },
        )
        client.update(described(client)[0]["image_id"], title="Newer")
        status, out = images("import", folder)
        assert (status, out.splitlines()[3:6]) == (
            1,
            [
                "different      1",
                "  1 x The service has another value of: title, updated_at, version.",
                f"      {records(folder)[0]['image_id']}",
            ],
        )

    def test_a_service_that_accepts_no_imports_ends_the_import(self, client: Client, folder: Path) -> None:
        client.upload(picture(seed=1))
        client.export(folder)
        refused = pytest.raises(ImportsRefused, match="This service accepts no imports")
        empty = answer(document={"images": [], "count": 0, "has_more": False})
        closed = error(403, "This service accepts no imports; its operator can set IMPORTS=owners.")
        with (
            scripted(empty, closed) as server,
            Client(server.url, user=client.user) as target,
            refused,
        ):
            target.import_(folder)

    @pytest.fixture
    def images(self, url: str) -> Callable[..., tuple[int, str]]:
        def run(*arguments: str | Path) -> tuple[int, str]:
            ended = CliRunner().invoke(app, ["--url", url, *map(str, arguments)])
            return ended.exit_code, ended.stdout

        return run


def start(url: str, *arguments: str | Path) -> "subprocess.Popen[str]":
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "images_api_client", "--url", url, *map(str, arguments)],
        cwd=PROJECT / "client",
        stdout=subprocess.PIPE,
        text=True,
    )

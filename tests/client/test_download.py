"""Downloads from an embedded stack: names, dates, checksums, and what is left after an interruption."""

import hashlib
import io
import json
import os
import resource
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
from typer.testing import CliRunner

from dev.stack import Stack
from images_api_client import Client, DamagedDownload, Image, InUse, JournalUnusable, NoPicture, NotFound, OtherContent
from images_api_client.cli.app import app
from images_api_client.downloads import names
from images_api_client.downloads.folder import DownloadOutcome, DownloadStatus
from images_api_client.downloads.journal import FILE, FolderJournal
from project import PROJECT
from tests.client.commands import COMMAND
from tests.pictures import dated_picture, picture

DOWNLOADED, PRESENT, FAILED = DownloadStatus.DOWNLOADED, DownloadStatus.PRESENT, DownloadStatus.FAILED

PHOTO = picture(width=300, height=200, seed=1)
OTHER = picture(width=300, height=200, seed=2)

RECORD = {
    "image_id": "018cc251-f400-7a3b-8c1d-2e3f4a5b6c7d",
    "user_id": "alice",
    "title": "Sea and sky",
    "description": "",
    "tags": [],
    "filename": "",
    "content_type": "image/png",
    "size": 3,
    "visibility": "public",
    "created_at": "2024-01-01T00:00:00.000Z",
    "updated_at": "2024-01-01T00:00:00.000Z",
    "version": 1,
}


@pytest.fixture
def client(url: str, owner: str) -> Iterator[Client]:
    with Client(url, user=owner, attempts=2) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


def images(client: Client, *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command, and return its exit status, stdout and stderr."""
    options = ("--url", client.transport.url, "--user", str(client.user))
    ended = CliRunner().invoke(app, [*options, *map(str, arguments)])
    return ended.exit_code, ended.stdout, ended.stderr


def download_all(client: Client, folder: Path, **options: bool) -> list[DownloadOutcome]:
    return [*client.download_many(folder, user_id=client.user, dry_run=options.get("dry_run", False))]


def statuses(outcomes: list[DownloadOutcome]) -> list[DownloadStatus]:
    return [outcome.status for outcome in outcomes]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name, without the journal."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != FILE}


def replace_original(stack: Stack, image: Image, content: bytes) -> None:
    """Damage what the storage has of an image."""
    bucket, _, key = image.document["metadata"]["s3_url"].removeprefix("s3://").partition("/")
    stack.client("s3").put_object(Bucket=bucket, Key=key, Body=content)


class TestOneImage:
    def test_a_file_has_the_bytes_and_the_date_of_the_picture(self, client: Client, tmp_path: Path) -> None:
        content = dated_picture("1999:12:31 23:59:58")
        image = client.upload(content, wait=True)
        path = client.download(image.image_id, tmp_path / "party.jpg")
        assert path == tmp_path / "party.jpg"
        assert path.read_bytes() == content
        assert datetime.fromtimestamp(path.stat().st_mtime) == datetime(1999, 12, 31, 23, 59, 58)

    def test_a_picture_without_a_date_has_that_of_its_upload(self, client: Client, tmp_path: Path) -> None:
        image = client.upload(PHOTO)
        client.download(image, tmp_path / "photo.png")
        assert (tmp_path / "photo.png").stat().st_mtime == pytest.approx(image.created_at.timestamp(), abs=0.001)

    def test_a_stream_gets_the_bytes(self, client: Client) -> None:
        stream = io.BytesIO()
        assert client.download(client.upload(PHOTO), stream) is None
        assert stream.getvalue() == PHOTO

    def test_a_partial_file_is_continued(self, client: Client, tmp_path: Path) -> None:
        image = client.upload(PHOTO)
        (tmp_path / "photo.png.part").write_bytes(PHOTO[:50_000])
        received: list[int] = []
        client.download(image, tmp_path / "photo.png", progress=received.append)
        assert contents(tmp_path) == {"photo.png": PHOTO}
        assert (received[0], received[-1], min(received)) == (50_000, len(PHOTO), 50_000)

    def test_whatever_the_partial_file_has_the_result_is_the_image(self, client: Client, tmp_path: Path) -> None:
        image = client.upload(PHOTO)
        for part in (OTHER[:50_000], OTHER, PHOTO + b"more", PHOTO, b""):
            (tmp_path / "photo.png.part").write_bytes(part)
            (tmp_path / "photo.png").unlink(missing_ok=True)
            client.download(image, tmp_path / "photo.png")
            assert contents(tmp_path) == {"photo.png": PHOTO}

    def test_a_damaged_original_gets_no_name(self, client: Client, stack: Stack, tmp_path: Path) -> None:
        image = client.upload(PHOTO, wait=True)
        replace_original(stack, image, OTHER)
        with pytest.raises(DamagedDownload, match=image.image_id):
            client.download(image, tmp_path / "photo.png")
        assert contents(tmp_path) == {}
        with pytest.raises(DamagedDownload):
            client.download(image, io.BytesIO())

    def test_an_expired_url_is_replaced(self, client: Client, tmp_path: Path) -> None:
        image = client.get(client.upload(PHOTO))
        assert image.url
        signature = image.url.rpartition("X-Amz-Signature=")[2]
        expired = replace(image, url=image.url.replace(signature, "0" * 64))
        client.download(expired, tmp_path / "photo.png")
        assert contents(tmp_path) == {"photo.png": PHOTO}

    def test_an_image_that_was_deleted_or_lost_is_an_error(self, client: Client, stack: Stack, tmp_path: Path) -> None:
        deleted, lost = (client.get(client.upload(content)) for content in (PHOTO, OTHER))
        client.delete(deleted)
        with pytest.raises(NotFound):
            client.download(deleted, tmp_path / "deleted.png")
        bucket, _, key = lost.document["metadata"]["s3_url"].removeprefix("s3://").partition("/")
        stack.client("s3").delete_object(Bucket=bucket, Key=key)
        with pytest.raises(NoPicture, match="storage does not have the file"):
            client.download(lost, tmp_path / "lost.png")

    def test_a_file_replaces_another_but_not_in_a_folder(self, client: Client, folder: Path) -> None:
        folder.mkdir()
        image = client.upload(PHOTO, filename="photo.png")
        assert client.download(image, folder) == folder / "photo.png"
        (folder / "photo.png").write_bytes(b"edited")
        with pytest.raises(OtherContent):
            client.download(image, folder)
        assert contents(folder) == {"photo.png": b"edited"}
        client.download(image, folder / "photo.png")
        assert contents(folder) == {"photo.png": PHOTO}


class TestConnections:
    """A proxy passes a limited number of bytes of each answer of the storage, and then closes the connection."""

    def test_a_download_goes_on_after_each_interruption(
        self, client: Client, tmp_path: Path, interrupting: Callable[[int], list[str]]
    ) -> None:
        image = client.get(client.upload(PHOTO))
        ranges = interrupting(100_000)
        client.download(image, tmp_path / "photo.png")
        assert contents(tmp_path) == {"photo.png": PHOTO}
        assert ranges == ["", "bytes=65536-", "bytes=131072-"]

    def test_a_stream_gets_each_byte_once(self, client: Client, interrupting: Callable[[int], list[str]]) -> None:
        image = client.get(client.upload(PHOTO))
        interrupting(100_000)
        stream = io.BytesIO()
        client.download(image, stream)
        assert stream.getvalue() == PHOTO

    @pytest.fixture
    def interrupting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
        """Return a function that turns the proxy on. It returns the Range of each request to come."""
        ranges: list[str] = []
        most = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range", "")
                ranges.append(asked)
                with requests.Session() as session:
                    session.trust_env = False
                    answer = session.get(self.path, headers=dict(self.headers), timeout=30)
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content[:most])
                self.close_connection = True
                if len(answer.content) > most:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:

            def turn_on(count: int) -> list[str]:
                nonlocal most
                most = count
                monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
                return ranges

            Thread(target=server.serve_forever, daemon=True).start()
            yield turn_on
            server.shutdown()


class TestNames:
    @pytest.mark.parametrize(
        ("filename", "expected"),
        [
            ("summit.png", "summit.png"),
            ("SUMMIT.PNG", "SUMMIT.PNG"),
            ("page.html", "page.html.png"),
            ("wrong.jpeg", "wrong.png"),
            ("../../etc/passwd", "_.._etc_passwd.png"),
            ("C:\\boot", "C__boot.png"),
            ("a:b?.png", "a_b_.png"),
            ("CON", "CON_.png"),
            ("com1.png", "com1_.png"),
            (" .hidden. ", "hidden.png"),
            ("..", "Sea and sky.png"),
            ("", "Sea and sky.png"),
            ("\u202egnp.exe", "gnp.exe.png"),
            ("e\u0301te\u0301.png", "\u00e9t\u00e9.png"),
            ("\U0001f468\u200d\U0001f33e.png", "\U0001f468\u200d\U0001f33e.png"),
        ],
    )
    def test_a_name_is_kept_as_far_as_every_file_system_accepts_it(self, filename: str, expected: str) -> None:
        image = Image.of({**RECORD, "filename": filename})
        assert names.name(image, ".png") == expected

    def test_an_image_without_a_name_has_its_title_or_its_id(self) -> None:
        image = Image.of({**RECORD, "filename": "", "title": ""})
        assert names.name(image, ".jpg") == f"{image.image_id}.jpg"

    def test_a_long_name_keeps_its_extension_and_has_room_for_a_number(self) -> None:
        name = names.name(Image.of({**RECORD, "filename": "\u00e9" * 255 + ".png"}), ".png")
        longest = names.part(Path(names.numbered(name, 1_000_000))).name
        assert (longest[-20:], len(longest.encode())) == ("\u00e9 (1000000).png.part", 255)

    def test_names_that_some_file_systems_confuse_are_numbered(self, tmp_path: Path) -> None:
        given = ["a.png", "A.PNG", "stra\u00dfe.png", "STRASSE.png", "\u00e9.png", "e\u0301.png"]
        with FolderJournal(tmp_path) as journal:
            saved = [
                journal.name(Image.of({**RECORD, "image_id": str(number), "filename": name}), ".png", "")
                for number, name in enumerate(given)
            ]
        assert saved == ["a.png", "A (2).PNG", "stra\u00dfe.png", "STRASSE (2).png", "\u00e9.png", "\u00e9 (2).png"]


class TestFolder:
    def test_a_second_run_fetches_nothing_and_new_images_keep_the_old_names(self, client: Client, folder: Path) -> None:
        first = client.upload(PHOTO, filename="a.png")
        assert statuses(download_all(client, folder)) == [DOWNLOADED]
        second = client.upload(OTHER, filename="a.png")
        outcomes = download_all(client, folder)
        assert [(each.image_id, each.status, each.path) for each in outcomes] == [
            (second.image_id, DOWNLOADED, folder / "a (2).png"),
            (first.image_id, PRESENT, folder / "a.png"),
        ]
        (folder / "a.png").unlink()
        assert statuses(download_all(client, folder)) == [PRESENT, DOWNLOADED]
        assert contents(folder) == {"a.png": PHOTO, "a (2).png": OTHER}

    def test_complete_files_are_known_without_the_journal(self, client: Client, folder: Path) -> None:
        for content in (PHOTO, OTHER):
            client.upload(content, filename="a.png")
        download_all(client, folder)
        (folder / FILE).unlink()
        assert statuses(download_all(client, folder)) == [PRESENT, PRESENT]

    def test_a_file_that_was_changed_or_is_of_somebody_else_is_never_replaced(
        self, client: Client, folder: Path
    ) -> None:
        client.upload(PHOTO, filename="a.png")
        folder.mkdir()
        (folder / "a.png").write_bytes(b"mine")
        assert statuses(download_all(client, folder)) == [DOWNLOADED]
        (folder / "a (2).png").write_bytes(b"edited")
        (outcome,) = download_all(client, folder)
        assert (outcome.status, outcome.path) == (FAILED, folder / "a (2).png")
        assert "other content" in outcome.reason
        assert contents(folder) == {"a.png": b"mine", "a (2).png": b"edited"}

    def test_one_damaged_image_does_not_stop_the_others(self, client: Client, stack: Stack, folder: Path) -> None:
        for content, name in ((PHOTO, "first.png"), (OTHER, "last.png")):
            client.upload(content, filename=name)
        damaged = client.upload(picture(seed=3), filename="damaged.png", wait=True)
        replace_original(stack, damaged, b"other bytes")
        outcomes = download_all(client, folder)
        assert statuses(outcomes) == [FAILED, DOWNLOADED, DOWNLOADED]
        assert damaged.image_id in outcomes[0].reason
        assert contents(folder) == {"first.png": PHOTO, "last.png": OTHER}

    def test_the_filters_of_the_list_choose_the_images(self, client: Client, folder: Path) -> None:
        client.upload(PHOTO, filename="a.png", tags=["sea"])
        client.upload(OTHER, filename="b.png", tags=["mountain"])
        assert len([*client.download_many(folder, user_id=client.user, tag="sea")]) == 1
        assert contents(folder) == {"a.png": PHOTO}

    def test_a_dry_run_names_the_files_and_writes_nothing(self, client: Client, folder: Path) -> None:
        client.upload(PHOTO, filename="a.png")
        outcomes = download_all(client, folder, dry_run=True)
        assert [(each.status, each.path) for each in outcomes] == [(DOWNLOADED, folder / "a.png")]
        assert not folder.exists()
        download_all(client, folder)
        assert statuses(download_all(client, folder, dry_run=True)) == [PRESENT]

    def test_a_folder_is_used_by_one_run_at_a_time(self, client: Client, folder: Path) -> None:
        folder.mkdir()
        with FolderJournal(folder), pytest.raises(InUse, match="Another download"):
            download_all(client, folder)
        (folder / FILE).write_bytes(b"no database" * 100)
        with pytest.raises(JournalUnusable, match="is damaged: delete it"):
            download_all(client, folder)


class TestCommand:
    def test_a_folder_that_cannot_be_written_is_one_sentence(self, client: Client, folder: Path) -> None:
        client.upload(PHOTO, filename="summit.png")
        options = ("--url", client.transport.url, "--user", str(client.user))
        ended = subprocess.run(
            [*COMMAND, *options, "download", "--mine", "--to", folder],
            env={**os.environ, "PYTHONPATH": str(PROJECT / "client")},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000)),  # bytes of a file
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stdout.splitlines()[1].split()) == (1, ["downloaded", "0"])
        assert ended.stdout.startswith("found          1  (stopped early: there may be more)\n")
        [sentence] = ended.stderr.splitlines()
        assert sentence.startswith(f"The journal {folder / FILE} cannot be written (")

    def test_one_image_goes_to_a_file_a_folder_or_stdout(self, client: Client, folder: Path) -> None:
        image = client.upload(PHOTO, filename="summit.png")
        assert images(client, "download", image.image_id, "--to", f"{folder}{os.sep}")[:2] == (
            0,
            f"{folder / 'summit.png'}\n",
        )
        images(client, "download", image.image_id, "--to", folder / "other.png")
        assert contents(folder) == {"summit.png": PHOTO, "other.png": PHOTO}
        options = ["--url", client.transport.url, "--user", str(client.user)]
        ended = CliRunner().invoke(app, [*options, "download", image.image_id, "--to", "-"])
        assert hashlib.sha256(ended.stdout_bytes).digest() == hashlib.sha256(PHOTO).digest()

    def test_a_query_ends_with_counts_that_add_up(self, client: Client, stack: Stack, folder: Path) -> None:
        client.upload(PHOTO, filename="a.png")
        download_all(client, folder)
        client.upload(OTHER, filename="b.png")
        damaged = client.upload(picture(seed=3), filename="c.png", wait=True)
        replace_original(stack, damaged, OTHER)
        status, out, _ = images(client, "download", "--mine", "--to", folder)
        assert status == 1
        assert out.splitlines() == [
            "found          3",
            "downloaded     1",
            "already there  1",
            "failed         1",
            f"  1 x What the storage sent of image {damaged.image_id} does not have the checksum of the image.",
            f"      {folder / 'c.png'}",
        ]
        client.delete(damaged)
        status, out, _ = images(client, "download", "--mine", "--to", folder, "--json")
        *outcomes, totals = map(json.loads, out.splitlines())
        assert status == 0
        assert [(each["status"], each["path"]) for each in outcomes] == [
            ("already_there", str(folder / "b.png")),
            ("already_there", str(folder / "a.png")),
        ]
        assert totals == {"totals": {"found": 2, "downloaded": 0, "already_there": 2, "failed": 0}, "dry_run": False}

    def test_a_dry_run_names_the_files(self, client: Client, folder: Path) -> None:
        client.upload(PHOTO, filename="a.png")
        status, out, _ = images(client, "download", "--mine", "--to", folder, "--dry-run")
        assert (status, out.splitlines()[0]) == (0, f"would be downloaded: {folder / 'a.png'}")
        assert not folder.exists()

    @pytest.mark.parametrize(
        "arguments",
        [[], ["--mine", "--all"], ["--mine", "--to", "-"], ["0" * 8, "--mine"], ["--mine", "--parallel", "0"]],
    )
    def test_a_wrong_use_is_a_sentence_and_status_2(self, arguments: list[str]) -> None:
        with Client("http://127.0.0.1:9", user="alice") as client:
            status, out, err = images(client, "download", *arguments)
        assert (status, out) == (2, "")
        assert err

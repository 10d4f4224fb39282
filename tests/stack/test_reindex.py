"""`make reindex` with a running stack."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.stack import Stack, running
from project import PROJECT
from tests.http.client import Service, User
from tests.pictures import picture


def reindex(*options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `make reindex`, with its checkpoint in `folder`."""
    command = [sys.executable, "-m", "scripts.reindex", "local", "--checkpoint", str(folder / "checkpoint.json")]
    return subprocess.run([*command, *options], cwd=PROJECT, capture_output=True, text=True, timeout=60)


def remove_rows(stack: Stack) -> None:
    dynamodb: Any = stack.client("dynamodb")
    for row in dynamodb.scan(TableName="image_tags")["Items"]:
        dynamodb.delete_item(TableName="image_tags", Key={name: row[name] for name in ("tag", "image_id")})


def test_make_reindex_restores_lost_rows_while_the_service_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as stack:
        alice = User(Service(stack.url), "alice")
        image_ids = [alice.upload(picture(seed=n), title="Dunes", tags=["sea"])["image_id"] for n in range(3)]
        alice.service.call("PUT", f"/images/{image_ids[1]}", json={"title": "Dunes by day"})
        remove_rows(stack)
        assert alice.service.ids(tag="sea") == []
        done = reindex("--data", str(data), folder=tmp_path)
        assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
        assert alice.service.ids(tag="sea") == alice.service.ids(title="dunes") == image_ids[::-1]
        again = reindex("--data", str(data), "--rate", "1000", folder=tmp_path)
        assert again.stdout.startswith("3 records read, 0 items written")
    failed = reindex("--data", str(data), folder=tmp_path)
    assert (failed.returncode, failed.stderr) == (
        1,
        f"No service runs on the data folder {data}; `make run` starts one.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--rate", "0"), "argument --rate: must be more than 0"),
        (("--rate", "nan"), "argument --rate: must be more than 0"),
    ],
)
def test_an_invalid_argument_is_refused(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    refused = reindex(*arguments, folder=tmp_path)
    assert (refused.returncode, refused.stderr.splitlines()[-1].partition("error: ")[2]) == (2, sentence)

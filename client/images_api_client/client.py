"""The client: one method for each operation of the service."""

# In the class, `list` is the method: annotations there use Iterable, Iterator or Sequence.

import os
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from functools import cached_property
from json import dumps
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypedDict, Unpack, cast
from urllib.parse import quote

from requests.auth import AuthBase

from images_api_client import uploads
from images_api_client.credentials import Anonymous, BearerToken, NamedUser, Token
from images_api_client.errors import TooLarge, UserRequired
from images_api_client.model import Count, Image, Similar, SimilarImages, TagCount, Visibility
from images_api_client.transport import ATTEMPTS, Progress, Timeouts, Transport
from images_api_client.uploads import File, Metadata

if TYPE_CHECKING:
    from images_api_client.archive.report import ExportReport, ImportReport
    from images_api_client.downloads.folder import DownloadOutcome
    from images_api_client.folders.model import UploadOutcome, UploadProgress
    from images_api_client.runs.progress import TransferProgress

PAGE_SIZE = 100
TAG_PAGE_SIZE = 1000
_URLS_PER_PAGE = 250  # that are used before they expire, as a rule; an expired one is replaced
READY_SECONDS = 120.0  # how long `wait=True` waits until an image is processed

Moment = str | date  # a date, a time (datetime), or either as text in RFC 3339; without an offset in UTC


class Filters(TypedDict, total=False):
    """Which images a list, a count or a download has. All filters together must match. None is no filter."""

    user_id: str | None  # the owner
    tag: str | Iterable[str] | None  # all of these tags
    any_tag: str | Iterable[str] | None  # at least one of these tags
    q: str | None  # words of title, description, filename or tags
    title: str | None  # beginnings of words
    description: str | None
    filename: str | None
    visibility: str | None
    content_type: str | None
    checksum: str | None  # SHA-256, hexadecimal
    date_from: Moment | None  # created in this range, both included
    date_to: Moment | None
    taken_from: Moment | None  # photographed in this range, both included
    taken_to: Moment | None


class Client:
    """A connection to one service, for one user. May be used by several threads.

    `token` is a bearer token, or a function that returns one. `user` names the user where the service needs no tokens.
    `auth` takes the place of both, for a service behind another kind of sign-in; `user` then owns the uploads.

    Every method may raise ServiceError (its subclasses are the statuses), ConnectionFailed, UnexpectedAnswer or
    ClientClosed. Raises BadAddress: the URL cannot be used. Raises BadCredentials.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        user: str | None = None,
        auth: AuthBase | None = None,
        timeouts: Timeouts | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._user = user or None
        self._bearer = BearerToken(token) if token is not None else None
        named = NamedUser(user) if user else Anonymous()
        self.transport = Transport(url, auth or self._bearer or named, timeouts=timeouts, attempts=attempts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. Requests of other threads that wait, or send a file, end with ClientClosed."""
        self.transport.close()

    @cached_property
    def user(self) -> str | None:
        """The user who uploads: as given, or the subject of the token. None: the service knows it, or there is none."""
        return self._user or (self._bearer.subject() if self._bearer else None)

    def upload(
        self,
        file: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        title: str | None = None,
        description: str = "",
        tags: str | Iterable[str] = (),
        filename: str | None = None,
        visibility: str = Visibility.PUBLIC,
        wait: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """Upload an image, and return it. A large file is sent directly to S3, and is in lists once it is processed.

        An open file is read from its present position, and stays open. Without `filename`, it is the name of the file;
        without `title`, the file name without its extension. `wait` returns the image as it is after processing: if
        that failed, it has a `reason`. `progress` is called with the number of bytes that were sent.
        Raises Unaccepted: the file is not an image; nothing was sent. Raises Rejected: with `wait` or after a direct
        upload, the service rejected the file. Raises FileChanged, DamagedUpload, OSError.
        """
        name = _name(file) if filename is None else filename
        metadata = Metadata(
            title=Path(name).stem if title is None else title,
            description=description,
            tags=_texts(tags),
            filename=name,
            visibility=Visibility(visibility),
        )
        with _seekable(file) as source:
            image = self._sent(File.of(source), metadata, progress)
        return uploads.wait(self.transport, image.image_id, READY_SECONDS) if wait else image

    def upload_many(
        self,
        paths: Iterable[Path | str] | Path | str,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        tags: Iterable[str] = (),
        folder_tags: bool = False,
        description: str = "",
        visibility: str = Visibility.PUBLIC,
        parallel: int = 4,
        dry_run: bool = False,
        journal: Path | None = None,
        progress: "Callable[[UploadProgress], None] | None" = None,
    ) -> "Generator[UploadOutcome, None, None]":
        """Upload files and folders, or one, and yield the outcome of each file. What the service has is not sent again.

        `include` and `exclude` are patterns as in a .gitignore, relative to the given folder, without case. Hidden
        files are left out. A title is the file name without its extension; with `folder_tags`, the names of the folders
        between a given folder and the file are tags. `dry_run` sends nothing, and yields what would happen. A run that
        was interrupted or killed goes on, by its journal: by default in the user's folder for state. One run at a time
        can use a journal. Close the iterator (`contextlib.closing`) to stop a run.
        Raises UserRequired: the client does not know whose the images are. Raises FileNotFoundError: a path does not
        exist. Raises ValueError: a pattern, `visibility` or `parallel` is not valid.
        The iteration raises Unauthorized and Forbidden for the first file, ConnectionFailed and ServiceError if the
        service does not say what it has, Stopped after many failures in a row, InUse and JournalUnusable. All other
        errors are outcomes.
        """
        # Imported here: what it imports is needed by nothing else.
        from images_api_client.folders.journal import default_path
        from images_api_client.folders.model import Options
        from images_api_client.folders.upload import FolderUpload

        if self.user is None:
            raise UserRequired("An upload of folders needs a user: create the client with a token or with user=.")
        options = Options(
            include=include,
            exclude=exclude,
            tags=tuple(tags),
            folder_tags=folder_tags,
            description=description,
            visibility=Visibility(visibility),
            parallel=parallel,
            dry_run=dry_run,
        )
        if isinstance(paths, Path | str):  # not the letters of a path
            paths = [paths]
        journal = journal or default_path(self.transport.url, self.user)
        return FolderUpload(self.transport, self.user, paths, options, journal, progress).outcomes()

    def list(
        self,
        *,
        sort: str | None = None,
        order: str | None = None,
        include: str | Iterable[str] = (),
        page_size: int = PAGE_SIZE,
        **filters: Unpack[Filters],
    ) -> Iterator[Image]:
        """Iterate over all images that match the filters, page by page; newest first, or by `sort` and `order`.

        `include` adds `url`, `thumbnail`, `variants` or `analysis` to each image.
        """
        params = {**_params(filters), **_present(sort=sort, order=order, include=_include(include), limit=page_size)}
        return (Image.of(document) for page in self.transport.pages("/images", params) for document in page["images"])

    def count(self, **filters: Unpack[Filters]) -> Count:
        """Count the images that match the filters."""
        answer = self.transport.json("GET", "/images/count", params=_params(filters))
        return Count(answer["count"], answer.get("at_least", False))

    def get(self, image: Image | str, *, include: str | Iterable[str] = ()) -> Image:
        """Return an image, given as an Image or its id, as it is now, with a presigned URL.

        `include` adds `exif` or `location` to its `document`. Raises NotFound.
        """
        params = _present(include=_include(include))
        return Image.of(self.transport.json("GET", _path(image), params=params))

    def update(
        self,
        image: Image | str,
        *,
        title: str | None = None,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        visibility: str | None = None,
        if_version: int | None = None,
    ) -> Image:
        """Change what is given of an image, and return the image. `tags` takes the place of all its tags.

        Raises PreconditionFailed: the image is not at version `if_version`; nothing was changed. Raises NotFound.
        """
        changes = _present(title=title, description=description, visibility=visibility)
        if tags is not None:
            changes["tags"] = _texts(tags)
        return Image.of(self.transport.json("PUT", _path(image), json=changes, headers=_conditions(if_version)))

    def delete(self, image: Image | str, *, if_version: int | None = None) -> None:
        """Delete an image.

        Raises PreconditionFailed: the image is not at version `if_version`; it was not deleted. Raises NotFound.
        """
        self.transport.json("DELETE", _path(image), headers=_conditions(if_version))

    def tags(self, *, user_id: str | None = None, prefix: str | None = None) -> Iterator[TagCount]:
        """Iterate over the tags in use, in alphabetical order: of an owner, or of all public images."""
        params = _present(user_id=user_id, prefix=prefix, limit=TAG_PAGE_SIZE)
        pages = self.transport.pages("/tags", params)
        return (TagCount(entry["tag"], entry["count"]) for page in pages for entry in page["tags"])

    def similar(
        self,
        image: Image | str,
        *,
        distance: int | None = None,
        limit: int | None = None,
        include: str | Iterable[str] = (),
    ) -> SimilarImages:
        """Return the images that look like an image, up to `limit` (1 to 100, by default 20).

        `distance` is the most bits (0 to 3) that may differ. `include` is that of `list`. Raises NotFound.
        """
        params = _present(distance=distance, limit=limit, include=_include(include))
        answer = self.transport.json("GET", f"{_path(image)}/similar", params=params)
        found = (Similar(Image.of(each), each["distance"], each["duplicate"]) for each in answer["images"])
        return SimilarImages(tuple(found), answer["complete"])

    def download(
        self, image: Image | str, to: str | os.PathLike[str] | BinaryIO, *, progress: Progress | None = None
    ) -> Path | None:
        """Download an image to a file, a folder or a stream, and return the path of the file.

        Others than the owner may get the largest variant in place of the original: then a folder's file has another
        extension. A file gets its name when it is complete, and replaces the one before. In a folder, the name comes
        from the image, and no other file is replaced. An interrupted download goes on from `<name>.part`.
        `progress` is called with the number of bytes that the file has.
        Raises DamagedDownload: the bytes do not have the checksum of the image; a stream has them already. Raises
        NoPicture: the service has no file of the image for this user, or not yet. Raises OtherContent: the folder has
        another file of the name. Raises NotFound, InUse, JournalUnusable, OSError.
        """
        from images_api_client.downloads import single

        known = image if isinstance(image, Image) and image.url else self.get(image)
        return single.download(self.transport, known, to, progress)

    def download_many(
        self,
        folder: str | os.PathLike[str],
        *,
        parallel: int = 4,
        dry_run: bool = False,
        progress: "Callable[[TransferProgress], None] | None" = None,
        **filters: Unpack[Filters],
    ) -> "Iterator[DownloadOutcome]":
        """Download the images that match the filters to a folder, and yield the outcome of each, newest first.

        An image has the same file in every run: the folder has a journal of the names. What is complete is not fetched
        again. A failure does not stop the others. `dry_run` only says what would be downloaded.
        Raises InUse, JournalUnusable. Raises Unauthorized, Stopped, OSError: nothing more can be downloaded.
        """
        from images_api_client.downloads import folder as downloads
        from images_api_client.runs.progress import Meter

        images = self.list(include=("url", "analysis"), page_size=_URLS_PER_PAGE, **filters)
        return downloads.download_many(
            self.transport, images, Path(folder), parallel=parallel, dry_run=dry_run, meter=Meter(progress)
        )

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        parallel: int = 4,
        prune: bool = False,
        progress: "Callable[[TransferProgress], None] | None" = None,
    ) -> "ExportReport":
        """Export all images of the user to a folder: records and originals. Again into the same folder: what is new.

        Every file is checked. `prune` deletes the files of images that the user does not have any more.
        Raises UserRequired. Raises NoExport: the folder has something else. Raises Unauthorized, InUse,
        JournalUnusable, Stopped, OSError: the export ends early.
        """
        from images_api_client.archive import exporting
        from images_api_client.runs.progress import Meter

        owner = self._owner()
        images = self.list(user_id=owner, include="url", page_size=_URLS_PER_PAGE)
        return exporting.export(
            self.transport, owner, images, Path(folder), parallel=parallel, prune=prune, meter=Meter(progress)
        )

    def import_(
        self,
        folder: str | os.PathLike[str],
        *,
        parallel: int = 4,
        progress: "Callable[[TransferProgress], None] | None" = None,
    ) -> "ImportReport":
        """Import an export of the user's images: the same ids, times, versions, texts, tags and files.

        The service must accept imports (IMPORTS=owners). What it has is not sent again, and not changed. At the end the
        list of the service is compared with the records.
        Raises UserRequired. Raises NoExport: the folder has no export, or that of another user. Raises ImportsRefused,
        Stopped, OSError.
        """
        from images_api_client.archive.importing import Import
        from images_api_client.runs.progress import Meter

        return Import(self.transport, self._owner(), Path(folder), parallel=parallel, meter=Meter(progress)).run()

    def _owner(self) -> str:
        """Return the user whose images are exported or imported. Raises UserRequired."""
        if self.user is None:
            raise UserRequired("It is not known whose images these are: name the user, or log in.")
        if self._bearer and self._bearer.subject() not in (None, self.user):
            raise UserRequired(f"The token is not one of {self.user!r}, whose images these are.")
        return self.user

    def _sent(self, file: File, metadata: Metadata, progress: Progress | None) -> Image:
        if file.size <= uploads.FORM_BYTES:
            try:
                return uploads.send_form(self.transport, self.user, file, metadata, str(uuid.uuid4()), progress)
            except TooLarge as error:
                if not uploads.is_form_limit(error):
                    raise
        direct = uploads.announce(self.transport, self.user, file, metadata, file.checksum())
        uploads.send_direct(self.transport, direct, file, progress)
        return uploads.wait(self.transport, direct.image_id, 0)


def _name(file: str | os.PathLike[str] | bytes | BinaryIO) -> str:
    """Return the name of a file; empty if it has none."""
    path = file if isinstance(file, str | os.PathLike) else getattr(file, "name", "")
    return uploads.plain_text(Path(path).name) if isinstance(path, str | os.PathLike) else ""


def _seekable(file: str | os.PathLike[str] | bytes | BinaryIO) -> AbstractContextManager[Path | bytes | BinaryIO]:
    """Return what to send. A file that cannot seek, such as a pipe, is copied: an upload may have to begin again."""
    if isinstance(file, bytes):
        return nullcontext(file)
    if isinstance(file, str | os.PathLike):
        return nullcontext(Path(file))
    if isinstance(file.read(0), str):
        raise TypeError("The file is open as text: open it in binary mode.")
    if file.seekable():
        return nullcontext(file)
    copy = tempfile.SpooledTemporaryFile(uploads.FORM_BYTES)  # noqa: SIM115  # the caller closes it
    copyfileobj(file, copy)
    copy.seek(0)
    return cast("AbstractContextManager[BinaryIO]", copy)


def _params(filters: Filters) -> dict[str, Any]:
    """Return the parameters of filters. Only a JSON array can contain a tag with a comma."""
    params: dict[str, Any] = {}
    for name, value in filters.items():
        if isinstance(value, date):
            params[name] = value.isoformat()
        elif name in ("tag", "any_tag") and value is not None:
            params[name] = dumps(_texts(cast("str | Iterable[str]", value)))
        else:
            params[name] = value
    return _present(**params)


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _texts(values: str | Iterable[str]) -> tuple[str, ...]:
    """Return texts; one text is not an iterable of letters."""
    return (values,) if isinstance(values, str) else tuple(values)


def _include(names: str | Iterable[str]) -> str | None:
    return ",".join(_texts(names)) or None


def _path(image: Image | str) -> str:
    return f"/images/{quote(image.image_id if isinstance(image, Image) else image, safe='')}"


def _conditions(if_version: int | None) -> dict[str, str]:
    """Return headers that make a change safe to repeat, and bind it to a version."""
    condition = {} if if_version is None else {"If-Match": f'"{if_version}"'}
    return {"Idempotency-Key": str(uuid.uuid4()), **condition}

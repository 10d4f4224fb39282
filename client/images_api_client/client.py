"""The client: one method for each operation of the service."""

import builtins
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypedDict, Unpack

from requests.auth import AuthBase

from images_api_client import uploads
from images_api_client.credentials import Anonymous, BearerToken, NamedUser, Token
from images_api_client.errors import TooLarge
from images_api_client.model import Count, Image, Similar, SimilarImages, TagCount, Visibility
from images_api_client.transport import ATTEMPTS, Timeouts, Transport
from images_api_client.uploads import File, Metadata, Progress

if TYPE_CHECKING:
    from images_api_client.folders.model import FolderProgress, Outcome

PAGE_SIZE = 100
READY_SECONDS = 120.0  # how long `wait=True` waits until an image is processed

Moment = str | date  # a date, a time (datetime), or either as text in RFC 3339


class Filters(TypedDict, total=False):
    """Which images a list, a count or a download has. All filters together must match."""

    user_id: str  # the owner
    tag: str | Iterable[str]  # all of these tags
    any_tag: str | Iterable[str]  # at least one of these tags
    q: str  # words of title, description, filename or tags
    title: str  # beginnings of words
    description: str
    filename: str
    visibility: str
    content_type: str
    checksum: str  # SHA-256, hexadecimal
    date_from: Moment
    date_to: Moment
    taken_from: Moment
    taken_to: Moment


class Client:
    """A connection to one service, for one user. May be used by several threads.

    `token` is a bearer token, or a function that returns one. `user` names the user where the service needs no tokens.
    `auth` takes the place of both, for a service behind another kind of sign-in.
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
        bearer = BearerToken(token) if token is not None else None
        self.user = user or (bearer.subject() if bearer else None)
        named = NamedUser(user) if user else Anonymous()
        self.transport = Transport(url, auth or bearer or named, timeouts=timeouts, attempts=attempts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def upload(
        self,
        file: str | Path | bytes | BinaryIO,
        *,
        title: str | None = None,
        description: str = "",
        tags: Iterable[str] = (),
        filename: str | None = None,
        visibility: str = Visibility.PUBLIC,
        wait: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """Upload an image, and return it. A large file is sent directly to S3, and is in lists once it is processed.

        Without `filename`, it is the name of the file; without `title`, the file name without its extension. `wait`
        returns the image as it is after processing.
        Raises Unaccepted: the file is not an image. Raises Rejected: with `wait`, or a direct upload is not accepted.
        Raises ServiceError, ConnectionFailed, OSError.
        """
        source, name = _source(file)
        name = name if filename is None else filename
        stem = Path(name).stem if name else ""
        metadata = Metadata(
            title=stem if title is None else title,
            description=description,
            tags=tuple(tags),
            filename=name,
            visibility=Visibility(visibility),
        )
        image = self._sent(File.of(source), metadata, progress)
        return uploads.wait(self.transport, image.image_id, READY_SECONDS) if wait else image

    def upload_many(
        self,
        paths: Iterable[Path | str],
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
        progress: "Callable[[FolderProgress], None] | None" = None,
    ) -> "Iterator[Outcome]":
        """Upload files and folders, and yield the outcome of each file. What the service has is not sent again.

        `include` and `exclude` are patterns as in a .gitignore, relative to the given folder, without case. Hidden
        files are left out. A title is the file name without its extension; with `folder_tags`, the names of the folders
        between a given folder and the file are tags. `dry_run` sends nothing, and yields what would happen. A run that
        was interrupted or killed goes on, by its journal: by default in the user's folder for state. One run at a time
        can use a journal.
        Raises UserRequired: the client does not know whose the images are. Raises FileNotFoundError: a path does not
        exist. Raises ValueError: a pattern, `visibility` or `parallel` is not valid.
        The iteration raises Unauthorized and Forbidden for the first file, ConnectionFailed and ServiceError if the
        service does not say what it has, Stopped after many failures in a row, and JournalUnusable. All other errors
        are outcomes.
        """
        # Imported here: what it imports is needed by nothing else.
        from images_api_client.folders.journal import default_path
        from images_api_client.folders.model import Options
        from images_api_client.folders.upload import FolderUpload, UserRequired

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
        journal = journal or default_path(self.transport.url, self.user)
        return FolderUpload(self.transport, self.user, paths, options, journal, progress).outcomes()

    def list(
        self,
        *,
        sort: str | None = None,
        order: str | None = None,
        include: Iterable[str] = (),
        page_size: int = PAGE_SIZE,
        **filters: Unpack[Filters],
    ) -> Iterator[Image]:
        """Iterate over all images that match the filters, page by page; newest first, or by `sort` and `order`.

        `include` adds `url`, `thumbnail`, `variants` or `analysis` to each image.
        Raises ServiceError, ConnectionFailed.
        """
        params = _params(filters) | _present(sort=sort, order=order, include=",".join(include), limit=page_size)
        return (Image.of(document) for document in self._pages("/images", "images", params))

    def count(self, **filters: Unpack[Filters]) -> Count:
        """Count the images that match the filters. Raises ServiceError, ConnectionFailed."""
        answer = self.transport.json("GET", "/images/count", params=_params(filters))
        return Count(answer["count"], answer.get("at_least", False))

    def get(self, image_id: str, *, include: Iterable[str] = ()) -> Image:
        """Return an image with a presigned URL. `include` adds `exif` or `location` to its `document`.

        Raises NotFound, ServiceError, ConnectionFailed.
        """
        params = _present(include=",".join(include))
        return Image.of(self.transport.json("GET", f"/images/{image_id}", params=params))

    def update(
        self,
        image_id: str,
        *,
        title: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        visibility: str | None = None,
        if_version: int | None = None,
    ) -> Image:
        """Change what is given, and return the image. Safe to repeat after a lost answer.

        Raises PreconditionFailed: the image is not at version `if_version`. Raises ServiceError, ConnectionFailed.
        """
        changes = _present(title=title, description=description, visibility=visibility)
        if tags is not None:
            changes["tags"] = [*tags]
        return Image.of(
            self.transport.json("PUT", f"/images/{image_id}", json=changes, headers=_conditions(if_version))
        )

    def delete(self, image_id: str, *, if_version: int | None = None) -> None:
        """Delete an image. Safe to repeat after a lost answer.

        Raises PreconditionFailed: the image is not at version `if_version`. Raises NotFound, ServiceError,
        ConnectionFailed.
        """
        self.transport.json("DELETE", f"/images/{image_id}", headers=_conditions(if_version))

    def tags(self, *, user_id: str | None = None, prefix: str | None = None) -> Iterator[TagCount]:
        """Iterate over the tags in use, in alphabetical order: of an owner, or of all public images."""
        params = _present(user_id=user_id, prefix=prefix)
        return (TagCount(entry["tag"], entry["count"]) for entry in self._pages("/tags", "tags", params))

    def similar(self, image_id: str, *, distance: int | None = None, limit: int | None = None) -> SimilarImages:
        """Return the images that look like an image. `distance` is the most bits (0 to 3) that may differ.

        Raises NotFound, ServiceError, ConnectionFailed.
        """
        answer = self.transport.json(
            "GET", f"/images/{image_id}/similar", params=_present(distance=distance, limit=limit)
        )
        found = (Similar(Image.of(each), each["distance"], each["duplicate"]) for each in answer["images"])
        return SimilarImages(tuple(found), answer["complete"])

    def _sent(self, file: File, metadata: Metadata, progress: Progress | None) -> Image:
        if file.size <= uploads.FORM_BYTES:
            try:
                return uploads.send_form(self.transport, self.user, file, metadata, str(uuid.uuid4()), progress)
            except TooLarge as error:
                if "MAX_FORM_IMAGE_BYTES" not in str(error):  # the picture itself is too large
                    raise
        direct = uploads.announce(self.transport, self.user, file, metadata, file.checksum())
        uploads.send_direct(self.transport, direct, file, progress)
        return uploads.wait(self.transport, direct.image_id, 0)

    def _pages(self, path: str, name: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            page = self.transport.json("GET", path, params=params)
            yield from page[name]
            if not page["has_more"]:
                return
            params = {**params, "last_evaluated_key": page["last_evaluated_key"]}


def _source(file: str | Path | bytes | BinaryIO) -> tuple[Path | bytes, str]:
    """Return what to send, and the name of the file; empty if it has none."""
    if isinstance(file, bytes):
        return file, ""
    if isinstance(file, str | Path):
        return Path(file), Path(file).name
    name = getattr(file, "name", "")
    return file.read(), Path(name).name if isinstance(name, str) else ""


def _params(filters: Filters) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, value in filters.items():
        if isinstance(value, date):
            params[name] = value.isoformat()
        elif isinstance(value, str) or value is None:
            params[name] = value
        else:
            params[name] = builtins.list(value)  # type: ignore[call-overload]
    return _present(**params)


def _present(**values: Any) -> dict[str, Any]:
    """Return the values that are not None, nor an empty text of a parameter that takes a list."""
    return {name: value for name, value in values.items() if value is not None and (name != "include" or value)}


def _conditions(if_version: int | None) -> dict[str, str]:
    """Return headers that make a change safe to repeat, and bind it to a version."""
    return {
        "Idempotency-Key": str(uuid.uuid4()),
        **({"If-Match": f'"{if_version}"'} if if_version is not None else {}),
    }

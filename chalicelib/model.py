"""The values that go from room to room."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib import ids

# Content types that are accepted, and the extension of each. No SVG: it is a program, and would run in the
# viewer's browser.
EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/tiff": ".tiff",
    "image/bmp": ".bmp",
    "image/heic": ".heic",
    "image/heif": ".heif",
}

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
_ESCAPED = re.compile(r'["\\\n\r\t]')

# What an item's answer has beside the fields of its document.
ITEM_NAMES = ("id", "item_id", "created_at", "updated_at", "version")

Document = dict[str, Any]  # a JSON object


class Visibility(StrEnum):
    """Who may see an image: anyone, or its owner alone."""

    PUBLIC = "public"
    PRIVATE = "private"


class State(StrEnum):
    """Where an image is in its life."""

    AWAITING_UPLOAD = "awaiting_upload"  # its client is to send the bytes to S3
    PROCESSING = "processing"  # the bytes are there
    READY = "ready"
    REJECTED = "rejected"  # the bytes were not what was announced, or no image that can be kept; they are gone
    FAILED = "failed"  # processing came to no end; the bytes are there
    DELETING = "deleting"
    DELETED = "deleted"  # but an attempt to process it may still be under way, and leave something


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    user_id: str | None  # None: anonymous
    verified: bool  # by a token; otherwise the request only says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the bytes are, as their header says."""

    content_type: str
    width: int  # pixels, upright: its EXIF orientation applied
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A smaller picture of an image, upright, without metadata."""

    width: int  # pixels
    height: int
    content_type: str  # image/webp, image/avif or image/jpeg
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What an image's pixels are found to be."""

    width: int  # pixels, upright
    height: int
    taken_at: str | None  # by its EXIF: RFC 3339 if an offset is known, else the local time without one
    color: str  # the dominant one, "#rrggbb"
    placeholder: str  # a ThumbHash, base64
    perceptual_hash: str  # dHash of 64 bits, 16 hex digits
    animated: bool
    variants: tuple[Variant, ...]  # widest first, by content type


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a request says of an image that is to be kept, its fields within their limits."""

    user_id: str
    title: str
    description: str
    tags: tuple[str, ...]
    filename: str
    visibility: Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload(Described):
    """A request to keep an image."""

    file: bytes
    idempotency_key: str | None  # of one who may send it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement(Described):
    """A request to keep an image that will be sent to S3 directly."""

    content_type: str
    size: int  # bytes
    checksum: str  # SHA-256, hex; empty: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A request to change an image; None: as it is."""

    title: str | None
    description: str | None
    tags: tuple[str, ...] | None
    visibility: Visibility | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an idempotency key was used for."""

    image_id: str
    fingerprint: str  # of the upload, hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A record and its picture."""

    image_id: str
    user_id: str
    title: str
    description: str
    tags: tuple[str, ...]  # as given, in order
    filename: str
    content_type: str
    size: int  # bytes
    checksum: str  # SHA-256, hex
    width: int
    height: int
    visibility: Visibility
    updated_at: str
    version: int = 1  # counts the changes that its owner makes
    state: State = State.READY
    listed: bool = True  # whether it is in lists and views; else only its record is there, for those who may see it
    reason: str = ""  # why it was rejected or failed
    attempts: int = 0  # to process it, that came to no end
    upload_id: str = ""  # of the multipart upload that its bytes are to come by, if any
    part_size: int = 0  # bytes, of that upload's parts
    look: Look | None = None  # once it has been processed

    @property
    def created_at(self) -> str:
        """RFC 3339, UTC."""
        return ids.created_at(self.image_id)

    @property
    def is_gone(self) -> bool:
        """Whether it has been deleted, but for what is still to be removed of it."""
        return self.state in (State.DELETING, State.DELETED)

    @property
    def answer_bytes(self) -> int:
        """The most that its metadata can take of an answer: JSON in UTF-8, as a string within Lambda's own JSON.

        A quote is escaped in the first, and with its backslash again in the second. The owner's name is in the object
        key and the URL too; names, punctuation and all that has a fixed length take less than the rest.
        """
        texts = (*[self.user_id] * 3, self.title, self.description, self.filename, *self.tags)
        return 1_000 + sum(len(text.encode()) + 3 * len(_ESCAPED.findall(text)) + 5 for text in texts)

    @property
    def extension(self) -> str:
        """That of its filename or, where that has none, of its content type."""
        found = _EXTENSION.search(self.filename)
        return found[0] if found else EXTENSIONS.get(self.content_type, "")

    @property
    def saved_as(self) -> str:
        """What its file is called where it has no name of its own."""
        return self.filename or self.image_id + self.extension

    @property
    def s3_key(self) -> str:
        """Object key of the original, as contract B publishes it."""
        return f"{self.user_id}/{self.image_id}"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: newest first, unless it says otherwise."""

    oldest_first: bool = False
    by_update: bool = False  # of the last update, or of creation where there was none; else of creation


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request for a page of images that match all of the filters."""

    user_id: str | None = None
    tags: tuple[str, ...] = ()  # all of them, folded: see terms.fold
    any_tags: tuple[str, ...] = ()  # at least one of them, folded
    title: tuple[str, ...] = ()  # words, each of which begins a word of the field: see terms.words
    description: tuple[str, ...] = ()
    filename: tuple[str, ...] = ()
    visibility: Visibility | None = None
    content_type: str | None = None
    checksum: str | None = None
    since: int = 0  # of creation, milliseconds since the epoch
    before: int = ids.END  # the same, exclusive
    order: Order = Order()
    limit: int
    cursor: str | None = None
    include_urls: bool = False  # a presigned URL for each image
    explain: bool = False  # how the page was read

    @property
    def filters(self) -> str:
        """All that a cursor is bound to: the filters that are set, and the order."""
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_BOUND}
        return repr({name: value for name, value in given.items() if value != _DEFAULTS[name]})


_NOT_BOUND = {"limit", "cursor", "include_urls", "explain"}
_DEFAULTS = {each.name: each.default for each in fields(Query)}


@dataclass(frozen=True, slots=True)
class Row:
    """An image as an index knows it."""

    image_id: str
    user_id: str
    visibility: Visibility
    image: Image | None  # None: too large for the row, to be fetched
    whole: bool = True  # False: its description is too long for the row
    word: str = ""  # that it is a row of
    changed: str | None = None  # its place in the order of updates; None: it was never updated
    perceptual_hash: str = ""  # of a row of a band, which says nothing else


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read of an index gave."""

    rows: tuple[Row, ...]  # in the order of the read
    after: str | None  # the sort key that it ended at; None: there is nothing more within its bounds
    read_units: float


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a list query."""

    images: tuple[Image, ...]  # in the query's order, at most its limit
    cursor: str | None  # None: nothing more; else opaque, for the next page
    presigned_urls: tuple[str, ...] | None = None  # of the images, where the query asks for them
    explanation: "Explanation | None" = None  # where the query asks for it


@dataclass(frozen=True, slots=True)
class Count:
    """How many images a query finds."""

    count: int
    at_least: bool  # there may be more


@dataclass(frozen=True, slots=True)
class Tally:
    """How many images have a tag, by who may see them; of a change, how many more (below zero: fewer)."""

    public: int = 0
    private: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.public + other.public, self.private + other.private)

    def __bool__(self) -> bool:
        return self != Tally()


@dataclass(frozen=True, slots=True)
class TagChange:
    """What an upload, an update or a deletion changed about how often its owner's tags are used."""

    change_id: str  # in the order of time
    user_id: str
    tallies: Mapping[str, Tally]  # by tag, folded; none is zero


@dataclass(frozen=True, slots=True)
class TagCounter:
    """Whose count of which tag."""

    user_id: str | None  # None: everyone's
    tag: str  # folded


@dataclass(frozen=True, slots=True, kw_only=True)
class TagQuery:
    """A request for a page of tags."""

    user_id: str | None = None  # whose; None: everyone's
    prefix: str = ""  # what they begin with, folded
    limit: int
    cursor: str | None = None

    @property
    def filters(self) -> str:
        """All that a cursor is bound to."""
        return f"tags of {self.user_id!r} that begin with {self.prefix!r}"


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many images have a tag."""

    tag: str  # folded
    count: int


@dataclass(frozen=True, slots=True)
class TagPage:
    """One answer to a request for tags."""

    tags: tuple[TagCount, ...]  # sorted by tag, at most the query's limit
    cursor: str | None  # None: nothing more; else opaque, for the next page


@dataclass(frozen=True, slots=True)
class Read:
    """One call to DynamoDB, as an explanation names it."""

    what: str  # the list, or that records were fetched
    rows: int
    read_units: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a page was read."""

    lists: tuple[str, ...]  # those that each hold the whole answer, most promising first
    driver: str | None  # that which was read along; None: the answer must be empty
    reads: tuple[Read, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class View:
    """An image with a way to its bytes."""

    image: Image
    presigned_url: str
    expires_in: int  # seconds
    disposition: str | None  # Content-Disposition that the URL is answered with, if any


class As(StrEnum):
    """How a download is answered."""

    LINK = ""  # in JSON
    REDIRECT = "redirect"
    BINARY = "binary"
    BASE64 = "base64"  # in JSON


@dataclass(frozen=True, slots=True)
class Download:
    """A view as an attachment, answered in one of the ways."""

    view: View
    how: As
    content: bytes = b""  # of BINARY and BASE64


@dataclass(frozen=True, slots=True)
class SimilarQuery:
    """A request for images like one."""

    bits: int  # of the perceptual hash, that they may differ in
    limit: int


@dataclass(frozen=True, slots=True)
class Similar:
    """An image that is like another."""

    image: Image
    bits: int  # of the perceptual hash, that they differ in
    duplicate: bool  # of the same bytes


@dataclass(frozen=True, slots=True)
class SimilarPage:
    """One answer to a request for images like one."""

    images: tuple[Similar, ...]  # nearest first, then newest first; at most the query's limit
    complete: bool  # False: there may be others as near that were not looked at


class Fit(StrEnum):
    """How a picture is to fill a box."""

    CONTAIN = "contain"  # as large as can be within it
    COVER = "cover"  # as small as can be over all of it


class Format(StrEnum):
    """What a picture is to be encoded as."""

    AUTO = "auto"  # as the client accepts it
    WEBP = "webp"
    AVIF = "avif"
    JPEG = "jpeg"
    ORIGINAL = "original"  # as it was uploaded


class Preference(NamedTuple):
    """How much a client prefers a content type; the greater is preferred (RFC 9110 section 12.5.1)."""

    quality: float  # from 0, not acceptable, to 1
    specificity: int  # of the media range: 2 names the content type, 1 its main type, 0 any type


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """A request to show an image in a box."""

    width: int | None  # pixels; None: any width
    height: int | None  # pixels; None: any height
    fit: Fit
    format: Format
    preferences: Mapping[str, Preference]  # for each content type that an image can have


@dataclass(frozen=True, slots=True)
class RenderedView:
    """An image with a presigned URL of the variant, or the original, that shows it."""

    image: Image
    variant: Variant | None  # None: the original
    presigned_url: str
    expires_in: int  # seconds
    max_age: int | None  # seconds that the way may be kept; None: not at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A generic JSON document."""

    item_id: str
    user_id: str
    text: str  # the document as JSON, without white space
    updated_at: str
    version: int = 1  # counts the writes

    @property
    def document(self) -> Document:
        """The document, read anew from its text; it has none of ITEM_NAMES."""
        import orjson

        document: Document = orjson.loads(self.text)
        return document

    @property
    def created_at(self) -> str:
        """RFC 3339, UTC."""
        return ids.created_at(self.item_id)

    @property
    def answer_bytes(self) -> int:
        """The most that it can take of an answer, as an image's. What a text has to escape is escaped already."""
        return 300 + len(self.text.encode()) + len(_ESCAPED.findall(self.text))


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """A request for a page of items, newest first."""

    limit: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One answer to a request for items."""

    items: tuple[Item, ...]  # newest first, at most the query's limit
    cursor: str | None  # None: nothing more; else opaque, for the next page


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """S3's notice that an object has been written."""

    key: str
    written_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Form:
    """What lets a client send an object to S3: a POST of `fields` and then the file, as multipart/form-data."""

    url: str
    fields: Mapping[str, str]
    expires_in: int  # seconds


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload that is still to be sent."""

    number: int  # from 1
    size: int  # bytes
    url: str  # presigned, of a PUT


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part of an upload that S3 has."""

    number: int
    size: int  # bytes
    etag: str  # with its quotes


@dataclass(frozen=True, slots=True)
class Parts:
    """What lets a client send an object to S3 in parts, and go on when that was interrupted."""

    part_size: int  # bytes, but for the last
    wanted: tuple[Part, ...]
    sent: tuple[SentPart, ...]
    expires_in: int  # seconds, of the wanted parts' URLs


@dataclass(frozen=True, slots=True)
class Mended:
    """An image that the schedule finished, or gave up."""

    image_id: str
    state: State  # that it was found in


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """An object in a file."""

    path: Path
    size: int  # bytes
    checksum: str  # SHA-256, hex
    etag: str  # with its quotes


@dataclass(frozen=True, slots=True)
class Stores:
    """Whether each store answers."""

    s3: bool
    dynamodb: bool

    @property
    def well(self) -> bool:
        """Whether the service can do its work."""
        return self.s3 and self.dynamodb

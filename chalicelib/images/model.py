"""Values of the use cases of one image: what a request asks for, and what a use case returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from chalicelib.index.query import Include
from chalicelib.lists.model import Entry, Picture
from chalicelib.model import Image, State, Variant, Visibility
from chalicelib.stores.model import UploadedPart, UploadForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The metadata that a client gives with a new image, each field within its limit."""

    user_id: str
    title: str
    description: str
    tags: tuple[str, ...]
    filename: str
    visibility: Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest(Metadata):
    """A request to store an image whose bytes are in the request."""

    file: bytes
    idempotency_key: str | None  # None: a repeated request stores a second image


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectUploadRequest(Metadata):
    """A request to store an image whose bytes the client will send to S3."""

    content_type: str
    size: int  # bytes
    checksum: str  # SHA-256, hexadecimal; empty: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest(DirectUploadRequest):
    """A request to store an image as another deployment, or this one, exported it. Its checksum is known."""

    image_id: str  # a UUIDv7, not in the future
    version: int
    updated_at: str  # RFC 3339, UTC: not before the image's creation, and not in the future


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """A request to change an image; a field that is None stays as it is."""

    title: str | None
    description: str | None
    tags: tuple[str, ...] | None
    visibility: Visibility | None


class Detail(StrEnum):
    """What EXIF says about an image, which a view shows on request."""

    EXIF = "exif"  # facts about the camera
    LOCATION = "location"  # where the picture was taken: only to its owner


@dataclass(frozen=True, slots=True)
class View:
    """An image with the picture of it that the caller gets."""

    image: Image
    picture: Picture
    expires_in: int  # seconds that the picture's URL is valid
    signature: str = ""  # by which /render shows a private image; empty: the image needs none, or nothing can sign

    @property
    def presigned_url(self) -> str | None:
        """The URL of the picture; None: the caller does not get the original, and there is no variant."""
        return self.picture.url

    @property
    def content_type(self) -> str:
        """The content type of the picture."""
        return self.picture.variant.content_type if self.picture.variant else self.image.content_type


@dataclass(frozen=True, slots=True)
class Unready:
    """An image that has no variant yet, but will have some: what a caller gets who asks for a variant."""

    image: Image


class DownloadType(StrEnum):
    """How a download is answered."""

    LINK = ""  # a presigned URL in JSON
    REDIRECT = "redirect"  # a redirect to the presigned URL
    BINARY = "binary"  # the bytes
    BASE64 = "base64"  # the bytes, in JSON


@dataclass(frozen=True, slots=True)
class Download:
    """An image to be saved as a file."""

    view: View
    how: DownloadType
    content: bytes = b""  # only of BINARY and BASE64


class Fit(StrEnum):
    """How an image fills a box."""

    CONTAIN = "contain"  # as large as possible inside the box
    COVER = "cover"  # as small as possible while it covers the box


class Format(StrEnum):
    """The format that an image is shown in."""

    AUTO = "auto"  # the one that the client prefers
    WEBP = "webp"
    AVIF = "avif"
    JPEG = "jpeg"
    ORIGINAL = "original"  # the original object


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
    wait_seconds: int = 0  # for variants, if there is none yet
    signature: str = ""  # that shows the image to everyone; empty: the caller must see it
    preferences: Mapping[str, Preference]  # one for each content type that an image can have


@dataclass(frozen=True, slots=True)
class RenderedView:
    """An image with a presigned URL of the variant, or of the original, that shows it."""

    image: Image
    variant: Variant | None  # None: the original
    presigned_url: str
    expires_in: int  # seconds
    max_age: int | None  # seconds that a cache may keep the answer; None: it must not keep it
    for_caller: bool = False  # whether another caller may get another answer to the same request


@dataclass(frozen=True, slots=True)
class SimilarQuery:
    """A request for images that look like an image."""

    bits: int  # of the perceptual hashes that may differ
    limit: int
    include: frozenset[Include] = frozenset()  # what is added to each image


@dataclass(frozen=True, slots=True)
class SimilarImage:
    """An image that looks like another one."""

    entry: Entry
    bits: int  # of the perceptual hashes that differ
    duplicate: bool  # whether both have the same bytes


@dataclass(frozen=True, slots=True)
class SimilarPage:
    """The images that look like an image."""

    images: tuple[SimilarImage, ...]  # the most similar first, then the newest first; at most the query's limit
    complete: bool  # whether all images were compared that can be as similar
    include: frozenset[Include] = frozenset()  # what the query asks for


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """S3's event that an object was written."""

    key: str
    written_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A part of a multipart upload that S3 does not have."""

    number: int  # from 1
    size: int  # bytes
    url: str  # presigned, for a PUT


@dataclass(frozen=True, slots=True)
class UploadParts:
    """How a client sends an object to S3 in parts, and continues an interrupted upload."""

    part_size: int  # bytes of each part, except the last
    missing: tuple[MissingPart, ...]
    uploaded: tuple[UploadedPart, ...]
    expires_in: int  # seconds that the URLs of the missing parts are valid


@dataclass(frozen=True, slots=True)
class Import:
    """An import that was begun, now or before."""

    image: Image
    upload: UploadForm | UploadParts | None  # how the client sends what S3 does not have; None: nothing is to be sent
    created: bool  # whether this request wrote the record


@dataclass(frozen=True, slots=True)
class Repaired:
    """An image that was unfinished when the schedule found it."""

    image_id: str
    state: State  # in which the schedule found the image


@dataclass(frozen=True, slots=True)
class Health:
    """Whether each store answers."""

    s3: bool
    dynamodb: bool

    @property
    def ok(self) -> bool:
        """Whether the service can work."""
        return self.s3 and self.dynamodb

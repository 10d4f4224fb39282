"""The values that cross packages: an image, what processing found out about it, and who asks for it.

Values that belong to one package are in that package's own model.py.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from chalicelib import ids

# Content types that the service accepts, with the extension of each. Not SVG: an SVG can contain scripts, which would
# run in the viewer's browser.
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

# Control characters, line separators, and code points that are not characters.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")

# Characters that JSON escapes with a backslash.
ESCAPED = re.compile(r'["\\\n\r\t]')


class Visibility(StrEnum):
    """Who may see an image: everyone, or only its owner."""

    PUBLIC = "public"
    PRIVATE = "private"


class State(StrEnum):
    """Where an image is in its life; images/lifecycle.py has the steps between the states."""

    AWAITING_UPLOAD = "awaiting_upload"  # a direct upload: the client has not sent the bytes to S3 yet
    PROCESSING = "processing"  # the bytes are in S3
    READY = "ready"  # the image has been processed
    REJECTED = "rejected"  # a direct upload: the bytes are not as announced, not an image, or cut off; they are deleted
    FAILED = "failed"  # processing did not succeed; the bytes are in S3
    DELETING = "deleting"  # the image is in no list; its objects are being deleted
    DELETED = "deleted"  # the objects are deleted; a processing attempt that is still running may write new ones


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request."""

    user_id: str | None  # None: anonymous
    verified: bool  # whether a token proves the user_id; otherwise the request only states it


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A smaller picture made from an image: upright, in sRGB, without metadata."""

    width: int  # pixels
    height: int  # pixels
    content_type: str  # image/webp, image/avif or image/jpeg
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFacts:
    """What EXIF says about the camera and its settings; None: not known. Texts have at most 64 characters."""

    make: str | None = None
    model: str | None = None
    lens_model: str | None = None
    exposure_seconds: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_length_mm: float | None = None
    flash: bool | None = None  # whether the flash fired


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a picture was taken, by its EXIF: degrees of WGS 84, negative in the south and in the west."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What processing found out about an image."""

    width: int  # pixels, upright
    height: int  # pixels, upright
    taken_at: str | None  # from EXIF: RFC 3339 if the offset is known, else local time without an offset
    color: str  # the dominant colour, "#rrggbb"
    placeholder: str  # a ThumbHash, base64
    perceptual_hash: str  # a dHash of 64 bits, 16 hexadecimal digits
    animated: bool
    variants: tuple[Variant, ...]  # from the widest to the narrowest, then sorted by content type
    exif: CameraFacts | None = None  # None: not known, or the image was processed before these facts were read
    location: Location | None = None  # as above; only the owner may see it


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image as its record describes it."""

    image_id: str  # a UUIDv7
    user_id: str  # the owner
    title: str
    description: str
    tags: tuple[str, ...]  # as given, in order
    filename: str
    content_type: str
    size: int  # bytes
    checksum: str  # SHA-256, hexadecimal
    width: int  # pixels, upright
    height: int  # pixels, upright
    visibility: Visibility
    updated_at: str  # RFC 3339, UTC
    version: int = 1  # increases with each change by the owner
    state: State = State.READY
    listed: bool = True  # whether the image is in lists and views; else only its record can be viewed
    reason: str = ""  # why the image is REJECTED or FAILED
    attempts: int = 0  # processing attempts that did not finish
    upload_id: str = ""  # the multipart upload that the client is sending the bytes by, if any
    part_size: int = 0  # bytes of each part, except the last; 0: the file was not announced in parts
    imported_updated_at: str = ""  # of an import that is not listed yet: the updated_at that it will be listed with
    taken_at: str = ""  # when the picture was taken, from EXIF: RFC 3339, UTC; empty: not known
    analysis: Analysis | None = None  # None: not processed yet

    @property
    def created_at(self) -> str:
        """Time of creation: RFC 3339, UTC."""
        return ids.created_at(self.image_id)

    @property
    def dated_at(self) -> str:
        """When the picture was taken or, if that is not known, the image was created: RFC 3339, UTC."""
        return self.taken_at or self.created_at

    @property
    def is_gone(self) -> bool:
        """Whether the image is deleted for every caller, even if some of its objects still have to be removed."""
        return self.state in (State.DELETING, State.DELETED)

    @property
    def is_processable(self) -> bool:
        """Whether processing can still change the image. A FAILED image can be processed again."""
        return self.state in (State.AWAITING_UPLOAD, State.PROCESSING, State.FAILED)

    @property
    def answer_bytes(self) -> int:
        """The most bytes that the metadata takes in an answer: JSON in UTF-8, in the JSON string that Lambda returns.

        JSON escapes a quote once, and Lambda's JSON escapes the result again. The user_id is also part of the object
        key and of the URL. 1,000 bytes cover field names, punctuation and all values of fixed length.
        """
        texts = (*[self.user_id] * 3, self.title, self.description, self.filename, *self.tags)
        text = "".join(texts)
        return 1_000 + 5 * len(texts) + len(text.encode()) + 3 * len(ESCAPED.findall(text))

    @property
    def s3_key(self) -> str:
        """Object key of the original, as contract B publishes it."""
        return f"{self.user_id}/{self.image_id}"

"""Values of the API: images, pages and counts, read from the service's JSON documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

Document = Mapping[str, Any]  # a JSON object of the service


class Visibility(StrEnum):
    """Who may see an image: everyone, or only its owner."""

    PUBLIC = "public"
    PRIVATE = "private"


class State(StrEnum):
    """Where an image is in its life."""

    AWAITING_UPLOAD = "awaiting_upload"
    PROCESSING = "processing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A variant of an image; `url` is presigned, and None where the service gives none."""

    width: int  # pixels
    height: int  # pixels
    content_type: str | None
    url: str | None

    @classmethod
    def of(cls, document: Document) -> Self:
        """Read a variant from a view or a list."""
        return cls(
            width=document["width"],
            height=document["height"],
            content_type=document.get("content_type"),
            url=document.get("url"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What processing found out about an image. A list has only some of it."""

    placeholder: str  # a ThumbHash, base64
    color: str  # "#rrggbb"
    taken_at: str | None  # RFC 3339 or, if the offset is not known, local time without one
    animated: bool
    perceptual_hash: str | None  # 16 hexadecimal digits; None in a list

    @classmethod
    def of(cls, document: Document) -> Self:
        """Read an analysis from a view or a list."""
        return cls(
            placeholder=document["placeholder"],
            color=document["color"],
            taken_at=document["taken_at"],
            animated=document["animated"],
            perceptual_hash=document.get("perceptual_hash"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of the service."""

    image_id: str
    user_id: str  # the owner
    title: str
    description: str
    tags: tuple[str, ...]
    filename: str
    content_type: str
    size: int  # bytes
    checksum: str  # SHA-256, hexadecimal; empty before the bytes have arrived
    width: int  # pixels; 0 before the bytes have arrived
    height: int  # pixels
    visibility: Visibility
    created_at: datetime
    updated_at: datetime
    version: int
    state: State | None = None  # None: the answer does not say it
    reason: str = ""  # why the image is rejected or failed
    url: str | None = None  # presigned; None: not asked for, or nothing to show yet
    thumbnail: Link | None = None
    variants: tuple[Link, ...] = ()
    analysis: Analysis | None = None
    document: Document = field(repr=False, compare=False)  # the image as the service describes it

    @classmethod
    def of(cls, document: Document) -> Self:
        """Read an image of a list, or of the answer to an upload, a view or an update."""
        values = document.get("metadata", document)
        state, thumbnail, analysis = document.get("state"), document.get("thumbnail"), document.get("analysis")
        variants = document.get("variants") or (analysis or {}).get("variants") or ()
        return cls(
            image_id=values["image_id"],
            user_id=values["user_id"],
            title=values["title"],
            description=values["description"],
            tags=tuple(values["tags"]),
            filename=values["filename"],
            content_type=values["content_type"],
            size=values["size"],
            checksum=values.get("checksum", ""),
            width=values.get("width", 0),
            height=values.get("height", 0),
            visibility=Visibility(values["visibility"]),
            created_at=datetime.fromisoformat(values["created_at"]),
            updated_at=datetime.fromisoformat(values["updated_at"]),
            version=values["version"],
            state=State(state) if state else None,
            reason=document.get("reason") or "",
            url=document.get("presigned_url"),
            thumbnail=Link.of(thumbnail) if thumbnail else None,
            variants=tuple(map(Link.of, variants)),
            analysis=Analysis.of(analysis) if analysis else None,
            document=document,
        )


@dataclass(frozen=True, slots=True)
class Count:
    """A number of images."""

    count: int
    at_least: bool  # whether there may be more: the service counts up to a limit


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag in lower case, and how many images have it."""

    tag: str
    count: int


@dataclass(frozen=True, slots=True)
class Similar:
    """An image that looks like another one."""

    image: Image
    distance: int  # bits in which the perceptual hashes differ
    duplicate: bool  # whether the bytes are the same


@dataclass(frozen=True, slots=True)
class SimilarImages:
    """Images that look like another one, the most similar first."""

    images: tuple[Similar, ...]
    complete: bool  # whether all candidates were compared

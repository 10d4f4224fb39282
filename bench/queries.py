"""Requests for lists of the album, each with its answer: a plain filter of all images, written independently."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench import album
from chalicelib.model import Image, Visibility

_SOMEONE = "visitor"  # a signed-in user without images
_MAX_WORDS = {"title": 12, "description": 12, "filename": 6}  # words that are indexed by default: docs/settings.md


@dataclass(frozen=True, slots=True)
class Filter:
    """A parameter of a list's URL, and the images that it matches."""

    parameter: str
    matches: Callable[[Image], bool]
    lists: int = 1  # number of lists that the service has for the filter; 0: it restricts other lists


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A request for a page of a list."""

    name: str
    filters: tuple[Filter, ...] = ()
    user: str = ""  # the caller; empty: anonymous
    order: str = ""  # parameters of the URL that set the order
    in_the_middle: bool = False  # whether the page is in the middle of the list; otherwise it is the first page

    @property
    def lists(self) -> int:
        """How many lists the service can choose from."""
        return sum(condition.lists for condition in self.filters)

    @property
    def parameters(self) -> str:
        """The query string of the URL."""
        return "&".join(filter(None, (*(condition.parameter for condition in self.filters), self.order)))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request."""
        return {"X-User-Id": self.user} if self.user else {}

    def answer(self, images: Iterable[Image]) -> list[str]:
        """Return the ids of the images that the list must contain, in order."""
        matches = [
            image
            for image in images
            if (image.visibility is Visibility.PUBLIC or image.user_id == self.user)
            and all(condition.matches(image) for condition in self.filters)
        ]
        matches.sort(key=_updated if "updated_at" in self.order else _created, reverse="asc" not in self.order)
        return [image.image_id for image in matches]


def _created(image: Image) -> str:
    return image.image_id


def _updated(image: Image) -> str:
    return image.updated_at + image.image_id


def owner(name: str) -> Filter:
    """Return a filter for the images of an owner."""
    return Filter(f"user_id={name}", lambda image: image.user_id == name)


def tag(*names: str) -> Filter:
    """Return a filter for the images with a tag, or with at least one of several tags."""
    parameter = "any_tag=" if len(names) > 1 else "tag="
    return Filter(parameter + ",".join(names), lambda image: any(name in image.tags for name in names))


def text(field: str, *prefixes: str) -> Filter:
    """Return a filter for the images with words that begin with these prefixes."""

    def matches(image: Image) -> bool:
        words = dict.fromkeys(re.findall("[a-z0-9]+", getattr(image, field).lower()))
        indexed = list(words)[: _MAX_WORDS[field]]
        return all(any(word.startswith(prefix) for word in indexed) for prefix in prefixes)

    return Filter(f"{field}={'+'.join(prefixes)}", matches, len(prefixes))


def content_type(name: str) -> Filter:
    """Return a filter for the images of a content type."""
    return Filter(f"content_type={name}", lambda image: image.content_type == name)


def visibility(value: str) -> Filter:
    """Return a filter for public or for private images."""
    return Filter(f"visibility={value}", lambda image: image.visibility == value, lists=0)


def created(first: str, last: str) -> Filter:
    """Return a filter for the images created from one day to another, both inclusive."""

    def matches(image: Image) -> bool:
        return first <= image.created_at[: len(last)] <= last

    return Filter(f"dateFrom={first}&dateTo={last}", matches, lists=0)


_CHECKSUM = album.image(7).checksum
CHECKSUM = Filter(f"checksum={_CHECKSUM}", lambda image: image.checksum == _CHECKSUM)
OWNER, SMALL_OWNER = owner(album.OWNERS[0]), owner(album.OWNERS[40])
FREQUENT, OTHER, RARE = tag("tag-0"), tag("tag-1"), tag("tag-150")
DAY, NIGHT = map(tag, album.APART)
WORD, PREFIX, LETTER = text("title", "autumn"), text("title", "sun"), text("title", "s")
JUNE = created("2024-06-01", "2024-06-30")
_OWNER = album.OWNERS[0]
_BY_UPDATE, _BY_UPDATE_ASC = "sort=updated_at", "sort=updated_at&order=asc"

REQUESTS = (
    ListRequest("no filter"),
    ListRequest("no filter, for an owner", user=_OWNER),
    ListRequest("no filter, oldest first", order="order=asc"),
    ListRequest("no filter, last updated first", order=_BY_UPDATE),
    ListRequest("no filter, last updated last", order=_BY_UPDATE_ASC),
    ListRequest("owner, for others", (OWNER,), user=_SOMEONE),
    ListRequest("owner, for the owner", (OWNER,), user=_OWNER),
    ListRequest("small owner, for others", (SMALL_OWNER,), user=_SOMEONE),
    ListRequest("frequent tag", (FREQUENT,)),
    ListRequest("frequent tag, for an owner", (FREQUENT,), user=_OWNER),
    ListRequest("frequent tag, for someone without images", (FREQUENT,), user=_SOMEONE),
    ListRequest("frequent tag, oldest first", (FREQUENT,), order="order=asc"),
    ListRequest("frequent tag, last updated first", (FREQUENT,), order=_BY_UPDATE),
    ListRequest("rare tag", (RARE,)),
    ListRequest("any of two tags", (tag("tag-1", "tag-2"),)),
    ListRequest("title word", (WORD,)),
    ListRequest("title prefix of 10 words", (PREFIX,)),
    ListRequest("title prefix of too many words", (LETTER,)),
    ListRequest("title word, for an owner", (WORD,), user=_OWNER),
    ListRequest("description word", (text("description", "autumn"),)),
    ListRequest("filename word, frequent", (text("filename", "img"),)),
    ListRequest("filename word, rare", (text("filename", "dsc00012"),)),
    ListRequest("content type, frequent", (content_type("image/jpeg"),)),
    ListRequest("content type, rare", (content_type("image/gif"),)),
    ListRequest("checksum", (CHECKSUM,)),
    ListRequest("public", (visibility("public"),), user=_OWNER),
    ListRequest("private, for the owner", (visibility("private"),), user=_OWNER),
    ListRequest("dates", (JUNE,)),
    ListRequest("no filter, page in the middle", in_the_middle=True),
    ListRequest("frequent tag, page in the middle", (FREQUENT,), in_the_middle=True),
    ListRequest("owner, frequent tag", (OWNER, FREQUENT), user=_SOMEONE),
    ListRequest("owner, frequent tag, for the owner", (OWNER, FREQUENT), user=_OWNER),
    ListRequest("owner, rare tag", (OWNER, RARE), user=_SOMEONE),
    ListRequest("small owner, frequent tag", (SMALL_OWNER, FREQUENT), user=_SOMEONE),
    ListRequest("two frequent tags", (FREQUENT, OTHER)),
    ListRequest("two frequent tags, for an owner", (FREQUENT, OTHER), user=_OWNER),
    ListRequest("frequent tag, rare tag", (FREQUENT, RARE)),
    ListRequest("frequent tag, title word", (FREQUENT, WORD)),
    ListRequest("frequent tag, title prefix", (FREQUENT, PREFIX)),
    ListRequest("frequent tag, description word", (FREQUENT, text("description", "autumn"))),
    ListRequest("frequent tag, dates", (FREQUENT, JUNE)),
    ListRequest("frequent tag, content type, rare", (FREQUENT, content_type("image/gif"))),
    ListRequest("frequent tag, content type, frequent", (FREQUENT, content_type("image/jpeg"))),
    ListRequest("owner, public", (OWNER, visibility("public")), user=_OWNER),
    ListRequest("owner, private", (OWNER, visibility("private")), user=_OWNER),
    ListRequest("owner, title word", (OWNER, WORD), user=_SOMEONE),
    ListRequest("two title words", (text("title", "autumn", "moonbow"),)),
    ListRequest("two title words, of one letter each", (text("title", "s", "m"),)),
    ListRequest("two tags, last updated first", (FREQUENT, OTHER), order=_BY_UPDATE),
    ListRequest("two frequent tags, page in the middle", (FREQUENT, OTHER), in_the_middle=True),
    ListRequest("owner, frequent tag, dates", (OWNER, FREQUENT, JUNE), user=_SOMEONE),
    ListRequest("two tags, title word", (FREQUENT, OTHER, WORD)),
    ListRequest("two tags that never meet", (DAY, NIGHT)),
)

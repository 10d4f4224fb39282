"""Queries of lists, each with a plain condition that says which images it must contain, and in which order."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bench import album
from chalicelib.model import Image, Visibility

_SOMEONE = "visitor"  # signed in, without images
_MOST_WORDS = {"title": 12, "description": 12, "filename": 6}  # words that an image is found by: the default settings


@dataclass(frozen=True, slots=True)
class Filter:
    """A parameter of a list's URL, and the condition that it stands for."""

    parameter: str
    has: Callable[[Image], bool]
    lists: int = 1  # lists that the service can read for it; 0: it only narrows other lists


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a list."""

    name: str
    filters: tuple[Filter, ...] = ()
    user: str = ""  # the caller; empty: anonymous
    order: str = ""  # further parameters
    in_the_middle: bool = False  # whether the page in the middle is measured, not the first one

    @property
    def lists(self) -> int:
        """The number of lists that the service can choose from."""
        return sum(each.lists for each in self.filters)

    @property
    def parameters(self) -> str:
        """The parameters of the URL."""
        return "&".join(filter(None, (*(each.parameter for each in self.filters), self.order)))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request."""
        return {"X-User-Id": self.user} if self.user else {}

    @property
    def oldest_first(self) -> bool:
        """Whether the list is in ascending order."""
        return "asc" in self.order

    def has(self, image: Image) -> bool:
        """Whether the list must contain an image."""
        is_visible = image.visibility is Visibility.PUBLIC or image.user_id == self.user
        return is_visible and all(each.has(image) for each in self.filters)

    def sort_key(self, image: Image) -> str:
        """Return the key by which the list is sorted; it ends with the image_id."""
        if "updated_at" in self.order:
            return image.updated_at + image.image_id
        by_time_taken = "taken_at" in self.order or (not self.order and "taken" in self.parameters)
        return image.dated_at + image.image_id if by_time_taken else image.image_id


def owner(name: str) -> Filter:
    """Select the images of an owner."""
    return Filter(f"user_id={name}", lambda image: image.user_id == name)


def tag(*names: str) -> Filter:
    """Select images with a tag, or with any of several tags."""
    parameter = "any_tag=" if len(names) > 1 else "tag="
    return Filter(parameter + ",".join(names), lambda image: any(name in image.tags for name in names))


def text(field: str, *beginnings: str) -> Filter:
    """Select images with words that have these prefixes."""

    def has(image: Image) -> bool:
        words = dict.fromkeys(re.findall("[a-z0-9]+", getattr(image, field).lower()))
        found = list(words)[: _MOST_WORDS[field]]
        return all(any(word.startswith(beginning) for word in found) for beginning in beginnings)

    return Filter(f"{field}={'+'.join(beginnings)}", has, len(beginnings))


def content_type(name: str) -> Filter:
    """Select images of a content type."""
    return Filter(f"content_type={name}", lambda image: image.content_type == name)


def visibility(value: str) -> Filter:
    """Select public or private images."""
    return Filter(f"visibility={value}", lambda image: image.visibility == value, lists=0)


def created(first: str, last: str) -> Filter:
    """Select images by a range of days, both included."""

    def has(image: Image) -> bool:
        return first <= image.created_at[: len(last)] <= last

    return Filter(f"dateFrom={first}&dateTo={last}", has, lists=0)


def taken(first: str, last: str) -> Filter:
    """Select images by a range of days, both included, on which their pictures were taken."""

    def has(image: Image) -> bool:
        return first <= image.dated_at[: len(last)] <= last

    return Filter(f"takenFrom={first}&takenTo={last}", has, lists=0)


def search(*words: str) -> Filter:
    """Select images that have each of the words in their title, description or filename, or as a tag."""

    def has(image: Image) -> bool:
        found = {*image.tags}
        for field, limit in _MOST_WORDS.items():
            found |= {*list(dict.fromkeys(re.findall("[a-z0-9]+", getattr(image, field).lower())))[:limit]}
        return found.issuperset(words)

    return Filter(f"q={'+'.join(words)}", has, len(words))


_ONE = album.image(7).checksum
CHECKSUM = Filter(f"checksum={_ONE}", lambda image: image.checksum == _ONE)
OWNER, SMALL_OWNER = owner(album.OWNERS[0]), owner(album.OWNERS[40])
FREQUENT, OTHER, RARE = tag("tag-0"), tag("tag-1"), tag("tag-150")
DAY, NIGHT = map(tag, album.APART)
WORD, PREFIX, LETTER = text("title", "autumn"), text("title", "sun"), text("title", "s")
JUNE, SUMMER = created("2024-06-01", "2024-06-30"), taken("2012-06-01", "2012-08-31")
_OWNER = album.OWNERS[0]
_BY_UPDATE, _BY_UPDATE_ASC = "sort=updated_at", "sort=updated_at&order=asc"
_TAKEN, _TAKEN_ASC = "sort=taken_at", "sort=taken_at&order=asc"

ASKS = (
    Ask("no filter"),
    Ask("no filter, for an owner", user=_OWNER),
    Ask("no filter, oldest first", order="order=asc"),
    Ask("no filter, last updated first", order=_BY_UPDATE),
    Ask("no filter, last updated last", order=_BY_UPDATE_ASC),
    Ask("owner, for others", (OWNER,), user=_SOMEONE),
    Ask("owner, for the owner", (OWNER,), user=_OWNER),
    Ask("small owner, for others", (SMALL_OWNER,), user=_SOMEONE),
    Ask("frequent tag", (FREQUENT,)),
    Ask("frequent tag, for an owner", (FREQUENT,), user=_OWNER),
    Ask("frequent tag, for someone without images", (FREQUENT,), user=_SOMEONE),
    Ask("frequent tag, oldest first", (FREQUENT,), order="order=asc"),
    Ask("frequent tag, last updated first", (FREQUENT,), order=_BY_UPDATE),
    Ask("rare tag", (RARE,)),
    Ask("any of two tags", (tag("tag-1", "tag-2"),)),
    Ask("title word", (WORD,)),
    Ask("title prefix of 10 words", (PREFIX,)),
    Ask("title prefix of too many words", (LETTER,)),
    Ask("title word, for an owner", (WORD,), user=_OWNER),
    Ask("description word", (text("description", "autumn"),)),
    Ask("filename word, frequent", (text("filename", "img"),)),
    Ask("filename word, rare", (text("filename", "dsc00012"),)),
    Ask("content type, frequent", (content_type("image/jpeg"),)),
    Ask("content type, rare", (content_type("image/gif"),)),
    Ask("checksum", (CHECKSUM,)),
    Ask("public", (visibility("public"),), user=_OWNER),
    Ask("private, for the owner", (visibility("private"),), user=_OWNER),
    Ask("dates", (JUNE,)),
    Ask("no filter, page in the middle", in_the_middle=True),
    Ask("frequent tag, page in the middle", (FREQUENT,), in_the_middle=True),
    Ask("owner, frequent tag", (OWNER, FREQUENT), user=_SOMEONE),
    Ask("owner, frequent tag, for the owner", (OWNER, FREQUENT), user=_OWNER),
    Ask("owner, rare tag", (OWNER, RARE), user=_SOMEONE),
    Ask("small owner, frequent tag", (SMALL_OWNER, FREQUENT), user=_SOMEONE),
    Ask("two frequent tags", (FREQUENT, OTHER)),
    Ask("two frequent tags, for an owner", (FREQUENT, OTHER), user=_OWNER),
    Ask("frequent tag, rare tag", (FREQUENT, RARE)),
    Ask("frequent tag, title word", (FREQUENT, WORD)),
    Ask("frequent tag, title prefix", (FREQUENT, PREFIX)),
    Ask("frequent tag, description word", (FREQUENT, text("description", "autumn"))),
    Ask("frequent tag, dates", (FREQUENT, JUNE)),
    Ask("frequent tag, content type, rare", (FREQUENT, content_type("image/gif"))),
    Ask("frequent tag, content type, frequent", (FREQUENT, content_type("image/jpeg"))),
    Ask("owner, public", (OWNER, visibility("public")), user=_OWNER),
    Ask("owner, private", (OWNER, visibility("private")), user=_OWNER),
    Ask("owner, title word", (OWNER, WORD), user=_SOMEONE),
    Ask("two title words", (text("title", "autumn", "moonbow"),)),
    Ask("two title words, of one letter each", (text("title", "s", "m"),)),
    Ask("two tags, last updated first", (FREQUENT, OTHER), order=_BY_UPDATE),
    Ask("two frequent tags, page in the middle", (FREQUENT, OTHER), in_the_middle=True),
    Ask("owner, frequent tag, dates", (OWNER, FREQUENT, JUNE), user=_SOMEONE),
    Ask("two tags, title word", (FREQUENT, OTHER, WORD)),
    Ask("two tags that no image has together", (DAY, NIGHT)),
    Ask("no filter, taken last first", order=_TAKEN),
    Ask("no filter, taken first first", order=_TAKEN_ASC),
    Ask("no filter, taken last first, page in the middle", order=_TAKEN, in_the_middle=True),
    Ask("no filter, taken last first, for an owner", user=_OWNER, order=_TAKEN),
    Ask("owner, taken last first, for the owner", (OWNER,), user=_OWNER, order=_TAKEN),
    Ask("frequent tag, taken last first", (FREQUENT,), order=_TAKEN),
    Ask("title word, taken last first", (WORD,), order=_TAKEN),
    Ask("taken in one summer", (SUMMER,)),
    Ask("frequent tag, taken in one summer", (FREQUENT, SUMMER)),
    Ask("frequent tag, taken in one summer, last created first", (FREQUENT, SUMMER), order="sort=created_at"),
    Ask("search for a word", (search("autumn"),)),
    Ask("search for a word, for an owner", (search("autumn"),), user=_OWNER),
    Ask("search for a word, taken last first", (search("autumn"),), order=_TAKEN),
    Ask("search for two words", (search("autumn", "moonbow"),)),
    Ask("search for a tag and a word", (search("day", "autumn"),)),
)

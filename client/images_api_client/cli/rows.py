"""How images and their details look in tables: the cells of a row as texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from images_api_client.cli.output import Column, moment, size

if TYPE_CHECKING:
    from images_api_client import Image

IMAGE_COLUMNS = (
    Column("Id", whole=True),
    Column("Title or file"),
    Column("Uploaded", whole=True, least_width=80),
    Column("Size", right=True, whole=True, least_width=90),
    Column("Tags", least_width=110),
    Column("Visibility", whole=True, least_width=100),
)


def image_row(image: "Image") -> Sequence[str]:
    """Return the cells of an image under IMAGE_COLUMNS."""
    return (
        image.image_id,
        image.title or image.filename,
        moment(image.created_at),
        size(image.size),
        ", ".join(image.tags),
        str(image.visibility),
    )


def details(image: "Image") -> Iterator[tuple[str, str]]:
    """Return names and values of all metadata of a viewed image; without URLs, which would open a private image."""
    yield "Id", image.image_id
    yield "Title", image.title
    yield "Description", image.description
    yield "Tags", ", ".join(image.tags)
    yield "File name", image.filename
    yield "Type", image.content_type
    yield "Size", size(image.size)
    yield "Pixels", f"{image.width} x {image.height}"
    yield "Visibility", str(image.visibility)
    yield "Owner", image.user_id
    yield "Uploaded", moment(image.created_at)
    yield "Updated", moment(image.updated_at)
    yield "Version", str(image.version)
    yield "State", f"{image.state or ''}{f': {image.reason}' if image.reason else ''}"
    yield "SHA-256", image.checksum
    if image.analysis:
        yield "Taken", image.analysis.taken_at or ""
        yield "Colour", image.analysis.color
        yield "Animated", "yes" if image.analysis.animated else "no"
        yield "Variants", ", ".join(f"{each.width} x {each.height} {each.content_type}" for each in image.variants)
    for part in ("exif", "location"):
        yield from _part(part, image.document)


def _part(name: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the facts of a part of a view that was asked for, such as "Exif f number"."""
    if name in document:
        facts = document[name] or {}
        known = {fact: value for fact, value in facts.items() if value is not None}
        if not known:
            yield name.capitalize(), "not known"
        for fact, value in known.items():
            yield f"{name.capitalize()}: {fact.replace('_', ' ')}", str(value)

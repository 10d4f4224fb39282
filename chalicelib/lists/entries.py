"""What a list adds to the metadata of an image: presigned URLs, and what only the record of the image has."""

from collections.abc import Collection, Sequence

from chalicelib.config import settings
from chalicelib.index.query import Include
from chalicelib.lists.model import Entry, Link
from chalicelib.model import Image, Variant
from chalicelib.stores import derived, originals

# From the format that most clients show to the one that the fewest do, of those that make small files.
_FORMATS = ("image/webp", "image/jpeg", "image/avif")


def need_records(include: Collection[Include]) -> bool:
    """Whether an entry needs the record of its image: index rows have neither its analysis nor its state."""
    return any(name is not Include.URL for name in include)


def entry(image: Image, include: Collection[Include]) -> Entry:
    """Return an image with the URLs that a query asks for: no call."""
    expires_in = settings().presigned_url_expiration
    variants = image.analysis.variants if image.analysis else ()
    links = {
        variant: Link(variant, derived.view_url(image, variant, expires_in)) for variant in _linked(variants, include)
    }
    return Entry(
        image=image,
        url=originals.view_url(image.s3_key, expires_in) if Include.URL in include else "",
        thumbnail=links[thumbnail(variants)] if variants and Include.THUMBNAIL in include else None,
        variants=tuple(links.values()) if Include.VARIANTS in include else (),
    )


def thumbnail(variants: Sequence[Variant]) -> Variant:
    """Return the narrowest of some variants that is at least THUMBNAIL_WIDTH_PX wide, or else the widest."""
    wide_enough = [variant for variant in variants if variant.width >= settings().thumbnail_width_px]
    width = min((variant.width for variant in wide_enough), default=max(variant.width for variant in variants))
    alike = [variant for variant in variants if variant.width == width]
    return min(alike, key=lambda variant: _FORMATS.index(variant.content_type))


def _linked(variants: Sequence[Variant], include: Collection[Include]) -> Sequence[Variant]:
    if Include.VARIANTS in include:
        return variants
    return [thumbnail(variants)] if variants and Include.THUMBNAIL in include else []

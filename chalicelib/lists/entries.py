"""What a list adds to the metadata of an image: presigned URLs, and what only the record of the image has."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from chalicelib import access, filenames
from chalicelib.config import settings
from chalicelib.index.query import Include, Query
from chalicelib.lists.model import Entry, Link, Picture
from chalicelib.model import Caller, Image, Variant
from chalicelib.stores import derived, originals

# From the format that most clients show to the one that the fewest do, of those that make small files.
_FORMATS = ("image/webp", "image/jpeg", "image/avif")


def need_records(query: Query, caller: Caller) -> bool:
    """Whether the entries of a list need records: index rows have neither the analysis, with its variants, nor a state.

    A URL needs the variants of an image whose original the caller does not get.
    """
    if query.include - {Include.URL}:
        return True
    is_own = query.user_id is not None and query.user_id == caller.user_id
    return bool(query.include) and settings().originals == "owner" and not is_own


def entry(image: Image, include: Collection[Include], caller: Caller) -> Entry:
    """Return an image with the URLs that a query asks for: no call."""
    expires_in = settings().presigned_url_expiration
    variants = _variants(image)
    small = thumbnail(variants) if variants and Include.THUMBNAIL in include else None
    linked = variants if Include.VARIANTS in include else [small] if small else []
    links = {variant: Link(variant, derived.view_url(image, variant, expires_in)) for variant in linked}
    return Entry(
        image=image,
        url=picture(image, caller).url if Include.URL in include else None,
        thumbnail=links[small] if small else None,
        variants=tuple(links.values()) if Include.VARIANTS in include else (),
    )


def picture(image: Image, caller: Caller, *, download: bool = False) -> Picture:
    """Return the picture that a caller gets of an image: its original, or else its largest variant. No call.

    With `download`, S3 answers the URL as an attachment with the image's filename.
    """
    expires_in = settings().presigned_url_expiration
    if access.gets_original(caller, image):
        disposition = originals.attachment(filenames.saved_as(image)) if download else None
        return Picture(originals.view_url(image.s3_key, expires_in, disposition), None, disposition)
    variants = _variants(image)
    if not variants:
        return Picture(None, None, None)
    variant = _most_shown(variants, max(variant.width for variant in variants))
    name = filenames.saved_as(replace(image, content_type=variant.content_type))
    disposition = originals.attachment(name) if download else None
    return Picture(derived.view_url(image, variant, expires_in, disposition), variant, disposition)


def thumbnail(variants: Sequence[Variant]) -> Variant:
    """Return the narrowest of some variants that is at least THUMBNAIL_WIDTH_PX wide, or else the widest."""
    widths = [variant.width for variant in variants]
    wide_enough = [width for width in widths if width >= settings().thumbnail_width_px]
    return _most_shown(variants, min(wide_enough, default=max(widths)))


def _most_shown(variants: Sequence[Variant], width: int) -> Variant:
    """Return the variant of this width whose format most clients show."""
    alike = [variant for variant in variants if variant.width == width]
    return min(alike, key=lambda variant: _FORMATS.index(variant.content_type))


def _variants(image: Image) -> Sequence[Variant]:
    return image.analysis.variants if image.analysis else ()

"""The use case of showing an image: the variant that is best for a client and a box, and its URL."""

from collections.abc import Sequence

from chalicelib.config import settings
from chalicelib.errors import NotFound, NotYet
from chalicelib.images import images
from chalicelib.images.model import Fit, Format, RenderedView, RenderRequest
from chalicelib.model import Caller, Image, State, Variant
from chalicelib.stores import derived, originals

# From the largest files to the smallest: of content types that a client accepts equally, the last one is best.
_BY_FILE_SIZE = ("image/jpeg", "image/webp", "image/avif")

# Accepted content types that every browser shows.
_SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"}


def render(caller: Caller, image_id: str, request: RenderRequest) -> RenderedView:
    """Return a presigned URL of the picture that shows an image best: as many calls as images.find.

    Caches may keep the answer for half of the time that the URL is valid, so that a cached URL is valid for at least
    the other half. They must not keep it before the image is processed: variants may come at any time.
    Raises NotFound: no such image for this caller, or its direct upload was rejected or failed.
    Raises NotYet: a direct upload is not finished; or see best_variant.
    """
    image = images.find(caller, image_id)
    if image.state in (State.AWAITING_UPLOAD, State.PROCESSING) and not image.listed:
        raise NotYet("The upload of this image is not finished; GET images/{image_id} returns its state.")
    if not image.listed:
        raise NotFound(image_id)
    variant = best_variant(image, request)
    expires_in = settings().presigned_url_expiration
    url = derived.view_url(image, variant, expires_in) if variant else originals.view_url(image.s3_key, expires_in)
    return RenderedView(image, variant, url, expires_in, max_age=expires_in // 2 if image.analysis else None)


def best_variant(image: Image, request: RenderRequest) -> Variant | None:
    """Return the variant that shows an image best; None: its original does. A pure function.

    The original shows an image that has no variants: processing failed, or has not finished and browsers show the
    original's content type.
    Raises NotYet: processing has not finished, and browsers do not show the original's content type.
    """
    if request.format is Format.ORIGINAL:
        return None
    if image.analysis is None:
        if image.state is State.PROCESSING and image.content_type not in _SHOWN_BY_BROWSERS:
            raise NotYet("The image is being processed, and browsers do not show its format; try again in a moment.")
        return None
    variants = image.analysis.variants
    content_type = _content_type(image, {variant.content_type for variant in variants}, request)
    return _fitting([variant for variant in variants if variant.content_type == content_type], request)


def _content_type(image: Image, available: set[str], request: RenderRequest) -> str | None:
    """Return the content type of the variant to show; None: the original.

    A requested format without variants counts as AUTO. If the client accepts nothing that is available, its Accept
    header is ignored, as RFC 9110 section 12.5.1 allows: a picture is more useful than a 406.
    """
    if request.format is not Format.AUTO and f"image/{request.format}" in available:
        return f"image/{request.format}"
    by_file_size = sorted(available, key=_BY_FILE_SIZE.index, reverse=True)
    preferred = max(by_file_size, key=lambda content_type: request.preferences[content_type])
    if request.preferences[preferred].quality == 0:
        return None if request.preferences[image.content_type].quality else by_file_size[0]
    return preferred


def _fitting(variants: Sequence[Variant], request: RenderRequest) -> Variant | None:
    """Return the smallest variant that fills the box without being enlarged, or else the largest."""
    large_enough = [variant for variant in variants if _fills(variant, request)]
    return min(large_enough, key=_width) if large_enough else max(variants, key=_width, default=None)


def _fills(variant: Variant, request: RenderRequest) -> bool:
    """Whether a variant fills a box: to COVER it in both directions, to be CONTAINed in the one that limits it."""
    sides = ((variant.width, request.width), (variant.height, request.height))
    filled = [side >= asked for side, asked in sides if asked is not None]
    return bool(filled) and (all(filled) if request.fit is Fit.COVER else any(filled))


def _width(variant: Variant) -> int:
    return variant.width

"""The use case of showing an image: the variant that is best for a client and a box, and its URL."""

import time
from collections.abc import Sequence

from chalicelib import access, deadline
from chalicelib.config import settings
from chalicelib.errors import Forbidden, NotFound
from chalicelib.images import images, signatures
from chalicelib.images.model import Fit, Format, RenderedView, RenderRequest, Unready
from chalicelib.model import Caller, Image, State, Variant
from chalicelib.stores import derived, originals

# From the largest files to the smallest: of content types that a client accepts equally, the last one is best. It is
# also the order from the type that most clients show to the one that the fewest do.
_BY_FILE_SIZE = ("image/jpeg", "image/webp", "image/avif")

# Accepted content types that every browser shows.
_SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"}

_PAUSE_SECONDS = 0.5  # between two reads of a record that waits for its variants
_READ_SECONDS = 10  # that a read may take: three attempts of a slow store


def render(caller: Caller, image_id: str, request: RenderRequest) -> RenderedView | Unready:
    """Return a presigned URL of the picture that shows an image best: as many calls as images.find.

    The original is only for the owner, whatever ORIGINALS says. A request can wait for variants, which takes a read for
    each half second. Caches may keep the answer for half of the time that the URL is valid, so that a cached URL is
    valid for at least the other half. They must not keep it before the image is processed: variants may come any time.
    Raises NotFound: no such image for this caller, or its direct upload was rejected or failed.
    Raises Forbidden: the caller may not see the image, and the request's signature does not show it either.
    Raises Conflict: see images.without_variant.
    """
    image = _found(caller, image_id, request.signature)
    for _ in range(int(request.wait_seconds / _PAUSE_SECONDS)):
        if not _is_unfinished(image) or deadline.remaining() < _PAUSE_SECONDS + _READ_SECONDS:
            break
        time.sleep(_PAUSE_SECONDS)
        image = _found(caller, image_id, request.signature)
    variant = best_variant(image, request)
    if access.is_owner(caller, image) and _shows_original(image, variant, request):
        variant = None
    elif variant is None:
        return images.without_variant(image)
    expires_in = settings().presigned_url_expiration
    url = derived.view_url(image, variant, expires_in) if variant else originals.view_url(image.s3_key, expires_in)
    return RenderedView(
        image=image,
        variant=variant,
        presigned_url=url,
        expires_in=expires_in,
        max_age=expires_in // 2 if image.analysis else None,
        for_caller=request.format is Format.ORIGINAL,
    )


def best_variant(image: Image, request: RenderRequest) -> Variant | None:
    """Return the variant that shows an image best; None: it has no variants. A pure function."""
    variants = image.analysis.variants if image.analysis else ()
    if not variants:
        return None
    content_type = _content_type({variant.content_type for variant in variants}, request)
    return _fitting([variant for variant in variants if variant.content_type == content_type], request)


def _found(caller: Caller, image_id: str, signature: str) -> Image:
    """Return an image that has variants, or will have some, or was kept although it can't have any.

    Raises NotFound, Forbidden: see render.
    """
    keys = signatures.keys() if signature else ()
    try:
        image = images.find(caller, image_id, lambda image: signatures.is_valid(signature, image, keys))
    except NotFound:
        if signature:  # also for an unknown id, which must not differ from a hidden image
            raise Forbidden("The signature does not show this image, or has expired; view the image again.") from None
        raise
    if not (image.listed or _is_unfinished(image)):
        raise NotFound(image_id)
    return image


def _is_unfinished(image: Image) -> bool:
    return image.state in (State.AWAITING_UPLOAD, State.PROCESSING)


def _shows_original(image: Image, variant: Variant | None, request: RenderRequest) -> bool:
    """Whether the owner of an image gets its original: on request, or if there is no variant and browsers may show it.

    The original of a direct upload that is not finished is not there.
    """
    if not image.listed:
        return False
    if request.format is Format.ORIGINAL:
        return True
    return variant is None and (not _is_unfinished(image) or image.content_type in _SHOWN_BY_BROWSERS)


def _content_type(available: set[str], request: RenderRequest) -> str:
    """Return the content type of the variant to show.

    A requested format without variants counts as AUTO. If the client accepts nothing that is available, its Accept
    header is ignored, as RFC 9110 section 12.5.1 allows: a picture is more useful than a 406.
    """
    if f"image/{request.format}" in available:
        return f"image/{request.format}"
    by_file_size = sorted(available, key=_BY_FILE_SIZE.index, reverse=True)
    preferred = max(by_file_size, key=lambda content_type: request.preferences[content_type])
    return preferred if request.preferences[preferred].quality else by_file_size[-1]


def _fitting(variants: Sequence[Variant], request: RenderRequest) -> Variant:
    """Return the smallest variant that fills the box without being enlarged, or else the largest."""
    large_enough = [variant for variant in variants if _fills(variant, request)]
    return min(large_enough, key=_width) if large_enough else max(variants, key=_width)


def _fills(variant: Variant, request: RenderRequest) -> bool:
    """Whether a variant fills a box: to COVER it in both directions, to be CONTAINed in the one that limits it."""
    sides = ((variant.width, request.width), (variant.height, request.height))
    filled = [side >= asked for side, asked in sides if asked is not None]
    return bool(filled) and (all(filled) if request.fit is Fit.COVER else any(filled))


def _width(variant: Variant) -> int:
    return variant.width

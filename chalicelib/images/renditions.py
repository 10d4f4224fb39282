"""Which of an image's variants, or its original, is best to show: a pure function of what a client asks for."""

from collections.abc import Sequence

from chalicelib.errors import NotYet
from chalicelib.model import Fit, Format, Image, RenderRequest, State, Variant

# Of those that a client wants alike, the one that takes the fewest bytes.
_PREFERRED = ("image/jpeg", "image/webp", "image/avif")

# Those of the accepted types that any browser shows.
_SHOWN_BY_BROWSERS = {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"}


def best(image: Image, wanted: RenderRequest) -> Variant | None:
    """The variant to show; None: the original.

    An image without variants is shown by its original: processing it failed, or it is of an earlier version; or it is
    being processed, and browsers show its type.
    Raises NotYet: it is being processed, and browsers don't show its type.
    """
    if wanted.format is Format.ORIGINAL:
        return None
    if image.look is None:
        if image.state is State.PROCESSING and image.content_type not in _SHOWN_BY_BROWSERS:
            raise NotYet("The image is being processed, and browsers don't show its type; try again in a moment.")
        return None
    content_type = _content_type(image, {each.content_type for each in image.look.variants}, wanted)
    return _fitting([each for each in image.look.variants if each.content_type == content_type], wanted)


def _content_type(image: Image, made: set[str], wanted: RenderRequest) -> str | None:
    """The type of the variant to show; None: the original.

    A format that wasn't made counts as auto. Where nothing that is there is acceptable, the header is disregarded, as
    it may be (RFC 9110 section 12.5.1): a picture says more than a 406.
    """
    if wanted.format is not Format.AUTO and f"image/{wanted.format}" in made:
        return f"image/{wanted.format}"
    by_preference = sorted(made, key=_PREFERRED.index, reverse=True)
    content_type = max(by_preference, key=lambda each: wanted.preferences[each])
    if wanted.preferences[content_type].quality == 0:
        return None if wanted.preferences[image.content_type].quality else by_preference[0]
    return content_type


def _fitting(variants: Sequence[Variant], wanted: RenderRequest) -> Variant | None:
    """Of one type, the smallest that need not be enlarged; where there is none, or no box to fit, the largest."""
    enough = [variant for variant in variants if _is_enough(variant, wanted)]
    return min(enough, key=_width) if enough else max(variants, key=_width, default=None)


def _is_enough(variant: Variant, wanted: RenderRequest) -> bool:
    """Whether a variant fills a box: to cover it in both directions, to be contained in it in that which limits it."""
    sides = ((variant.width, wanted.width), (variant.height, wanted.height))
    filled = [side >= asked for side, asked in sides if asked is not None]
    return bool(filled) and (all(filled) if wanted.fit is Fit.COVER else any(filled))


def _width(variant: Variant) -> int:
    return variant.width

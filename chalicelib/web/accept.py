"""Read which content types a client prefers from the header Accept (RFC 9110 section 12.5.1)."""

import re
from collections.abc import Mapping

from chalicelib.images.model import Preference
from chalicelib.model import EXTENSIONS

# A media range and its weight. A range with other parameters matches no image: the content types have no parameters.
_RANGE = re.compile(r"([^\s/;,]+/[^\s/;,]+)(?:\s*;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;.*)?)?", re.I)


def preferences(accept: str) -> Mapping[str, Preference]:
    """Return the client's preference for each content type that an image can have."""
    return {content_type: preference(accept, content_type) for content_type in EXTENSIONS}


def preference(accept: str, content_type: str) -> Preference:
    """Return the client's preference for a content type, from the most specific media range that matches it.

    Text that is not a media range is ignored. A type that no media range matches is not acceptable.
    """
    specificity = {"*/*": 0, f"{content_type.partition('/')[0]}/*": 1, content_type: 2}
    ranges = [match for text in accept.split(",") if (match := _RANGE.fullmatch(text.strip()))]
    matching = [
        Preference(float(match[2] or 1), specificity[name])
        for match in ranges
        if (name := match[1].lower()) in specificity
    ]
    return max(matching, key=lambda match: (match.specificity, match.quality), default=Preference(0, 0))

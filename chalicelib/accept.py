"""How much a client wants each content type: the header Accept (RFC 9110 section 12.5.1)."""

import re
from typing import NamedTuple

# A media range and its weight. One with parameters of its own is for none of our types, which have no parameters.
_RANGE = re.compile(r"([^\s/;,]+/[^\s/;,]+)(?:\s*;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;.*)?)?", re.I)


class Wish(NamedTuple):
    """How much a client wants a content type: the greater, the more."""

    quality: float  # from 0, not at all, to 1
    exactness: int  # 2: it names the type itself; 1: all of its kind; 0: all types


def wish(accept: str, content_type: str) -> Wish:
    """What a header says of a content type: by the range that names it most exactly.

    What is no media range is passed over. A type that no range is for isn't wanted.
    """
    exactness = {"*/*": 0, f"{content_type.partition('/')[0]}/*": 1, content_type: 2}
    ranges = [found for each in accept.split(",") if (found := _RANGE.fullmatch(each.strip()))]
    wishes = [
        Wish(float(found[2] or 1), exactness[name]) for found in ranges if (name := found[1].lower()) in exactness
    ]
    return max(wishes, key=lambda wish: (wish.exactness, wish.quality), default=Wish(0, 0))

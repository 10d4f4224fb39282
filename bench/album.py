"""Generate realistic images: the same ones each time, with skewed frequencies of owners, tags and words.

Image n is the same in a table of any size, and its time is anywhere within SPAN. A larger table is a busier service
over the same years, so that each list gets new rows between its existing ones.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar
from uuid import UUID

from chalicelib import ids
from chalicelib.model import Image, Visibility

T = TypeVar("T")

SPAN = (1_672_531_200_000, 1_767_225_600_000)  # of creation, milliseconds: 2023 to 2025, UTC
TAKEN_SINCE = 946_684_800_000  # the earliest time when a picture was taken: 2000

_STEMS = "sun sea moon rain snow wind fire water stone wood day star hill road town bird"  # prefixes of other words
_ENDINGS = ("", "set", "rise", "light", "side", "fall", "shine", "bow", "way", "song")
_ALONE = """harbour garden window bridge market church kitchen village summer winter autumn spring morning
evening mother father family children friends dog cat horse river lake island beach forest valley mountain
cliff castle tower street corner cafe museum concert festival wedding birthday party journey train boat
bicycle airport old new red green blue yellow black white golden quiet little great happy first last from
above behind under over with without and the our"""


class _Zipf:
    """Draws values whose frequency is proportional to 1/rank."""

    def __init__(self, values: Sequence[str]) -> None:
        self._values = values
        self._weights = list(accumulate(1 / rank for rank in range(1, len(values) + 1)))

    def draw(self, random: Random, count: int) -> list[str]:
        return random.choices(self._values, cum_weights=self._weights, k=count)


def _shuffled(values: list[str]) -> list[str]:
    return Random(0).sample(values, len(values))  # noqa: S311


OWNERS = [f"owner-{n}" for n in range(50)]  # the first has the most images
TAGS = [f"tag-{n}" for n in range(200)]
APART = ("day", "night")  # each is on a quarter of all images, and no image has both
WORDS = _shuffled(_ALONE.split() + [stem + ending for stem in _STEMS.split() for ending in _ENDINGS])

_MOST_WORDS = 100  # words of a description: more than an index row contains
_TYPES = ((".jpg", "image/jpeg"), (".png", "image/png"), (".gif", "image/gif"))
_owners, _tags, _words = _Zipf(OWNERS), _Zipf(TAGS), _Zipf(WORDS)


def images(start: int, stop: int) -> Iterator[Image]:
    """Generate the images of a range of numbers."""
    return map(image, range(start, stop))


def image(n: int) -> Image:
    """Generate the image of a number."""
    random = Random(n)  # noqa: S311
    created = random.randrange(*SPAN)
    image_id = str(UUID(int=created << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)))
    tags = random.choice(([APART[0]], [APART[1]], [], []))
    while len(tags) < 3:
        tags += [tag for tag in _tags.draw(random, 1) if tag not in tags]
    words = _MOST_WORDS if random.random() < 0.01 else random.randint(2, 6)
    updates = random.randint(1, 3) if random.random() < 0.1 else 0
    extension, content_type = random.choices(_TYPES, (90, 8, 2))[0]
    return Image(
        image_id=image_id,
        user_id=_owners.draw(random, 1)[0],
        title=" ".join(_words.draw(random, random.randint(3, 5))).capitalize(),
        description=" ".join(_words.draw(random, words)).capitalize() + ".",
        tags=tuple(tags),
        filename=random.choice((f"IMG_{n % 10_000:04}{extension}", f"DSC{n % 100_000:05}{extension.upper()}")),
        content_type=content_type,
        size=random.randrange(100_000, 4_000_000),
        checksum=hashlib.sha256(b"%d" % n).hexdigest(),
        width=4_000,
        height=3_000,
        visibility=Visibility.PRIVATE if random.random() < 0.05 else Visibility.PUBLIC,
        updated_at=ids.timestamp((random.randrange(created, SPAN[1]) if updates else created) / 1_000),
        version=1 + updates,
        # Most pictures were taken before they were uploaded, some long before; the files of others do not say when.
        taken_at=ids.timestamp_of(random.randrange(TAKEN_SINCE, created)) if random.random() < 0.8 else "",
    )

"""The load that docs/scale.md is about: what is stored and what happens in a second of the peak.

The figures here are assumptions, except where a comment names their source. Change them, and run `make scale`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from bench import album
from chalicelib import ids
from chalicelib.index import terms
from chalicelib.index.terms import Term
from chalicelib.model import Image, Visibility
from chalicelib.tags import tallies
from chalicelib.tags.model import TagChange

# What is stored, and what comes in a second of the peak.
IMAGES = 100_000_000
UPLOADS = 5_000  # through the API, each with 3 tags, 4 words of title and 3 of filename
PAGES = 20_000  # of lists, 20 images each
VIEWS = PAGES // 10
RENDERS = PAGES // 10  # redirects to a picture, of pages that do not ask for thumbnails in the list
BUSY = 0.1  # of the images: have the busiest tag; and belong to the busiest owner, who has ten million of them

# Which lists the pages are of. The rest are lists of one filter that are not busy.
PAGES_OF_EVERYTHING = 0.1
PAGES_OF_THE_TAG = 0.1
PAGES_OF_TWO_FILTERS = 0.2
PAGES_WITH_THUMBNAILS = 0.5

# Pictures, which clients get from S3 or CloudFront.
PICTURES_OF_A_PAGE = 10  # thumbnails of the 20 that are not in the cache of the browser
PICTURE_BYTES = 15_000  # of a thumbnail
CDN_MISSES = 0.1  # of the requests to CloudFront that reach S3
ORIGINAL_BYTES = 3_000_000
VARIANT_BYTES = 754_000 + 184_000  # docs/costs.md: a photograph of 12 megapixels, in WebP and as JPEG

# A month.
UPLOADS_A_MONTH = IMAGES // 10
AVERAGE = 0.25  # of the peak: pages, views, renders and pictures

# Milliseconds of a call, in the region of the tables. DynamoDB promises single digits for one item; S3 says 100 to 200
# (the page of its limits).
QUERY_MS = 5
BATCH_GET_MS = 10
TRANSACTION_MS = 30
S3_MS = 100

# Milliseconds of this machine's processor, as measured; a function of 1,024 MB takes longer.
UPLOAD_MS = 27  # docs/costs.md, as the next three; with the emulators
PAGE_MS = 5.3
PAGE_CALL_MS = 3.5  # each further call of a page: lists of 1 and of 3 calls
VIEW_MS = 2.2
BATCH_MS = 33  # python -m bench.tag_changes

FULL = 0.75  # share of a partition that is used, so that there is room for bursts

BUSY_TAG = "nature"
BUSY_OWNER = "alice"
_OWNERS = 1_000_000
_TAGS = (20, 10_000)  # of the other tags and of the words: numbers between these, the n-th with a share of 1/n
_WORDS = (1, 20_000)
_SAMPLE = 1_000  # images from which shares of keys are computed


@dataclass(frozen=True, slots=True)
class Heat:
    """How many index rows of an upload, on average, go to one partition key or to one term."""

    partitions: dict[str, float]
    terms: dict[Term, float]


def images(count: int = _SAMPLE) -> Iterator[Image]:
    """Generate new public images of the load, the same ones each time: those of the album with other texts and tags."""
    for n, image in enumerate(album.images(0, count)):
        random = Random(n)  # noqa: S311
        tags = {BUSY_TAG} if n % round(1 / BUSY) == 0 else set()
        words: dict[str, None] = {}
        while len(tags) < 3:
            tags.add(f"tag-{_number(random, *_TAGS)}")
        while len(words) < 4:
            words[_word(_number(random, *_WORDS))] = None
        yield replace(
            image,
            user_id=BUSY_OWNER if n % round(1 / BUSY) == 1 else f"owner-{random.randrange(_OWNERS)}",
            tags=tuple(sorted(tags)),
            title=" ".join(words),
            description="",
            visibility=Visibility.PUBLIC,
            updated_at=ids.created_at(image.image_id),
            version=1,
        )


@cache
def heat() -> Heat:
    """Return where the index rows of uploads go."""
    partitions: Counter[str] = Counter()
    found: Counter[Term] = Counter()
    for image in images():
        for term in terms.of(image):
            partitions[terms.key(image, term).partition] += 1
            found[term] += 1
    return Heat(
        {key: rows / _SAMPLE for key, rows in partitions.items()},
        {term: rows / _SAMPLE for term, rows in found.items()},
    )


def tag_changes(count: int = _SAMPLE) -> list[TagChange]:
    """Return the changes of tag counts that uploads queue."""
    return [change for image in images(count) for change in tallies.changes(None, image)]


def _number(random: Random, low: int, high: int) -> int:
    """Return a number between low and high, n with a probability proportional to 1/n."""
    return int(low * (high / low) ** random.random())


def _word(n: int) -> str:
    """Return the n-th word of a language with the first letters of the words of the album."""
    repeated, place = divmod(n, len(album.WORDS))
    return f"{album.WORDS[place]}{repeated or ''}"

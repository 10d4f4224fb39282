"""Many images at once, written as processing leaves them: their records. Index rows and thumbnails are left out."""

import hashlib
import re
from collections.abc import Sequence
from uuid import UUID

from playwright.sync_api import BrowserContext

from chalicelib import ids
from chalicelib.model import Analysis, Image, State, Variant, Visibility
from chalicelib.stores import catalog
from dev.stack import Stack
from tests.pictures import picture

PER_DAY = 50

_FIRST = 1_735_689_600_000  # 2025-01-01, milliseconds since the epoch
_DAY = 86_400_000
_AT_ONCE = 100  # DynamoDB: writes of a transaction
_THUMBNAIL = picture("WEBP", width=32, height=24)
_SHAPES = ((1_600, 1_200), (1_200, 1_600), (2_000, 1_000), (1_000, 1_000))
_PLACEHOLDER = "2fcZFIB3iId/h3iJh4aIYJ2V8g=="


def image(user_id: str, n: int, state: State = State.READY) -> Image:
    """Return the image of a number: PER_DAY of them on each day, from 2025-01-01 on."""
    created = _FIRST + n // PER_DAY * _DAY + n % PER_DAY * 60_000
    checksum = hashlib.sha256(f"{user_id}/{n}".encode()).hexdigest()
    image_id = str(UUID(int=created << 80 | 7 << 76 | 2 << 62 | int(checksum[:15], 16)))
    width, height = _SHAPES[n % len(_SHAPES)]
    variant = Variant(width=320, height=320 * height // width, content_type="image/webp", size=len(_THUMBNAIL))
    analysis = Analysis(
        width=width,
        height=height,
        taken_at=None,
        color="#667788",
        placeholder=_PLACEHOLDER,
        perceptual_hash=checksum[:16],
        animated=False,
        variants=(variant,),
    )
    return Image(
        image_id=image_id,
        user_id=user_id,
        title=str(n),
        description="",
        tags=(),
        filename="",
        content_type="image/jpeg",
        size=1_000,
        checksum=checksum,
        width=width,
        height=height,
        visibility=Visibility.PUBLIC,
        updated_at=ids.created_at(image_id),
        state=state,
        reason="The picture cannot be decoded." if state is State.FAILED else "",
        analysis=analysis if state is State.READY else None,
    )


def show_thumbnails(context: BrowserContext) -> None:
    """Let a browser have thumbnails of these images, in place of S3."""
    context.route(re.compile(r"/320\.webp\?"), lambda route: route.fulfill(body=_THUMBNAIL, content_type="image/webp"))


def write(stack: Stack, images: Sequence[Image]) -> None:
    """Write images, so that the list of their owner has them. One with the same id is replaced."""
    dynamodb = stack.client("dynamodb")
    puts = [catalog.put(image)["Put"] for image in images]
    writes = [{"Put": {name: put[name] for name in ("TableName", "Item")}} for put in puts]
    # Four times as fast on DynamoDB Local as BatchWriteItem, which commits each item by itself.
    for n in range(0, len(writes), _AT_ONCE):
        dynamodb.transact_write_items(TransactItems=writes[n : n + _AT_ONCE])

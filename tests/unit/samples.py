"""Sample values for unit tests."""

from chalicelib.items.model import Item
from chalicelib.model import Analysis, Image, Visibility

IMAGE = Image(
    image_id="017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    user_id="alice",
    title="Dunes",
    description="At noon",
    tags=("Sea", "sand"),
    filename="dunes.jpg",
    content_type="image/jpeg",
    size=12_345,
    checksum="ab" * 32,
    width=400,
    height=300,
    visibility=Visibility.PUBLIC,
    updated_at="2022-02-22T19:22:22.000Z",
)

ANALYSIS = Analysis(
    width=400,
    height=300,
    taken_at=None,
    color="#ffffff",
    placeholder="",
    perceptual_hash="0" * 16,
    animated=False,
    variants=(),
)

ITEM = Item(
    item_id="017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    user_id="alice",
    text='{"name":"Dunes","size":[400,null]}',
    updated_at="2022-02-22T19:23:00.000Z",
    version=3,
)

# IMAGE as answers show it.
METADATA = {
    "image_id": IMAGE.image_id,
    "user_id": "alice",
    "title": "Dunes",
    "description": "At noon",
    "tags": ["Sea", "sand"],
    "s3_key": f"alice/{IMAGE.image_id}",
    "s3_url": f"s3://images-originals/alice/{IMAGE.image_id}",
    "created_at": "2022-02-22T19:22:22.000Z",
    "updated_at": "2022-02-22T19:22:22.000Z",
    "filename": "dunes.jpg",
    "content_type": "image/jpeg",
    "size": 12_345,
    "checksum": "ab" * 32,
    "width": 400,
    "height": 300,
    "visibility": "public",
    "version": 1,
}

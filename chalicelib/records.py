"""An image as DynamoDB spells it: the item of its record, and the rows of its terms."""

from typing import Any

from chalicelib.model import Image, Row, State, Visibility

Item = dict[str, Any]  # attribute name -> {type: value}

# DynamoDB writes cost by started KB: a row this small carries its record for nothing.
MAX_ROW_BYTES = 1024


def to_item(image: Image, bucket: str) -> Item:
    """The item of a record, as contracts B and D publish it.

    Only a ready record has `created_at`, so that no other is in `user_id-index`; only one that is not has `state`,
    so that `state-index` holds nothing but unfinished ones.
    """
    ready = image.state is State.READY
    return {
        **_fields(image),
        "s3_key": {"S": image.s3_key},
        "s3_url": {"S": f"s3://{bucket}/{image.s3_key}"},
        **({"created_at": {"S": image.created_at}} if ready else {"state": {"S": image.state}}),
    }


def from_item(item: Item) -> Image:
    """The image of an item, be it a record or a row that carries one."""
    return Image(
        image_id=item["image_id"]["S"],
        user_id=item["user_id"]["S"],
        title=item["title"]["S"],
        description=item["description"]["S"],
        tags=tuple(tag["S"] for tag in item["tags"]["L"]),
        filename=item["filename"]["S"],
        content_type=item["content_type"]["S"],
        size=int(item["size"]["N"]),
        checksum=item["checksum"]["S"],
        width=int(item["width"]["N"]),
        height=int(item["height"]["N"]),
        visibility=Visibility(item["visibility"]["S"]),
        updated_at=item["updated_at"]["S"],
        version=int(item["version"]["N"]),
        state=State(item["state"]["S"]) if "state" in item else State.READY,
    )


def to_row(image: Image, term: str) -> Item:
    """The row of a term: with the whole record where both fit MAX_ROW_BYTES, else with what decides who may see it."""
    whole = {"tag": {"S": term}, **_fields(image)}
    if size(whole) <= MAX_ROW_BYTES:
        return whole
    return {name: whole[name] for name in ("tag", "image_id", "user_id", "visibility")}


def from_row(item: Item) -> Row:
    """The row of an item of either index: of a term, or of an owner."""
    return Row(
        image_id=item["image_id"]["S"],
        user_id=item["user_id"]["S"],
        visibility=Visibility(item["visibility"]["S"]),
        image=from_item(item) if "checksum" in item else None,
    )


def size(item: Item) -> int:
    """Bytes that DynamoDB counts for an item: names, and values by their type (Developer Guide, "item sizes")."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: dict[str, Any]) -> int:
    if "S" in value:
        return len(value["S"].encode())
    if "N" in value:
        return len(value["N"]) // 2 + 2
    return 3 + sum(1 + _value_size(element) for element in value["L"])


def _fields(image: Image) -> Item:
    return {
        "image_id": {"S": image.image_id},
        "user_id": {"S": image.user_id},
        "title": {"S": image.title},
        "description": {"S": image.description},
        "tags": {"L": [{"S": tag} for tag in image.tags]},
        "filename": {"S": image.filename},
        "content_type": {"S": image.content_type},
        "size": {"N": str(image.size)},
        "checksum": {"S": image.checksum},
        "width": {"N": str(image.width)},
        "height": {"N": str(image.height)},
        "visibility": {"S": image.visibility},
        "updated_at": {"S": image.updated_at},
        "version": {"N": str(image.version)},
    }

"""An image as DynamoDB spells it: the item of its record, and the rows of its terms."""

from dataclasses import asdict
from typing import Any

from chalicelib.index import ranges
from chalicelib.index.rows import Row
from chalicelib.index.terms import Key
from chalicelib.model import Analysis, Image, State, Variant, Visibility
from chalicelib.stores.dynamodb import Item

# DynamoDB writes cost by started KB: a row this small carries its record for nothing.
MAX_ROW_BYTES = 1024

_NUMBERS = ("width", "height", "size")  # of a variant
_SEEN_BY = ("user_id", "visibility")  # what decides who may see an image


def to_item(image: Image, bucket: str) -> Item:
    """The item of a record, as contracts B and D publish it.

    Only a listed one has `created_at`, so that no other is in `user_id-index`; only an unfinished one has `state`, so
    that `state-index` holds no others. Only one that was updated has `changed`.
    """
    return {
        **_fields(image),
        "s3_key": {"S": image.s3_key},
        "s3_url": {"S": f"s3://{bucket}/{image.s3_key}"},
        **(index_keys(image) if image.listed else {}),
        **progress(image),
        **({"attempts": {"N": str(image.attempts)}} if image.attempts else {}),
        **({"upload_id": {"S": image.upload_id}} if image.upload_id else {}),
        **({"part_size": {"N": str(image.part_size)}} if image.part_size else {}),
        **({"analysis": _analysis_item(image.analysis)} if image.analysis else {}),
    }


def progress(image: Image) -> Item:
    """How far a record says that an image is: its state, unless it is finished, and its reason, if there is one.

    A listed image is finished when it is ready or has failed.
    """
    finished = image.state is State.READY or (image.state is State.FAILED and image.listed)
    return {
        **({} if finished else {"state": {"S": image.state}}),
        **({"reason": {"S": image.reason}} if image.reason else {}),
    }


def index_keys(image: Image) -> Item:
    """What the indexes of listed records are sorted by."""
    return {"created_at": {"S": image.created_at}, **(_change(image) if image.version > 1 else {})}


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
        # A finished one has failed if there is a reason.
        state=State(item["state"]["S"]) if "state" in item else State.FAILED if "reason" in item else State.READY,
        listed="state" not in item or "created_at" in item,
        reason=item["reason"]["S"] if "reason" in item else "",
        attempts=int(item["attempts"]["N"]) if "attempts" in item else 0,
        upload_id=item["upload_id"]["S"] if "upload_id" in item else "",
        part_size=int(item["part_size"]["N"]) if "part_size" in item else 0,
        analysis=_analysis(item["analysis"]) if "analysis" in item else None,
    )


def to_row(image: Image, key: Key) -> Item:
    """The row of a term: with the whole record where both fit MAX_ROW_BYTES, else without its description.

    Where that doesn't fit either, with what decides who may see it alone; and so that of a band, of which many are read
    for few, with the perceptual hash.
    """
    place = {**row_key(key), **({"term": {"S": key.term}, **_change(image)} if image.version > 1 else {})}
    whole = _fields(image)
    if key.is_of_a_band and image.analysis:
        hashed = {"perceptual_hash": {"S": image.analysis.perceptual_hash}}
        return {**{name: whole[name] for name in _SEEN_BY}, **hashed, **place}
    for left_out in ((), ("description",)):
        row = {**{name: value for name, value in whole.items() if name not in left_out}, **place}
        if size(row) <= MAX_ROW_BYTES:
            return row
    return {**{name: whole[name] for name in _SEEN_BY}, **place}


def row_key(key: Key) -> Item:
    """The keys of a term's row."""
    return {"tag": {"S": key.partition}, "image_id": {"S": key.sort}}


def from_row(item: Item) -> Row:
    """The row of an item of any index: of a term, or of an owner."""
    sort_key = item["image_id"]["S"]
    carried = {"description": {"S": ""}, **item, "image_id": {"S": sort_key[-36:]}}
    return Row(
        image_id=sort_key[-36:],
        user_id=item["user_id"]["S"],
        visibility=Visibility(item["visibility"]["S"]),
        image=from_item(carried) if "checksum" in item else None,
        whole="description" in item,
        word=ranges.word_of(sort_key),
        changed=item["changed"]["S"] if "changed" in item else None,
        perceptual_hash=item["perceptual_hash"]["S"] if "perceptual_hash" in item else "",
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


def _change(image: Image) -> Item:
    """What puts an image that was updated into the indexes of that, which are sparse: see ranges.key."""
    return {"changed": {"S": f"{image.updated_at}/{image.image_id}"}}


def _analysis_item(analysis: Analysis) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeSerializer

    variants = [asdict(variant) for variant in analysis.variants]
    item: Any = TypeSerializer().serialize({**asdict(analysis), "variants": variants})
    return dict(item)


def _analysis(item: Any) -> Analysis:
    from boto3.dynamodb.types import TypeDeserializer

    found = TypeDeserializer().deserialize(item)
    sizes = [{**variant, **{name: int(variant[name]) for name in _NUMBERS}} for variant in found["variants"]]
    variants = tuple(Variant(**variant) for variant in sizes)
    return Analysis(**{**found, "width": int(found["width"]), "height": int(found["height"]), "variants": variants})


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

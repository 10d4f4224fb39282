"""Convert images to and from DynamoDB items: the record of an image, and its index rows. Pure functions."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.rows import Row
from chalicelib.index.terms import Key
from chalicelib.model import Analysis, CameraFacts, Image, Location, State, Variant, Visibility
from chalicelib.stores.dynamodb import Attributes

# DynamoDB charges a write by each started KB, so a copy of the record costs nothing in a row of up to this size.
MAX_ROW_BYTES = 1024

_VARIANT_NUMBERS = ("width", "height", "size")  # the fields of a variant that are numbers
_ACCESS_FIELDS = ("user_id", "visibility")  # the fields that decide who may see an image
_ID_CHARS = 36  # of a UUID, which every sort key of an index row ends with
_TIME_CHARS = 24  # of a timestamp


def to_item(image: Image, bucket: str) -> Attributes:
    """Return the item of a record, as contracts B and D publish it.

    An item is in an index only if it has the key attributes of that index. So only a listed image has `created_at`, for
    `user_id-index`, and `taken`, for `user_id-taken-index`; only an unfinished image has `state`, for `state-index`;
    and only a listed image that was updated has `changed`, for `user_id-changed-index`.
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
        **({"imported_updated_at": {"S": image.imported_updated_at}} if image.imported_updated_at else {}),
        **({"taken_at": {"S": image.taken_at}} if image.taken_at else {}),
        **(_analysis_items(image.analysis) if image.analysis else {}),
    }


def progress(image: Image) -> Attributes:
    """Return the attributes for an image's state and its reason; a finished image has no `state`.

    An image is finished if it is READY, or listed and FAILED.
    """
    finished = image.state is State.READY or (image.state is State.FAILED and image.listed)
    return {
        **({} if finished else {"state": {"S": image.state}}),
        **({"reason": {"S": image.reason}} if image.reason else {}),
    }


def index_keys(image: Image) -> Attributes:
    """Return the attributes that are sort keys of the indexes of listed images."""
    return {
        "created_at": {"S": image.created_at},
        "taken": {"S": ranges.time_key(image.dated_at, image.image_id)},
        **(_change(image) if image.version > 1 else {}),
    }


def from_item(item: Attributes) -> Image:
    """Return the image of an item, which is a record or an index row that has a copy of a record."""
    analysis = _analysis(item) if "analysis" in item else None
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
        # An image without a state is finished: it has failed if there is a reason.
        state=State(item["state"]["S"]) if "state" in item else State.FAILED if "reason" in item else State.READY,
        listed="state" not in item or "created_at" in item,
        reason=item["reason"]["S"] if "reason" in item else "",
        attempts=int(item["attempts"]["N"]) if "attempts" in item else 0,
        upload_id=item["upload_id"]["S"] if "upload_id" in item else "",
        part_size=int(item["part_size"]["N"]) if "part_size" in item else 0,
        imported_updated_at=item["imported_updated_at"]["S"] if "imported_updated_at" in item else "",
        taken_at=_taken_at(item, analysis),
        analysis=analysis,
    )


def to_row(image: Image, key: Key) -> Attributes:
    """Return the index row of a term.

    The row has a copy of the record if both fit into MAX_ROW_BYTES; else a copy without the description; and if that
    does not fit either, only the fields that decide who may see the image.
    The row of a band of perceptual hashes has these fields and the hash: a search for similar images reads many such
    rows and needs few of their images.
    """
    keys = {**row_key(key), **({"term": {"S": key.term}, **_change(image)} if image.version > 1 else {})}
    taken = ranges.time_key(image.dated_at, image.image_id)
    record = _fields(image)
    access = {name: record[name] for name in _ACCESS_FIELDS}
    if key.is_of_a_band and image.analysis:
        return {**access, "perceptual_hash": {"S": image.analysis.perceptual_hash}, **keys}
    keys["taken"] = {"S": ranges.sort_key(ranges.word_of(key.sort) or None, taken)}
    for left_out in ((), ("description",)):
        row = {**{name: value for name, value in record.items() if name not in left_out}, **keys}
        if size(row) <= MAX_ROW_BYTES:
            return row
    return {**access, **keys}


def row_key(key: Key) -> Attributes:
    """Return the key of the index row of a term."""
    return {"tag": {"S": key.partition}, "image_id": {"S": key.sort}}


def from_row(item: Attributes) -> Row:
    """Return the row of an item that a query of any index returns: an index row, or a record in an owner's index."""
    sort_key = item["image_id"]["S"]
    image_id = sort_key[-_ID_CHARS:]
    record = {"description": {"S": ""}, **item, "image_id": {"S": image_id}}
    return Row(
        image_id=image_id,
        user_id=item["user_id"]["S"],
        visibility=Visibility(item["visibility"]["S"]),
        image=from_item(record) if "checksum" in item else None,
        whole="description" in item,
        word=ranges.word_of(sort_key),
        changed=item["changed"]["S"] if "changed" in item else None,
        taken=ranges.key_of(item["taken"]["S"]) if "taken" in item else None,
        perceptual_hash=item["perceptual_hash"]["S"] if "perceptual_hash" in item else "",
    )


def size(item: Attributes) -> int:
    """Return the bytes that DynamoDB counts for an item (Developer Guide, "DynamoDB item sizes and formats").

    The item has texts, numbers, and lists of these.
    """
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: dict[str, Any]) -> int:
    if "S" in value:
        return len(value["S"].encode())
    if "N" in value:
        return len(value["N"]) // 2 + 2
    return 3 + sum(1 + _value_size(element) for element in value["L"])


def _change(image: Image) -> Attributes:
    """Return the sort key of an updated image in the indexes by time of change. They have no other images."""
    return {"changed": {"S": ranges.time_key(image.updated_at, image.image_id)}}


def _taken_at(item: Attributes, analysis: Analysis | None) -> str:
    """Return when the picture of an item was taken; empty if that is not known."""
    if "taken_at" in item:
        return str(item["taken_at"]["S"])
    if analysis is not None:  # a record from before it had the attribute
        return ids.utc(analysis.taken_at)
    # A copy of a record has only its sort key. Its time is that of creation if the other one is not known.
    time = ranges.key_of(item["taken"]["S"])[:_TIME_CHARS] if "taken" in item else ""
    return "" if time == ids.created_at(item["image_id"]["S"]) else time


def _analysis_items(analysis: Analysis) -> Attributes:
    """Return the attributes of an analysis.

    What EXIF says has attributes of its own: code that does not know them yet can then read the record.
    """
    from boto3.dynamodb.types import TypeSerializer

    looks = asdict(analysis)
    found = {"exif": looks.pop("exif"), "location": looks.pop("location")}
    looks["variants"] = list(looks["variants"])
    known = {name: _numbered(values) for name, values in found.items() if values is not None}
    serialize: Any = TypeSerializer().serialize
    return {name: dict(serialize(values)) for name, values in {"analysis": looks, **known}.items()}


def _numbered(values: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of the values, with numbers as DynamoDB's client takes them."""
    return {
        name: Decimal(str(value)) if isinstance(value, float) else value
        for name, value in values.items()
        if value is not None
    }


def _analysis(item: Attributes) -> Analysis:
    from boto3.dynamodb.types import TypeDeserializer

    deserialize: Any = TypeDeserializer().deserialize
    looks = deserialize(item["analysis"])  # numbers are Decimals
    variants = tuple(
        Variant(**{**variant, **{name: int(variant[name]) for name in _VARIANT_NUMBERS}})
        for variant in looks["variants"]
    )
    return Analysis(
        **{**looks, "width": int(looks["width"]), "height": int(looks["height"]), "variants": variants},
        exif=CameraFacts(**_floats(deserialize(item["exif"]))) if "exif" in item else None,
        location=Location(**_floats(deserialize(item["location"]))) if "location" in item else None,
    )


def _floats(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if name == "iso" else float(value) if isinstance(value, Decimal) else value
        for name, value in values.items()
    }


def _fields(image: Image) -> Attributes:
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

"""Convert images to and from DynamoDB items: the record of an image, and its index rows. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

from chalicelib import ids
from chalicelib.index import ranges
from chalicelib.index.rows import Row
from chalicelib.index.terms import Key
from chalicelib.model import Analysis, CameraFacts, Image, Location, State, Variant, Visibility
from chalicelib.stores.dynamodb import Attributes

# DynamoDB charges a write by each started KB, so a copy of the record costs nothing in a row of up to this size.
MAX_ROW_BYTES = 1024

# The fields of an analysis that are in one attribute, besides its variants, and the fields of a variant.
_LOOKS = ("width", "height", "taken_at", "color", "placeholder", "perceptual_hash", "animated")
_VARIANT_FIELDS = ("width", "height", "content_type", "size")

# The fields of a copy of a record, in their order. New fields are added at the end: older code ignores them.
_COPIED = (
    "title",
    "tags",
    "filename",
    "content_type",
    "size",
    "checksum",
    "width",
    "height",
    "updated_at",
    "version",
    "taken_at",
)
_ID_CHARS = 36  # of a UUID, which every sort key of an index row ends with
_TIME_CHARS = 24  # of a timestamp

_Plain: TypeAlias = str | float | bool | None  # what an attribute of an analysis contains


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


def to_rows(image: Image, keys: Iterable[Key]) -> dict[Key, Attributes]:
    """Return the index rows of an image, by their keys.

    A row has a copy of the record if both fit into MAX_ROW_BYTES; else a copy without the description; and if that does
    not fit either, only the fields that decide who may see the image.
    The row of a band of perceptual hashes has these fields and the hash: a search for similar images reads many such
    rows and needs few of their images.
    """
    access = {"user_id": {"S": image.user_id}, "visibility": {"S": image.visibility}}
    copies = [{**access, "copy": {"S": _copy(image, description)}} for description in (image.description, None)]
    by_size = [(size(fields), fields) for fields in copies]
    taken = ranges.time_key(image.dated_at, image.image_id)
    update = _change(image) if image.version > 1 else {}
    rows: dict[Key, Attributes] = {}
    for key in keys:
        row = {**row_key(key), **({"term": {"S": key.term}, **update} if update else {})}
        if key.is_of_a_band and image.analysis:
            rows[key] = {**access, "perceptual_hash": {"S": image.analysis.perceptual_hash}, **row}
            continue
        row["taken"] = {"S": ranges.sort_key(ranges.word_of(key.sort) or None, taken)}
        room = MAX_ROW_BYTES - size(row)
        rows[key] = {**next((fields for needed, fields in by_size if needed <= room), access), **row}
    return rows


def row_key(key: Key) -> Attributes:
    """Return the key of the index row of a term."""
    return {"tag": {"S": key.partition}, "image_id": {"S": key.sort}}


def from_row(item: Attributes) -> Row:
    """Return the row of an item that a query of any index returns: an index row, or a record in an owner's index."""
    sort_key = item["image_id"]["S"]
    image_id = sort_key[-_ID_CHARS:]
    visibility = Visibility(item["visibility"]["S"])
    image, whole = None, False
    if "copy" in item:
        image, whole = _from_copy(item["copy"]["S"], image_id, item["user_id"]["S"], visibility)
    elif "checksum" in item:  # a record, or an index row from before rows had the attribute `copy`
        image = from_item({"description": {"S": ""}, **item, "image_id": {"S": image_id}})
        whole = "description" in item
    return Row(
        image_id=image_id,
        user_id=item["user_id"]["S"],
        visibility=visibility,
        image=image,
        whole=whole,
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
        number: str = value["N"]
        digits = number.replace(".", "").strip("-0")  # zeros at either end are not stored
        return (len(digits) + 1) // 2 + 1 + number.startswith("-")
    return 3 + sum(1 + _value_size(element) for element in value["L"])


def _copy(image: Image, description: str | None) -> str:
    """Return a copy of a record as one text: a JSON array of what the row has in no other attribute.

    DynamoDB's client takes several times as long for an attribute each. `description` is None if it is left out.
    """
    import orjson

    return orjson.dumps([description, *(getattr(image, name) for name in _COPIED)]).decode()


def _from_copy(copy: str, image_id: str, user_id: str, visibility: Visibility) -> tuple[Image, bool]:
    """Return the image of a copy, and whether the copy has its description."""
    import orjson

    description, *values = orjson.loads(copy)
    # Later versions may add values at the end.
    fields = dict(zip(_COPIED, values, strict=False))
    fields["tags"] = tuple(fields["tags"])
    image = Image(image_id=image_id, user_id=user_id, visibility=visibility, description=description or "", **fields)
    return image, description is not None


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
    looks = {field: getattr(analysis, field) for field in _LOOKS}
    variants = [_map({field: getattr(variant, field) for field in _VARIANT_FIELDS}) for variant in analysis.variants]
    found = {"exif": analysis.exif, "location": analysis.location}
    return {
        "analysis": {"M": {**_map(looks)["M"], "variants": {"L": variants}}},
        **{name: _map(_known(asdict(values))) for name, values in found.items() if values is not None},
    }


def _known(values: dict[str, _Plain]) -> dict[str, _Plain]:
    return {name: value for name, value in values.items() if value is not None}


def _map(values: Mapping[str, _Plain]) -> Attributes:
    return {"M": {name: _attribute(value) for name, value in values.items()}}


def _attribute(value: _Plain) -> Attributes:
    """Return a plain value as DynamoDB's client takes it (API Reference, "AttributeValue")."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _plain(attribute: Attributes) -> Any:
    """Return the plain value of an attribute; of a number, a float."""
    ((kind, value),) = attribute.items()
    if kind == "NULL":
        return None
    return float(value) if kind == "N" else value


def _plains(attribute: Attributes) -> dict[str, Any]:
    return {name: _plain(value) for name, value in attribute["M"].items()}


def _analysis(item: Attributes) -> Analysis:
    looks = item["analysis"]["M"]
    exif = _plains(item["exif"]) if "exif" in item else None
    if exif and "iso" in exif:
        exif["iso"] = int(exif["iso"])
    return Analysis(
        width=int(looks["width"]["N"]),
        height=int(looks["height"]["N"]),
        taken_at=_plain(looks["taken_at"]),
        color=looks["color"]["S"],
        placeholder=looks["placeholder"]["S"],
        perceptual_hash=looks["perceptual_hash"]["S"],
        animated=looks["animated"]["BOOL"],
        variants=tuple(_variant(variant["M"]) for variant in looks["variants"]["L"]),
        exif=None if exif is None else CameraFacts(**exif),
        location=Location(**_plains(item["location"])) if "location" in item else None,
    )


def _variant(item: Attributes) -> Variant:
    return Variant(
        width=int(item["width"]["N"]),
        height=int(item["height"]["N"]),
        content_type=item["content_type"]["S"],
        size=int(item["size"]["N"]),
    )


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

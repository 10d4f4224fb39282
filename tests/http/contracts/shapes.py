"""The keys that each contract publishes, with the types of their values."""

from typing import Any

Shape = dict[str, Any]  # a key -> a type, a shape, or a list of one of them

METADATA: Shape = {
    "image_id": str,
    "user_id": str,
    "title": str,
    "description": str,
    "tags": [str],
    "s3_key": str,
    "s3_url": str,
    "created_at": str,
    "updated_at": str,
}
RECORD: Shape = {**METADATA, "content_type": str, "size": int, "checksum": str}


def check(answer: Any, shape: Any) -> None:
    """Check that no key is missing and that each value has its type. Additional keys are allowed."""
    if isinstance(shape, dict):
        assert isinstance(answer, dict)
        assert shape.keys() <= answer.keys()
        for key, inner in shape.items():
            check(answer[key], inner)
    elif isinstance(shape, list):
        assert isinstance(answer, list)
        for entry in answer:
            check(entry, shape[0])
    else:
        assert type(answer) is shape, (answer, shape)

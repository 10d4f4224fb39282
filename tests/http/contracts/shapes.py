"""Whether an answer has every key that a contract publishes, each of its type."""

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
    """Fail where a key is missing or its value is of another type; more keys are welcome."""
    if isinstance(shape, dict):
        assert isinstance(answer, dict)
        assert shape.keys() <= answer.keys()
        for key, inner in shape.items():
            check(answer[key], inner)
    elif isinstance(shape, list):
        assert isinstance(answer, list)
        for each in answer:
            check(each, shape[0])
    else:
        assert type(answer) is shape, (answer, shape)

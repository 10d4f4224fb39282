"""The body of an error."""


def error(sentence: str) -> dict[str, str]:
    """Return the body of an error with this sentence."""
    return {"error": sentence, "message": sentence}

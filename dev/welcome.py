"""What `make run` says when the stack is ready."""

import shlex
from collections.abc import Mapping

from project import PROJECT

_PHOTOGRAPH = PROJECT / "samples" / "coffee.jpg"


def text(url: str, environment: Mapping[str, str]) -> str:
    """Addresses, the settings that lead `aws` and boto3 inside, and three commands to paste."""
    settings = "\n".join(f"  export {name}={value}" for name, value in environment.items())
    images = f"{url}/images"
    encoded = f"base64 < {shlex.quote(str(_PHOTOGRAPH))} | tr -d '\\n'"
    body = f"""{{ printf '{{"user_id": "me", "title": "Coffee", "image_data": "'; {encoded}; printf '"}}'; }}"""
    newest = f"""curl -s '{images}?user_id=me&limit=1' | sed -E 's/.*"image_id": *"([^"]*)".*/\\1/'"""
    return f"""
The API answers at {url}

To look inside with aws or boto3:
{settings}

To upload a photograph, list what is there, and view the newest:
  {body} | curl -s {images} -H 'Content-Type: application/json' --data-binary @-
  curl -s '{images}?user_id=me'
  curl -s {images}/$({newest})

Ctrl-C ends it; the data stays.
"""

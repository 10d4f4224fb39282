"""The message that `make run` prints when the stack is ready."""

import shlex
from collections.abc import Mapping

from project import PROJECT

_PHOTOGRAPH = PROJECT / "samples" / "coffee.jpg"


def text(url: str, environment: Mapping[str, str]) -> str:
    """Return the addresses, the variables that lead `aws` and boto3 to the stack, and commands to paste."""
    settings = "\n".join(f"  export {name}={value}" for name, value in environment.items())
    images = f"{url}/images"
    encoded = f"base64 < {shlex.quote(str(_PHOTOGRAPH))} | tr -d '\\n'"
    body = f"""{{ printf '{{"user_id": "me", "title": "Coffee", "image_data": "'; {encoded}; printf '"}}'; }}"""
    newest = f"""curl -s '{images}?user_id=me&limit=1' | sed -E 's/.*"image_id": *"([^"]*)".*/\\1/'"""
    return f"""
The API is ready at {url}
In a browser, this is the gallery, and {url}/docs the API reference.

To look into S3 and DynamoDB with aws or boto3, set:
{settings}

To upload a photograph, list the images, and view the newest one:
  {body} | curl -s {images} -H 'Content-Type: application/json' --data-binary @-
  curl -s '{images}?user_id=me'
  curl -s {images}/$({newest})

To upload a folder, install the command line (docs/command-line.md):
  pip install {shlex.quote(str(PROJECT / "client"))}
  images --url {url} --user me upload ~/Pictures

Press Ctrl-C to stop. The data stays in the data folder.
"""

"""Upload the sample photographs over the public HTTP API."""

import base64
from dataclasses import dataclass

import requests

from project import PROJECT, CannotRun

FOLDER = PROJECT / "samples"
_OWNER = "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """A photograph in `samples/`. CREDITS.md in that folder names its author."""

    file: str
    title: str
    description: str
    tags: tuple[str, ...]


SAMPLES = (
    Sample("astronaut.jpg", "Eileen Collins", "The first woman to pilot a Space Shuttle.", ("people", "space")),
    Sample("chelsea.jpg", "Chelsea the cat", "A tabby looks past the camera.", ("animals", "cat")),
    Sample("coffee.jpg", "Coffee", "A cup of espresso on a wooden table.", ("food", "still life")),
    Sample("hubble-deep-field.jpg", "Hubble eXtreme Deep Field", "Thousands of galaxies.", ("space", "galaxies")),
    Sample("rocket.jpg", "DSCOVR on Falcon 9", "Before the launch at Cape Canaveral.", ("space", "rocket")),
)


def load(url: str) -> None:
    """Upload all samples and print their ids. Each call uploads them once more.

    Raises CannotRun: no service answers at `url`, or it refuses a sample.
    """
    url = url.rstrip("/")
    try:
        for sample in SAMPLES:
            print(f"{_upload(url, sample)}  {sample.file}", flush=True)
        newest = requests.get(f"{url}/images", {"user_id": _OWNER, "limit": "1"}, timeout=30).json()["images"][0]
        view = requests.get(f"{url}/images/{newest['image_id']}", timeout=30).json()
    except requests.RequestException:
        raise CannotRun(f"No service answers at {url}; `make run` starts one.") from None
    print(f"\nAll samples: {url}/images?user_id={_OWNER}\nThe last one, for an hour: {view['presigned_url']}")


def _upload(url: str, sample: Sample) -> str:
    body = {
        "user_id": _OWNER,
        "title": sample.title,
        "description": sample.description,
        "tags": sample.tags,
        "filename": sample.file,
        "image_data": base64.b64encode((FOLDER / sample.file).read_bytes()).decode(),
    }
    answer = requests.post(f"{url}/images", json=body, timeout=30)
    if answer.status_code != requests.codes.created:
        raise CannotRun(f"The service refused {sample.file}: {answer.status_code} {answer.text}")
    image_id: str = answer.json()["image_id"]
    return image_id

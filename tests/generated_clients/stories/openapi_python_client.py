"""The story, told by the client of openapi-python-client."""

import base64
import json
import sys
from pathlib import Path
from typing import TypeVar

from images_client import Client
from images_client.api.images import delete_image, update_image, upload_image, upload_image_form, view_image
from images_client.api.lists import list_images
from images_client.models import ApiError, ImagePage, ImagePatch, Upload, UploadForm
from images_client.types import UNSET, File

url, user, picture = sys.argv[1], sys.argv[2], Path(sys.argv[3])

Answer = TypeVar("Answer")


def answered(answer: Answer | ApiError | None) -> Answer:
    """Return an answer that is not an error."""
    if answer is None or isinstance(answer, ApiError):
        raise AssertionError(answer)
    return answer


with Client(base_url=url) as client:
    content = base64.b64encode(picture.read_bytes()).decode()
    upload = Upload(user_id=user, image_data=content, title="first", tags=["sea", "sun"])
    first = answered(upload_image.sync(client=client, body=upload))
    with picture.open("rb") as opened:
        file = File(payload=opened, file_name=picture.name)
        form = UploadForm(file=file, user_id=user, title="second", tags=["sea", "sky"])
        second = answered(upload_image_form.sync(client=client, body=form))

    pages: list[ImagePage] = []
    while not pages or pages[-1].has_more:
        cursor = pages[-1].last_evaluated_key if pages else UNSET
        page = list_images.sync(client=client, user_id=user, tag=["sea"], limit=1, last_evaluated_key=cursor)
        pages.append(answered(page))

    viewed = view_image.sync_detailed(first.image_id, client=client, user_id=user)
    etag = viewed.headers["ETag"]
    updated = answered(
        update_image.sync(first.image_id, client=client, body=ImagePatch(title="changed"), if_match=etag)
    )
    stale = update_image.sync_detailed(first.image_id, client=client, body=ImagePatch(title="lost"), if_match=etag)
    deleted = [answered(delete_image.sync(image.image_id, client=client)) for image in (first, second)]
    gone = view_image.sync_detailed(first.image_id, client=client)

told = {
    "uploaded": [[image.metadata.title, image.metadata.tags] for image in (first, second)],
    "filename": second.metadata.filename,
    "pages": [[image.title for image in page.images] for page in pages],
    "viewed": answered(viewed.parsed).metadata.title,
    "updated": [updated.metadata.title, updated.metadata.version],
    "stale": stale.status_code,
    "deleted": [answer.message for answer in deleted],
    "gone": gone.status_code,
}
print(json.dumps(told))

"""The story, told by the Python client of openapi-generator."""

import base64
import json
import sys
from pathlib import Path

from images_client import ApiClient, ApiException, Configuration, ImagePatch, ImagesApi, ListsApi, Upload

url, user, picture = sys.argv[1], sys.argv[2], Path(sys.argv[3])

with ApiClient(Configuration(host=url)) as client:
    images, lists = ImagesApi(client), ListsApi(client)

    content = base64.b64encode(picture.read_bytes()).decode()
    first = images.upload_image(Upload(user_id=user, image_data=content, title="first", tags=["sea", "sun"]))
    file = (picture.name, picture.read_bytes())
    second = images.upload_image_form(file=file, user_id=user, title="second", tags=["sea", "sky"])

    pages = [lists.list_images(user_id=user, tag=["sea"], limit=1)]
    while pages[-1].has_more:
        cursor = pages[-1].last_evaluated_key
        pages.append(lists.list_images(user_id=user, tag=["sea"], limit=1, last_evaluated_key=cursor))

    viewed = images.view_image_with_http_info(first.image_id, user_id=user)
    etag = (viewed.headers or {})["ETag"]
    updated = images.update_image(first.image_id, ImagePatch(title="changed"), if_match=etag)
    try:
        images.update_image(first.image_id, ImagePatch(title="lost"), if_match=etag)
        stale = 200
    except ApiException as error:
        stale = error.status
    deleted = [images.delete_image(image.image_id) for image in (first, second)]
    try:
        images.view_image(first.image_id)
        gone = 200
    except ApiException as error:
        gone = error.status

told = {
    "uploaded": [[image.metadata.title, image.metadata.tags] for image in (first, second)],
    "filename": second.metadata.filename,
    "pages": [[image.title for image in page.images] for page in pages],
    "viewed": viewed.data.metadata.title,
    "updated": [updated.metadata.title, updated.metadata.version],
    "stale": stale,
    "deleted": [answer.message for answer in deleted],
    "gone": gone,
}
print(json.dumps(told))

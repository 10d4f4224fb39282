"""The whole surface: routes, direct functions, the S3 event and the schedule, each with what it may touch.

The letters are those of the contracts in docs/contracts.md; where there is none, the route is of the service itself.
"""

import sys
from typing import Any

from chalice.app import CloudWatchEvent, Rate, Response, S3Event

from chalicelib import access
from chalicelib.config import WrongSetting, settings
from chalicelib.images import direct_uploads, images, processing, render, similar, sweeping
from chalicelib.items import items
from chalicelib.lists import lists
from chalicelib.model import Caller
from chalicelib.permissions import (
    CATALOG,
    DEAD_LETTERS,
    DERIVED,
    IDEMPOTENCY_KEYS,
    ITEMS,
    ORIGINALS,
    STAGED,
    TAG_COUNTS,
    TERMS,
    needs,
)
from chalicelib.tags import tags
from chalicelib.web import answers, bodies, openapi, readers
from chalicelib.web.app import ImagesApi

try:
    app = ImagesApi(app_name="images-api")
except WrongSetting as wrong:
    # One line instead of a traceback. Printed here: `chalice local` imports the app in a thread, where the message of a
    # SystemExit is dropped.
    print(wrong, file=sys.stderr)
    raise SystemExit(1) from None

UPLOAD = (ORIGINALS.put, CATALOG.put, TERMS.put, TAG_COUNTS.put, IDEMPOTENCY_KEYS.get, IDEMPOTENCY_KEYS.put)
COUNT = (CATALOG.query_owner, CATALOG.batch_get, TERMS.query)
LIST = (*COUNT, CATALOG.query_owner_changed, TERMS.query_changed, ORIGINALS.get)
VIEW = (CATALOG.get, ORIGINALS.get)
RENDER = (*VIEW, DERIVED.get)
SIMILAR = (CATALOG.get, CATALOG.batch_get, TERMS.query)
UPDATE = (CATALOG.get, CATALOG.put, TERMS.put, TERMS.delete, TAG_COUNTS.put)
FOLD = (TAG_COUNTS.query_queue, TAG_COUNTS.batch_get, TAG_COUNTS.put, TAG_COUNTS.delete)
DELETE_OBJECTS = (ORIGINALS.delete, DERIVED.list, DERIVED.delete, STAGED.delete)
GIVE_UP = (CATALOG.get, CATALOG.put, *DELETE_OBJECTS, STAGED.abort_upload)
DELETE = (*GIVE_UP, CATALOG.delete, TERMS.delete, TAG_COUNTS.put)
PROCESS = (CATALOG.get, CATALOG.put, TERMS.put, DERIVED.put, *DELETE_OBJECTS)
RECEIVE = (*PROCESS, TAG_COUNTS.put, STAGED.get, STAGED.abort_upload, ORIGINALS.put)


@app.route("/")
@needs()
def welcome() -> Response:
    """Lead a newcomer on."""
    return Response(answers.welcome())


@app.route("/health")
@needs(CATALOG.get, ORIGINALS.locate)
def health() -> Response:
    """Say whether both stores answer."""
    health = images.health()
    return Response(answers.health(health), status_code=200 if health.ok else 503)


@app.route("/openapi.json")
@needs()
def describe() -> Response:
    """Describe every route."""
    return Response(openapi.document())


# B, the canonical contract, and D


@app.route("/images", methods=["POST"])
@needs(*UPLOAD)
def post_image() -> Response:
    """Keep an image."""
    image = images.upload(caller(), readers.upload(app.current_request))
    return Response(answers.uploaded(image), answers.etag(image), 201)


@app.route("/images", methods=["GET"])
@needs(*LIST)
def get_images() -> Response:
    """List images by what they are found by."""
    query = readers.query(app.current_request)
    return Response(answers.listed(lists.list_images(caller(), query)))


@app.route("/images/count")
@needs(*COUNT)
def count_images() -> Response:
    """Count the images that a list would hold."""
    return Response(answers.counted(lists.count_images(caller(), readers.query(app.current_request))))


@app.route("/tags")
@needs(TAG_COUNTS.query, TAG_COUNTS.query_queue)
def list_tags() -> Response:
    """List the tags in use, with how many images have each."""
    return Response(answers.tags(tags.list_tags(caller(), readers.tag_query(app.current_request))))


@app.route("/images/{image_id}", methods=["GET"])
@needs(*VIEW)
def view_image(image_id: str) -> Response:
    """View an image's metadata, with a presigned URL of its bytes; or say where it is on its way there."""
    download = readers.download(app.current_request)
    image = images.find(caller(), image_id)
    if not image.listed:
        return Response(answers.unlisted(image), answers.etag(image))
    view = images.with_url(image, download=download)
    return Response(answers.viewed(view), answers.etag(image))


@app.route("/images/{image_id}", methods=["DELETE"])
@needs(*DELETE)
def delete_image(image_id: str) -> Response:
    """Delete an image: first from every list, then its bytes, then its record."""
    image = images.delete(caller(), image_id, readers.if_match(app.current_request))
    return Response(answers.deleted(image))


@app.route("/images/{image_id}/download")
@needs(*VIEW)
def download_image(image_id: str) -> Response:
    """Download an image: by a presigned URL in JSON or, as E has it, a redirect, its bytes, or base64."""
    download = images.download(caller(), image_id, readers.download_as(app.current_request))
    return Response(*answers.downloaded(download))


@app.route("/images/{image_id}/render")
@needs(*RENDER)
def render_image(image_id: str) -> Response:
    """Show an image: a redirect to the smallest picture that fills a box, in a format that the client knows."""
    view = render.render(caller(), image_id, readers.render_request(app.current_request))
    return Response(*answers.rendered(view))


@app.route("/images/{image_id}/similar")
@needs(*SIMILAR)
def list_similar(image_id: str) -> Response:
    """List the images that look like one, nearest first."""
    query = readers.similar_query(app.current_request)
    return Response(answers.similar(similar.find_similar(caller(), image_id, query)))


# E


@app.route("/images/upload", methods=["POST"])
@needs(*UPLOAD)
def post_image_in_either_form() -> Response:
    """Keep an image: a form, or JSON with the file and its metadata apart."""
    image = images.upload(caller(), readers.upload(app.current_request))
    return Response(answers.uploaded(image), answers.etag(image), 201)


@app.route("/images/{image_id}", methods=["PUT"])
@needs(*UPDATE)
def update_image(image_id: str) -> Response:
    """Change the title, description, tags or visibility of an image."""
    patch = readers.patch(app.current_request)
    image = images.update(caller(), image_id, patch, readers.if_match(app.current_request))
    return Response(answers.updated(image), answers.etag(image))


@app.route("/items", methods=["POST"])
@needs(ITEMS.put)
def create_item() -> Response:
    """Keep a JSON document."""
    item = items.create(caller(), readers.item(app.current_request))
    return Response(answers.item(item), answers.etag(item), 201)


@app.route("/items", methods=["GET"])
@needs(ITEMS.query)
def list_items() -> Response:
    """List items, newest first."""
    return Response(answers.listed_items(items.list_items(readers.item_query(app.current_request))))


@app.route("/items/{item_id}", methods=["GET"])
@needs(ITEMS.get)
def view_item(item_id: str) -> Response:
    """View an item."""
    item = items.view(item_id)
    return Response(answers.item(item), answers.etag(item))


@app.route("/items/{item_id}", methods=["PUT"])
@needs(ITEMS.get, ITEMS.put)
def update_item(item_id: str) -> Response:
    """Set the fields given of an item, and leave the others."""
    request = app.current_request
    item = items.update(caller(), item_id, readers.item_fields(request), if_match=readers.if_match(request))
    return Response(answers.item(item), answers.etag(item))


@app.route("/items/{item_id}", methods=["DELETE"])
@needs(ITEMS.get, ITEMS.delete)
def delete_item(item_id: str) -> Response:
    """Delete an item."""
    items.delete(caller(), item_id, if_match=readers.if_match(app.current_request))
    return Response(answers.deleted_item(item_id))


# A and C


@app.route("/upload", methods=["POST"])
@needs(*UPLOAD)
def upload() -> Response:
    """Keep an image: A's JSON, or a form of C's or E's; where it names nobody, it is the caller's."""
    who = caller()
    image = images.upload(who, readers.upload(app.current_request, who.user_id or "anonymous"))
    status = 200 if bodies.is_form(app.current_request) else 201
    return Response(answers.uploaded_by_either(image), answers.etag(image), status)


@app.route("/image/{image_id}", methods=["GET"])
@needs(*VIEW)
def link_image(image_id: str) -> Response:
    """View an image by a presigned URL of its bytes."""
    view = images.view(caller(), image_id, download=False)
    return Response(answers.linked(view), answers.etag(view.image))


@app.route("/image/{image_id}", methods=["DELETE"])
@needs(*DELETE)
def delete_image_for_a(image_id: str) -> Response:
    """Delete an image."""
    image = images.delete(caller(), image_id, readers.if_match(app.current_request))
    return Response(answers.deleted(image))


@app.route("/list")
@needs(*LIST)
def list_entries() -> Response:
    """List images as a bare array; a Link leads on."""
    query = readers.query(app.current_request, limit=settings().max_page_size)
    page = lists.list_images(caller(), query)
    return Response(answers.entries(page), answers.next_page(page, readers.parameters(app.current_request)))


@app.route("/view/{image_id}")
@needs(*VIEW)
def view_entry(image_id: str) -> Response:
    """View an image's metadata, with a presigned URL of its bytes."""
    view = images.view(caller(), image_id, download=False)
    return Response(answers.viewed_entry(view), answers.etag(view.image))


@app.route("/delete/{image_id}", methods=["DELETE"])
@needs(*DELETE)
def delete_entry(image_id: str) -> Response:
    """Delete an image."""
    image = images.delete(caller(), image_id, readers.if_match(app.current_request))
    return Response(answers.deleted_entry(image))


# A's direct functions: each answers as its route does


@app.lambda_function()
@needs(*UPLOAD)
def upload_image(event: Any, context: Any) -> dict[str, Any]:
    """Keep an image."""
    return app.invoke("POST", "/upload", event, context)


@app.lambda_function()
@needs(*LIST)
def list_images(event: Any, context: Any) -> dict[str, Any]:
    """List images."""
    return app.invoke("GET", "/images", event, context)


@app.lambda_function()
@needs(*VIEW)
def view_images(event: Any, context: Any) -> dict[str, Any]:
    """View an image by a presigned URL of its bytes."""
    return app.invoke("GET", "/image/{image_id}", event, context)


@app.lambda_function()
@needs(*DELETE)
def delete_images(event: Any, context: Any) -> dict[str, Any]:
    """Delete an image."""
    return app.invoke("DELETE", "/image/{image_id}", event, context)


# Uploads that go to S3 directly


@app.route("/images/direct-upload", methods=["POST"])
@needs(CATALOG.put, STAGED.put)
def begin_direct_upload() -> Response:
    """Keep a record that waits for its bytes, and say how to send them to S3."""
    who = caller()
    announced = readers.announcement(app.current_request, who.user_id or "")
    return Response(answers.announced(*direct_uploads.begin(who, announced)), status_code=201)


@app.route("/images/{image_id}/parts", methods=["POST"])
@needs(CATALOG.get, STAGED.put, STAGED.list_parts)
def list_parts(image_id: str) -> Response:
    """Say which parts of an upload S3 has, and how to send the rest."""
    return Response(answers.announced(*direct_uploads.parts(caller(), image_id)))


@app.route("/images/{image_id}/complete", methods=["POST"])
@needs(CATALOG.get, STAGED.get, STAGED.put, STAGED.list_parts)
def complete_upload(image_id: str) -> Response:
    """Put the parts of an upload together."""
    return Response(answers.unlisted(direct_uploads.complete(caller(), image_id)), status_code=202)


@app.route("/images/{image_id}/abort", methods=["POST"])
@needs(*GIVE_UP)
def abort_upload(image_id: str) -> Response:
    """Give an upload up that is still awaited."""
    return Response(answers.deleted(direct_uploads.abort(caller(), image_id)))


# What comes by itself


@app.on_s3_event(bucket=settings().s3_bucket_name, events=["s3:ObjectCreated:*"])
@needs(*PROCESS, ORIGINALS.get, DEAD_LETTERS.send)
def on_object_created(event: S3Event) -> None:
    """Process an image that was uploaded, or remove an object whose upload never finished."""
    for created in readers.objects_created(event):
        processing.original_created(created)


@app.on_s3_event(bucket=settings().staged_bucket_name, events=["s3:ObjectCreated:*"])
@needs(*RECEIVE, DEAD_LETTERS.send)
def on_upload_staged(event: S3Event) -> None:
    """Check an image that was sent to S3 directly, process it, and show it in every list."""
    for created in readers.objects_created(event):
        processing.staged_created(created)


@app.schedule(Rate(5, unit=Rate.MINUTES))
@needs(CATALOG.query_state, CATALOG.delete, *RECEIVE, ORIGINALS.get, *FOLD)
def sweep(event: CloudWatchEvent) -> dict[str, Any]:
    """Finish what a crash left half done, and bring the tags' counts up to date."""
    dry_run = readers.is_dry_run(event)
    if not dry_run:
        tags.apply_changes()
    return answers.swept(sweeping.sweep(dry_run=dry_run))


def caller() -> Caller:
    """Who calls: as the bearer token says or, where tokens aren't asked for, the request."""
    request = app.current_request
    return access.caller(readers.bearer(request), readers.named_user(request))


app.answer_every_method()

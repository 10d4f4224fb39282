"""Every entry point of the service, with its permissions: routes, direct functions, S3 events and the schedule.

The letters A to E are the contracts of docs/contracts.md. A route without a letter belongs to no contract.
"""

import gc
import os

if os.environ.get("AWS_CHALICE_CLI_MODE"):  # set by the command `chalice`, never on Lambda
    from project import chalice_commands

    chalice_commands.hand_over()

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # Importing leaves almost no garbage, so looking for it would only make a cold start longer.
    gc.disable()

from collections.abc import Callable
from functools import partial
from typing import Any

from chalice.app import CloudWatchEvent, Rate, Response, S3Event

from chalicelib import access, tasks
from chalicelib.config import settings
from chalicelib.images import direct_uploads, images, processing, render, similar, sweeping
from chalicelib.images.model import ObjectCreated
from chalicelib.items import items
from chalicelib.lists import lists
from chalicelib.model import Caller, Visibility
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
    answers_callers,
    needs,
)
from chalicelib.stores import aws
from chalicelib.stores.secrets import secrets
from chalicelib.tags import tags
from chalicelib.web import answers, bodies, caching, contracts, openapi, pages, readers, s3_events
from chalicelib.web.app import ImagesApi, wrong_settings_reported
from chalicelib.web.contracts import contract
from chalicelib.web.s3_events import UnreadableRecord

with wrong_settings_reported():
    app = ImagesApi(app_name="images-api")

KEYS = (IDEMPOTENCY_KEYS.get, IDEMPOTENCY_KEYS.put)
UPLOAD = (ORIGINALS.put, CATALOG.get, CATALOG.put, TERMS.put, TAG_COUNTS.put, *KEYS)
COUNT = (
    *(CATALOG.query_owner, CATALOG.query_owner_changed, CATALOG.query_owner_taken, CATALOG.batch_get),
    *(TERMS.query, TERMS.query_taken),
)
LIST = (*COUNT, TERMS.query_changed, ORIGINALS.get, DERIVED.get)
VIEW = (CATALOG.get, ORIGINALS.get, DERIVED.get)
SIMILAR = (CATALOG.get, CATALOG.batch_get, TERMS.query, ORIGINALS.get, DERIVED.get)
UPDATE = (CATALOG.get, CATALOG.put, TERMS.put, TERMS.delete, TAG_COUNTS.put, *KEYS)
APPLY_TAG_CHANGES = (TAG_COUNTS.query_queue, TAG_COUNTS.batch_get, TAG_COUNTS.put, TAG_COUNTS.delete)
DELETE_OBJECTS = (ORIGINALS.delete, DERIVED.list, DERIVED.delete, STAGED.delete)
DISCARD = (CATALOG.get, CATALOG.put, *DELETE_OBJECTS, STAGED.abort_upload)
DELETE = (*DISCARD, CATALOG.delete, TERMS.delete, TAG_COUNTS.put, *KEYS)
PROCESS = (CATALOG.get, CATALOG.put, TERMS.put, DERIVED.put, *DELETE_OBJECTS)
RECEIVE = (*PROCESS, TAG_COUNTS.put, STAGED.get, STAGED.abort_upload, ORIGINALS.put)


@app.route("/")
@needs()
def welcome() -> Response:
    """Get the gallery if the client prefers HTML, else an overview of the API."""
    if contract().has_gallery and pages.wants_html(app.current_request.headers.get("accept", "")):
        return Response(*pages.gallery())
    return Response(answers.welcome(), caching.varying_by_accept(caching.revalidated(Visibility.PUBLIC)))


@app.route("/docs")
@needs()
def reference() -> Response:
    """Get the API reference, a page."""
    return Response(*pages.reference())


@app.route("/assets/{release}/{name}")
@needs()
def get_asset(release: str, name: str) -> Response:
    """Get a file that a page loads: a script or a style sheet."""
    return Response(*pages.asset(release, name))


@app.route("/health")
@needs(CATALOG.get, ORIGINALS.locate)
def health() -> Response:
    """Check the health of the service: 503 if a store does not answer."""
    health = images.health()
    return Response(answers.health(health), status_code=200 if health.ok else 503)


@app.route("/openapi.json")
@needs()
def describe() -> Response:
    """Get the OpenAPI document."""
    return Response(openapi.document(), caching.revalidated(Visibility.PUBLIC))


# Contracts B, the service's own, and D


@app.route("/images", methods=["POST"])
@needs(*UPLOAD)
def post_image() -> Response:
    """Upload an image."""
    uploader = known_caller()
    image = images.upload(uploader, readers.upload(app.current_request, uploader.user_id or ""))
    return Response(*contract().uploaded(image))


@app.route("/images", methods=["GET"])
@needs(*LIST)
def get_images() -> Response:
    """List images."""
    page = lists.list_images(caller(), readers.query(app.current_request))
    return Response(*contract().listed(page))


@app.route("/images/count")
@needs(*COUNT)
def count_images() -> Response:
    """Count images."""
    count = lists.count_images(caller(), readers.query(app.current_request))
    return Response(answers.counted(count), caching.revalidated(Visibility.PRIVATE))


@app.route("/tags")
@needs(TAG_COUNTS.query, TAG_COUNTS.query_queue)
def list_tags() -> Response:
    """List tags with their number of images."""
    page = tags.list_tags(caller(), readers.tag_query(app.current_request))
    return Response(answers.tags(page), caching.revalidated(Visibility.PRIVATE))


@app.route("/images/{image_id}", methods=["GET"])
@needs(*VIEW)
def view_image(image_id: str) -> Response:
    """View an image: its metadata and a presigned URL or, before it is in lists, its state."""
    viewer, request = caller(), app.current_request
    as_attachment, details = readers.as_attachment(request), readers.details(request)
    image = images.find_with(viewer, image_id, details)
    if image.listed:
        answer = contract().viewed(images.with_url(viewer, image, download=as_attachment))
    else:
        answer = (answers.unlisted(image), caching.validators(image) | caching.revalidated(image.visibility), 200)
    return Response(*contracts.with_details(answer, image, details))


@app.route("/images/{image_id}", methods=["DELETE"])
@needs(*DELETE)
def delete_image(image_id: str) -> Response:
    """Delete an image: first from every list, then its objects, then its record."""
    image = images.delete(known_caller(image_id), image_id, **readers.conditions(app.current_request))
    return Response(*contract().deleted(image))


@app.route("/images/{image_id}/download")
@needs(*VIEW)
def download_image(image_id: str) -> Response:
    """Download an image: by a presigned URL in JSON (D), or by a redirect, its bytes or base64 (E)."""
    download = images.download(caller(), image_id, readers.download_type(app.current_request))
    return Response(*contract().downloaded(download))


@app.route("/images/{image_id}/render")
@needs(*VIEW)
def render_image(image_id: str) -> Response:
    """Redirect to the best variant of an image for a box, in a format that the client accepts."""
    view = render.render(caller(), image_id, readers.render_request(app.current_request))
    return Response(*answers.rendered(view))


@app.route("/images/{image_id}/similar")
@needs(*SIMILAR)
def list_similar(image_id: str) -> Response:
    """List similar images, the most similar first."""
    page = similar.find_similar(caller(), image_id, readers.similar_query(app.current_request))
    return Response(*answers.similar(page))


# Contract E


@app.route("/images/upload", methods=["POST"])
@needs(*UPLOAD)
def post_image_in_either_form() -> Response:
    """Upload an image as a form, or as JSON that separates the file from the metadata."""
    uploader = known_caller()
    image = images.upload(uploader, readers.upload(app.current_request, uploader.user_id or ""))
    return Response(*contract().uploaded_in_either_form(image))


@app.route("/images/{image_id}", methods=["PUT"])
@needs(*UPDATE)
def update_image(image_id: str) -> Response:
    """Update the title, description, tags or visibility of an image."""
    request = app.current_request
    editor = known_caller(image_id)
    image = images.update(editor, image_id, readers.update(request), **readers.conditions(request))
    return Response(*contract().updated(image))


@app.route("/items", methods=["POST"])
@needs(ITEMS.put)
def create_item() -> Response:
    """Create an item from a JSON document."""
    item = items.create(known_caller(), readers.item(app.current_request))
    return Response(*contract().item(item, 201))


@app.route("/items", methods=["GET"])
@needs(ITEMS.query)
def list_items() -> Response:
    """List items, newest first."""
    readers.check_parameters(app.current_request)
    page = items.list_items(readers.item_query(app.current_request))
    return Response(answers.listed_items(page), caching.revalidated(Visibility.PUBLIC))


@app.route("/items/{item_id}", methods=["GET"])
@needs(ITEMS.get)
def view_item(item_id: str) -> Response:
    """View an item."""
    readers.check_parameters(app.current_request)
    item = items.view(item_id)
    return Response(*contract().item(item))


@app.route("/items/{item_id}", methods=["PUT"])
@needs(ITEMS.get, ITEMS.put, *KEYS)
def update_item(item_id: str) -> Response:
    """Update an item: set the given fields and keep the others."""
    request = app.current_request
    item = items.update(known_caller(), item_id, readers.item_fields(request), **readers.conditions(request))
    return Response(*contract().item(item))


@app.route("/items/{item_id}", methods=["DELETE"])
@needs(ITEMS.get, ITEMS.delete, *KEYS)
def delete_item(item_id: str) -> Response:
    """Delete an item."""
    items.delete(known_caller(), item_id, **readers.conditions(app.current_request))
    return Response(*contract().deleted_item(item_id))


# Contracts A and C


@app.route("/upload", methods=["POST"])
@needs(*UPLOAD)
def upload() -> Response:
    """Upload an image as JSON (A) or as a form (C and E), also without an owner and a caller."""
    uploader = known_caller()
    image = images.upload(uploader, readers.upload(app.current_request, uploader.user_id or "anonymous"))
    return Response(*contract().uploaded_by_verb(image, as_form=bodies.is_form(app.current_request)))


@app.route("/image/{image_id}", methods=["GET"])
@needs(*VIEW)
def link_image(image_id: str) -> Response:
    """Get a presigned URL of an image (A)."""
    view = images.view(caller(), image_id, download=False)
    return Response(*contract().linked(view))


@app.route("/image/{image_id}", methods=["DELETE"])
@needs(*DELETE)
def delete_image_for_a(image_id: str) -> Response:
    """Delete an image (A)."""
    image = images.delete(known_caller(image_id), image_id, **readers.conditions(app.current_request))
    return Response(answers.deleted(image))


@app.route("/list")
@needs(*LIST)
def list_entries() -> Response:
    """List images as an array; the header Link has the next page (C)."""
    page = lists.list_images(caller(), readers.query(app.current_request, settings().max_page_size))
    return Response(*contracts.c_listed(page, readers.parameters(app.current_request)))


@app.route("/view/{image_id}")
@needs(*VIEW)
def view_entry(image_id: str) -> Response:
    """View an image (C)."""
    view = images.view(caller(), image_id, download=False)
    return Response(*contracts.c_viewed(view))


@app.route("/delete/{image_id}", methods=["DELETE"])
@needs(*DELETE)
def delete_entry(image_id: str) -> Response:
    """Delete an image (C)."""
    image = images.delete(known_caller(image_id), image_id, **readers.conditions(app.current_request))
    return Response(*contracts.c_deleted(image))


# Contract A's direct functions: each answers as its route does


@app.lambda_function()
@needs(*UPLOAD)
def upload_image(event: Any, context: Any) -> dict[str, Any]:
    """Upload an image."""
    return app.invoke("POST", "/upload", event, context)


@app.lambda_function()
@needs(*LIST)
def list_images(event: Any, context: Any) -> dict[str, Any]:
    """List images."""
    return app.invoke("GET", "/images", event, context)


@app.lambda_function()
@needs(*VIEW)
def view_images(event: Any, context: Any) -> dict[str, Any]:
    """Get a presigned URL of an image."""
    return app.invoke("GET", "/image/{image_id}", event, context)


@app.lambda_function()
@needs(*DELETE)
def delete_images(event: Any, context: Any) -> dict[str, Any]:
    """Delete an image."""
    return app.invoke("DELETE", "/image/{image_id}", event, context)


# Direct uploads to S3


@app.route("/images/direct-upload", methods=["POST"])
@needs(CATALOG.get, CATALOG.put, STAGED.put)
def begin_direct_upload() -> Response:
    """Start a direct upload to S3: store a record, and return how to send the bytes."""
    uploader = known_caller()
    request = readers.direct_upload(app.current_request, uploader.user_id or "")
    return Response(answers.direct_upload(*direct_uploads.begin(uploader, request)), status_code=201)


@app.route("/images/import", methods=["POST"])
@needs(CATALOG.get, CATALOG.put, STAGED.put, STAGED.list_parts)
def import_image() -> Response:
    """Start or resume a direct upload of an image whose id, version and time of change are given."""
    importer = known_caller()
    request = readers.import_image(app.current_request, importer.user_id or "")
    begun = direct_uploads.begin_import(importer, request)
    return Response(answers.imported(begun), status_code=201 if begun.created else 200)


@app.route("/images/{image_id}/parts", methods=["POST"])
@needs(CATALOG.get, STAGED.put, STAGED.list_parts)
def list_parts(image_id: str) -> Response:
    """Resume a multipart upload: return which parts S3 has, and how to send the others."""
    return Response(answers.direct_upload(*direct_uploads.parts(caller(), image_id)))


@app.route("/images/{image_id}/complete", methods=["POST"])
@needs(CATALOG.get, STAGED.get, STAGED.put, STAGED.list_parts)
def complete_upload(image_id: str) -> Response:
    """Complete a multipart upload."""
    image = direct_uploads.complete(caller(), image_id)
    return Response(answers.unlisted(image), status_code=202)


@app.route("/images/{image_id}/abort", methods=["POST"])
@needs(*DISCARD)
def abort_upload(image_id: str) -> Response:
    """Cancel a direct upload."""
    image = direct_uploads.abort(caller(), image_id)
    return Response(answers.deleted(image))


# Background processing: S3 events and the schedule


@app.on_s3_event(bucket=settings().s3_bucket_name, events=["s3:ObjectCreated:*"])
@needs(*PROCESS, ORIGINALS.get, DEAD_LETTERS.send)
def on_object_created(event: S3Event) -> None:
    """Process an image that was uploaded, or delete an object whose upload did not finish."""
    process_each(event, processing.original_created)


@app.on_s3_event(bucket=settings().staged_bucket_name, events=["s3:ObjectCreated:*"])
@needs(*RECEIVE, DEAD_LETTERS.send)
def on_upload_staged(event: S3Event) -> None:
    """Check and process the bytes of a direct upload, and add the image to lists."""
    process_each(event, processing.staged_created)


@app.schedule(Rate(5, unit=Rate.MINUTES))
@needs(CATALOG.query_state, CATALOG.delete, *RECEIVE, ORIGINALS.get, *APPLY_TAG_CHANGES)
def sweep(event: CloudWatchEvent) -> dict[str, Any]:
    """Finish the work of processes that crashed, and update the tag counts."""
    return answers.repaired(sweeping.sweep(dry_run=readers.is_dry_run(event)))


def process_each(event: S3Event, process: Callable[[ObjectCreated], None]) -> None:
    """Process every object of an event. Objects that fail do not stop the others.

    Raises their errors, and UnreadableRecord for records that can't be read, after the last one: see tasks.run_all.
    """

    def process_one(created: ObjectCreated | UnreadableRecord) -> None:
        if isinstance(created, UnreadableRecord):
            raise created
        process(created)

    tasks.run_all(partial(process_one, created) for created in s3_events.objects_created(event))


def caller() -> Caller:
    """Return the caller, and check the names of the query's parameters.

    A route that depends on the caller calls this before it reads the body or the query.
    Raises Unauthorized: the token is not valid. Raises BadInput: the route does not read one of the parameters.
    """
    caller = identified()
    readers.check_parameters(app.current_request)
    return caller


def known_caller(image_id: str | None = None) -> Caller:
    """Return the caller of a route that only a known caller may use. Refuses others before the route reads the request.

    Raises Unauthorized: AUTH=jwt, and there is no valid token. If the route changes an image, raises NotFound instead
    if a caller without a token cannot see the image. Only in this case one AWS call is made.
    Raises BadInput: see caller.
    """
    known = identified()
    if image_id is not None and known.verified and known.user_id is None:
        images.find_changeable(known, image_id)
    access.check_owner(known, known.user_id or "")
    readers.check_parameters(app.current_request)
    return known


def identified() -> Caller:
    """Return the caller: under AUTH=jwt the subject of the bearer token, under AUTH=open whom the request names.

    Raises Unauthorized: the token is not valid.
    """
    request = app.current_request
    return access.caller(readers.bearer(request), readers.named_user(request))


app.answer_every_method()

# A function that needs secrets reads them when it starts, so that a wrong one is the first line of its log.
with wrong_settings_reported():
    if answers_callers(app, os.environ.get("_HANDLER", "")):
        secrets()
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # Lambda's Init has a whole processor. With SnapStart or provisioned concurrency, it runs before a request arrives.
    aws.prepare()
    gc.freeze()  # what exists now lives as long as the process: the collections of requests skip it
    gc.enable()

"""The whole surface: routes, the S3 event and the schedule, each with what it may touch."""

from chalice.app import CloudWatchEvent, Rate, Response, S3Event

from chalicelib import access, contracts, images, items, lists, requests
from chalicelib.config import settings
from chalicelib.edge import ImagesApi
from chalicelib.model import Caller
from chalicelib.permissions import CATALOG, ITEMS, ORIGINALS, TERMS, needs

app = ImagesApi(app_name="images-api")


@app.route("/")
@needs()
def welcome() -> Response:
    """Lead a newcomer on."""
    return Response(contracts.welcome())


@app.route("/health")
@needs(CATALOG.get, ORIGINALS.locate)
def health() -> Response:
    """Say whether both stores answer."""
    stores = images.health()
    return Response(contracts.health(stores), status_code=200 if stores.well else 503)


@app.route("/images", methods=["POST"])
@needs(ORIGINALS.put, CATALOG.put, TERMS.put)
def upload_image() -> Response:
    """Keep an image: base64 in JSON."""
    upload = requests.upload(app.current_request)
    return Response(contracts.uploaded(images.upload(caller(), upload)), status_code=201)


@app.route("/images", methods=["GET"])
@needs(CATALOG.query_owner, CATALOG.batch_get, TERMS.query)
def list_images() -> Response:
    """List images by owner and tag, newest first."""
    query = requests.query(app.current_request)
    return Response(contracts.listed(lists.list_images(caller(), query)))


@app.route("/images/{image_id}", methods=["GET"])
@needs(CATALOG.get, ORIGINALS.get)
def view_image(image_id: str) -> Response:
    """View an image's metadata, with a presigned URL of its bytes."""
    view = images.view(caller(), image_id, download=requests.download(app.current_request))
    return Response(contracts.viewed(view))


@app.route("/images/{image_id}", methods=["DELETE"])
@needs(CATALOG.get, CATALOG.put, CATALOG.delete, TERMS.delete, ORIGINALS.delete)
def delete_image(image_id: str) -> Response:
    """Delete an image: first from every list, then its bytes, then its record."""
    return Response(contracts.deleted(images.delete(caller(), image_id)))


@app.route("/items", methods=["POST"])
@needs(ITEMS.put)
def create_item() -> Response:
    """Keep a JSON document."""
    item = items.create(caller(), requests.item(app.current_request))
    return Response(contracts.item(item), contracts.etag(item), status_code=201)


@app.route("/items", methods=["GET"])
@needs(ITEMS.query)
def list_items() -> Response:
    """List items, newest first."""
    return Response(contracts.listed_items(items.list_items(requests.item_query(app.current_request))))


@app.route("/items/{item_id}", methods=["GET"])
@needs(ITEMS.get)
def view_item(item_id: str) -> Response:
    """View an item."""
    item = items.view(item_id)
    return Response(contracts.item(item), contracts.etag(item))


@app.route("/items/{item_id}", methods=["PUT"])
@needs(ITEMS.get, ITEMS.put)
def update_item(item_id: str) -> Response:
    """Set the fields given of an item, and leave the others."""
    request = app.current_request
    item = items.update(caller(), item_id, requests.item_fields(request), if_match=requests.if_match(request))
    return Response(contracts.item(item), contracts.etag(item))


@app.route("/items/{item_id}", methods=["DELETE"])
@needs(ITEMS.get, ITEMS.delete)
def delete_item(item_id: str) -> Response:
    """Delete an item."""
    items.delete(caller(), item_id, if_match=requests.if_match(app.current_request))
    return Response(contracts.deleted_item(item_id))


@app.on_s3_event(bucket=settings().s3_bucket_name, events=["s3:ObjectCreated:*"])
@needs(CATALOG.get, CATALOG.put, ORIGINALS.get, ORIGINALS.delete)
def on_object_created(event: S3Event) -> None:
    """Remove an object whose upload never finished."""
    images.reap(requests.object_created(event))


@app.schedule(Rate(5, unit=Rate.MINUTES))
@needs(CATALOG.query_state, CATALOG.get, CATALOG.delete, ORIGINALS.delete)
def sweep(event: CloudWatchEvent) -> None:
    """Finish what a crash left half done."""
    images.sweep()


def caller() -> Caller:
    """Who calls: as the bearer token says or, where tokens aren't asked for, the request."""
    request = app.current_request
    return access.caller(requests.bearer(request), requests.named_user(request))

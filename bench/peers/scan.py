"""The design of most tutorials: one table keyed by id, and lists that scan it with a filter.

A thumbnail is made by Pillow at each request.
"""

import io
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
from flask import Flask, Response, g, request
from PIL import Image

BUCKET, TABLE = "scan-images", "scan_images"

app = Flask(__name__)
s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(TABLE)


@app.post("/images")
def upload() -> tuple[dict[str, Any], int]:
    """Store an image of a form."""
    file, image_id = request.files["file"], str(uuid.uuid4())
    content = file.read()
    s3.put_object(Bucket=BUCKET, Key=image_id, Body=content, ContentType=file.mimetype)
    item = {
        "image_id": image_id,
        "user_id": request.form["user_id"],
        "title": request.form["title"],
        "title_lower": request.form["title"].lower(),
        "tags": request.form["tags"].split(","),
        "filename": file.filename,
        "content_type": file.mimetype,
        "size": len(content),
        "created_at": datetime.now(UTC).isoformat(),
    }
    table.put_item(Item=item)
    return item, 201


@app.get("/images")
def list_images() -> dict[str, Any]:
    """Scan until the page is full, or with `newest` the whole table."""
    conditions, values = [], {}
    for name, condition in (
        ("user_id", "user_id = :user_id"),
        ("tag", "contains(tags, :tag)"),
        ("title", "contains(title_lower, :title)"),
    ):
        if name in request.args:
            conditions.append(condition)
            values[f":{name}"] = request.args[name]
    scan: dict[str, Any] = {}
    if conditions:
        scan = {"FilterExpression": " AND ".join(conditions), "ExpressionAttributeValues": values}
    limit, newest = int(request.args.get("limit", 20)), "newest" in request.args
    found: list[dict[str, Any]] = []
    while newest or len(found) < limit:
        page = table.scan(**scan)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    if newest:
        found.sort(key=lambda item: item["created_at"], reverse=True)
    return {"images": found[:limit]}


@app.get("/images/<image_id>")
def view(image_id: str) -> dict[str, Any]:
    """Return an image's metadata and a presigned URL."""
    item = table.get_item(Key={"image_id": image_id})["Item"]
    url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": image_id}, ExpiresIn=3600)
    return {**item, "url": url}


@app.get("/images/<image_id>/render")
def thumbnail(image_id: str) -> Response:
    """Make a thumbnail of the original."""
    width = int(request.args["w"])
    original, content = s3.get_object(Bucket=BUCKET, Key=image_id)["Body"].read(), io.BytesIO()
    with Image.open(io.BytesIO(original)) as image:
        image.thumbnail((width, width))
        image.save(content, "WEBP", quality=80)
    return Response(content.getvalue(), mimetype="image/webp")


# The rest is for the measurement: headers that say what a request used.


def _ask_for_units(params: dict[str, Any], **_: Any) -> None:
    params["ReturnConsumedCapacity"] = "TOTAL"


def _count(parsed: dict[str, Any], **_: Any) -> None:
    g.calls = g.get("calls", 0) + 1
    g.units = g.get("units", 0) + parsed.get("ConsumedCapacity", {}).get("CapacityUnits", 0)


@app.after_request
def say_usage(response: Response) -> Response:
    """Add the number of AWS calls, and the capacity units."""
    units = "X-Write-Units" if request.method == "POST" else "X-Read-Units"
    response.headers.update({"X-Aws-Calls": g.calls, "X-Read-Units": 0, "X-Write-Units": 0, units: g.units})
    return response


table.meta.client.meta.events.register("before-parameter-build.dynamodb", _ask_for_units)
for client in (s3, table.meta.client):
    client.meta.events.register("after-call", _count)

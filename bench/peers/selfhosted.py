"""A service for one machine: metadata in Postgres with an index for each filter, files in SeaweedFS through its S3 API.

An upload makes its thumbnail.
"""

import io
import os
import uuid
from typing import Any

import boto3
from flask import Flask, Response, redirect, request
from PIL import Image
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

BUCKET = "images"
THUMBNAIL_PX = 320
CONDITIONS = {
    "user_id": "user_id = %(user_id)s",
    "tag": "tags @> ARRAY[%(tag)s]",
    "title": "to_tsvector('simple', title) @@ to_tsquery('simple', %(title)s || ':*')",
}

app = Flask(__name__)
s3 = boto3.client("s3")
pool = ConnectionPool(os.environ["DATABASE"], kwargs={"autocommit": True, "row_factory": dict_row}, open=True)


@app.post("/images")
def upload() -> tuple[dict[str, Any], int]:
    """Store an image of a form, and its thumbnail."""
    file, image_id = request.files["file"], str(uuid.uuid4())
    content, small = file.read(), io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        image.save(small, "WEBP", quality=80)
    s3.put_object(Bucket=BUCKET, Key=image_id, Body=content, ContentType=file.mimetype)
    s3.put_object(Bucket=BUCKET, Key=f"{image_id}.webp", Body=small.getvalue(), ContentType="image/webp")
    fields = {name: request.form[name] for name in ("user_id", "title")}
    fields |= {"tags": request.form["tags"].split(","), "filename": file.filename, "content_type": file.mimetype}
    row = {"image_id": image_id, **fields, "size": len(content)}
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    with pool.connection() as connection:
        connection.execute(f"INSERT INTO images ({names}) VALUES ({values})", row)  # noqa: S608
    return row, 201


@app.get("/images")
def list_images() -> dict[str, Any]:
    """Return the newest images."""
    conditions = " AND ".join(CONDITIONS[name] for name in CONDITIONS if name in request.args) or "true"
    query = f"SELECT * FROM images WHERE {conditions} ORDER BY created_at DESC LIMIT %(limit)s"  # noqa: S608
    with pool.connection() as connection:
        return {"images": connection.execute(query, {"limit": 20, **request.args}).fetchall()}


@app.get("/images/<image_id>")
def view(image_id: str) -> dict[str, Any]:
    """Return an image's metadata and a presigned URL."""
    with pool.connection() as connection:
        row = connection.execute("SELECT * FROM images WHERE image_id = %s", [image_id]).fetchone()
    return {**row, "url": _url(image_id)}


@app.get("/images/<image_id>/render")
def thumbnail(image_id: str) -> Response:
    """Redirect to the thumbnail."""
    return redirect(_url(f"{image_id}.webp"))


def _url(key: str) -> str:
    url: str = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=3600)
    return url

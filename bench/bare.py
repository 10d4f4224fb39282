"""The AWS calls that an operation needs at least, as plain boto3."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dev.stack import Stack

BUCKET = "images-originals"
# The terms of an image with three tags and a title of one word.
KEYS = tuple(f"bare-{name}" for name in ("all", "owner", "type", "checksum", "nature", "forest", "sand", "dunes"))
CHANGE = {"list": {"S": "bare"}, "name": {"S": "bare"}}  # of tags


@dataclass(frozen=True, slots=True)
class Bare:
    """Writes and reads a copy of one record, with index rows of the size that the service writes."""

    s3: Any
    dynamodb: Any
    record: dict[str, Any]
    page: int  # images

    @classmethod
    def beside(cls, stack: Stack, image_id: str, page: int) -> "Bare":
        """Return a client of the stack that works on a copy of an image's record."""
        dynamodb = stack.client("dynamodb")
        record = dynamodb.get_item(TableName="images", Key={"image_id": {"S": image_id}})["Item"]
        return cls(stack.client("s3"), dynamodb, {**record, "image_id": {"S": "bare"}}, page)

    def upload(self, photo: bytes) -> None:
        """Make one PutObject call and one transaction of a record, eight rows and a change of tags."""
        self.s3.put_object(Bucket=BUCKET, Key="bare", Body=photo, ContentType="image/png")
        self.dynamodb.transact_write_items(TransactItems=[*self._record_and_rows(), _put("tag_counts", CHANGE)])

    def keyed(self, photo: bytes) -> None:
        """Make one GetItem call for a key, and an upload whose transaction includes the key."""
        self._look_up_key()
        self.s3.put_object(Bucket=BUCKET, Key="bare", Body=photo, ContentType="image/png")
        key = _put("idempotency_keys", {"idempotency_key": {"S": "bare"}, "image_id": {"S": "bare"}})
        self.dynamodb.transact_write_items(TransactItems=[*self._record_and_rows(), _put("tag_counts", CHANGE), key])

    def look_up_key(self) -> None:
        """Make one GetItem call for a key and one for the record of its image."""
        self._look_up_key()
        self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": "bare"}}, ConsistentRead=True)

    def _look_up_key(self) -> None:
        key = {"idempotency_key": {"S": "bare"}}
        self.dynamodb.get_item(TableName="idempotency_keys", Key=key, ConsistentRead=True)

    def update(self) -> None:
        """Make one GetItem call and one transaction of a record and eight rows."""
        self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": "bare"}}, ConsistentRead=True)
        self.dynamodb.transact_write_items(TransactItems=self._record_and_rows())

    def download(self, image_id: str, object_key: str) -> None:
        """Make one GetItem and one GetObject call."""
        self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": image_id}})
        self.s3.get_object(Bucket=BUCKET, Key=object_key)["Body"].read()

    def view(self, image_id: str) -> None:
        """Make one GetItem call and one presigned URL."""
        self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": image_id}})
        self.s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": image_id}, ExpiresIn=3600)

    def by_tag(self, tag: str) -> None:
        """Make one Query of a tag's rows."""
        self._query("tag", tag, TableName="image_tags")

    def by_tag_with_records(self, tag: str) -> None:
        """Make one Query of a tag's rows and one BatchGetItem of their records."""
        rows = self._query("tag", tag, TableName="image_tags")
        keys = [{"image_id": row["image_id"]} for row in rows[: self.page]]
        self.dynamodb.batch_get_item(RequestItems={"images": {"Keys": keys}})

    def records(self, image_ids: Sequence[str]) -> None:
        """Make one GetItem call for each image."""
        for image_id in image_ids:
            self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": image_id}})

    def tags(self, user_id: str) -> None:
        """Make one Query of an owner's counters."""
        self._query("list", f"tags:{user_id}", TableName="tag_counts")

    def by_owner(self, user_id: str) -> None:
        """Make one Query of the owner's index."""
        self._query("user_id", user_id, TableName="images", IndexName="user_id-index")

    def delete(self) -> None:
        """Make one GetItem, one transaction (record, eight rows, change), one DeleteObject and one DeleteItem."""
        key = {"image_id": {"S": "bare"}}
        self.dynamodb.get_item(TableName="images", Key=key, ConsistentRead=True)
        rows = [{"Delete": {"TableName": "image_tags", "Key": {**key, "tag": {"S": tag}}}} for tag in KEYS]
        writes = [_put("images", self.record), *rows, _put("tag_counts", CHANGE)]
        self.dynamodb.transact_write_items(TransactItems=writes)
        self.s3.delete_object(Bucket=BUCKET, Key="bare")
        self.dynamodb.delete_item(TableName="images", Key=key)

    def _record_and_rows(self) -> list[dict[str, Any]]:
        carried = {name: value for name, value in self.record.items() if name not in ("s3_key", "s3_url", "created_at")}
        rows = [_put("image_tags", {**carried, "tag": {"S": key}}) for key in KEYS]
        return [_put("images", self.record), *rows]

    def _query(self, name: str, value: str, **where: str) -> list[dict[str, Any]]:
        answer = self.dynamodb.query(
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": name},
            ExpressionAttributeValues={":value": {"S": value}},
            Limit=self.page + 1,
            ScanIndexForward=False,
            **where,
        )
        rows: list[dict[str, Any]] = answer["Items"]
        return rows


def _put(table: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": item}}

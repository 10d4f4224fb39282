"""The AWS calls that each operation needs at least, as plain boto3 calls."""

from dataclasses import dataclass
from typing import Any

from dev.stack import Stack

BUCKET = "images-originals"
# One partition key for each term of an image with three tags and one title word: four that every public image has,
# three tags and a word.
KEYS = tuple(f"bare-{name}" for name in ("all", "owner", "type", "checksum", "nature", "forest", "sand", "dunes"))
CHANGE = {"list": {"S": "bare"}, "name": {"S": "bare"}}  # a change of tag counts


@dataclass(frozen=True, slots=True)
class Bare:
    """Write and read a copy of one record, with rows as large as those of the service."""

    s3: Any
    dynamodb: Any
    record: dict[str, Any]
    page: int  # images on a page

    @classmethod
    def beside(cls, stack: Stack, image_id: str, page: int) -> "Bare":
        """Return clients of the stack, with a copy of the record of an image."""
        dynamodb = stack.client("dynamodb")
        record = dynamodb.get_item(TableName="images", Key={"image_id": {"S": image_id}})["Item"]
        return cls(stack.client("s3"), dynamodb, {**record, "image_id": {"S": "bare"}}, page)

    def upload(self, photo: bytes) -> None:
        """Make one PutObject call and one transaction: a record, eight rows and a change of tag counts."""
        self.s3.put_object(Bucket=BUCKET, Key="bare", Body=photo, ContentType="image/png")
        self.dynamodb.transact_write_items(TransactItems=[*self._record_and_rows(), _put("tag_counts", CHANGE)])

    def keyed(self, photo: bytes) -> None:
        """Read an idempotency key, then upload with a transaction that also writes the key."""
        self.look_up_key()
        self.s3.put_object(Bucket=BUCKET, Key="bare", Body=photo, ContentType="image/png")
        key = _put("idempotency_keys", {"idempotency_key": {"S": "bare"}, "image_id": {"S": "bare"}})
        self.dynamodb.transact_write_items(TransactItems=[*self._record_and_rows(), _put("tag_counts", CHANGE), key])

    def look_up_key(self) -> None:
        """Read an idempotency key: one GetItem call."""
        key = {"idempotency_key": {"S": "bare"}}
        self.dynamodb.get_item(TableName="idempotency_keys", Key=key, ConsistentRead=True)

    def update(self) -> None:
        """Make one GetItem call and one transaction: a record and eight rows."""
        self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": "bare"}}, ConsistentRead=True)
        self.dynamodb.transact_write_items(TransactItems=self._record_and_rows())

    def download(self, image_id: str, object_key: str) -> None:
        """Make one GetItem call and one GetObject call."""
        self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": image_id}})
        self.s3.get_object(Bucket=BUCKET, Key=object_key)["Body"].read()

    def view(self, image_id: str) -> None:
        """Make one GetItem call and presign a URL."""
        self.dynamodb.get_item(TableName="images", Key={"image_id": {"S": image_id}})
        self.s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": image_id}, ExpiresIn=3600)

    def by_tag(self, tag: str) -> None:
        """Read the rows of a tag: one Query call."""
        self._query("tag", tag, TableName="image_tags")

    def tags(self, user_id: str) -> None:
        """Read the counters of an owner: one Query call."""
        self._query("list", f"tags:{user_id}", TableName="tag_counts")

    def by_owner(self, user_id: str) -> None:
        """Read the index of owners: one Query call."""
        self._query("user_id", user_id, TableName="images", IndexName="user_id-index")

    def delete(self) -> None:
        """Make one GetItem call, one transaction, one DeleteObject call and one DeleteItem call.

        The transaction writes a record, eight rows and a change of tag counts.
        """
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

    def _query(self, name: str, value: str, **where: str) -> None:
        self.dynamodb.query(
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": name},
            ExpressionAttributeValues={":value": {"S": value}},
            Limit=self.page + 1,
            ScanIndexForward=False,
            **where,
        )


def _put(table: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": item}}

"""`dev.provision` creates the buckets and tables that resources.yaml declares."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from chalicelib.config import read
from dev import provision
from project import CannotRun

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

SETTINGS = read({"S3_BUCKET_NAME": "mine", "IMAGES_TABLE_NAME": "pictures"})

INDEXES = {"user_id-index", "user_id-changed-index", "user_id-taken-index", "state-index"}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.fixture
def s3() -> "S3Client":
    return boto3.client("s3", "us-east-1")


@pytest.fixture
def dynamodb() -> "DynamoDBClient":
    return boto3.client("dynamodb", "us-east-1")


def test_buckets_and_tables_have_the_configured_names_and_the_declared_properties(
    s3: "S3Client", dynamodb: "DynamoDBClient"
) -> None:
    for _ in range(2):  # the second call has nothing to change
        provision.create(s3, dynamodb, SETTINGS)
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {"mine", "images-derived", "images-staged"}
    assert set(dynamodb.list_tables()["TableNames"]) == {
        "pictures",
        "image_tags",
        "tag_counts",
        "items",
        "idempotency_keys",
    }
    assert all(s3.get_public_access_block(Bucket="mine")["PublicAccessBlockConfiguration"].values())
    multipart, deleted = s3.get_bucket_lifecycle_configuration(Bucket="mine")["Rules"]
    assert multipart["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert deleted["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert deleted["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    abandoned = s3.get_bucket_lifecycle_configuration(Bucket="images-staged")["Rules"]
    assert [rule.get("Expiration") for rule in abandoned] == [None, {"Days": 14}]
    rule = {"AllowedOrigins": ["*"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 3600}
    for bucket, methods in (("mine", ["GET", "HEAD"]), ("images-staged", ["PUT", "POST"])):
        assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [{"AllowedMethods": methods, **rule}]
    table = dynamodb.describe_table(TableName="pictures")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == INDEXES


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_new_index_is_added_to_an_existing_table(
    dynamodb: "DynamoDBClient", capsys: pytest.CaptureFixture[str], is_empty: bool
) -> None:
    dynamodb.create_table(
        TableName="pictures",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "image_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "image_id", "KeyType": "HASH"}],
    )
    if not is_empty:
        dynamodb.put_item(TableName="pictures", Item={"image_id": {"S": "1"}})
    provision.create_tables(dynamodb, SETTINGS)
    advice = "The table pictures has the new index user_id-taken-index. Run `make reindex` once"
    assert (advice in capsys.readouterr().out) is not is_empty
    indexes = dynamodb.describe_table(TableName="pictures")["Table"]["GlobalSecondaryIndexes"]
    assert {index["IndexName"] for index in indexes} == INDEXES


def test_the_error_for_a_table_with_other_keys_names_both(dynamodb: "DynamoDBClient") -> None:
    dynamodb.create_table(
        TableName="pictures",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    with pytest.raises(CannotRun, match=r"table pictures has the keys id \(N\), .* declares image_id \(S\)"):
        provision.create_tables(dynamodb, SETTINGS)

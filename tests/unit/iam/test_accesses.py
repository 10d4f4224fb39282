from typing import Any

import pytest

from chalicelib.config import Settings
from chalicelib.permissions import StageLocation
from tests.iam.accesses import Access, UnknownOperation, allows, of_call, of_form, of_url

LOCATION = StageLocation("aws", "us-east-1", "123456789012", "dev", Settings())
IMAGES = "arn:aws:dynamodb:us-east-1:123456789012:table/images"
TAGS = "arn:aws:dynamodb:us-east-1:123456789012:table/image_tags"
CAT = "arn:aws:s3:::images-originals/alice/cat"


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"])
def test_a_call_on_a_table_needs_its_action_on_the_table(operation: str) -> None:
    assert of_call(LOCATION, "dynamodb", operation, {"TableName": "images"}) == [(f"dynamodb:{operation}", IMAGES)]


@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_a_call_on_an_index_is_checked_on_the_index_only(operation: str) -> None:
    params = {"TableName": "images", "IndexName": "state-index"}
    assert of_call(LOCATION, "dynamodb", operation, params) == [
        (f"dynamodb:{operation}", f"{IMAGES}/index/state-index")
    ]


@pytest.mark.parametrize("operation", ["BatchGetItem", "BatchWriteItem"])
def test_a_batch_is_checked_on_each_table(operation: str) -> None:
    params: dict[str, Any] = {"RequestItems": {"images": {}, "image_tags": {}}}
    assert of_call(LOCATION, "dynamodb", operation, params) == [
        (f"dynamodb:{operation}", IMAGES),
        (f"dynamodb:{operation}", TAGS),
    ]


def test_a_transaction_is_checked_by_its_entries() -> None:
    items = [
        {"Put": {"TableName": "images"}},
        {"Update": {"TableName": "images"}},
        {"Delete": {"TableName": "image_tags"}},
        {"ConditionCheck": {"TableName": "image_tags"}},
    ]
    assert of_call(LOCATION, "dynamodb", "TransactWriteItems", {"TransactItems": items}) == [
        ("dynamodb:PutItem", IMAGES),
        ("dynamodb:UpdateItem", IMAGES),
        ("dynamodb:DeleteItem", TAGS),
        ("dynamodb:ConditionCheckItem", TAGS),
    ]
    gets = {"TransactItems": [{"Get": {"TableName": "images"}}]}
    assert of_call(LOCATION, "dynamodb", "TransactGetItems", gets) == [("dynamodb:GetItem", IMAGES)]


@pytest.mark.parametrize(
    ("operation", "params", "actions"),
    [
        ("PutObject", {}, ["s3:PutObject"]),
        ("PutObject", {"Tagging": "a=b"}, ["s3:PutObject", "s3:PutObjectTagging"]),
        ("GetObject", {}, ["s3:GetObject"]),
        ("GetObject", {"VersionId": "1"}, ["s3:GetObjectVersion"]),
        ("HeadObject", {}, ["s3:GetObject"]),
        ("DeleteObject", {}, ["s3:DeleteObject"]),
        ("DeleteObject", {"VersionId": "1"}, ["s3:DeleteObjectVersion"]),
    ],
)
def test_a_call_on_an_object_needs_its_actions_on_the_object(
    operation: str, params: dict[str, str], actions: list[str]
) -> None:
    params = {"Bucket": "images-originals", "Key": "alice/cat"} | params
    assert of_call(LOCATION, "s3", operation, params) == [(action, CAT) for action in actions]


def test_several_objects_are_checked_one_by_one() -> None:
    keys = [{"Key": "alice/cat"}, {"Key": "dog"}]
    params: dict[str, Any] = {"Bucket": "images-originals", "Delete": {"Objects": keys}}
    assert of_call(LOCATION, "s3", "DeleteObjects", params) == [
        ("s3:DeleteObject", CAT),
        ("s3:DeleteObject", "arn:aws:s3:::images-originals/dog"),
    ]


@pytest.mark.parametrize("source", ["images-originals/alice/cat", {"Bucket": "images-originals", "Key": "alice/cat"}])
def test_a_copy_is_checked_as_a_read_and_a_write(source: object) -> None:
    params = {"Bucket": "images-derived", "Key": "cat", "CopySource": source}
    assert of_call(LOCATION, "s3", "CopyObject", params) == [
        ("s3:GetObject", CAT),
        ("s3:PutObject", "arn:aws:s3:::images-derived/cat"),
    ]


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("ListObjectsV2", "s3:ListBucket"),
        ("HeadBucket", "s3:ListBucket"),
        ("GetBucketLocation", "s3:GetBucketLocation"),
    ],
)
def test_a_call_on_a_bucket_needs_its_action_on_the_bucket(operation: str, action: str) -> None:
    assert of_call(LOCATION, "s3", operation, {"Bucket": "b"}) == [(action, "arn:aws:s3:::b")]


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("dynamodb", "ExecuteStatement", {}),
        ("s3", "PutBucketPolicy", {"Bucket": "b"}),
        ("sqs", "SendMessage", {}),
        ("s3", "GetObjectTagging", {"Bucket": "b", "Key": "k", "VersionId": "1"}),
    ],
)
def test_an_unknown_operation_is_an_error(service: str, operation: str, params: dict[str, str]) -> None:
    with pytest.raises(UnknownOperation):
        of_call(LOCATION, service, operation, params)


@pytest.mark.parametrize(
    ("method", "action"), [("GET", "s3:GetObject"), ("HEAD", "s3:GetObject"), ("PUT", "s3:PutObject")]
)
def test_a_presigned_url_needs_the_action_of_its_method(method: str, action: str) -> None:
    url = "http://127.0.0.1:4566/images-originals/alice/c%20%C3%A4?response-content-type=image%2Fpng"
    assert of_url(LOCATION, method, url) == [(action, "arn:aws:s3:::images-originals/alice/c ä")]


@pytest.mark.parametrize(
    ("method", "query", "header"),
    [("GET", "?versionId=1", "host"), ("PUT", "?tagging", "host"), ("PATCH", "", "host"), ("PUT", "", "x-amz-acl")],
)
def test_a_presigned_url_with_an_unknown_meaning_is_an_error(method: str, query: str, header: str) -> None:
    with pytest.raises(UnknownOperation):
        of_url(LOCATION, method, f"https://s3.us-east-1.amazonaws.com/b/k{query}", [header])


@pytest.mark.parametrize(
    ("conditions", "key"),
    [
        ([{"key": "alice/cat"}], "alice/cat"),
        ([["eq", "$key", "alice/cat"]], "alice/cat"),
        ([["starts-with", "$key", "alice/"]], "alice/*"),
        ([{"bucket": "b"}], "*"),
    ],
)
def test_a_presigned_form_needs_put_object_on_its_keys(conditions: list[object], key: str) -> None:
    assert of_form(LOCATION, "http://127.0.0.1:4566/b", conditions) == [("s3:PutObject", f"arn:aws:s3:::b/{key}")]


def test_a_presigned_form_with_tags_and_an_acl_needs_their_actions() -> None:
    conditions = [{"key": "k"}, {"tagging": "<Tagging/>"}, ["starts-with", "$acl", ""]]
    assert [access.action for access in of_form(LOCATION, "http://h/b", conditions)] == [
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:PutObjectAcl",
    ]


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (Access("s3:PutObject", "arn:aws:s3:::b/any/key\n"), True),
        (Access("s3:PutObject", "arn:aws:s3:::b"), False),
        (Access("s3:PutObject", "arn:aws:s3:::bb/key"), False),
        (Access("s3:GetObject", "arn:aws:s3:::b/key"), False),
        (Access("dynamodb:Query", IMAGES), True),
        (Access("dynamodb:Query", f"{IMAGES}/index/state-index"), False),
        (Access("dynamodb:Query", IMAGES + "2"), False),
    ],
)
def test_a_policy_allows_its_actions_on_its_resources_only(access: Access, allowed: bool) -> None:
    objects = {"Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::b/*"}
    table = {"Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": IMAGES}
    assert allows({"Statement": [objects, table]}, access) is allowed

"""The S3 emulator accepts only requests, URLs and forms that are signed with the data folder's key."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3.session
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.stack.conftest import Emulator

CONTENT = b"what is kept"


@pytest.fixture
def bucket(emulator: Emulator) -> Iterator[str]:
    """Create a bucket with one object, and check after the test that nothing has changed."""
    name = f"bucket-{uuid4()}"
    emulator.s3.create_bucket(Bucket=name)
    emulator.s3.put_object(Bucket=name, Key="kept", Body=CONTENT)
    yield name
    objects = emulator.s3.list_objects_v2(Bucket=name)["Contents"]
    assert [entry["Key"] for entry in objects] == ["kept"]
    assert emulator.s3.get_object(Bucket=name, Key="kept")["Body"].read() == CONTENT


def presigned(emulator: Emulator, bucket: str, operation: str = "get_object", **options: Any) -> str:
    url: str = emulator.s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": "kept"}, **options)
    return url


def assert_refused(answer: requests.Response, code: str = "AccessDenied", status: int = 403) -> None:
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (status, True), answer.text


def client_with_key(emulator: Emulator, secret: str, key_id: str | None = None) -> Any:
    session: Any = boto3.session.Session(key_id or emulator.access_key_id, secret, region_name="us-east-1")
    return session.client("s3", endpoint_url=emulator.url, config=Config(signature_version="s3v4"))


def test_both_ids_of_the_key_are_accepted(emulator: Emulator, bucket: str) -> None:
    for key_id in (emulator.access_key_id, emulator.url_key_id):
        client = client_with_key(emulator, emulator.secret_access_key, key_id)
        assert client.get_object(Bucket=bucket, Key="kept")["Body"].read() == CONTENT
        url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "kept"})
        assert requests.get(url, timeout=60).content == CONTENT
        form = client.generate_presigned_post(bucket, "kept")
        assert requests.post(form["url"], form["fields"], files={"file": CONTENT}, timeout=60).status_code == 204


@pytest.mark.parametrize("key", ["plain", "grüße/a b+&~é%25", "a//b"])
def test_signed_requests_are_accepted_for_any_object_key(emulator: Emulator, key: str) -> None:
    bucket = f"bucket-{uuid4()}"
    emulator.s3.create_bucket(Bucket=bucket)
    emulator.s3.put_object(Bucket=bucket, Key=key, Body=b"abc", Metadata={"two": "a  b"})
    assert [entry["Key"] for entry in emulator.s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]] == [key]
    assert emulator.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"abc"
    url = emulator.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    assert requests.get(url, headers={"Range": "bytes=1-"}, timeout=60).content == b"bc"
    form = emulator.s3.generate_presigned_post(bucket, "posted")
    assert requests.post(form["url"], form["fields"], files={"file": b"new"}, timeout=60).status_code == 204
    assert emulator.s3.get_object(Bucket=bucket, Key="posted")["Body"].read() == b"new"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("path", ["", "/kept"])
def test_the_access_key_id_alone_gives_no_access(emulator: Emulator, bucket: str, method: str, path: str) -> None:
    now = datetime.now(UTC)
    scope = f"{emulator.access_key_id}/{now:%Y%m%d}/us-east-1/s3/aws4_request"
    date = f"{now:%Y%m%dT%H%M%SZ}"
    signed = {"X-Amz-Credential": scope, "X-Amz-Date": date, "X-Amz-Expires": "60", "X-Amz-SignedHeaders": "host"}
    for query in (
        {},
        {"X-Amz-Credential": scope},
        {**signed, "X-Amz-Algorithm": "AWS4-HMAC-SHA256"},
        {**signed, "X-Amz-Signature": "0" * 64},
        {**signed, "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Signature": "0" * 64},
        {"AWSAccessKeyId": emulator.access_key_id, "Signature": "AAAA", "Expires": "9999999999"},
    ):
        answer = requests.request(method, f"{emulator.url}/{bucket}{path}", params=query, data=b"x", timeout=60)
        assert answer.status_code == 403, query
    for authorization in (
        f"AWS4-HMAC-SHA256 Credential={scope}",
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
        f"AWS {emulator.access_key_id}:AAAA",
    ):
        headers = {"Authorization": authorization, "X-Amz-Date": date}
        answer = requests.request(method, f"{emulator.url}/{bucket}{path}", headers=headers, data=b"x", timeout=60)
        assert answer.status_code == 403, authorization


@pytest.mark.parametrize("key_id", [None, "test", "000000000000"])
def test_a_wrong_access_key_is_refused(emulator: Emulator, bucket: str, key_id: str | None) -> None:
    stranger = client_with_key(emulator, "test", key_id)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch" if key_id is None else "InvalidAccessKeyId"):
        stranger.list_objects_v2(Bucket=bucket)
    url = stranger.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "kept"})
    assert requests.get(url, timeout=60).status_code == 403
    form = stranger.generate_presigned_post(bucket, "posted")
    assert requests.post(form["url"], form["fields"], files={"file": b"x"}, timeout=60).status_code == 403


def test_a_presigned_url_allows_only_the_signed_request(emulator: Emulator, bucket: str) -> None:
    url = presigned(emulator, bucket)
    assert requests.get(url, timeout=60).content == CONTENT
    assert_refused(requests.get(url.partition("&X-Amz-Signature")[0], timeout=60), "MissingAuthorizationParameter")
    assert_refused(requests.get(url.replace("/kept", "/other"), timeout=60), "SignatureDoesNotMatch")
    assert_refused(requests.get(f"{url}&acl", timeout=60), "SignatureDoesNotMatch")
    for method in ("PUT", "DELETE"):
        assert_refused(requests.request(method, url, timeout=60), "SignatureDoesNotMatch")


def test_a_presigned_url_expires(emulator: Emulator, bucket: str) -> None:
    assert_refused(requests.get(presigned(emulator, bucket, ExpiresIn=-1), timeout=60))


def test_a_presigned_put_refuses_an_unsigned_header(emulator: Emulator, bucket: str) -> None:
    url = presigned(emulator, bucket, "put_object")
    assert_refused(requests.put(url, headers={"x-amz-copy-source": f"/{bucket}/other"}, timeout=60))
    assert requests.put(url, CONTENT, timeout=60).status_code == 200


def test_a_form_with_a_missing_or_wrong_signature_is_refused(emulator: Emulator, bucket: str) -> None:
    form = emulator.s3.generate_presigned_post(bucket, "posted")
    fields = form["fields"]
    for invalid in (
        {"key": "posted"},
        {"key": "posted", "policy": fields["policy"]},
        {name: value for name, value in fields.items() if name != "x-amz-signature"},
        {**fields, "x-amz-signature": "0" * 64},
        {**fields, "key": "another"},
    ):
        answer = requests.post(form["url"], invalid, files={"file": b"x"}, timeout=60)
        assert answer.status_code in (400, 403), invalid


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("OPTIONS", "/_ministack/reset"),
        ("POST", "/%5Fministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_ministack/health"),
    ],
)
def test_the_emulators_own_paths_do_not_exist(emulator: Emulator, bucket: str, method: str, path: str) -> None:
    assert_refused(requests.request(method, emulator.url + path, timeout=60), "NoSuchBucket", 404)
    assert_refused(requests.request(method, emulator.url + path, files={"file": b"x"}, timeout=60), "NoSuchBucket", 404)


def test_queues_need_a_signed_request(emulator: Emulator) -> None:
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
    assert_refused(requests.post(emulator.url, "{}", headers=headers, timeout=60))
    assert_refused(requests.post(emulator.url, {"Action": "ListQueues"}, timeout=60))
    assert_refused(requests.get(emulator.url, {"Action": "ListQueues"}, timeout=60))
    assert emulator.sqs.list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_page_that_may_use_a_bucket_can_read_refusals(emulator: Emulator, bucket: str) -> None:
    url, origin = f"{emulator.url}/{bucket}/kept", {"Origin": "https://photos.example"}
    assert "Access-Control-Allow-Origin" not in requests.get(url, headers=origin, timeout=60).headers
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}
    emulator.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    answer = requests.get(url, headers=origin, timeout=60)
    assert_refused(answer)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in requests.put(url, b"x", headers=origin, timeout=60).headers

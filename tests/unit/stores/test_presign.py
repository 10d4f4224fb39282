from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.stores.presign import presigned_url

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
HOSTS = [
    "https://s3.eu-central-1.amazonaws.com",
    "http://127.0.0.1:4566",
    "https://h:443",
    "http://h:80",
    "http://h/s3",
]


@given(
    st.sampled_from(["GET", "PUT"]),
    st.sampled_from(HOSTS),
    TEXT,
    TEXT,
    st.sampled_from([None, "to/ken+="]),
    st.integers(1, 604_800),
    st.none() | st.integers(1, 5_000_000_000),
)
def test_a_presigned_url_equals_the_url_that_botocore_signs(
    method: str, host: str, key: str, disposition: str, token: str | None, expires: int, length: int | None
) -> None:
    url = f"{host}/bucket/{quote('a' + key)}"
    credentials = ReadOnlyCredentials("id", "secret", token)
    query = f"?response-content-disposition={quote(disposition, safe='')}" if disposition else ""
    request = AWSRequest(method, url + query, {} if length is None else {"Content-Length": str(length)})
    S3SigV4QueryAuth(credentials, "s3", "eu-central-1", expires=expires).add_auth(request)
    signed = str(request.url)
    expected = dict(parse_qsl(urlsplit(signed).query, keep_blank_values=True))
    now = datetime.strptime(expected["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    parameters = {"response-content-disposition": disposition} if disposition else {}
    presigned = presigned_url(method, url, parameters, credentials, "eu-central-1", expires, length, now)
    assert urlsplit(presigned)._replace(query="") == urlsplit(signed)._replace(query="")
    assert dict(parse_qsl(urlsplit(presigned).query, keep_blank_values=True)) == expected

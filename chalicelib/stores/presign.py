"""Presigned URLs of S3: AWS Signature Version 4 in the query (IAM User Guide, "Create a signed AWS API request").

botocore's signer takes several times as long for each URL, which would slow down pages with a URL for each image.
A test checks that the URLs are the same as botocore's.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_ALGORITHM = "AWS4-HMAC-SHA256"


def presigned_url(
    method: str,
    url: str,
    query: Mapping[str, str],
    credentials: "ReadOnlyCredentials",
    region: str,
    expires_in: int,
    length: int | None = None,
    now: datetime | None = None,
) -> str:
    """Return a URL that lets anyone who has it GET or PUT an object for `expires_in` seconds, at most 604,800.

    `url` is the URL of the object, with an encoded path. `query` has further parameters, not yet encoded. The signature
    covers the host, so the URL is not valid for another host. With a `length`, it also covers the Content-Length.
    `now` is the time of signing, by default the present.
    """
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(":443" if parts.scheme == "https" else ":80")
    headers = {**({} if length is None else {"content-length": str(length)}), "host": host}
    signed_headers = ";".join(headers)
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    parameters = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(expires_in),
        "X-Amz-SignedHeaders": signed_headers,
        **({"X-Amz-Security-Token": credentials.token} if credentials.token else {}),
    }
    pairs = sorted(parameters.items())
    canonical_query = "&".join(f"{quote(name, safe='')}={_encoded(value)}" for name, value in pairs)
    canonical_headers = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"{method}\n{parts.path}\n{canonical_query}\n{canonical_headers}\n{signed_headers}\nUNSIGNED-PAYLOAD"
    to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(credentials.secret_key, moment[:8], region)
    return f"{url}?{canonical_query}&X-Amz-Signature={hmac.digest(key, to_sign.encode(), 'sha256').hex()}"


@lru_cache(maxsize=32)
def _encoded(value: str) -> str:
    return quote(value, safe="")  # cached: URLs share most values, one of them a long token


@lru_cache(maxsize=4)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key

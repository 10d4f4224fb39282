"""Check requests of AWS clients (IAM User Guide, "Create a signed AWS API request").

dev/gate.py checks requests to S3 with the functions of the emulator, which are not installed beside the service.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_TIME = "%Y%m%dT%H%M%SZ"
_SKEW = timedelta(minutes=15)  # AWS's limit


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was sent."""

    method: str
    target: str  # encoded path and query
    headers: Mapping[str, str]  # case-insensitive
    body: bytes


def is_signed(request: Request, credentials: Credentials, service: str, now: datetime | None = None) -> bool:
    """Whether a request has a valid signature of this key for a service, made less than 15 minutes ago.

    The signature must cover the host and the body.
    """
    claimed = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    time = request.headers.get("X-Amz-Date", "")
    if claimed is None or claimed["id"] != credentials.access_key or claimed["service"] != service:
        return False
    names = claimed["headers"].split(";")
    if "host" not in names or not time.startswith(claimed["day"]) or not _is_recent(time, now or datetime.now(UTC)):
        return False
    headers = {name: request.headers.get(name, "") for name in names}
    digest = hashlib.sha256(request.body).hexdigest()
    if request.headers.get("X-Amz-Content-SHA256", digest) != digest:
        return False
    signed = AWSRequest(request.method, f"http://host{request.target}", headers, request.body)
    signed.context["timestamp"] = time
    signer = SigV4Auth(credentials, service, claimed["region"])
    expected = signer.signature(signer.string_to_sign(signed, signer.canonical_request(signed)), signed)
    return hmac.compare_digest(expected, claimed["signature"])


def _is_recent(time: str, now: datetime) -> bool:
    try:
        return abs(datetime.strptime(time, _TIME).replace(tzinfo=UTC) - now) <= _SKEW
    except ValueError:
        return False

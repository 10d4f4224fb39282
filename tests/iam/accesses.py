"""What AWS checks: the IAM actions and resources of a client's call, or of a URL that is signed."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from chalicelib.permissions import Policy, StageLocation

Params = Mapping[str, Any]


class Access(NamedTuple):
    """An action on one resource."""

    action: str
    arn: str

    def __str__(self) -> str:
        return f"{self.action} on {self.arn}"


class UnknownOperation(LookupError):
    """Nothing here says what AWS would check; say it here."""


OBJECT_ACTIONS = {
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
    "PutObjectTagging": "s3:PutObjectTagging",
    "GetObjectTagging": "s3:GetObjectTagging",
    "DeleteObjectTagging": "s3:DeleteObjectTagging",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListParts": "s3:ListMultipartUploadParts",
}
BUCKET_ACTIONS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "GetBucketLocation": "s3:GetBucketLocation",
}
# Each needs an action of its own beside that of the call, or of the signed URL or form, that it is in.
EXTRA_ACTIONS = {
    "Tagging": "s3:PutObjectTagging",
    "ACL": "s3:PutObjectAcl",
    "ObjectLockMode": "s3:PutObjectRetention",
    "ObjectLockLegalHoldStatus": "s3:PutObjectLegalHold",
}
URL_ACTIONS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "POST": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}
# What a signed URL may hold without meaning more than its method; `versionId`, `tagging` and others do.
PLAIN_PARAMETER = re.compile(r"response-.+|x-amz-(sdk-)?checksum-.+|x-amz-content-sha256|x-amz-meta-.+", re.IGNORECASE)


def of_call(place: StageLocation, service: str, operation: str, params: Params) -> list[Access]:
    """What a client's call needs.

    Raises UnknownOperation.
    """
    if service == "dynamodb":
        return _of_dynamodb(place, operation, params)
    if service == "s3":
        return _of_s3(place, operation, params)
    raise UnknownOperation(f"{service} {operation}")


def of_url(place: StageLocation, method: str, url: str, headers: Iterable[str] = ()) -> list[Access]:
    """What a signed S3 URL, path style, lets its holder do; `headers` are the names of those it is signed with.

    Raises UnknownOperation: it is of another method, or means more than an object's current version and its bytes.
    """
    parts = urlsplit(url)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    names += [name for name in headers if name.lower().startswith("x-amz-")]
    if method not in URL_ACTIONS or not all(PLAIN_PARAMETER.fullmatch(name) for name in names):
        raise UnknownOperation(f"a signed {method} of {url} with {names}")
    return [Access(URL_ACTIONS[method], _object(place, unquote(parts.path).removeprefix("/")))]


def of_form(place: StageLocation, url: str, conditions: list[Any]) -> list[Access]:
    """What a signed S3 form, to a path-style URL, lets its holder do: upload to the keys that its conditions admit."""
    bucket = unquote(urlsplit(url).path).strip("/")
    key, extras = "*", []
    for condition in conditions:
        match condition:
            case {"key": str(exact)} | ["eq", "$key", str(exact)]:
                key = exact
            case ["starts-with", "$key", str(prefix)]:
                key = f"{prefix}*"
            case {"tagging": _} | [_, "$tagging", _]:
                extras.append("s3:PutObjectTagging")
            case {"acl": _} | [_, "$acl", _]:
                extras.append("s3:PutObjectAcl")
    return [Access(action, _object(place, f"{bucket}/{key}")) for action in ["s3:PutObject", *extras]]


def allows(policy: Policy, access: Access) -> bool:
    """Whether a policy, of the kind that permissions.py makes, allows an access."""
    return any(
        access.action in statement["Action"] and covers(statement["Resource"], access.arn)
        for statement in policy["Statement"]
    )


def covers(pattern: str, arn: str) -> bool:
    """Whether a policy's resource covers an ARN: `*` stands for any characters, `?` for one."""
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), arn, re.DOTALL))


def _of_dynamodb(place: StageLocation, operation: str, params: Params) -> list[Access]:
    def table(name: str) -> str:
        return f"arn:{place.partition}:dynamodb:{place.region}:{place.account}:table/{name}"

    match operation:
        case "Query" | "Scan" if "IndexName" in params:
            return [Access(f"dynamodb:{operation}", f"{table(params['TableName'])}/index/{params['IndexName']}")]
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" | "Scan":
            return [Access(f"dynamodb:{operation}", table(params["TableName"]))]
        case "BatchGetItem" | "BatchWriteItem":
            return [Access(f"dynamodb:{operation}", table(name)) for name in params["RequestItems"]]
        case "TransactWriteItems" | "TransactGetItems":
            # IAM has no action of these names: each entry (Get, Put, Update, Delete, ConditionCheck) needs its own.
            return [
                Access(f"dynamodb:{verb}Item", table(entry["TableName"]))
                for item in params["TransactItems"]
                for verb, entry in item.items()
            ]
    raise UnknownOperation(f"dynamodb {operation}")


def _of_s3(place: StageLocation, operation: str, params: Params) -> list[Access]:
    extras = [action for name, action in EXTRA_ACTIONS.items() if name in params]
    if operation in BUCKET_ACTIONS:
        return [Access(BUCKET_ACTIONS[operation], _object(place, params["Bucket"]))]
    if operation == "DeleteObjects":
        return [_versioned("s3:DeleteObject", place, params["Bucket"], entry) for entry in params["Delete"]["Objects"]]
    if operation == "CopyObject":
        source = params["CopySource"]
        if isinstance(source, str):
            path, _, version = source.removeprefix("/").partition("?versionId=")
            bucket, _, key = unquote(path).partition("/")
            source = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        copied = _object(place, f"{params['Bucket']}/{params['Key']}")
        return [
            _versioned("s3:GetObject", place, source["Bucket"], source),
            *(Access(action, copied) for action in ["s3:PutObject", *extras]),
        ]
    if operation in OBJECT_ACTIONS:
        first = _versioned(OBJECT_ACTIONS[operation], place, params["Bucket"], params)
        return [first, *(Access(action, first.arn) for action in extras)]
    raise UnknownOperation(f"s3 {operation}")


def _versioned(action: str, place: StageLocation, bucket: str, named: Params) -> Access:
    # Reading or deleting a version by its id needs an action of its own; tagging one isn't called that simply.
    if "VersionId" in named:
        if action not in ("s3:GetObject", "s3:DeleteObject"):
            raise UnknownOperation(f"{action} of a version")
        action += "Version"
    return Access(action, _object(place, f"{bucket}/{named['Key']}"))


def _object(place: StageLocation, path: str) -> str:
    return f"arn:{place.partition}:s3:::{path}"

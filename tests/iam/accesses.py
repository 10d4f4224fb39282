"""The IAM actions and resources that AWS checks for a client's call, a signed URL or a signed form."""

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
    """This module does not know what AWS checks for an operation. Add it here."""


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
# Parameters that need an action in addition to the action of their call.
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
# Parameters of a signed URL that need no additional action. `versionId`, `tagging` and others need one.
PLAIN_PARAMETER = re.compile(r"response-.+|x-amz-(sdk-)?checksum-.+|x-amz-content-sha256|x-amz-meta-.+", re.IGNORECASE)


def of_call(location: StageLocation, service: str, operation: str, params: Params) -> list[Access]:
    """Return what AWS checks for a client's call.

    Raises UnknownOperation: no rule for the operation is known.
    """
    if service == "dynamodb":
        return _of_dynamodb(location, operation, params)
    if service == "s3":
        return _of_s3(location, operation, params)
    if (service, operation) == ("ssm", "GetParameter"):
        parameter = f"arn:{location.partition}:ssm:{location.region}:{location.account}:parameter{params['Name']}"
        return [Access("ssm:GetParameter", parameter)]
    raise UnknownOperation(f"{service} {operation}")


def of_url(location: StageLocation, method: str, url: str, headers: Iterable[str] = ()) -> list[Access]:
    """Return what a signed path-style URL of S3 allows its holder to do. `headers` are the names of the signed headers.

    Raises UnknownOperation: the method is not known, or a parameter may need an additional action.
    """
    parts = urlsplit(url)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    names += [name for name in headers if name.lower().startswith("x-amz-")]
    if method not in URL_ACTIONS or not all(PLAIN_PARAMETER.fullmatch(name) for name in names):
        raise UnknownOperation(f"a signed {method} of {url} with {names}")
    return [Access(URL_ACTIONS[method], _object(location, unquote(parts.path).removeprefix("/")))]


def of_form(location: StageLocation, url: str, conditions: list[Any]) -> list[Access]:
    """Return what a signed form for a path-style URL of S3 allows: uploads to the keys that its conditions permit."""
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
    return [Access(action, _object(location, f"{bucket}/{key}")) for action in ["s3:PutObject", *extras]]


def allows(policy: Policy, access: Access) -> bool:
    """Return whether a policy of `chalicelib.permissions` allows an access."""
    return any(
        access.action in statement["Action"] and covers(statement["Resource"], access.arn)
        for statement in policy["Statement"]
    )


def covers(pattern: str, arn: str) -> bool:
    """Return whether a policy's resource covers an ARN. `*` stands for any characters, `?` for one."""
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), arn, re.DOTALL))


def _of_dynamodb(location: StageLocation, operation: str, params: Params) -> list[Access]:
    def table(name: str) -> str:
        return f"arn:{location.partition}:dynamodb:{location.region}:{location.account}:table/{name}"

    match operation:
        case "Query" | "Scan" if "IndexName" in params:
            return [Access(f"dynamodb:{operation}", f"{table(params['TableName'])}/index/{params['IndexName']}")]
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" | "Scan":
            return [Access(f"dynamodb:{operation}", table(params["TableName"]))]
        case "BatchGetItem" | "BatchWriteItem":
            return [Access(f"dynamodb:{operation}", table(name)) for name in params["RequestItems"]]
        case "TransactWriteItems" | "TransactGetItems":
            # IAM has no actions with these names. Each entry (Get, Put, Update, Delete, ConditionCheck) needs its own.
            return [
                Access(f"dynamodb:{verb}Item", table(entry["TableName"]))
                for item in params["TransactItems"]
                for verb, entry in item.items()
            ]
    raise UnknownOperation(f"dynamodb {operation}")


def _of_s3(location: StageLocation, operation: str, params: Params) -> list[Access]:
    extras = [action for name, action in EXTRA_ACTIONS.items() if name in params]
    if operation in BUCKET_ACTIONS:
        return [Access(BUCKET_ACTIONS[operation], _object(location, params["Bucket"]))]
    if operation == "DeleteObjects":
        return [
            _versioned("s3:DeleteObject", location, params["Bucket"], entry) for entry in params["Delete"]["Objects"]
        ]
    if operation == "CopyObject":
        source = params["CopySource"]
        if isinstance(source, str):
            path, _, version = source.removeprefix("/").partition("?versionId=")
            bucket, _, key = unquote(path).partition("/")
            source = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        copied = _object(location, f"{params['Bucket']}/{params['Key']}")
        return [
            _versioned("s3:GetObject", location, source["Bucket"], source),
            *(Access(action, copied) for action in ["s3:PutObject", *extras]),
        ]
    if operation in OBJECT_ACTIONS:
        first = _versioned(OBJECT_ACTIONS[operation], location, params["Bucket"], params)
        return [first, *(Access(action, first.arn) for action in extras)]
    raise UnknownOperation(f"s3 {operation}")


def _versioned(action: str, location: StageLocation, bucket: str, params: Params) -> Access:
    # Only s3:GetObject and s3:DeleteObject become an action for a version when Version is added to the name.
    if "VersionId" in params:
        if action not in ("s3:GetObject", "s3:DeleteObject"):
            raise UnknownOperation(f"{action} of a version")
        action += "Version"
    return Access(action, _object(location, f"{bucket}/{params['Key']}"))


def _object(location: StageLocation, path: str) -> str:
    return f"arn:{location.partition}:s3:::{path}"

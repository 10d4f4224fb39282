"""ministack behind a gate that accepts only signed requests, as AWS does.

ministack does not check signatures made with its root key, which is the only key here. It also answers its own paths to
everyone, and `/_ministack/reset` deletes all objects. Any web page that finds the port could call them. So the gate
refuses each request without a valid Signature Version 4 in a header or a presigned URL. There are two exceptions: a
presigned POST has its signature in the form, which ministack checks, and a preflight (OPTIONS) has none on AWS either.

ministack answers a write with success even if the disk is full. So the gate refuses objects when there is little space,
and answers 507 if an object is not on disk.

This module runs as a script, with ministack's packages and without the service's: `python -S -P dev/gate.py`.
"""

import hmac
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from ministack import app as ministack  # type: ignore[import-not-found]
from ministack.core import iam_evaluator, sigv4  # type: ignore[import-not-found]
from ministack.services import s3  # type: ignore[import-not-found]

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that the gate refuses, with S3's error code and the reason."""

    def __init__(self, code: str, reason: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(reason)
        self.code, self.status = code, status


class NotStored(BaseException):
    """An object that is not on disk. ministack catches each Exception, and would answer 500."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The key that opens the emulator. It has two ids."""

    url_id: str  # in presigned URLs and forms
    private_id: str  # of other requests; it also opens the database
    secret: str


def gate(app: App, keys: Keys, min_free_bytes: int) -> App:
    """Return an ASGI app that passes requests signed with this key on to `app`.

    It refuses objects that would leave less than `min_free_bytes` of the disk free.
    """

    async def gated(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                receive = await _checked(scope, receive, keys)
                _check_space(scope, min_free_bytes)
                await app(scope, receive, send)
            except Refused as refusal:
                await _refuse(scope, send, refusal)
            except NotStored:
                await _refuse(scope, send, _disk_full())
        else:
            await send({"type": "websocket.close"})

    return gated


async def _checked(scope: Scope, receive: Receive, keys: Keys) -> Receive:
    """Check a request, and return what the app receives its body from. Raises Refused."""
    if scope["path"].startswith("/_ministack/"):  # no bucket can have this name
        raise Refused("NoSuchBucket", "The specified bucket does not exist.", HTTPStatus.NOT_FOUND)
    if scope["method"] == "OPTIONS":
        return receive
    headers = _headers(scope)
    query = parse_qs(scope["query_string"].decode(errors="replace"), keep_blank_values=True)
    in_header = "authorization" in headers
    if not in_header and not query and _is_form(scope, headers):
        return receive
    signature = _claimed(headers, query)
    if not _is_one_of(signature.access_key_id, keys):
        raise Refused("InvalidAccessKeyId", "The access key id is not the one of this stack.")
    unsigned = {name for name in headers if name.startswith("x-amz-")} - set(signature.signed_headers.split(";"))
    if unsigned:
        names = ", ".join(sorted(unsigned))
        raise Refused("AccessDenied", f"There were headers present in the request which were not signed: {names}.")
    body = await _body(receive) if in_header else b""  # a presigned URL does not sign the body
    failure = sigv4.header_signature_failure(
        signature,
        keys.secret,
        scope["method"],
        sigv4.uri_encode(scope["path"], encode_slash=False),
        query,
        headers,
        body,
        presigned=not in_header,
    )
    if failure:
        raise Refused(*failure)
    return _replay(body, receive) if in_header else receive


def _is_one_of(access_key_id: str, keys: Keys) -> bool:
    known = [hmac.compare_digest(access_key_id.encode(), key_id.encode()) for key_id in (keys.url_id, keys.private_id)]
    return any(known)


def _check_space(scope: Scope, min_free_bytes: int) -> None:
    """Refuse an object that would leave too little space. Raises Refused."""
    headers = _headers(scope)
    writes_object = scope["method"] in ("PUT", "POST") and scope["path"].strip("/").count("/") > 0
    if not writes_object and not _is_form(scope, headers):
        return
    length = headers.get("content-length", "")
    found = os.statvfs(s3.DATA_DIR)
    left = found.f_bavail * found.f_frsize - (int(length) if re.fullmatch("[0-9]{1,15}", length) else 0)
    if left < min_free_bytes:
        raise _disk_full()


def _disk_full() -> Refused:
    reason = "The disk of the data folder is full; delete images or other files, then try again."
    return Refused("InsufficientStorage", reason, HTTPStatus.INSUFFICIENT_STORAGE)


def _only_stored(persist: Callable[[str, str, Any], None]) -> Callable[[str, str, Any], None]:
    """Return ministack's function that writes an object to disk, made to raise NotStored if it fails."""

    def persisted(bucket: str, key: str, stored: Any) -> None:
        path = s3._object_disk_path(bucket, key)
        replaced = path is not None and Path(path).exists()
        persist(bucket, key, stored)
        if stored.get("body") is not None:  # it is dropped from memory as soon as it is on disk
            if not replaced:
                s3._purge_current_object(bucket, key, s3._buckets[bucket])
            raise NotStored

    return persisted


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers in the form that is signed: the values of a repeated header are joined by a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), sigv4.decode_header_value(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _is_form(scope: Scope, headers: dict[str, str]) -> bool:
    """Return whether this is a POST of a form to a bucket: a field of the form contains the signature."""
    content_type = headers.get("content-type", "").lower()
    return (
        scope["method"] == "POST"
        and bool(re.fullmatch(r"/[a-z0-9][a-z0-9.-]+/?", scope["path"]))
        and content_type.startswith("multipart/form-data")
        and not any(name.startswith("x-amz-") for name in headers)
    )


def _claimed(headers: dict[str, str], query: dict[str, list[str]]) -> Any:
    """Return the signature that the client sent. Raises Refused: there is none, or it has expired."""
    if headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
        signature = sigv4.parse_header_signature(headers)
        outdated = None if isinstance(signature, tuple) else sigv4.request_time_failure(signature)
    elif "authorization" not in headers and query.get("X-Amz-Algorithm") == ["AWS4-HMAC-SHA256"]:
        signature = sigv4.parse_query_signature(query)
        outdated = ("AccessDenied", "Request has expired.") if _is_expired(query) else None
        if not isinstance(signature, tuple) and signature.service != "s3":
            raise Refused("AccessDenied", "Only URLs of S3 can be presigned.")
    else:
        raise Refused("AccessDenied", "Sign the request with Signature Version 4 (AWS4-HMAC-SHA256).")
    for failure in (signature, outdated):
        if isinstance(failure, tuple):
            raise Refused(*failure)
    return signature


def _is_expired(query: dict[str, list[str]]) -> bool:
    try:
        return bool(sigv4.presigned_request_is_expired(query["X-Amz-Date"][0], query["X-Amz-Expires"][0]))
    except (KeyError, ValueError, OverflowError):
        return True


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused("RequestTimeout", "The client closed the connection.", HTTPStatus.BAD_REQUEST)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    unread = [body]

    async def replayed() -> dict[str, Any]:
        return {"type": "http.request", "body": unread.pop()} if unread else await receive()

    return replayed


async def _refuse(scope: Scope, send: Send, refusal: Refused) -> None:
    """Answer as S3 does, also to a web page that may read the bucket's answers."""
    reason = str(refusal).replace("&", "&amp;").replace("<", "&lt;")
    content = f"<Error><Code>{refusal.code}</Code><Message>{reason}</Message></Error>".encode()
    headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(content)).encode())]
    bucket = scope["path"].strip("/").partition("/")[0]
    readable = s3.cors_response_headers(bucket, scope["method"], _headers(scope))
    headers += [(name.lower().encode(), value.encode()) for name, value in readable.items()]
    await send({"type": "http.response.start", "status": refusal.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": content})


if __name__ == "__main__":
    s3._persist_object = _only_stored(s3._persist_object)
    keys = Keys(
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["PRIVATE_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    )
    # ministack knows only one id of its root key. A form has its id in a field, and none where ministack looks first.
    iam_evaluator.is_root_access_key = {keys.url_id, keys.private_id, ""}.__contains__
    ministack.app = gate(ministack.app, keys, int(os.environ["MIN_FREE_BYTES"]))
    ministack.main()

"""ministack behind a gate that lets only signed requests through, as AWS does.

ministack doesn't check signatures made with its root key, the one key that there is here, and answers its own paths
(`/_ministack/reset` erases all objects) to everyone: any web page that finds the port could call them. So whatever has
no valid Signature Version 4, in a header or a presigned URL, ends here. Two kinds of request carry none there: a
presigned POST has it in its form, which ministack does check; and a preflight (OPTIONS) has none on AWS either.

Run as a script, with ministack's packages and without the service's: `python -S -P dev/gate.py`.
"""

import hmac
import os
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from ministack import app as ministack  # type: ignore[import-not-found]
from ministack.core import sigv4  # type: ignore[import-not-found]

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that isn't let through: S3's error code, and why."""

    def __init__(self, code: str, reason: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(reason)
        self.code, self.status = code, status


def gate(app: App, access_key_id: str, secret_access_key: str) -> App:
    """The ASGI app, for requests that are signed with this key."""

    async def gated(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                receive = await _checked(scope, receive, access_key_id, secret_access_key)
            except Refused as refusal:
                await _refuse(send, refusal)
            else:
                await app(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    return gated


async def _checked(scope: Scope, receive: Receive, access_key_id: str, secret: str) -> Receive:
    """What the app is to receive the body from. Raises Refused."""
    if scope["path"].startswith("/_ministack/"):  # a name that no bucket can have
        raise Refused("NoSuchBucket", "The specified bucket does not exist.", HTTPStatus.NOT_FOUND)
    if scope["method"] == "OPTIONS":
        return receive
    headers = _headers(scope)
    query = parse_qs(scope["query_string"].decode(errors="replace"), keep_blank_values=True)
    in_header = "authorization" in headers
    if not in_header and not query and _is_form(scope, headers):
        return receive
    signature = _claimed(headers, query)
    if not hmac.compare_digest(signature.access_key_id.encode(), access_key_id.encode()):
        raise Refused("InvalidAccessKeyId", "The access key id is not this stack's.")
    unsigned = {name for name in headers if name.startswith("x-amz-")} - set(signature.signed_headers.split(";"))
    if unsigned:
        names = ", ".join(sorted(unsigned))
        raise Refused("AccessDenied", f"There were headers present in the request which were not signed: {names}.")
    body = await _body(receive) if in_header else b""  # which a presigned URL doesn't sign
    failure = sigv4.header_signature_failure(
        signature,
        secret,
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


def _headers(scope: Scope) -> dict[str, str]:
    """Headers as they are signed: a repeated one's values are joined by a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), sigv4.decode_header_value(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _is_form(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether this is a POST of a form to a bucket, whose signature is one of its fields."""
    content_type = headers.get("content-type", "").lower()
    return (
        scope["method"] == "POST"
        and bool(re.fullmatch(r"/[a-z0-9][a-z0-9.-]+/?", scope["path"]))
        and content_type.startswith("multipart/form-data")
        and not any(name.startswith("x-amz-") for name in headers)
    )


def _claimed(headers: dict[str, str], query: dict[str, list[str]]) -> Any:
    """The signature as it was sent, if it is of our time. Raises Refused."""
    if headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
        signature = sigv4.parse_header_signature(headers)
        outdated = None if isinstance(signature, tuple) else sigv4.request_time_failure(signature)
    elif "authorization" not in headers and query.get("X-Amz-Algorithm") == ["AWS4-HMAC-SHA256"]:
        signature = sigv4.parse_query_signature(query)
        outdated = ("AccessDenied", "Request has expired.") if _is_expired(query) else None
        if not isinstance(signature, tuple) and signature.service != "s3":
            raise Refused("AccessDenied", "Only S3's URLs can be presigned.")
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
            raise Refused("RequestTimeout", "The client went away.", HTTPStatus.BAD_REQUEST)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    unread = [body]

    async def replayed() -> dict[str, Any]:
        return {"type": "http.request", "body": unread.pop()} if unread else await receive()

    return replayed


async def _refuse(send: Send, refusal: Refused) -> None:
    reason = str(refusal).replace("&", "&amp;").replace("<", "&lt;")
    content = f"<Error><Code>{refusal.code}</Code><Message>{reason}</Message></Error>".encode()
    headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": refusal.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": content})


if __name__ == "__main__":
    ministack.app = gate(ministack.app, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    ministack.main()

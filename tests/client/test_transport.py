"""What a user of the client sees, and what the service receives, when connections and answers fail."""

import hashlib
import io
import os
import pickle
import signal
import ssl
import threading
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import images_api_client
from images_api_client import (
    BadAddress,
    BadCredentials,
    Client,
    ClientClosed,
    ConnectionFailed,
    DamagedUpload,
    ServiceError,
    State,
    Timeouts,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)
from images_api_client.credentials import Anonymous
from images_api_client.transport import Transport
from tests.client.scripted import (
    Handler,
    Received,
    Reply,
    answer,
    closing,
    error,
    forwarded,
    half,
    hanging,
    losing_the_answer_of,
    passing_on,
    scripted,
)
from tests.pictures import picture

COUNTED = answer(200, {"count": 3})


@pytest.mark.parametrize("failure", [error(429, "Too fast."), error(503, "S3 is slow."), closing, half])
def test_a_request_is_repeated_until_it_succeeds(failure: Reply) -> None:
    with scripted(failure, COUNTED) as server, Client(server.url) as client:
        assert client.count().count == 3
        assert [(each.method, each.path) for each in server.received] == [("GET", "/images/count")] * 2


def test_a_request_is_repeated_no_earlier_than_the_service_asks() -> None:
    with scripted(error(429, "Too fast.", Retry_After="1"), COUNTED) as server, Client(server.url) as client:
        client.count()
        first, second = server.received
        assert second.at - first.at >= 1


def test_if_the_service_asks_for_a_long_pause_the_caller_gets_the_error_and_its_time() -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with scripted(error(429, "Too fast.", Retry_After=in_an_hour)) as server, Client(server.url) as client:
        with pytest.raises(TooManyRequests, match=r"^Too fast\.$") as caught:
            client.count()
        assert (caught.value.retry_after or 0) > 3_500
        assert len(server.received) == 1


def test_after_the_last_attempt_the_caller_gets_the_sentence_of_the_service() -> None:
    with scripted(error(503, "DynamoDB is slow.")) as server, Client(server.url, attempts=2) as client:
        with pytest.raises(Unavailable, match=r"^DynamoDB is slow\.$") as caught:
            client.count()
        assert (caught.value.status, caught.value.request_id, len(server.received)) == (503, "request-1", 2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 412, 413, 415, 418, 500])
def test_other_errors_are_not_repeated(status: int) -> None:
    with scripted(error(status, "No.")) as server, Client(server.url) as client:
        with pytest.raises(ServiceError, match=r"^No\.$") as caught:
            client.count()
        assert (caught.value.status, len(server.received)) == (status, 1)
        copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
        assert (type(copy), str(copy), vars(copy)) == (type(caught.value), "No.", vars(caught.value))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"message": "Forbidden"}, "Forbidden"),  # API Gateway
        ({"message": None}, "{host} answers 403 Forbidden."),
        (["a", "list"], "{host} answers 403 Forbidden."),
        ("<html>", "{host} answers 403 Forbidden."),
        ("<Error><Message>Request has expired</Message></Error>", "{host} answers 403 Forbidden: Request has expired"),
    ],
)
def test_an_error_that_is_not_of_the_service_has_a_sentence_too(document: Any, sentence: str) -> None:
    with scripted(answer(403, document)) as server, Client(server.url) as client:
        with pytest.raises(images_api_client.Forbidden) as caught:
            client.count()
        assert str(caught.value) == sentence.format(host=server.url.removeprefix("http://"))


def test_a_service_that_does_not_answer_in_time() -> None:
    timeouts = Timeouts(read_seconds=0.5)
    with scripted(hanging) as server, Client(server.url, timeouts=timeouts, attempts=2) as client:
        with pytest.raises(ConnectionFailed, match=r"^127\.0\.0\.1:\d+ did not answer in time\.$"):
            client.count()
        assert len(server.received) == 2


@pytest.mark.parametrize(
    ("failure", "what"), [(closing, "closed the connection"), (half, "closed the connection before its answer")]
)
def test_a_service_that_breaks_off_each_time(failure: Reply, what: str) -> None:
    with (
        scripted(failure) as server,
        Client(server.url, attempts=1) as client,
        pytest.raises(ConnectionFailed, match=what),
    ):
        client.count()


def test_a_service_that_is_not_there() -> None:
    with scripted(COUNTED) as server:
        url = server.url
    with pytest.raises(ConnectionFailed, match=r"^127\.0\.0\.1:\d+ cannot be reached\.$"):
        Client(url, attempts=1).count()


def test_a_redirect_is_not_followed_so_credentials_go_to_no_other_host() -> None:
    with scripted(COUNTED) as other:
        redirecting = answer(302, {}, Location=f"{other.url}/images/count?secret=1")
        with scripted(redirecting) as server, Client(server.url, token="secret") as client:
            with pytest.raises(UnexpectedAnswer) as caught:
                client.count()
            assert f"redirects to {other.url}, and redirects are not followed" in str(caught.value)
        assert (len(server.received), other.received) == (1, [])


@pytest.mark.parametrize("document", ["<html>Sign in to the network</html>", ["a", "list"], {"hello": "world"}])
def test_something_else_that_answers_at_the_address(document: Any) -> None:
    with scripted(answer(200, document)) as server, Client(server.url) as client:
        for call in (client.count, lambda: next(client.list()), lambda: client.get("an-id")):
            with pytest.raises(UnexpectedAnswer, match=r"check (that )?the address"):
                call()
        assert len(server.received) == 3


@pytest.mark.parametrize(
    "url",
    [
        *("", "127.0.0.1:8000", "ftp://a.example", "http://", "http://a:b", "http://[::1"),
        *("http://me:secret@a.example", "http://a.example/?stage=api", "http://a.example/#images"),
    ],
)
def test_an_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BadAddress, match=r"^The address of the service must be a URL like https://"):
        Client(url)


def test_a_service_with_smaller_pages_gives_pages_of_its_size() -> None:
    page = {"tags": [{"tag": "sea", "count": 1}], "has_more": True, "last_evaluated_key": "next"}
    last = {"tags": [{"tag": "sun", "count": 2}], "has_more": False}
    sentence = "limit must be a whole number from 1 to 50 (MAX_PAGE_SIZE)."
    with scripted(error(400, sentence), answer(200, page), answer(200, last)) as script:
        assert [each.tag for each in Client(script.url).tags()] == ["sea", "sun"]


def test_an_address_can_have_a_path_and_slashes_at_its_end() -> None:
    with scripted(COUNTED) as server:
        Client(f" {server.url}/api// ").count()
        assert server.received[0].path == "/api/images/count"


def test_an_id_never_leads_to_another_path() -> None:
    with scripted(error(404, "No.")) as server, Client(server.url) as client:
        with pytest.raises(images_api_client.NotFound):
            client.delete("a/b?c#d é")
        assert server.received[0].path == "/images/a%2Fb%3Fc%23d%20%C3%A9"


def test_a_netrc_file_adds_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(COUNTED) as server:
        Client(server.url).count()
        Client(server.url, user="me").count()
        assert server.headers("Authorization") == [None, None]


def test_a_function_returns_the_token_of_each_request_and_repetition() -> None:
    tokens = iter(["first", " second\n"])
    with scripted(closing, COUNTED) as server, Client(server.url, token=lambda: next(tokens)) as client:
        client.count()
        assert server.headers("Authorization") == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("token", ["", " ", "a\nb", "ä"])
def test_a_token_that_no_header_can_have(token: str) -> None:
    with scripted(COUNTED) as server:
        with pytest.raises(BadCredentials, match=r"^The bearer token is empty, or has other characters"):
            Client(server.url, token=token).count()
        assert server.received == []


def test_a_user_name_that_no_header_can_have() -> None:
    with pytest.raises(BadCredentials, match=r"^The user name is empty, or has a control character"):
        Client("http://a.example", user="a\nb")


def test_a_certificate_that_cannot_be_verified(tmp_path: Path) -> None:
    with scripted(COUNTED, tls=self_signed(tmp_path)) as server, Client(server.url) as client:
        with pytest.raises(ConnectionFailed, match=r"^The certificate of 127\.0\.0\.1:\d+ cannot be verified\.$"):
            client.count()
        assert (server.received, server.connections) == ([], 1)


def test_https_to_a_service_that_speaks_http() -> None:
    with (
        scripted(COUNTED) as server,
        Client(server.url.replace("http", "https"), attempts=1) as client,
        pytest.raises(ConnectionFailed, match="check whether the address of the service begins with http://"),
    ):
        client.count()


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return the TLS settings of a server whose certificate nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "server.pem").write_bytes(
        certificate
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(folder / "server.pem")
    return settings


def test_a_proxy_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(COUNTED) as server:
        proxy = server.url
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConnectionFailed, match=r"^The proxy on the way to images\.example cannot be reached: check"):
        Client("http://images.example", attempts=1).count()


def test_no_error_has_a_presigned_url() -> None:
    transport = Transport("http://a.example", Anonymous(), attempts=1)
    path = f"/original?X-Amz-Signature={'secret'}"
    for failure in (closing, answer(403, "<html>"), answer(302, {}, Location=path)):
        with scripted(failure) as server:
            with pytest.raises(images_api_client.ImagesError) as caught:
                transport.store("GET", server.url + path)
            assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_s3_is_asked_again_after_a_500() -> None:
    with scripted(answer(500, "<Error/>"), answer(200, "bytes")) as server:
        transport = Transport("http://a.example", Anonymous())
        assert transport.store("GET", server.url).content == b"bytes"


@pytest.mark.parametrize("failure", [error(503, "S3 is slow.", Retry_After="30"), hanging])
def test_closing_a_client_ends_the_pauses_of_other_threads(failure: Reply) -> None:
    raised: list[Exception] = []
    with scripted(failure) as server, Client(server.url, timeouts=Timeouts(read_seconds=0.5)) as client:

        def count() -> None:
            try:
                client.count()
            except ClientClosed as error:
                raised.append(error)

        thread = threading.Thread(target=count)
        thread.start()
        server.arrived.wait()
        client.close()
        thread.join()
        assert (len(raised), len(server.received)) == (1, 1)


def test_closing_a_client_ends_the_sending_of_a_file() -> None:
    with scripted(answer()) as server, Client(server.url, user="me") as client:
        with pytest.raises(ClientClosed):
            client.upload(picture(width=500, height=500), progress=lambda _: client.close())
        with pytest.raises(ClientClosed):
            client.count()
        assert server.received == []


class Damaged(io.BytesIO):
    """A file on a disk that cannot be read to its end."""

    len = 100_000

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_an_error_of_a_file_is_not_taken_for_one_of_the_connection() -> None:
    transport = Transport("http://a.example", Anonymous())
    with scripted(answer()) as server, pytest.raises(OSError, match="Input/output error"):
        transport.store("PUT", server.url, body=Damaged)


def test_ctrl_c_ends_a_request_at_once() -> None:
    with scripted(interrupting) as server, Client(server.url) as client:
        with pytest.raises(KeyboardInterrupt):
            client.count()
        assert len(server.received) == 1


def interrupting(handler: Handler, received: Received) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    hanging(handler, received)


def test_a_form_that_a_proxy_refuses_as_too_large_is_sent_directly(url: str, owner: str) -> None:
    with scripted(answer(413, "<html>"), passing_on(url)) as proxy, Client(proxy.url, user=owner) as client:
        image = client.upload(picture(), wait=True)
        assert (image.state, image.checksum) == (State.READY, hashlib.sha256(picture()).hexdigest())
        assert [each.path for each in proxy.received[:2]] == ["/images", "/images/direct-upload"]


def test_a_picture_that_the_service_refuses_as_too_large_is_sent_once() -> None:
    refusal = error(413, "The image has more than 100 pixels, which is the limit (MAX_PIXELS).")
    with scripted(refusal) as server, Client(server.url, user="me") as client:
        with pytest.raises(TooLarge, match="MAX_PIXELS"):
            client.upload(picture())
        assert len(server.received) == 1


def test_an_upload_that_arrives_with_other_bytes_is_reported(url: str, owner: str) -> None:
    checksum = hashlib.sha256(picture()).hexdigest()

    def damaging(handler: Handler, received: Received) -> None:
        got = forwarded(url, received)
        handler.respond(got.status_code, {}, got.content.replace(checksum.encode(), b"0" * 64))

    with (
        scripted(damaging) as proxy,
        Client(proxy.url, user=owner) as client,
        pytest.raises(DamagedUpload, match="has other bytes than the file: delete it, and upload it again"),
    ):
        client.upload(picture())


def test_an_upload_whose_answer_is_lost_is_stored_once(url: str, owner: str) -> None:
    with scripted(losing_the_answer_of(url), passing_on(url)) as proxy:
        image = Client(proxy.url, user=owner).upload(picture(), title="Once")
        first, second = proxy.received
        assert [each.image_id for each in Client(url, user=owner).list(user_id=owner)] == [image.image_id]
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != ""


def test_a_change_whose_answer_is_lost_is_made_once(url: str, owner: str) -> None:
    image = Client(url, user=owner).upload(picture())
    with scripted(losing_the_answer_of(url), passing_on(url)) as proxy:
        changed = Client(proxy.url, user=owner).update(image, title="After", if_version=image.version)
        assert (changed.title, changed.version) == ("After", image.version + 1)
        first, second = proxy.received
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    with scripted(losing_the_answer_of(url), passing_on(url)) as proxy:
        Client(proxy.url, user=owner).delete(image, if_version=changed.version)
        assert [each.method for each in proxy.received] == ["DELETE", "DELETE"]
    assert list(Client(url, user=owner).list(user_id=owner)) == []

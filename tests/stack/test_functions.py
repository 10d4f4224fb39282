"""Lambda's Invoke API of the embedded stack, called by boto3 and by `make invoke`, with a small test app."""

import json
import os
import queue
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import boto3.session
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from chalice.app import Chalice

from dev.server import Server
from project import PROJECT
from tests.stack.conftest import KEY, serving

app = Chalice(app_name="shop", configure_logs=False)
DEPLOYED = "shop-dev-echo"  # Chalice's name for it in the default stage
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:{DEPLOYED}"
MEBIBYTE = 1024 * 1024
events: queue.Queue[Any] = queue.Queue()


@app.lambda_function(name="echo")
def echo(event: Any, context: Any) -> dict[str, Any]:
    return {
        "event": event,
        "function": context.function_name,
        "request_id": context.aws_request_id,
        "in_time": 0 < context.get_remaining_time_in_millis() <= 60_000,
        "http_request": str(app.current_request),
    }


@app.lambda_function(name="size")
def size(event: str, context: Any) -> int:
    return len(event)


@app.lambda_function(name="note")
def note(event: Any, context: Any) -> None:
    events.put(event)


@app.lambda_function(name="fail")
def fail(event: Any, context: Any) -> None:
    raise LookupError(f"no {event}")


@app.lambda_function(name="return_no_json")
def return_no_json(event: Any, context: Any) -> object:
    return object()


@app.route("/page", methods=["POST"])
def page() -> dict[str, str]:
    return {"page": "yes"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("functions"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(app, folder) as server:
        environment = {"AWS_ACCESS_KEY_ID": KEY.access_key, "AWS_SECRET_ACCESS_KEY": KEY.secret_key}
        (folder / "stack.json").write_text(json.dumps({"url": server.url, "environment": environment}))
        yield server


def client(url: str, key_id: str = KEY.access_key, secret: str = KEY.secret_key) -> Any:
    """Return a boto3 client, as users of the functions create it."""
    session: Any = boto3.session.Session(key_id, secret, region_name="us-east-1")
    return session.client("lambda", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def functions(server: Server) -> Any:
    return client(server.url)


def signed(url: str, body: bytes) -> dict[str, str]:
    """Return the headers of a signed POST."""
    request = AWSRequest("POST", url, {"Host": urlsplit(url).netloc}, body)
    SigV4Auth(KEY, "lambda", "us-east-1").add_auth(request)
    return dict(request.headers)


def invoked(functions: Any, name: str, event: Any) -> Any:
    """Invoke a function and return its result."""
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
    assert "FunctionError" not in answer
    return json.load(answer["Payload"])


def make_invoke(
    server: Server | str, folder: Path, *variables: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `make invoke` with the data folder of a stack."""
    url = server if isinstance(server, str) else server.url
    # Skip the installation: only the recipe is tested.
    command = [
        "make",
        "--silent",
        "--assume-old",
        ".venv/installed-run",
        "invoke",
        f"URL={url}",
        f"DATA={folder}",
        *variables,
    ]
    combined = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | environment
    return subprocess.run(command, cwd=PROJECT, env=combined, capture_output=True, text=True, check=False, timeout=60)


def assert_is_one_line_error(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ended.stdout == ""
    line, made = ended.stderr.splitlines()
    assert made.startswith("make: ***")
    assert made.endswith("Error 1")
    assert all(word in line for word in words)


@pytest.mark.parametrize("name", ["echo", DEPLOYED, ARN, ARN.replace(DEPLOYED, "echo"), f"{ARN}:$LATEST"])
def test_each_name_of_a_function_invokes_it(functions: Any, name: str) -> None:
    answer = functions.invoke(FunctionName=name, Payload=b'{"body": "{\\"title\\": \\"gr\\u00fcn\\"}"}')
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    result = json.load(answer["Payload"])
    assert result == {
        "event": {"body": '{"title": "grün"}'},
        "function": DEPLOYED,
        "request_id": answer["ResponseMetadata"]["RequestId"],
        "in_time": True,
        "http_request": "None",
    }
    assert UUID(result["request_id"])


def test_a_function_sees_no_earlier_http_request_of_its_connection(server: Server) -> None:
    with requests.Session() as connection:
        assert connection.post(f"{server.url}/page", timeout=60).json() == {"page": "yes"}
        url = f"{server.url}/2015-03-31/functions/echo/invocations"
        answer = connection.post(url, headers=signed(url, b"{}"), data=b"{}", timeout=60)
    assert answer.json()["http_request"] == "None"


def test_a_missing_payload_is_an_empty_event(functions: Any) -> None:
    assert json.load(functions.invoke(FunctionName="echo")["Payload"])["event"] == {}


@pytest.mark.parametrize(
    "name", ["page", "nothing", "echo:2", "shop-prod-echo", ARN.replace("function", "layer"), "a/../echo"]
)
def test_the_error_for_an_unknown_function_lists_the_functions(functions: Any, name: str) -> None:
    with pytest.raises(functions.exceptions.ResourceNotFoundException) as refused:
        functions.invoke(FunctionName=name)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    message = f"Function not found: {name}. The functions are: echo, fail, note, return_no_json, size."
    assert refused.value.response["Error"]["Message"] == message


def test_an_exception_of_a_function_is_returned_as_a_function_error(functions: Any) -> None:
    answer = functions.invoke(FunctionName="fail", Payload=b'"shoes"')
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.load(answer["Payload"]) == {"errorMessage": "no shoes", "errorType": "LookupError"}


def test_a_result_that_is_not_json_is_a_function_error(functions: Any) -> None:
    answer = functions.invoke(FunctionName="return_no_json")
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "TypeError"


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"NaN", b"[" * 100_000])
def test_a_payload_that_is_not_json_is_refused(functions: Any, payload: bytes) -> None:
    with pytest.raises(functions.exceptions.InvalidRequestContentException):
        functions.invoke(FunctionName="note", Payload=payload)
    assert events.empty()


def test_a_payload_may_have_up_to_six_mebibytes(functions: Any) -> None:
    text = "x" * (6 * MEBIBYTE - 2)
    assert invoked(functions, "size", text) == len(text)
    for larger in (text + "x", text * 2):
        with pytest.raises(functions.exceptions.RequestTooLargeException, match=str(6 * MEBIBYTE)):
            functions.invoke(FunctionName="size", Payload=json.dumps(larger))


def test_an_event_is_accepted_at_once_and_processed_in_the_background(functions: Any) -> None:
    assert functions.invoke(FunctionName="note", InvocationType="Event", Payload=b"5")["StatusCode"] == 202
    assert events.get(timeout=60) == 5


def test_an_event_may_have_up_to_one_mebibyte(functions: Any) -> None:
    with pytest.raises(functions.exceptions.RequestTooLargeException, match=str(MEBIBYTE)):
        functions.invoke(FunctionName="note", InvocationType="Event", Payload=json.dumps("x" * MEBIBYTE))
    assert events.empty()


def test_a_dry_run_checks_the_name_and_invokes_nothing(functions: Any) -> None:
    assert functions.invoke(FunctionName="note", InvocationType="DryRun")["StatusCode"] == 204
    assert events.empty()
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.invoke(FunctionName="nothing", InvocationType="DryRun")


def test_an_unknown_invocation_type_is_refused(functions: Any) -> None:
    with pytest.raises(functions.exceptions.InvalidRequestContentException, match="RequestResponse, Event or DryRun"):
        functions.invoke(FunctionName="note", InvocationType="Later")
    assert events.empty()


def assert_is_unsigned(answer: requests.Response) -> None:
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")
    assert events.empty()


def test_an_unsigned_request_is_refused(server: Server) -> None:
    url = f"{server.url}/2015-03-31/functions/note/invocations"
    for authorization in ("", "AWS4-HMAC-SHA256 x", f"AWS4-HMAC-SHA256 Credential={KEY.access_key}"):
        assert_is_unsigned(requests.post(url, "1", headers={"Authorization": authorization}, timeout=60))


@pytest.mark.parametrize(("key_id", "secret"), [("any", "any"), (KEY.access_key, "any"), ("any", KEY.secret_key)])
def test_a_request_with_another_key_is_refused(server: Server, key_id: str, secret: str) -> None:
    with pytest.raises(ClientError, match="the key that `make run` prints") as refused:
        client(server.url, key_id, secret).invoke(FunctionName="note", Payload=b"1")
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert events.empty()


def test_a_signature_is_valid_only_for_the_signed_request(server: Server) -> None:
    url = f"{server.url}/2015-03-31/functions/note/invocations"
    headers = signed(url, b"1")
    assert_is_unsigned(requests.post(url, b"2", headers=headers, timeout=60))
    assert_is_unsigned(requests.post(url.replace("note", "echo"), b"1", headers=headers, timeout=60))
    assert_is_unsigned(requests.post(f"{url}?Qualifier=1", b"1", headers=headers, timeout=60))
    assert_is_unsigned(requests.post(url, b"1", headers={**headers, "X-Amz-Date": "20200101T000000Z"}, timeout=60))
    assert requests.post(url, b"1", headers=headers, timeout=60).status_code == 200
    assert events.get(timeout=60) == 1


TRICKY = r"""{"queryStringParameters": "{\"limit\": \"5\"}", "text": "$HOME $(shell date) `id` 'ü' \\ # ; * $("}"""


def test_make_invoke_passes_the_event_unchanged(server: Server, folder: Path) -> None:
    for ended in (
        make_invoke(server, folder, "FUNCTION=echo", f"EVENT={TRICKY}"),
        make_invoke(server, folder, "FUNCTION=echo", EVENT=TRICKY),
    ):
        assert (ended.returncode, ended.stderr) == (0, "")
        assert json.loads(ended.stdout)["event"] == json.loads(TRICKY)


def test_make_invoke_reads_the_event_from_a_file_or_sends_an_empty_one(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "an event.json"
    file.write_text(json.dumps({"long": "x" * 200_000}))
    ended = make_invoke(server, folder, "FUNCTION=size", f"EVENT=@{file}")
    assert ended.stdout == "1\n"
    assert json.loads(make_invoke(server, folder, "FUNCTION=echo").stdout)["event"] == {}


def test_make_invoke_reports_each_failure_in_one_line(server: Server, folder: Path, tmp_path: Path) -> None:
    assert_is_one_line_error(
        make_invoke("http://127.0.0.1:1", folder, "FUNCTION=echo"), "http://127.0.0.1:1", "`make run`"
    )
    assert_is_one_line_error(make_invoke("nowhere", folder, "FUNCTION=echo"), "nowhere")
    assert_is_one_line_error(make_invoke(server, folder, "FUNCTION=nothing"), "Function not found: nothing.", "echo")
    assert_is_one_line_error(make_invoke(server, folder), "FUNCTION=")
    assert_is_one_line_error(make_invoke(server, folder, "FUNCTION=fail"), "fail failed:", "LookupError", "no {}")
    assert_is_one_line_error(make_invoke(server, folder, "FUNCTION=echo", "EVENT={"), "JSON")
    assert_is_one_line_error(
        make_invoke(server, folder, "FUNCTION=echo", f"EVENT=@{tmp_path}/none"), f"{tmp_path}/none cannot be read"
    )
    assert_is_one_line_error(make_invoke(server, folder, "FUNCTION=echo", AWS_PROFILE="unknown"), "unknown")

import json
import os
import subprocess
import sys
from typing import Any

import boto3
import pytest
from moto import mock_aws

from app import app
from chalicelib.config import Settings, WrongSetting
from chalicelib.permissions import StageLocation, declared, policy
from chalicelib.secrets import Secrets, read
from chalicelib.stores import aws
from chalicelib.stores.secrets import secrets
from tests.aws_calls import Call, intercepted
from tests.iam.accesses import allows, of_call

SECRET = "s" * 32
PARAMETER = "/images-api/prod/secrets"
LOCATION = StageLocation("aws", "us-east-1", "123456789012", "prod", Settings(secrets_parameter=PARAMETER))
NO_OBJECTS = ("hush", '"hush"', '{"JWT_SECRET": ["hush"]}')
CALLERS = {"api_handler", "upload_image", "list_images", "view_images", "delete_images"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "AUTH=jwt requires JWT_SECRET, or JWT_ISSUER and JWT_JWKS_URL."),
        ({"JWT_SECRET": "short"}, "JWT_SECRET must have at least 32 bytes"),
        ({"JWT_SECRET": SECRET, "JWT_SECRET_NEXT": "short"}, "JWT_SECRET must have at least 32 bytes"),
        ({"JWT_SECRET_NEXT": SECRET}, "AUTH=jwt requires JWT_SECRET, or JWT_ISSUER and JWT_JWKS_URL."),
        ({"CDN_URL": "http://d1.cloudfront.net"}, "CDN_URL must be an https URL without a path, not"),
        ({"CDN_URL": "https://d1.cloudfront.net/images"}, "CDN_URL must be an https URL without a path, not"),
        (
            {"JWT_SECRET": SECRET, "CDN_URL": "https://d1.cloudfront.net"},
            "CDN_URL, CDN_KEY_PAIR_ID and CDN_PRIVATE_KEY must be set together.",
        ),
        (
            {"JWT_SECRET": SECRET, "CDN_KEY_PAIR_ID": "K1", "CDN_PRIVATE_KEY": "k"},
            "CDN_URL, CDN_KEY_PAIR_ID and CDN_PRIVATE_KEY must",
        ),
        ({"CDN_KEY_PAIR_ID": "a key"}, "CDN_KEY_PAIR_ID must be the ID of a CloudFront public key, not 'a key'."),
        (
            {
                "JWT_SECRET": SECRET,
                "CDN_URL": "https://d1.cloudfront.net",
                "CDN_KEY_PAIR_ID": "K1",
                "CDN_PRIVATE_KEY": "hush\nhush",
            },
            "CDN_PRIVATE_KEY must be an RSA private key in PEM format.",
        ),
        ({"JWT_SECRET": "hush\nhush"}, "JWT_SECRET must have at least 32 bytes"),
    ],
)
def test_a_wrong_secret_is_one_line_that_does_not_contain_it(values: dict[str, str], sentence: str) -> None:
    with pytest.raises(WrongSetting, match=r"^[^\n]+$") as raised:
        read(values, Settings(auth="jwt"))
    assert str(raised.value).startswith(sentence)
    assert "hush" not in str(raised.value)


def test_an_issuer_needs_no_secret() -> None:
    issuer = Settings(auth="jwt", jwt_issuer="https://a", jwt_jwks_url="https://a/keys")
    assert read({}, issuer).jwt_secrets == ()


def test_users_cannot_sign_in_at_an_issuer_whose_tokens_are_ignored() -> None:
    issuer = Settings(auth="jwt", jwt_issuer="https://a", jwt_jwks_url="https://a/keys", oidc_client_id="gallery")
    assert read({}, issuer).jwt_secrets == ()
    with pytest.raises(WrongSetting, match="OIDC_CLIENT_ID requires that JWT_SECRET is not set"):
        read({"JWT_SECRET": SECRET}, issuer)


def test_the_next_and_the_previous_value_are_accepted_after_the_current_one() -> None:
    others = {"CURSOR_SECRET": "c", "CURSOR_SECRET_NEXT": "n", "CURSOR_SECRET_PREVIOUS": "p"}
    found = read({**others, "JWT_SECRET": "j" * 32, "JWT_SECRET_PREVIOUS": "o" * 32}, Settings())
    assert found.cursor_keys == (b"c", b"n", b"p")
    assert found.jwt_secrets == ("j" * 32, "o" * 32)


def test_the_default_key_of_cursors_depends_on_the_table_name() -> None:
    (mine,), (default,) = read({}, Settings(images_table_name="mine")).cursor_keys, read({}, Settings()).cursor_keys
    assert mine != default


def test_secrets_are_not_in_their_own_representation() -> None:
    assert SECRET not in repr(Secrets(jwt_secret=SECRET))


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch, configured: Any) -> Any:
    """Make this process a function of the stage prod, with moto's SSM. A value is what the parameter has."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # moto does not intercept calls to other hosts
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        _forget()

        def start(value: str | None) -> None:
            if value is not None:
                boto3.client("ssm", "us-east-1").put_parameter(Name=PARAMETER, Value=value, Type="SecureString")
            configured(AWS_LAMBDA_FUNCTION_NAME="images-api-prod", AWS_REGION="us-east-1", SECRETS_PARAMETER=PARAMETER)

        yield start
    _forget()


def _forget() -> None:
    for cached in (aws.session, aws._client):
        cached.cache_clear()


def test_a_function_reads_the_parameter_once_and_ignores_variables_of_the_same_name(
    on_lambda: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "left behind, and long enough to be used")
    calls: list[Call] = []

    def note(call: Call) -> Any:
        calls.append(call)
        return call.send()

    with intercepted(note):
        on_lambda(json.dumps({"JWT_SECRET": SECRET, "CURSOR_SECRET": "c"}))
        assert secrets() == secrets()
    assert (secrets().jwt_secrets, secrets().cursor_keys) == ((SECRET,), (b"c",))
    (access,) = (access for call in calls[1:] for access in of_call(LOCATION, "ssm", call.operation, call.params))
    allowed = {function for function in declared(app) if allows(policy(app, function, LOCATION), access)}
    assert allowed == CALLERS


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, f"SECRETS_PARAMETER: {PARAMETER} cannot be read from SSM: An error occurred (ParameterNotFound)"),
        *((text, f"SECRETS_PARAMETER: {PARAMETER} is not a JSON object of strings.") for text in NO_OBJECTS),
        ("{}", "AUTH=jwt requires JWT_SECRET"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_one_line(on_lambda: Any, value: str | None, sentence: str) -> None:
    with pytest.raises(WrongSetting, match=r"^[^\n]+$") as raised:
        on_lambda(value)
    assert str(raised.value).startswith(sentence)
    assert "hush" not in str(raised.value)


def test_the_key_of_the_parameter_may_be_used_by_the_same_functions() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    location = StageLocation("aws", "us-east-1", "123456789012", "prod", LOCATION.settings, key)
    allowed = {function for function in declared(app) if key in json.dumps(policy(app, function, location))}
    assert allowed == CALLERS


def started(**environment: str) -> subprocess.CompletedProcess[str]:
    """Load the app as Lambda does: `_HANDLER` says which function starts."""
    variables = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": "images-api-prod", **environment}
    variables |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}  # Lambda always has some
    return subprocess.run([sys.executable, "-c", "import app"], env=variables, capture_output=True, text=True)


def test_a_function_that_answers_callers_does_not_start_without_its_secrets() -> None:
    ended = started(_HANDLER="app.list_images")
    assert (ended.returncode, ended.stderr) == (1, "AUTH=jwt requires JWT_SECRET, or JWT_ISSUER and JWT_JWKS_URL.\n")
    assert started(_HANDLER="app.app", JWT_SECRET=SECRET).returncode == 0


def test_a_function_for_events_starts_without_secrets() -> None:
    for handler in "app.sweep", "app.on_object_created", "app.on_upload_staged":
        ended = started(_HANDLER=handler, SECRETS_PARAMETER=PARAMETER)
        assert (ended.returncode, ended.stderr) == (0, "")


def test_a_service_on_one_machine_never_asks_ssm(configured: Any) -> None:
    calls: list[Call] = []
    with intercepted(calls.append):
        configured(SECRETS_PARAMETER=PARAMETER, AUTH="jwt", JWT_SECRET=SECRET)
        assert secrets().jwt_secrets == (SECRET,)
    assert calls == []

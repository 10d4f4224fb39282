"""The secrets of a stage, in moto's SSM, and rotations that are interrupted at each of their AWS calls."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import boto3.session
import pytest
from moto import mock_aws

from chalicelib.config import Settings, WrongSetting
from chalicelib.secrets import Secrets, read
from deploy import secrets
from deploy import versions as api_versions
from deploy.options import Options
from deploy.stage import Stage, chalice_config
from deploy.target import Target
from project import CannotRun
from tests.aws_calls import Call, intercepted

PARAMETER = "/images-api/dev/secrets"
OLD, NEW = "o" * 40, "n" * 40
FUNCTIONS = ("images-api-dev", "images-api-dev-list_images")
SIGNING = {
    "CDN_URL": "https://d1.cloudfront.net",
    "CDN_KEY_PAIR_ID": "K1",
    "CDN_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\nk\n-----END PRIVATE KEY-----",
}
CONFIG = chalice_config("dev", Target(boto3.session.Session(), "aws", "us-east-1", "123456789012", ""), {})
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start moto, with no secrets in the environment."""
    for name in ("AWS_ENDPOINT_URL", *secrets._NAMES):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


def stage(options: Options = Options(), **settings: Any) -> Stage:  # noqa: B008 - frozen
    place = Target(boto3.session.Session(region_name="us-east-1"), "aws", "us-east-1", "123456789012", "")
    chosen = Settings(**{"auth": "jwt", "secrets_parameter": PARAMETER, **settings})
    return Stage("dev", place, CONFIG, {}, chosen, options)


def client(service: Any) -> Any:
    return boto3.client(service, "us-east-1")


def create_functions(**variables: str) -> None:
    trust = "{}"
    role = client("iam").create_role(RoleName="images-api-dev-api_handler", AssumeRolePolicyDocument=trust)
    for name in FUNCTIONS:
        client("lambda").create_function(
            FunctionName=name,
            Role=role["Role"]["Arn"],
            Runtime="python3.13",
            Handler="app.app",
            Code={"ZipFile": b""},
            Environment={"Variables": variables},
            Tags={"aws-chalice": "version=1.34.0:stage=dev:app=images-api"},
        )


def versions() -> list[str]:
    """Return the version of the parameter that each function has. The API calls its function by an alias."""
    called = (f"{FUNCTIONS[0]}:{api_versions.ALIAS}", *FUNCTIONS[1:])
    found = (client("lambda").get_function_configuration(FunctionName=name) for name in called)
    return [function["Environment"]["Variables"].get("SECRETS_VERSION", "") for function in found]


def parameter() -> dict[str, str]:
    values: dict[str, str] = json.loads(
        client("ssm").get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]
    )
    return values


def store(values: dict[str, str]) -> None:
    """Make the first deployment of a stage: the parameter, and functions that read it."""
    now = secrets.write(stage(), secrets.stored(stage()), values)
    create_functions(SECRETS_PARAMETER=PARAMETER, SECRETS_VERSION=str(now.version))
    api_versions.prepare(stage().place, FUNCTIONS[0], [])


def test_the_first_deployment_generates_the_key_of_cursors_and_later_ones_keep_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JWT_SECRET", OLD)
    held = secrets.stored(stage())
    first = secrets.write(stage(), held, secrets.wanted(stage(), held))
    assert (first.version, first.values["JWT_SECRET"], len(first.values["CURSOR_SECRET"]) > 40) == (1, OLD, True)
    monkeypatch.delenv("JWT_SECRET")
    again = secrets.stored(stage())
    assert again == first
    assert secrets.write(stage(), again, secrets.wanted(stage(), again)) == first
    (description,) = client("ssm").describe_parameters()["Parameters"]
    assert (description["Type"], description["Version"]) == ("SecureString", 1)
    tags = client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=PARAMETER)["TagList"]
    assert {"service": "images-api", "stage": "dev"}.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items()


def test_secrets_of_functions_that_have_them_as_variables_are_kept() -> None:
    create_functions(JWT_SECRET=OLD, CURSOR_SECRET="c", MAX_TAGS="3", **SIGNING)
    assert secrets.wanted(stage(), secrets.stored(stage())) == {"JWT_SECRET": OLD, "CURSOR_SECRET": "c", **SIGNING}


def test_a_deployment_never_replaces_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})
    monkeypatch.setenv("JWT_SECRET", NEW)
    with pytest.raises(CannotRun, match=r"^JWT_SECRET .* make rotate STAGE=dev SECRET=JWT_SECRET$") as refused:
        secrets.wanted(stage(), secrets.stored(stage()))
    assert NEW not in str(refused.value)
    assert OLD not in str(refused.value)


def test_a_deployment_adds_and_replaces_the_key_of_cloudfront(monkeypatch: pytest.MonkeyPatch) -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})
    for name, value in SIGNING.items():
        monkeypatch.setenv(name, value)
    held = secrets.stored(stage())
    now = secrets.write(stage(), held, secrets.wanted(stage(), held))
    monkeypatch.setenv("CDN_KEY_PAIR_ID", "K2")
    assert secrets.wanted(stage(), now) == {"JWT_SECRET": OLD, "CURSOR_SECRET": "c", **SIGNING, "CDN_KEY_PAIR_ID": "K2"}


def test_a_stage_without_a_secret_that_it_needs_is_refused() -> None:
    with pytest.raises(WrongSetting, match="AUTH=jwt requires JWT_SECRET"):
        secrets.wanted(stage(), secrets.stored(stage()))


def test_another_key_encrypts_the_parameter_again() -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})
    held, with_key = secrets.stored(stage()), stage(Options(secrets_kms_key_arn=KEY))
    assert held.key == "alias/aws/ssm"
    assert secrets.write(with_key, held, held.values).version == 2
    assert secrets.stored(with_key).key == KEY


def test_a_parameter_of_a_process_that_deploys_at_the_same_time_is_kept() -> None:
    held = secrets.stored(stage())
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "theirs"})
    with pytest.raises(CannotRun, match="Run the command again"):
        secrets.write(stage(), held, {"JWT_SECRET": OLD, "CURSOR_SECRET": "ours"})
    assert parameter()["CURSOR_SECRET"] == "theirs"


def test_removed_secrets_are_deleted_and_the_functions_restarted() -> None:
    store({"JWT_SECRET": OLD, "JWT_SECRET_PREVIOUS": NEW, "CURSOR_SECRET": "c"})
    said: list[str] = []
    with pytest.raises(CannotRun, match="CURSOR_SECRET cannot be removed; `make rotate"):
        secrets.keep(stage(), ["CURSOR_SECRET"], said.append)
    with pytest.raises(WrongSetting, match="AUTH=jwt requires JWT_SECRET"):
        secrets.keep(stage(), ["JWT_SECRET"], said.append)
    issuer = stage(jwt_issuer="https://a", jwt_jwks_url="https://a/keys")
    secrets.keep(issuer, ["JWT_SECRET"], said.append)
    assert (parameter(), versions()) == ({"CURSOR_SECRET": "c"}, ["2", "2"])
    assert said == [f"{PARAMETER} has CURSOR_SECRET.", "2 functions restarted."]


@pytest.fixture
def rotation(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Return a function that rotates a secret to NEW, and returns what the command said."""

    def rotate(secret: str) -> list[str]:
        if secret == "JWT_SECRET":
            monkeypatch.setenv("JWT_SECRET", NEW)
        said: list[str] = []
        secrets.rotate(stage(), secret, said.append)
        return said

    return rotate


class Processes:
    """The secrets that running processes of each function may have: those at the last restart, or later ones."""

    def __init__(self, kill_at: int) -> None:
        self.changes = 0
        self._kill_at = kill_at
        self._of = {name: [self._now()] for name in FUNCTIONS}

    def after(self, call: Call) -> Any:
        """Make a call, and check that all processes accept what any of them may issue. Then the process may end."""
        answer = call.send()
        if call.operation not in ("PutParameter", "UpdateFunctionConfiguration", "UpdateAlias"):
            return answer
        if call.operation == "PutParameter":
            for running in self._of.values():
                running.append(self._now())
        elif (name := call.params["FunctionName"].rpartition(":")[2]) != FUNCTIONS[0] or "Alias" in call.operation:
            self._of[name] = [self._now()]
        running = [found for processes in self._of.values() for found in processes]
        for one in running:
            for other in running:
                assert one.jwt_secret in other.jwt_secrets
                assert one.cursor_keys[0] in other.cursor_keys
        self.changes += 1
        if self.changes == self._kill_at:
            raise Killed
        return answer

    def _now(self) -> Secrets:
        return read(parameter_unwatched(), Settings())


def parameter_unwatched() -> dict[str, str]:
    from moto.ssm.models import ssm_backends

    found = ssm_backends["123456789012"]["us-east-1"].get_parameter(PARAMETER)
    assert found is not None
    values: dict[str, str] = json.loads(found.response_object(decrypt=True, region="us-east-1")["Value"])
    return values


@pytest.mark.parametrize("secret", secrets.ROTATED)
@pytest.mark.parametrize("kill_at", range(9))
def test_at_no_moment_of_a_rotation_does_a_process_refuse_what_another_has_issued(
    rotation: Callable[[str], list[str]], secret: str, kill_at: int
) -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": OLD})
    processes = Processes(kill_at)
    with intercepted(processes.after):
        if kill_at:
            with pytest.raises(Killed):
                rotation(secret)
        if kill_at == 8 and secret == "CURSOR_SECRET":  # all was done; without a value, the next run cannot tell
            with pytest.raises(CannotRun, match="was replaced before"):
                rotation(secret)
        else:
            rotation(secret)
    values = parameter()
    assert values[f"{secret}_PREVIOUS"] == OLD
    assert values[secret] != OLD
    assert f"{secret}_NEXT" not in values
    assert (versions(), processes.changes) == (["3", "3"], 8)


def test_the_previous_value_is_refused_when_the_rotation_is_finished(rotation: Callable[[str], list[str]]) -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})
    said = rotation("JWT_SECRET")
    for _ in range(2):
        secrets.finish(stage(), "JWT_SECRET", said.append)
    assert (parameter(), versions()) == ({"JWT_SECRET": NEW, "CURSOR_SECRET": "c"}, ["4", "4"])
    assert NEW not in "".join(said)


def test_a_rotation_that_is_not_complete_is_not_finished_and_not_replaced_by_another(
    rotation: Callable[[str], list[str]],
) -> None:
    store({"JWT_SECRET": OLD, "JWT_SECRET_NEXT": "x" * 32, "CURSOR_SECRET": "c"})
    with pytest.raises(CannotRun, match="not complete"):
        secrets.finish(stage(), "JWT_SECRET", print)
    with pytest.raises(CannotRun, match="to another value is not finished"):
        rotation("JWT_SECRET")


def test_a_rotation_needs_a_new_value_and_functions_that_read_the_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotRun, match="has no JWT_SECRET in SSM"):
        secrets.rotate(stage(), "JWT_SECRET", print)
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})
    with pytest.raises(CannotRun, match=r"^Pass a new value: JWT_SECRET=\.\.\. make rotate"):
        secrets.rotate(stage(), "JWT_SECRET", print)
    monkeypatch.setenv("JWT_SECRET", "short")
    with pytest.raises(WrongSetting, match="at least 32 bytes"):
        secrets.rotate(stage(), "JWT_SECRET", print)
    assert parameter()["JWT_SECRET"] == OLD
    for name in FUNCTIONS:
        client("lambda").update_function_configuration(FunctionName=name, Environment={"Variables": {"A": "b"}})
    with pytest.raises(CannotRun, match="do not read SSM yet: make deploy STAGE=dev"):
        secrets.rotate(stage(), "JWT_SECRET", print)


def test_a_rotation_leaves_an_api_that_is_rolled_back_alone(rotation: Callable[[str], list[str]]) -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})
    client("lambda").update_function_configuration(FunctionName=FUNCTIONS[0], Timeout=7)
    with pytest.raises(CannotRun, match=r"^The API of dev is rolled back\. First: make deploy STAGE=dev$"):
        rotation("JWT_SECRET")
    assert (versions(), parameter()) == (["1", "1"], {"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})


def test_a_second_rotation_of_a_generated_secret_is_refused_until_the_first_is_finished(
    rotation: Callable[[str], list[str]],
) -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": OLD})
    rotation("CURSOR_SECRET")
    first = parameter()["CURSOR_SECRET"]
    with pytest.raises(CannotRun, match=r"previous value is still accepted\. First: make rotate .* FINISH=1$"):
        rotation("CURSOR_SECRET")
    secrets.finish(stage(), "CURSOR_SECRET", print)
    rotation("CURSOR_SECRET")
    assert parameter()["CURSOR_SECRET"] != first


def test_a_parameter_that_was_lost_is_not_replaced_by_new_secrets() -> None:
    store({"JWT_SECRET": OLD, "CURSOR_SECRET": "c"})
    client("ssm").delete_parameter(Name=PARAMETER)
    with pytest.raises(CannotRun, match=f"^The SSM parameter {PARAMETER} of the stage is missing. Pass JWT_SECRET"):
        secrets.wanted(stage(), secrets.stored(stage()))

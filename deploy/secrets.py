"""The secrets of a stage: one SSM parameter, which the functions read when they start.

All secrets are in one parameter, so one write changes everything that must change at the same time.

A secret is replaced in two steps. The first one lets the functions accept the next value, the second one makes it the
current one. After each step, every function starts new processes. So no process ever meets a token or a cursor that it
cannot verify. The parameter says how far a rotation has come, so the next run continues it.
"""

import json
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields

from chalicelib.permissions import API
from chalicelib.secrets import Secrets, read
from deploy import functions, record, versions
from deploy.settings import SECRETS_VERSION
from deploy.stage import Stage
from deploy.target import Target
from project import CannotRun

ROTATED = ("JWT_SECRET", "CURSOR_SECRET")

_PARAMETER = "SECRETS_PARAMETER"
_GENERATED = "CURSOR_SECRET"
_BESIDES = ("_NEXT", "_PREVIOUS")
_NAMES = tuple(name for field in fields(Secrets) for name in field.metadata["env"] if not name.endswith(_BESIDES))
_DEFAULT_KEY = "alias/aws/ssm"  # SSM User Guide, "SecureString parameters": the key of SSM in the account; it is free

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, repr=False)
class Stored:
    """What the parameter of a stage has."""

    values: Mapping[str, str]
    version: int  # 0: there is no parameter
    key: str  # the KMS key that encrypts it


def stored(stage: Stage) -> Stored:
    """Return what the parameter of a stage has; no values if it does not exist.

    Raises CannotRun: its value is not a JSON object.
    """
    ssm, name = stage.place.client("ssm"), stage.settings.secrets_parameter
    try:
        parameter = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    except ssm.exceptions.ParameterNotFound:
        return Stored({}, 0, "")
    key = next((found.get("KeyId", "") for found in _described(stage.place, name)), "")
    try:
        return Stored(dict(json.loads(parameter["Value"])), parameter["Version"], key)
    except (ValueError, TypeError):
        raise CannotRun(f"The SSM parameter {name} is not a JSON object.") from None


def wanted(stage: Stage, held: Stored) -> dict[str, str]:
    """Return the secrets that a deployment of a stage shall have.

    They are those in the parameter, or on the first time those of functions that were deployed without one. The
    environment of this process can add some. CURSOR_SECRET is generated.
    Raises CannotRun, WrongSetting: the environment has another value of one, or one is missing or wrong.
    """
    deployed = {} if held.version else functions.variables(stage.place, stage.config.app_name, stage.name)
    values = {**{name: deployed[name] for name in _NAMES if deployed.get(name)}, **held.values}
    for name in _NAMES:
        given = os.environ.get(name, "").strip()
        if given and name in ROTATED and values.get(name, given) != given:
            raise CannotRun(
                f"{name} of the environment is not the one of the stage {stage.name}. To replace the stage's without "
                f"downtime: {name}=... make rotate STAGE={stage.name} SECRET={name}"
            )
        if given:
            values[name] = given
    if _PARAMETER in deployed and not values:
        raise CannotRun(
            f"The SSM parameter {stage.settings.secrets_parameter} of the stage is missing. Pass JWT_SECRET and "
            "CURSOR_SECRET in the environment."
        )
    values.setdefault(_GENERATED, secrets.token_urlsafe(32))
    read(values, stage.settings)
    return values


def write(stage: Stage, held: Stored, values: Mapping[str, str]) -> Stored:
    """Write the parameter of a stage, if it differs, and return what it has now. `held` is what it has before.

    Raises CannotRun: another deployment has created it meanwhile.
    """
    key = stage.options.secrets_kms_key_arn or _DEFAULT_KEY
    if held.values == values and key.endswith(held.key):  # SSM may name a key by the end of its ARN
        return held
    ssm, name = stage.place.client("ssm"), stage.settings.secrets_parameter
    tags = [{"Key": tag, "Value": value} for tag, value in stage.tags.items()]
    try:
        # SSM refuses tags for a parameter that exists.
        new = {"Overwrite": True} if held.version else {"Tags": tags}
        answer = ssm.put_parameter(Name=name, Value=json.dumps(values), Type="SecureString", KeyId=key, **new)
    except ssm.exceptions.ParameterAlreadyExists:
        raise CannotRun(f"Another process has just created the SSM parameter {name}. Run the command again.") from None
    return Stored(values, answer["Version"], key)


def restart(stage: Stage, version: int) -> int:
    """Let each function of a stage start new processes, unless it has done so for this version of the parameter.

    Waits until no old process gets a request. Returns the number of functions that were restarted.
    """
    client, behind = stage.place.client("lambda"), 0
    found = record.functions(stage.place, stage.config.app_name, stage.name)
    arns = found.values()
    for arn in arns:
        configured = client.get_function_configuration(FunctionName=arn)
        variables: dict[str, str] = configured.get("Environment", {}).get("Variables", {})
        if _PARAMETER in variables and variables.get(SECRETS_VERSION) != str(version):
            changed = {"Variables": {**variables, SECRETS_VERSION: str(version)}}
            client.update_function_configuration(FunctionName=arn, Environment=changed)
            behind += 1
    for arn in arns:
        # Lambda API Reference, UpdateFunctionConfiguration: then "the function is processing events with the new
        # configuration".
        client.get_waiter("function_updated_v2").wait(FunctionName=arn)
    if API in found:
        behind = max(behind, versions.follow(stage.place, found[API]))
    return behind


def keep(stage: Stage, removed: Collection[str], say: Say) -> None:
    """Write the secrets of a stage without a deployment, and restart its functions. `removed` are deleted.

    Raises CannotRun, WrongSetting: see `wanted`; or the stage cannot work without a removed one.
    """
    held = stored(stage)
    _check_live(stage)
    if _GENERATED in removed:
        command = f"make rotate STAGE={stage.name} SECRET={_GENERATED}"
        raise CannotRun(f"{_GENERATED} cannot be removed; `{command}` replaces it.")
    if unknown := sorted(set(removed) - set(_NAMES)):
        raise CannotRun(f"{unknown[0]} is not a secret; the secrets are {', '.join(_NAMES)}.")
    gone = {f"{name}{ending}" for name in removed for ending in ("", *_BESIDES)}
    values = {name: value for name, value in wanted(stage, held).items() if name not in gone}
    read(values, stage.settings)
    now = write(stage, held, values)
    say(f"{stage.settings.secrets_parameter} has {', '.join(sorted(now.values))}.")
    say(f"{restart(stage, now.version)} functions restarted.")


def rotate(stage: Stage, secret: str, say: Say) -> None:
    """Replace a secret of a stage while it runs. The environment has the new value; CURSOR_SECRET can be generated.

    Raises CannotRun, WrongSetting: there is no new value or it is wrong, the stage has no such secret, or its last
    rotation is not finished.
    """
    held, given = stored(stage), os.environ.get(secret, "").strip()
    following, previous = f"{secret}_NEXT", f"{secret}_PREVIOUS"
    command = f"make rotate STAGE={stage.name} SECRET={secret}"
    _check_rotation(stage, secret, held)
    begun = held.values.get(following) or (held.values[secret] if previous in held.values else "")
    if begun and given not in ("", begun):
        raise CannotRun(f"A rotation of {secret} to another value is not finished. Run `{command}` and `... FINISH=1`.")
    if not begun and given in ("", held.values[secret]) and (given or secret != _GENERATED):
        raise CannotRun(f"Pass a new value: {secret}=... {command}")
    if not begun:
        held = write(stage, held, _checked(stage, {**held.values, following: given or secrets.token_urlsafe(32)}))
    behind = restart(stage, held.version)
    if following in held.values:
        say(f"All functions accept the next {secret}.")
        values = {**held.values, previous: held.values[secret], secret: held.values[following]}
        del values[following]
        restart(stage, write(stage, held, values).version)
    elif not behind and not given:
        raise CannotRun(
            f"{secret} was replaced before; its previous value is still accepted. First: {command} FINISH=1"
        )
    say(f"{secret} is replaced. Functions accept the previous one, too, until `{command} FINISH=1`.")


def finish(stage: Stage, secret: str, say: Say) -> None:
    """Let the functions of a stage refuse the previous value of a secret.

    Raises CannotRun: a rotation is not complete, or the stage has no such secret.
    """
    held = stored(stage)
    _check_rotation(stage, secret, held)
    if f"{secret}_NEXT" in held.values:
        raise CannotRun(f"The rotation of {secret} is not complete: make rotate STAGE={stage.name} SECRET={secret}")
    values = {name: value for name, value in held.values.items() if name != f"{secret}_PREVIOUS"}
    restart(stage, write(stage, held, values).version)
    say(f"All functions accept only the current {secret}.")


def exists(place: Target, parameter: str) -> bool:
    """Whether there is such a parameter."""
    return any(_described(place, parameter))


def delete(place: Target, parameter: str) -> None:
    """Delete a parameter with all its versions, if it exists."""
    place.client("ssm").delete_parameters(Names=[parameter])


def _described(place: Target, parameter: str) -> Iterator[dict[str, str]]:
    filters = [{"Key": "Name", "Values": [parameter]}]
    for page in place.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=filters):
        yield from page["Parameters"]


def _checked(stage: Stage, values: Mapping[str, str]) -> Mapping[str, str]:
    read(values, stage.settings)
    return values


def _check_rotation(stage: Stage, secret: str, held: Stored) -> None:
    if secret not in held.values:
        raise CannotRun(f"The stage {stage.name} has no {secret} in SSM; `make deploy STAGE={stage.name}` adds it.")
    deployed = functions.variables(stage.place, stage.config.app_name, stage.name)
    if deployed and _PARAMETER not in deployed:
        raise CannotRun(f"The functions of {stage.name} do not read SSM yet: make deploy STAGE={stage.name}")
    _check_live(stage)


def _check_live(stage: Stage) -> None:
    """Raise CannotRun if the API runs an earlier version, whose processes cannot be restarted."""
    arn = record.functions(stage.place, stage.config.app_name, stage.name).get(API)
    if arn and versions.is_rolled_back(stage.place, arn):
        raise CannotRun(f"The API of {stage.name} is rolled back. First: make deploy STAGE={stage.name}")

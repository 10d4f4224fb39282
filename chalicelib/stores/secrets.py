"""Where a process gets its secrets from: a parameter of SSM on Lambda, the environment on one machine."""

import json
import os
from functools import cache

from chalicelib.config import WrongSetting, is_on_lambda, settings
from chalicelib.secrets import Secrets, read
from chalicelib.stores import aws


@cache
def secrets() -> Secrets:
    """Return the secrets of this process, which are read once.

    A function whose stage has SECRETS_PARAMETER makes one call, and ignores variables with the names of secrets:
    otherwise one that was left there would undo a rotation.
    Raises WrongSetting: the parameter cannot be read, or a secret is missing or can't be used.
    """
    parameter = settings().secrets_parameter if is_on_lambda(os.environ) else ""
    return read(_stored(parameter) if parameter else os.environ, settings())


def _stored(parameter: str) -> dict[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = aws.ssm().get_parameter(Name=parameter, WithDecryption=True)
        stored: object = json.loads(answer["Parameter"]["Value"])
    except (BotoCoreError, ClientError) as error:
        raise WrongSetting(f"SECRETS_PARAMETER: {parameter} cannot be read from SSM: {error}") from None
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
        raise WrongSetting(f"SECRETS_PARAMETER: {parameter} is not a JSON object of strings.")
    return stored

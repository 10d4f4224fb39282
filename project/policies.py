"""The IAM policy of each Lambda function of a stage, in the files that .chalice/config.json names."""

import json
from pathlib import Path

from botocore.exceptions import UnknownRegionError
from botocore.session import Session
from chalice.config import Config

from chalicelib.config import read
from chalicelib.permissions import StageLocation, declared, policy
from project import PROJECT, CannotRun


def policies(config: Config, account: str, region: str) -> dict[Path, str]:
    """Return the text of each policy file of a stage.

    The settings of the stage, as its functions read them, name the resources.
    Raises CannotRun: .chalice/config.json names no policy file for a function, or the region is unknown.
    """
    app, stage = config.chalice_app, config.chalice_stage
    location = StageLocation(_partition(region), region, account, stage, read(config.environment_variables))
    texts = {}
    for function in declared(app):
        scoped = config.scope(stage, function)
        if not scoped.iam_policy_file:
            raise CannotRun(f".chalice/config.json has no iam_policy_file for {function} of stage {stage}.")
        least = policy(app, function, location, traced=bool(scoped.xray_enabled), in_vpc=bool(scoped.subnet_ids))
        texts[PROJECT / ".chalice" / scoped.iam_policy_file] = json.dumps(least, indent=2, sort_keys=True) + "\n"
    return texts


def write(config: Config, account: str, region: str) -> list[Path]:
    """Write the policy files of a stage, and return their paths.

    Raises CannotRun: see `policies`.
    """
    texts = policies(config, account, region)
    for path, text in texts.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return list(texts)


def _partition(region: str) -> str:
    try:
        return Session().get_partition_for_region(region)
    except UnknownRegionError:
        raise CannotRun(f"{region!r} is not an AWS region.") from None

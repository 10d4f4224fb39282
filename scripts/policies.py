"""Write the IAM policy of each Lambda function of a stage, where .chalice/config.json has `chalice deploy` look for it.

What `make policies` runs, in the repository's root: python -m scripts.policies STAGE --account ID --region REGION
"""

import argparse
import json
from pathlib import Path

from botocore.exceptions import UnknownRegionError
from botocore.session import Session
from chalice.config import Config

from chalicelib.config import read
from chalicelib.permissions import StageLocation, declared, policy
from dev.environment import stage_config

ROOT = Path(__file__).resolve().parent.parent
NO_ACCOUNT = "000000000000"  # the account of the embedded stack and of LocalStack


def policies(config: Config, account: str, region: str) -> dict[Path, str]:
    """The text of each policy file of a stage.

    Resources are named by the stage's settings, as its functions see them.
    Raises SystemExit: config.json lacks the policy file of a function, or the region is unknown.
    """
    app, stage = config.chalice_app, config.chalice_stage
    place = StageLocation(_partition(region), region, account, stage, read(config.environment_variables))
    texts = {}
    for function in declared(app):
        scoped = config.scope(stage, function)
        if not scoped.iam_policy_file:
            raise SystemExit(f".chalice/config.json has no iam_policy_file for {function} of stage {stage}.")
        least = policy(app, function, place, traced=bool(scoped.xray_enabled))
        texts[ROOT / ".chalice" / scoped.iam_policy_file] = json.dumps(least, indent=2, sort_keys=True) + "\n"
    return texts


def write(config: Config, account: str, region: str) -> list[Path]:
    """Write the policy files of a stage; where they are.

    Raises SystemExit, as `policies`.
    """
    texts = policies(config, account, region)
    for path, text in texts.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return list(texts)


def main() -> None:
    """Write the files, and say which."""
    parser = argparse.ArgumentParser(description="Write the IAM policy of each Lambda function of a stage.")
    parser.add_argument("stage")
    parser.add_argument("--account", default="", help="12 digits; only the stage local can do without")
    parser.add_argument("--region", required=True)
    asked = parser.parse_args()
    account = asked.account or (NO_ACCOUNT if asked.stage == "local" else "")
    if not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise SystemExit(
            f"Stage {asked.stage} needs the AWS account's 12 digits: make policies STAGE={asked.stage} ACCOUNT=..."
        )
    for path in write(stage_config(asked.stage), account, asked.region):
        print(path.relative_to(ROOT))


def _partition(region: str) -> str:
    try:
        return Session().get_partition_for_region(region)
    except UnknownRegionError:
        raise SystemExit(f"{region!r} is not an AWS region.") from None


if __name__ == "__main__":
    main()

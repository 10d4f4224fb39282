"""Write the IAM policy of each Lambda function of a stage into the files that .chalice/config.json names.

`make policies` runs this in the repository's root: python -m scripts.policies STAGE --account ID --region REGION
"""

import argparse

from deploy.options import Options
from project import PROJECT, CannotRun, policies
from project.command_line import one_line_errors
from project.stages import LOCAL, project_config, stage_config

NO_ACCOUNT = "000000000000"  # the account of the embedded stack and of LocalStack


@one_line_errors()
def main() -> None:
    """Write the files and print their paths."""
    parser = argparse.ArgumentParser(description="Write the IAM policy of each Lambda function of a stage.")
    parser.add_argument("stage", help="a stage of .chalice/config.json")
    parser.add_argument("--account", default="", help="AWS account, 12 digits; optional for the stage local")
    parser.add_argument("--region", required=True)
    options = parser.parse_args()
    account = options.account or (NO_ACCOUNT if options.stage == LOCAL else "")
    if not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise CannotRun(
            f"Stage {options.stage} needs the AWS account's 12 digits: make policies STAGE={options.stage} ACCOUNT=..."
        )
    config = stage_config(options.stage)
    key = Options.of(project_config(), options.stage).secrets_kms_key_arn
    for path in policies.write(config, account, options.region, key):
        print(path.relative_to(PROJECT))


if __name__ == "__main__":
    main()

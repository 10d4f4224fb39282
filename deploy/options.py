"""The options of a deployment: `deployment` in .chalice/config.json, for all stages or for one."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from project import CannotRun

_KEY = r"(arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/.+)?"  # not an alias: IAM policies cannot name one


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a stage that are not environment variables of its functions."""

    api_requests_per_second: int = 500  # average rate that API Gateway accepts; it answers more with 429
    api_burst: int = 1_000  # burst that API Gateway accepts, in requests
    access_logs: bool = True  # API Gateway writes a line for each request
    detailed_metrics: bool = False  # CloudWatch metrics of each method of the API; they cost extra
    log_retention_days: int = 30
    originals_version_days: int = 30  # how long a deleted original can be restored
    event_age_seconds: int = 21_600  # how long Lambda retries an S3 event before it becomes a dead letter
    alarm_topic_arn: str = ""  # the SNS topic that alarms notify; empty: alarms are only shown
    protected: bool = False  # DynamoDB and CloudFormation refuse to delete the tables and the stack
    backup_vault: str = ""  # the vault of AWS Backup that gets daily backups of the stage; empty: none
    backup_days: int = 35  # how long AWS Backup keeps a backup and its copy
    backup_copy_vault_arn: str = ""  # the vault in another region or account that gets a copy; empty: none
    snap_start: bool = False  # start the API's function from a snapshot
    provisioned_concurrency: int = 0  # instances of the API's function that are always ready; 0: none
    distribution_arn: str = ""  # the CloudFront distribution that may read originals and derived images; empty: none
    close_execute_api: bool = False  # whether only the custom domain leads to the API
    web_acl_arn: str = ""  # the web ACL of AWS WAF that checks requests; empty: none

    secrets_kms_key_arn: str = ""  # the KMS key that encrypts the secrets; empty: the key of SSM in the account
    # Capacity units per second of each table; DynamoDB throttles more. 0: no maximum.
    table_max_read_units: int = 0
    table_max_write_units: int = 0
    originals_tiering_days: int = 0  # after so many days, originals move to S3 Intelligent-Tiering; 0: never
    monthly_budget_usd: int = 0  # AWS Budgets notifies when a month costs more; 0: no budget
    budget_email: str = ""  # whom the budget notifies; empty: the topic of the alarms

    @classmethod
    def of(cls, config: Mapping[str, Any], stage: str) -> "Options":
        """Return the options of a stage. `config` is the content of .chalice/config.json.

        Raises CannotRun: an option is unknown, or has the wrong type or value.
        """
        parts = [part.get("deployment", {}) for part in (config, config["stages"][stage])]
        if not all(isinstance(part, dict) for part in parts):
            raise CannotRun(".chalice/config.json: `deployment` must be an object.")
        given = {name: value for part in parts for name, value in part.items()}
        defaults = asdict(cls())
        for name, value in given.items():
            if name not in defaults:
                known = ", ".join(defaults)
                raise CannotRun(f".chalice/config.json: `deployment` has no option {name!r}; the options are {known}.")
            least = 1 if defaults[name] else 0  # 0 turns an option off whose default is 0
            if type(value) is not type(defaults[name]) or (type(value) is int and value < least):
                raise CannotRun(f".chalice/config.json: {name} in `deployment` cannot be {value!r}.")
        options = cls(**given)
        options._check()
        return options

    def _check(self) -> None:
        """Raise CannotRun if a value is out of range, or two options do not fit."""
        if not 60 <= self.event_age_seconds <= 21_600:
            raise CannotRun(".chalice/config.json: event_age_seconds in `deployment` must be from 60 to 21600.")
        if not 7 <= self.backup_days <= 36_500:
            raise CannotRun(".chalice/config.json: backup_days in `deployment` must be from 7 to 36500.")
        if self.backup_copy_vault_arn and not self.backup_vault:
            raise CannotRun(".chalice/config.json: backup_copy_vault_arn in `deployment` needs backup_vault.")
        if not re.fullmatch(_KEY, self.secrets_kms_key_arn):
            raise CannotRun(".chalice/config.json: secrets_kms_key_arn in `deployment` must be the ARN of a KMS key.")
        if self.snap_start and self.provisioned_concurrency:
            raise CannotRun(
                ".chalice/config.json: snap_start and provisioned_concurrency in `deployment` exclude each other."
            )
        if self.monthly_budget_usd and not (self.budget_email or self.alarm_topic_arn):
            raise CannotRun(
                ".chalice/config.json: monthly_budget_usd in `deployment` needs budget_email or alarm_topic_arn."
            )

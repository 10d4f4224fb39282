"""The parameters of resources.yaml for a stage."""

import re
from collections.abc import Mapping

from chalicelib.config import Settings
from deploy.options import Options
from project import CannotRun
from project.resources import names, template


def of(stage: str, settings: Settings, options: Options) -> Mapping[str, str]:
    """Return the value of each parameter."""
    return {
        **names(settings),
        "Stage": stage,
        "DeletionProtection": str(options.protected).lower(),
        "BackupVaultName": options.backup_vault,
        "BackupDays": str(options.backup_days),
        "BackupCopyVaultArn": options.backup_copy_vault_arn,
        "LogRetentionDays": str(options.log_retention_days),
        "OriginalsVersionDays": str(options.originals_version_days),
        "AlarmTopicArn": options.alarm_topic_arn,
        "DistributionArn": options.distribution_arn,
        "TableMaxReadUnits": str(options.table_max_read_units),
        "TableMaxWriteUnits": str(options.table_max_write_units),
        "OriginalsTieringDays": str(options.originals_tiering_days),
        "MonthlyBudgetUsd": str(options.monthly_budget_usd),
        "BudgetEmail": options.budget_email,
    }


def check(values: Mapping[str, str]) -> None:
    """Raise CannotRun if CloudFormation would refuse a value. Called before anything is written."""
    declared = template().parsed["Parameters"]
    for name, value in values.items():
        allowed = [str(each) for each in declared[name].get("AllowedValues", [])]
        if allowed and value not in allowed:
            raise CannotRun(f"{name} of the stack must be one of {', '.join(allowed)}, not {value}.")
        if not re.fullmatch(declared[name].get("AllowedPattern", ".*"), value):
            raise CannotRun(f"{name} of the stack cannot be {value!r}.")

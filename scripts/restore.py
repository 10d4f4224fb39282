"""Restore a stage to an earlier time. See docs/backup.md.

`make restore` runs this in the repository's root: python -m scripts.restore STAGE --to TIME
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from chalicelib.config import Settings, read
from deploy import questions, settings, stack, target
from deploy.questions import Question
from deploy.target import Target
from project import PROJECT, CannotRun
from project.command_line import one_line_errors
from project.stages import project_config, stage_config
from scripts import restored_originals, restored_tables
from scripts.restored_tables import Restored

# The settings that name the tables to restore, with the parameters of resources.yaml.
TABLES = {
    "images_table_name": "ImagesTableName",
    "image_tags_table_name": "ImageTagsTableName",
    "tag_counts_table_name": "TagCountsTableName",
    "items_table_name": "ItemsTableName",
}
# A new, empty table: keys that were used after the chosen time refer to uploads that are gone.
KEYS = "idempotency_keys_table_name"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore does."""

    stage: str
    place: Target
    at: datetime  # UTC, whole seconds
    tables: Mapping[str, Restored]  # by setting
    keys: Restored
    bucket: str  # of the originals

    @property
    def records(self) -> Restored:
        """The table of the images' records."""
        return self.tables["images_table_name"]

    @property
    def is_switched(self) -> bool:
        """Whether .chalice/config.json names the restored tables: an earlier run was stopped after that step."""
        return self.records.source == self.records.target

    def __str__(self) -> str:
        """Describe the restore, for the question before it."""
        return (
            f"This restores the stage {self.stage} in {self.place} to {self.at:%Y-%m-%dT%H:%M:%SZ}. Clients no longer "
            "see later uploads, changes and deletions. The current tables are kept."
        )


def plan(place: Target, stage: str, at: datetime) -> Plan:
    """Return the plan of a restore. Raises CannotRun: the stage does not exist."""
    stage_config(stage)
    chosen = _settings(place, stage)
    tables = {name: restored_tables.renamed(getattr(chosen, name), at) for name in TABLES}
    keys = restored_tables.renamed(getattr(chosen, KEYS), at)
    return Plan(stage, place, at, tables, keys, chosen.s3_bucket_name)


def check(wanted: Plan) -> None:
    """Raise CannotRun if the restore cannot begin or continue. Writes nothing."""
    dynamodb = wanted.place.client("dynamodb")
    of_stack = stack.parameters_of(wanted.place, wanted.stage)
    for name, table in wanted.tables.items():
        current = of_stack.get(TABLES[name], "no table")
        if current not in (table.source, table.target):
            raise CannotRun(
                f"The stack {stack.name(wanted.stage)} has {current}, but .chalice/config.json has {table.source}. "
                "Complete the restore to the other time, or deploy the stage."
            )
        if current != table.target and restored_tables.exists(dynamodb, table.target):
            raise CannotRun(f"The table {table.target} exists already, and no stack contains it.")
    if not (wanted.is_switched or wanted.place.endpoint_url):
        waiting = [table for table in wanted.tables.values() if not restored_tables.is_restored(dynamodb, table.target)]
        restored_tables.check_window(dynamodb, waiting, wanted.at)


def explain(wanted: Plan) -> None:
    """Print what the restore does."""
    print(wanted)
    if wanted.is_switched:
        print("The tables are restored, and .chalice/config.json names them. The steps after that are left.")
    else:
        for table in wanted.tables.values():
            print(f"  {table.source} -> {table.target}")
    deleted = restored_originals.deleted_since(wanted.place.client("s3"), wanted.bucket, wanted.at)
    print(f"  {len(deleted)} originals were deleted since then. Those that a restored record needs are brought back.")


def prepare(wanted: Plan) -> None:
    """Restore tables and originals. The service still uses the current tables. Can be repeated.

    Raises CannotRun: CloudFormation, DynamoDB or S3 refuses a step.
    """
    dynamodb = wanted.place.client("dynamodb")
    stack.change_parameters(
        wanted.place, wanted.stage, {TABLES[name]: table.target for name, table in wanted.tables.items()}
    )
    # LocalStack has no backups. A rehearsal there copies what the tables have now.
    on_aws = not wanted.place.endpoint_url
    fill = restored_tables.from_backups(dynamodb, wanted.at) if on_aws else restored_tables.by_copying(dynamodb)
    for table in wanted.tables.values():
        print(f"Restoring {table.source} as {table.target}.")
        fill(table)
    for table in wanted.tables.values():
        restored_tables.wait(dynamodb, table)
        restored_tables.configure(dynamodb, table)
    bring_back(wanted)


def bring_back(wanted: Plan) -> None:
    """Bring back the originals that restored records need. Can be repeated."""
    s3, dynamodb = wanted.place.client("s3"), wanted.place.client("dynamodb")
    count = restored_originals.bring_back(s3, dynamodb, wanted.records.target, wanted.bucket, wanted.at)
    print(f"{count} originals brought back.")


def switch(wanted: Plan) -> None:
    """Write the names of the restored tables to .chalice/config.json. The next deployment uses them."""
    tables = {**wanted.tables, KEYS: wanted.keys}
    renamed = {name: table.target for name, table in tables.items()}
    settings.save(settings.renamed(project_config(), wanted.stage, renamed))


def verify(wanted: Plan) -> None:
    """Compare records and originals. Raises CannotRun: a listed image has no original."""
    s3, dynamodb = wanted.place.client("s3"), wanted.place.client("dynamodb")
    found = restored_originals.check(s3, dynamodb, wanted.records.target, wanted.bucket)
    print(
        f"{found.images} images in lists, {found.images - len(found.without_original)} with their original; "
        f"{found.without_record} other originals, for example of later uploads."
    )
    if found.without_original:
        for key in found.without_original:
            print(f"No original: {key}")
        raise CannotRun(f"{len(found.without_original)} images have no original. The list above has their keys.")


def restore(wanted: Plan) -> None:
    """Run all steps. Each one can be repeated, so the same command continues after an interruption.

    Raises CannotRun: a step failed.
    """
    if not wanted.is_switched:
        prepare(wanted)
        switch(wanted)
    _run("deploy", "deploy", wanted.stage)
    bring_back(wanted)  # what the service deleted during the restore
    _run("scripts.reindex", wanted.stage)
    _run("scripts.background", "sweep", wanted.stage)
    verify(wanted)
    print("Commit .chalice/config.json. Delete the tables from before the restore when you no longer need them.")


def _run(module: str, *arguments: str) -> None:
    """Run a command of the project in its own process, because it reads the new names when it starts."""
    command = [sys.executable, "-m", module, *arguments]
    print(f"Running {' '.join(command[1:])}", flush=True)
    if subprocess.run(command, cwd=PROJECT, check=False).returncode:
        raise CannotRun(f"{module} failed. Correct the cause, and run the same restore again.")


def _settings(place: Target, stage: str) -> Settings:
    return read(settings.of(settings.named(project_config(), place, stage), stage))


@one_line_errors()
def main() -> None:
    """Restore the stage that the command line names."""
    parser = argparse.ArgumentParser(description="Restore a stage to an earlier time.")
    parser.add_argument("stage", help="a stage of .chalice/config.json")
    parser.add_argument("--to", required=True, metavar="TIME", help="for example 2026-11-20T10:00:00Z")
    parser.add_argument("--confirm", default="", metavar="STAGE", help="do not ask whether to restore this stage")
    parser.add_argument("--dry-run", action="store_true", help="check and explain, and change nothing")
    asked = parser.parse_args()
    at = restored_tables.moment(asked.to, datetime.now(UTC))
    try:
        wanted = plan(target.find(asked.stage), asked.stage, at)
        check(wanted)
        explain(wanted)
        if asked.dry_run:
            return
        question = Question("Nothing has been restored yet.", asked.stage, (f"CONFIRM={asked.stage}",))
        if not question.confirmed(questions.given(stage=asked.confirm)):
            raise CannotRun("Nothing was restored.")
        restore(wanted)
    except (ClientError, BotoCoreError, WaiterError) as error:
        raise CannotRun(f"{error}. Finished steps stay; run the same command again.") from None
    except KeyboardInterrupt:
        raise CannotRun("\nStopped. Finished steps stay; run the same command again.") from None


if __name__ == "__main__":
    main()

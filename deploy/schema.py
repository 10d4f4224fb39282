"""The schema version: which code can read a stage's data. CloudFormation tags the tables like the stack."""

from collections.abc import Mapping

from project import CannotRun

# Increase this number when code of the version before could not read, or would damage, what the new code writes. Then
# say in CHANGELOG.md, and in docs/operations.md, "Upgrade", what to run.
VERSION = 1
TAG = "schema_version"


def of(tags: Mapping[str, str]) -> int:
    """Return the version in the tags of a stage's stack: 1 if there is none, because the first stages had no tag.

    Raises CannotRun: the tag is not a number.
    """
    text = tags.get(TAG, "1")
    if not text.isdecimal():
        raise CannotRun(f"The tag {TAG} of the stack must be a number, not {text!r}.")
    return int(text)


def check(stage: str, deployed: int) -> None:
    """Raise CannotRun if a later version has been deployed than this code knows."""
    if deployed > VERSION:
        raise CannotRun(
            f"The data of the stage {stage} has the schema version {deployed}, but this commit knows only {VERSION}. "
            'Deploy a later commit. See docs/operations.md, "Upgrade".'
        )

"""The schema version: an earlier one may be deployed over, a later one may not."""

import pytest

from deploy import schema, stack
from project import CannotRun


def test_a_stage_without_the_tag_has_the_first_version() -> None:
    assert schema.of({"service": "images-api"}) == 1


def test_the_tags_of_a_stack_have_the_version_of_this_code() -> None:
    assert schema.of(stack.tags("dev")) == schema.VERSION
    assert stack.tags("dev").keys() == {"service", "stage", "schema_version"}


@pytest.mark.parametrize("text", ["", "two", "-1", "1.0"])
def test_a_tag_that_is_not_a_number_is_a_one_line_error(text: str) -> None:
    with pytest.raises(CannotRun, match="must be a number"):
        schema.of({"schema_version": text})


def test_only_a_later_version_is_refused() -> None:
    schema.check("dev", schema.VERSION - 1)
    schema.check("dev", schema.VERSION)
    with pytest.raises(CannotRun, match="Deploy a later commit"):
        schema.check("dev", schema.VERSION + 1)

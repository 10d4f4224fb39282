"""The schema version: an earlier one may be deployed over, a later one may not."""

import boto3.session
import pytest

from chalicelib.config import Settings
from deploy import schema, stack
from deploy.options import Options
from deploy.stage import Stage, chalice_config
from deploy.target import Target
from project import CannotRun


def test_a_stage_without_the_tag_has_the_first_version() -> None:
    assert schema.of({"service": "images-api"}) == 1


def test_the_tags_of_a_stack_have_the_version_of_this_code() -> None:
    place = Target(boto3.session.Session(region_name="us-east-1"), "aws", "us-east-1", "123456789012", "")
    tags = stack.tags(Stage("dev", place, chalice_config("dev", place, {}), {}, Settings(), Options()))
    assert schema.of(tags) == schema.VERSION
    assert tags == {"service": "images-api", "stage": "dev", "schema_version": str(schema.VERSION)}


@pytest.mark.parametrize("text", ["", "two", "-1", "1.0"])
def test_a_tag_that_is_not_a_number_is_a_one_line_error(text: str) -> None:
    with pytest.raises(CannotRun, match="must be a number"):
        schema.of({"schema_version": text})


def test_only_a_later_version_is_refused() -> None:
    schema.check("dev", schema.VERSION - 1)
    schema.check("dev", schema.VERSION)
    with pytest.raises(CannotRun, match="Deploy a later commit"):
        schema.check("dev", schema.VERSION + 1)

import re

import boto3.session
import pytest
from cfnlint.api import lint_file

from chalicelib.config import Settings
from deploy import settings, stack
from deploy.options import Options
from deploy.target import Target
from dev import PROJECT
from dev.template import parse

CLOUDFRONT = PROJECT / "deploy" / "cloudfront.yaml"
PARAMETERS = set(parse((PROJECT / "resources.yaml").read_text()).parsed["Parameters"])
SIGNING = {"CDN_URL": "https://d1.cloudfront.net", "CDN_KEY_PAIR_ID": "K1", "CDN_PRIVATE_KEY": "k"}


def test_a_deployment_gives_all_parameters_of_the_stack() -> None:
    assert set(stack.parameters("dev", Settings(), Options())) == PARAMETERS


def test_a_restore_keeps_all_parameters_but_the_tables_that_it_brings_back() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text()
    (kept,) = re.findall(r'^KEEP="(.*)"$', text, re.MULTILINE)
    changed = re.findall(r"ParameterKey=(\w+),ParameterValue", text)
    assert sorted([*kept.split(), *changed]) == sorted(PARAMETERS)


def test_what_signs_for_cloudfront_is_kept_and_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.SECRETS:
        monkeypatch.delenv(name, raising=False)
    target = Target(boto3.session.Session(), "aws", "us-east-1", "123456789012", "")
    assert SIGNING.items() <= settings.from_elsewhere(target, "dev", SIGNING).items()
    monkeypatch.setenv("CDN_KEY_PAIR_ID", "K2")
    assert settings.from_elsewhere(target, "dev", SIGNING)["CDN_KEY_PAIR_ID"] == "K2"


def test_amazons_linter_finds_nothing_in_the_template_of_cloudfront() -> None:
    assert [str(finding) for finding in lint_file(CLOUDFRONT)] == []


def test_cloudfront_shows_nothing_without_a_signature_or_by_plain_http() -> None:
    resources = parse(CLOUDFRONT.read_text()).parsed["Resources"]
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    for behaviour in (distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]):
        assert behaviour["TrustedKeyGroups"] == [{"Ref": "KeyGroup"}]
        assert behaviour["ViewerProtocolPolicy"] == "https-only"

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from cfnlint.api import lint_file
from chalice.config import Config

from deploy import network
from deploy.options import Options
from deploy.target import Target
from project import PROJECT, CannotRun, policies
from project.stages import stage_config

DOMAIN = {"domain_name": "photos.example.com", "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/1"}
ACL = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/images-api-dev/1"
STAGE = "arn:aws:apigateway:us-east-1::/restapis/a1/stages/dev"


def config(**settings: Any) -> Config:
    return Config(config_from_disk={"app_name": "images-api", **settings})


class Answer(io.BytesIO):
    """The body of an HTTP response, as urllib3 gives it to botocore."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "https://photos.example.com"),
        ({"url_prefix": "(none)"}, "https://photos.example.com"),
        ({"url_prefix": "/images/"}, "https://photos.example.com/images"),
    ],
)
def test_the_address_of_a_custom_domain_has_its_path(given: dict[str, str], address: str) -> None:
    domain = network.domain(config(api_gateway_custom_domain=DOMAIN | given))
    assert domain
    assert domain.address == address
    assert network.domain(config()) is None


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"api_gateway_custom_domain": {"domain_name": "a.example"}}, {"close_execute_api": True}, "certificate_arn"),
        ({"api_gateway_custom_domain": DOMAIN | {"name": "a"}}, {"close_execute_api": True}, "must be an object with"),
        ({}, {"close_execute_api": True}, "close_execute_api in `deployment` needs an api_gateway_custom_domain"),
        ({}, {"web_acl_arn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/1"}, "a regional web ACL"),
        ({"subnet_ids": ["subnet-1"]}, {}, "subnet_ids and security_group_ids need each other"),
    ],
)
def test_a_stage_that_nobody_could_reach_is_refused_with_one_line(
    settings: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CannotRun, match=rf"^\.chalice/config\.json: .*{message}.*\.$"):
        network.check(config(**settings), Options(**options))
    network.check(config(api_gateway_custom_domain=DOMAIN), Options(close_execute_api=True))


@pytest.mark.parametrize(
    ("associated", "wanted", "expected"),
    [
        ("", ACL, [("AssociateWebACL", {"WebACLArn": ACL, "ResourceArn": STAGE})]),
        (ACL, ACL, []),
        (ACL, "", [("DisassociateWebACL", {"ResourceArn": STAGE})]),
        ("", "", []),
    ],
)
def test_a_web_acl_is_associated_or_disassociated_once(
    associated: str, wanted: str, expected: list[tuple[str, dict[str, str]]]
) -> None:
    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    sent = []

    def answer(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        """Answer as AWS does. No emulator has both services."""
        operation = event_name.rpartition(".")[2]
        if "wafv2" in event_name:
            content: Any = request.body
            sent.append((operation, json.loads(content)))
        body = {"GetRestApi": {"id": "a1"}, "GetStage": {"webAclArn": associated}}.get(operation, {})
        return AWSResponse(request.url, 200, HTTPHeaders(), Answer(json.dumps(body).encode()))

    events: Any = session.events
    events.register("before-send", answer)
    place = Target(session, "aws", "us-east-1", "123456789012", "")
    network.finish(place, "a1", "dev", Options(web_acl_arn=wanted))
    assert sent == expected


def test_functions_in_a_vpc_may_use_network_interfaces() -> None:
    dev = stage_config("dev")
    inside = Config(
        chalice_stage="dev",
        user_provided_params={"chalice_app": dev.chalice_app},
        config_from_disk={
            **json.loads((PROJECT / ".chalice" / "config.json").read_text()),
            "subnet_ids": ["subnet-1"],
            "security_group_ids": ["sg-1"],
        },
    )

    def actions(config: Config) -> dict[Path, set[str]]:
        written = policies.policies(config, "123456789012", "us-east-1")
        statements = {path: json.loads(text)["Statement"] for path, text in written.items()}
        return {path: {action for each in found for action in each["Action"]} for path, found in statements.items()}

    outside = actions(dev)
    added = {path: names - outside[path] for path, names in actions(inside).items()}
    assert len(added) == 8
    assert all({name.partition(":")[0] for name in names} == {"ec2"} and len(names) == 6 for names in added.values())


def test_cfn_lint_accepts_the_template_of_the_firewall() -> None:
    assert [str(finding) for finding in lint_file(PROJECT / "deploy" / "firewall.yaml")] == []

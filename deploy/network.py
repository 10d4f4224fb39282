"""How clients reach a stage: its custom domain, the address that API Gateway gives each API, and its web ACL.

Chalice creates the domain and maps it to the API. What it cannot set is set here.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from chalice.config import Config

from deploy.options import Options
from deploy.target import Target
from project import CannotRun

_SETTING = "api_gateway_custom_domain"
_ROOT = "(none)"  # API Gateway's name for the empty path of a mapping
_WEB_ACL = r"arn:[a-z-]+:wafv2:[a-z0-9-]+:\d{12}:regional/webacl/.+"


@dataclass(frozen=True, slots=True)
class Domain:
    """A custom domain as .chalice/config.json names it."""

    name: str
    path: str  # below which the API is; empty: the root

    @property
    def address(self) -> str:
        """The URL of the API."""
        return f"https://{self.name}/{self.path}".rstrip("/")


def domain(config: Config) -> Domain | None:
    """Return the custom domain of a stage; None if it has none.

    Raises CannotRun: a part is missing or unknown. Chalice would end with a traceback, after the API is deployed.
    """
    given = config.api_gateway_custom_domain
    if not given:
        return None
    known = {"domain_name", "certificate_arn", "tls_version", "url_prefix", "tags"}
    if not isinstance(given, dict) or not {"domain_name", "certificate_arn"} <= given.keys() <= known:
        raise CannotRun(
            f".chalice/config.json: {_SETTING} must be an object with domain_name and certificate_arn, and may have "
            "tls_version, url_prefix and tags."
        )
    path = str(given.get("url_prefix", "")).strip("/")
    return Domain(str(given["domain_name"]), "" if path == _ROOT else path)


def check(config: Config, options: Options) -> None:
    """Raise CannotRun if a stage could not be reached, or its functions could not start in their network."""
    if options.close_execute_api and not domain(config):
        raise CannotRun(f".chalice/config.json: close_execute_api in `deployment` needs an {_SETTING}.")
    if options.web_acl_arn and not re.fullmatch(_WEB_ACL, options.web_acl_arn):
        raise CannotRun(".chalice/config.json: web_acl_arn in `deployment` must be the ARN of a regional web ACL.")
    if bool(config.subnet_ids) != bool(config.security_group_ids):
        raise CannotRun(".chalice/config.json: subnet_ids and security_group_ids need each other.")


def finish(target: Target, api_id: str, stage: str, options: Options) -> None:
    """Open or close the address that API Gateway gives the API, and associate the web ACL with its stage."""
    gateway = target.client("apigateway")
    closed = gateway.get_rest_api(restApiId=api_id).get("disableExecuteApiEndpoint", False)
    if closed != options.close_execute_api:
        change = {
            "op": "replace",
            "path": "/disableExecuteApiEndpoint",
            "value": str(options.close_execute_api).lower(),
        }
        gateway.update_rest_api(restApiId=api_id, patchOperations=[change])
    associated = gateway.get_stage(restApiId=api_id, stageName=stage).get("webAclArn", "")
    if associated != options.web_acl_arn:
        arn = f"arn:{target.partition}:apigateway:{target.region}::/restapis/{api_id}/stages/{stage}"
        firewall = target.client("wafv2")
        if options.web_acl_arn:
            firewall.associate_web_acl(WebACLArn=options.web_acl_arn, ResourceArn=arn)
        else:
            firewall.disassociate_web_acl(ResourceArn=arn)


def record(target: Target, config: Config, api_ids: Container[str]) -> Iterator[dict[str, Any]]:
    """Yield the entry of a stage's domain for Chalice's record, if the domain exists and leads only to these APIs.

    Chalice deletes what its record has and the stage has no longer. So a domain that somebody else made, or that leads
    to other APIs as well, must not be in it.
    """
    configured, gateway = domain(config), target.client("apigateway")
    if not configured or not leads_to(target, configured.name):
        return
    mappings = gateway.get_base_path_mappings(domainName=configured.name).get("items", [])
    if mappings and all(mapping["restApiId"] in api_ids for mapping in mappings):
        yield {
            "name": _SETTING,
            "resource_type": "domain_name",
            "domain_name": configured.name,
            "api_mapping": [{"key": "/" + mapping["basePath"].replace(_ROOT, "").strip("/")} for mapping in mappings],
        }


def leads_to(target: Target, name: str) -> str:
    """Return the host name that a custom domain's DNS entry must lead to; empty if there is no such domain."""
    gateway = target.client("apigateway")
    try:
        found = gateway.get_domain_name(domainName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return ""
        raise
    return str(found.get("regionalDomainName") or found.get("distributionDomainName", ""))

"""The addresses of an API on a real LocalStack. These tests make APIs of their own, and delete them."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from chalice.config import Config

from deploy import network
from deploy.options import Options
from deploy.target import Target


@pytest.fixture
def gateway(localstack: Target) -> Any:
    return boto3.client("apigateway")


@pytest.fixture
def new_api(gateway: Any) -> Iterator[Callable[[], str]]:
    """Return a function that makes an API with the stage `dev`, and returns its id."""
    made: list[str] = []

    def make() -> str:
        api_id: str = gateway.create_rest_api(name="addresses")["id"]
        made.append(api_id)
        (root,) = gateway.get_resources(restApiId=api_id)["items"]
        method = {"restApiId": api_id, "resourceId": root["id"], "httpMethod": "GET"}
        gateway.put_method(**method, authorizationType="NONE")
        gateway.put_integration(**method, type="MOCK")
        gateway.create_deployment(restApiId=api_id, stageName="dev")
        return api_id

    yield make
    for name in (domain["domainName"] for domain in gateway.get_domain_names()["items"]):
        for mapping in gateway.get_base_path_mappings(domainName=name)["items"]:  # LocalStack keeps them
            gateway.delete_base_path_mapping(domainName=name, basePath=mapping["basePath"])
        gateway.delete_domain_name(domainName=name)
    for api_id in made:
        gateway.delete_rest_api(restApiId=api_id)


def test_chalice_knows_the_domain_of_a_stage_if_it_leads_to_its_api_alone(
    gateway: Any, new_api: Callable[[], str], localstack: Target
) -> None:
    own, other = new_api(), new_api()
    for name, paths in {
        "own.example": {"(none)": own, "v2": own},
        "shared.example": {"a": own, "b": other},
        "other.example": {"(none)": other},
        "unused.example": {},
    }.items():
        gateway.create_domain_name(domainName=name, endpointConfiguration={"types": ["REGIONAL"]})
        for path, api_id in paths.items():
            gateway.create_base_path_mapping(domainName=name, basePath=path, restApiId=api_id, stage="dev")

    def recorded(**domain: str) -> list[dict[str, Any]]:
        config = Config(config_from_disk={"api_gateway_custom_domain": domain})
        return list(network.record(localstack, config, [own]))

    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/1"
    (entry,) = recorded(domain_name="own.example", certificate_arn=certificate)
    assert (entry["resource_type"], entry["domain_name"]) == ("domain_name", "own.example")
    assert sorted(mapping["key"] for mapping in entry["api_mapping"]) == ["/", "/v2"]
    for name in ("shared.example", "other.example", "unused.example", "missing.example"):
        assert recorded(domain_name=name, certificate_arn=certificate) == []
    assert recorded() == []
    assert network.leads_to(localstack, "own.example").endswith(".localstack.cloud")
    assert network.leads_to(localstack, "missing.example") == ""


def test_the_gateways_own_address_is_closed_and_opened(
    gateway: Any, new_api: Callable[[], str], localstack: Target
) -> None:
    api_id = new_api()
    for closed in (True, True, False):
        network.finish(localstack, api_id, "dev", Options(close_execute_api=closed))
        assert gateway.get_rest_api(restApiId=api_id)["disableExecuteApiEndpoint"] is closed

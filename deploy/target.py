"""Where a stage is deployed: an account and region of AWS, or LocalStack."""

import os
from dataclasses import dataclass
from typing import Any

import boto3.session
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from project import CannotRun
from project.environment import enter_localstack
from project.stages import LOCAL

# API Gateway allows some calls only once in several seconds ("quotas").
_PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 10})


@dataclass(frozen=True, slots=True)
class Target:
    """A place where stages are deployed."""

    session: boto3.session.Session
    partition: str
    region: str
    account: str  # 12 digits
    endpoint_url: str  # LocalStack's; empty: AWS

    def __str__(self) -> str:
        """Describe the target, for the question before a deletion."""
        return f"LocalStack at {self.endpoint_url}" if self.endpoint_url else f"account {self.account}, {self.region}"

    def client(self, service: Any) -> Any:
        """Return a client of a service."""
        return self.session.client(service, config=_PATIENT)

    def arn(self, service: str, name: str) -> str:
        """Return an ARN in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{name}"

    def address(self, api_id: str, stage: str) -> str:
        """Return the URL of a deployed API."""
        if self.endpoint_url:
            return f"{self.endpoint_url}/_aws/execute-api/{api_id}/{stage}"
        suffix = self.client("apigateway").meta.endpoint_url.partition(f"{self.region}.")[2]
        return f"https://{api_id}.execute-api.{self.region}.{suffix}/{stage}"


def find(stage: str) -> Target:
    """Return the target that boto3's environment leads to. The stage `local` is always on LocalStack.

    Raises CannotRun: nothing answers there, credentials or region are missing, or variables contradict each other.
    """
    if stage == LOCAL or os.environ.get("AWS_ENDPOINT_URL"):
        enter_localstack()
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
    if endpoint and not _answers(endpoint):
        raise CannotRun(f"No LocalStack answers at {endpoint}; `make up` starts one at http://localhost:4566.")
    if others := [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")]:
        raise CannotRun(f"{others[0]} leads one service elsewhere. Unset it to deploy.")
    try:
        session = boto3.session.Session()
    except BotoCoreError as error:
        raise CannotRun(f"{error}.") from None
    if not session.region_name:
        raise CannotRun("No region is configured. Set AWS_DEFAULT_REGION, or use a profile with a region.")
    sts = session.client("sts")
    if endpoint and sts.meta.endpoint_url.rstrip("/") != endpoint:
        raise CannotRun("AWS_ENDPOINT_URL is set, but other variables or a profile override it.")
    try:
        account = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise CannotRun(f"AWS does not accept the credentials: {error}") from None
    partition = session.get_partition_for_region(session.region_name)
    return Target(session, partition, session.region_name, account, endpoint)


def _answers(endpoint: str) -> bool:
    try:
        return requests.get(f"{endpoint}/_localstack/health", timeout=10).ok
    except requests.RequestException:
        return False

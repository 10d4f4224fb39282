import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace

from chalicelib.stores import records
from tests.unit.samples import ANALYSIS, IMAGE

# A request that uses these packages imports them: AWS clients, the image library, tokens.
SDK = {"botocore"}
ON_DEMAND = {"PIL", "pillow_heif", "jwt", "cryptography", "orjson", "pybase64"}
PAGES = {"html"}
NOT_DEPLOYED = {"boto3", "dev", "s3transfer", "tests", "yaml"}

ON_LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "images-api-dev",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "JWT_SECRET": "s" * 32,
}
# How many modules of each package a cold view may import: about a tenth more than it does.
MODULES = {
    "app": 1,
    "botocore": 80,
    "certifi": 2,  # not deployed; botocore prefers it to its own certificates
    "chalice": 2,
    "chalicelib": 105,
    "dateutil": 12,
    "jmespath": 9,
    "orjson": 2,
    "six": 3,
    "urllib3": 32,
    "uuid_utils": 3,
}
VIEW = """
import json, sys
started = set(sys.modules)
from types import SimpleNamespace
from app import app
from botocore.awsrequest import AWSResponse
from chalicelib.stores import aws

def answer(request, **_):
    return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda **_: [sys.argv[1].encode()]))

aws.dynamodb().meta.events.register("before-send", answer)
path = "/images/{image_id}"
event = {
    "requestContext": {"resourcePath": path, "httpMethod": "GET", "identity": {"sourceIp": "192.0.2.1"}},
    "resource": path,
    "path": path,
    "httpMethod": "GET",
    "headers": {},
    "multiValueQueryStringParameters": None,
    "pathParameters": {"image_id": sys.argv[2]},
    "stageVariables": None,
    "body": None,
    "isBase64Encoded": False,
}
viewed = app(event, SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 30_000))
assert viewed["statusCode"] == 200, viewed
print(json.dumps(sorted(set(sys.modules) - started)))
"""
WITHOUT_NETWORK = "import socket; socket.socket.connect = None; "


def imported(environment: dict[str, str], before: str = "") -> set[str]:
    """Return the packages that a cold start imports."""
    command = [sys.executable, "-X", "importtime", "-c", f"{before}import app"]
    report = subprocess.run(
        command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
    ).stderr
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}


def test_a_cold_start_reads_no_file_of_the_pages() -> None:
    audit = "import sys; sys.addaudithook(lambda event, values: event == 'open' and print(values[0])); "
    opened = subprocess.run(
        [sys.executable, "-c", f"{audit}import app"], check=True, capture_output=True, text=True
    ).stdout
    assert "chalicelib" in opened
    assert "/static/" not in opened


def test_a_cold_start_imports_no_package_that_only_some_requests_need() -> None:
    packages = imported({})
    assert {"app", "chalice", "chalicelib"} <= packages
    assert packages & (SDK | ON_DEMAND | PAGES | NOT_DEPLOYED) == set()


def test_on_lambda_the_clients_are_created_before_the_first_request_and_connect_to_nothing() -> None:
    packages = imported(ON_LAMBDA, WITHOUT_NETWORK)
    assert {"app", *SDK} <= packages
    assert packages & (ON_DEMAND | NOT_DEPLOYED) == set()


def test_a_cold_view_imports_few_modules() -> None:
    record = json.dumps({"Item": records.to_item(replace(IMAGE, analysis=ANALYSIS), "originals")})
    command = [sys.executable, "-c", VIEW, record, IMAGE.image_id]
    ended = subprocess.run(command, env={**os.environ, **ON_LAMBDA, "AUTH": "open"}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    modules = defaultdict(list)
    for name in json.loads(ended.stdout.splitlines()[-1]):
        modules[name.partition(".")[0]].append(name)
    # The standard library is not the same in all versions of Python.
    found = {package: names for package, names in modules.items() if package not in sys.stdlib_module_names}
    assert {"app", "botocore", "orjson"} <= set(found)
    more = {package: names for package, names in found.items() if len(names) > MODULES.get(package, 0)}
    assert more == {}, f"Packages of which more modules are imported than MODULES says: {more}"

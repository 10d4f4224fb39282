"""The rows of docs/chalice.md that need a deployed stage. The fixture `address` runs `chalice delete` and `deploy`."""

import json
import shutil
import time
from pathlib import Path

import boto3
import requests

from tests.deployed.conftest import KEPT, RECORDS, chalice, inventory
from tests.pictures import picture


def test_the_data_is_the_same_after_chalice_delete_and_chalice_deploy(address: str) -> None:
    (image,) = requests.get(f"{address}/images", {"user_id": KEPT}, timeout=60).json()["images"]
    assert image["title"] == "Older than the API"
    view = requests.get(f"{address}/images/{image['image_id']}", timeout=60).json()
    assert requests.get(view["presigned_url"], timeout=60).content == picture()


def test_chalice_deploy_of_an_unchanged_stage_changes_nothing_and_writes_the_record(address: str) -> None:
    before = inventory()
    shutil.rmtree(RECORDS)  # as in a fresh clone
    ended = chalice("deploy")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[1:] == [
        "Stack images-api-local: nothing to change.",
        "Functions and API: nothing to change.",
        f"Gallery: {address}/",
        address,
    ]
    assert inventory() == before
    assert chalice("url").stdout == f"{address}/\n"


def test_chalice_invoke_calls_a_function(address: str) -> None:
    ended = chalice("invoke", "--name", "list_images", given=json.dumps({"queryStringParameters": {"user_id": KEPT}}))
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert (answer["statusCode"], json.loads(answer["body"])["count"]) == (200, 1)


def test_chalice_logs_prints_the_log_of_a_function(address: str) -> None:
    logs = boto3.client("logs")  # LocalStack may write no log of its own
    place = {"logGroupName": "/aws/lambda/images-api-local-sweep", "logStreamName": "2026/01/01/[$LATEST]0123456789"}
    logs.create_log_stream(**place)
    logs.put_log_events(**place, logEvents=[{"timestamp": int(time.time() * 1000), "message": "a line of the log"}])
    assert chalice("logs", "--name", "sweep").stdout.endswith("a line of the log\n")


def test_chalice_package_writes_a_document_for_terraform(address: str, tmp_path: Path) -> None:
    """tests/deployed/test_package.py deploys the other format."""
    ended = chalice("package", "--pkg-format", "terraform", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == str(tmp_path / "chalice.tf.json")
    assert {path.name for path in tmp_path.iterdir()} == {"chalice.tf.json", "deployment.zip", "resources.yaml"}

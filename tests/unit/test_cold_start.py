import os
import subprocess
import sys

# A request that uses these packages imports them: AWS clients, the image library, tokens.
SDK = {"boto3", "botocore", "s3transfer"}  # the last one is imported when a client of S3 is created
ON_DEMAND = {"PIL", "pillow_heif", "jwt", "cryptography", "orjson", "pybase64"}
PAGES = {"html"}
NOT_DEPLOYED = {"dev", "yaml", "tests"}

ON_LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "images-api-dev",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "JWT_SECRET": "s" * 32,
}
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

import subprocess
import sys

# A request that uses these packages imports them: AWS clients, the image library, tokens.
ON_DEMAND = {"boto3", "botocore", "PIL", "pillow_heif", "jwt", "cryptography", "orjson", "pybase64"}
NOT_DEPLOYED = {"dev", "yaml", "tests"}


def test_a_cold_start_imports_no_package_that_only_some_requests_need() -> None:
    command = [sys.executable, "-X", "importtime", "-c", "import app"]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}
    assert {"app", "chalice", "chalicelib"} <= imported
    assert imported & (ON_DEMAND | NOT_DEPLOYED) == set()

import subprocess
import sys

# What a call pays for when it uses it: AWS clients, the image library, tokens; and what is never deployed.
ONLY_SOME_CALLS = {"boto3", "botocore", "PIL", "pillow_heif", "jwt", "cryptography", "orjson", "pybase64"}
NEVER = {"dev", "yaml", "tests"}


def test_a_cold_start_imports_nothing_that_only_some_calls_need() -> None:
    command = [sys.executable, "-X", "importtime", "-c", "import app"]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}
    assert {"app", "chalice", "chalicelib"} <= imported
    assert imported & (ONLY_SOME_CALLS | NEVER) == set()

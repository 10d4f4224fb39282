import pytest

from project import CannotRun
from scripts.audit import report

CLEAN = {"name": "pillow", "version": "13.0.0", "vulns": []}
UNKNOWN = {"name": "orjson", "skip_reason": "Dependency not found on PyPI and could not be audited"}
VULNERABLE = {"name": "cffi", "version": "1.0", "vulns": [{"id": "PYSEC-2030-1", "fix_versions": ["1.1", "2.0"]}]}


def test_a_known_vulnerability_ends_the_audit_with_its_fix() -> None:
    with pytest.raises(CannotRun, match=r"^cffi 1\.0 has PYSEC-2030-1, fixed in 1\.1, 2\.0\.$"):
        report([CLEAN, VULNERABLE])


def test_packages_that_the_database_does_not_know_are_not_reported_as_checked() -> None:
    assert report([CLEAN, CLEAN]) == "No vulnerability is known of 2 packages."
    assert report([CLEAN, UNKNOWN]) == (
        "No vulnerability is known of 1 packages. 1 were not checked: PyPI has no answer about them."
    )

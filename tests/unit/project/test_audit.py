import pytest

from project import CannotRun
from scripts import vendor
from scripts.audit import components, report

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


def test_the_bill_of_materials_has_each_library_of_the_pages() -> None:
    entries = components(vendor.packages())
    assert [entry["name"] for entry in entries] == [package["name"] for package in vendor.packages()]
    assert all(len(entry["hashes"][0]["content"]) == 128 for entry in entries)  # hexadecimal digits


def test_a_library_with_a_licence_that_is_not_allowed_ends_the_audit() -> None:
    package = {**vendor.packages()[0], "licence": "GPL-3.0"}
    with pytest.raises(CannotRun, match=r"^The licence GPL-3\.0 of photoswipe is not allowed\.$"):
        components([package])

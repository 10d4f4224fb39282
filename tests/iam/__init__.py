"""Holds every handler to the permissions it declares while its tests run, as IAM would on AWS."""

from tests.iam.guard import Guard, Refused, aside
from tests.iam.whole_suite import WholeSuite

__all__ = ["Guard", "Refused", "WholeSuite", "aside"]

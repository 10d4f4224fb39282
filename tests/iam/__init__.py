"""Refuses every AWS call that the declared permissions of the calling handler do not allow, as IAM does on AWS."""

from tests.iam.guard import Guard, Refused, aside
from tests.iam.whole_suite import WholeSuite

__all__ = ["Guard", "Refused", "WholeSuite", "aside"]

"""What a deployment can be told: `deployment` in .chalice/config.json, for all stages or for one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from project import CannotRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a stage is run, beyond what its functions read from their environment."""

    api_requests_per_second: int = 500  # what API Gateway lets through, on average; more is a 429
    api_burst: int = 1_000  # requests at once, likewise
    log_retention_days: int = 30
    originals_version_days: int = 30  # how long a deleted original can be brought back
    event_age_seconds: int = 21_600  # how long Lambda tries an event of S3 before it is a dead letter
    alarm_topic_arn: str = ""  # the SNS topic that alarms go to; empty: they only show
    distribution_arn: str = ""  # the CloudFront distribution that may read originals and derived images

    @classmethod
    def of(cls, config: Mapping[str, Any], stage: str) -> "Options":
        """Those of a stage, in what .chalice/config.json holds.

        Raises CannotRun: an option is unknown, or of another kind.
        """
        parts = [part.get("deployment", {}) for part in (config, config["stages"][stage])]
        if not all(isinstance(part, dict) for part in parts):
            raise CannotRun(".chalice/config.json: a deployment must be an object.")
        given = {name: value for part in parts for name, value in part.items()}
        defaults = asdict(cls())
        for name, value in given.items():
            if name not in defaults:
                raise CannotRun(f".chalice/config.json: a deployment has no {name!r}, but {', '.join(defaults)}.")
            if type(value) is not type(defaults[name]) or (isinstance(value, int) and value < 1):
                raise CannotRun(f".chalice/config.json: {name} of a deployment can't be {value!r}.")
        options = cls(**given)
        if not 60 <= options.event_age_seconds <= 21_600:
            raise CannotRun(".chalice/config.json: event_age_seconds of a deployment must be from 60 to 21,600.")
        return options

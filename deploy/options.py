"""The options of a deployment: `deployment` in .chalice/config.json, for all stages or for one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from project import CannotRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a stage that are not environment variables of its functions."""

    api_requests_per_second: int = 500  # average rate that API Gateway accepts; it answers more with 429
    api_burst: int = 1_000  # burst that API Gateway accepts, in requests
    log_retention_days: int = 30
    originals_version_days: int = 30  # how long a deleted original can be restored
    event_age_seconds: int = 21_600  # how long Lambda retries an S3 event before it becomes a dead letter
    alarm_topic_arn: str = ""  # the SNS topic that alarms notify; empty: alarms are only shown
    snap_start: bool = False  # start the API's function from a snapshot
    provisioned_concurrency: int = 0  # instances of the API's function that are always ready; 0: none
    distribution_arn: str = ""  # the CloudFront distribution that may read originals and derived images; empty: none
    close_execute_api: bool = False  # whether only the custom domain leads to the API
    web_acl_arn: str = ""  # the web ACL of AWS WAF that checks requests; empty: none

    @classmethod
    def of(cls, config: Mapping[str, Any], stage: str) -> "Options":
        """Return the options of a stage. `config` is the content of .chalice/config.json.

        Raises CannotRun: an option is unknown, or has the wrong type or value.
        """
        parts = [part.get("deployment", {}) for part in (config, config["stages"][stage])]
        if not all(isinstance(part, dict) for part in parts):
            raise CannotRun(".chalice/config.json: `deployment` must be an object.")
        given = {name: value for part in parts for name, value in part.items()}
        defaults = asdict(cls())
        for name, value in given.items():
            if name not in defaults:
                known = ", ".join(defaults)
                raise CannotRun(f".chalice/config.json: `deployment` has no option {name!r}; the options are {known}.")
            if type(value) is not type(defaults[name]) or (type(value) is int and value < min(1, defaults[name])):
                raise CannotRun(f".chalice/config.json: {name} in `deployment` cannot be {value!r}.")
        options = cls(**given)
        if not 60 <= options.event_age_seconds <= 21_600:
            raise CannotRun(".chalice/config.json: event_age_seconds in `deployment` must be from 60 to 21600.")
        if options.snap_start and options.provisioned_concurrency:
            raise CannotRun(
                ".chalice/config.json: snap_start and provisioned_concurrency in `deployment` exclude each other."
            )
        return options

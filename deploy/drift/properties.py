"""The properties that are compared one by one. To compare another, add a line to a table.

A line has the property's name in a sentence, what is expected of a model, and the JMESPath of the property in AWS's
answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jmespath

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a resource: its name in a sentence, what is expected of a model, and where AWS shows it."""

    label: str
    expected: Callable[[Any], Any]
    path: str
    unit: str = ""

    def differs(self, model: Any, found: Document) -> bool:
        """Return whether AWS has another value than expected."""
        return bool(plain(self.expected(model)) != plain(jmespath.search(self.path, found)))

    def sentence(self, subject: str, model: Any, found: Document) -> str:
        """Return what differs."""
        actual, expected = jmespath.search(self.path, found), self.expected(model)
        return f"{subject}: the {self.label} is {self._shown(actual)}, not {self._shown(expected)}."

    def _shown(self, value: Any) -> str:
        match plain(value):
            case None:
                return "none"
            case bool(on):
                return "on" if on else "off"
            case list(values):
                return ", ".join(map(str, values))
            case float(number):
                return f"{number:g}{self.unit}"
            case other:
                return f"{other}{self.unit}"


def plain(value: Any) -> Any:
    """Return a value in the form to compare: AWS leaves out what is empty, and lists have no order."""
    if isinstance(value, list):
        return sorted(value) or None
    return None if value in ("", {}) else value


_BINARY_TYPES = "x-amazon-apigateway-binary-media-types"
_LIMITS = 'methodSettings."*/*"'

# Chalice never changes these in an existing function.
HANDLER = Property("handler", lambda f: f.handler, "Configuration.Handler")
TRACING = Property("tracing mode", lambda f: "Active" if f.xray else "PassThrough", "Configuration.TracingConfig.Mode")

FUNCTION = (
    # Lambda makes a function inactive that nobody has called for weeks; the next call activates it.
    Property("state", lambda _: "Active", "Configuration.State == 'Inactive' && 'Active' || Configuration.State"),
    Property("last update", lambda _: "Successful", "Configuration.LastUpdateStatus"),
    HANDLER,
    Property("runtime", lambda f: f.runtime, "Configuration.Runtime"),
    Property("architecture", lambda f: [f.architecture], "Configuration.Architectures"),
    Property("memory", lambda f: f.memory_size, "Configuration.MemorySize", " MB"),
    Property("time-out", lambda f: f.timeout, "Configuration.Timeout", " s"),
    TRACING,
    Property("layer", lambda f: f.layers, "Configuration.Layers[].Arn"),
    Property("subnet", lambda f: f.subnet_ids, "Configuration.VpcConfig.SubnetIds"),
    Property("security group", lambda f: f.security_group_ids, "Configuration.VpcConfig.SecurityGroupIds"),
    Property("reserved concurrency", lambda f: f.reserved_concurrency, "Concurrency.ReservedConcurrentExecutions"),
)
FAILURES = (
    Property("number of attempts after the first", lambda f: f.attempts_after_the_first, "MaximumRetryAttempts"),
    Property("time for failed events", lambda f: f.event_age_seconds, "MaximumEventAgeInSeconds", " s"),
    Property("queue of failed events", lambda f: f.queue_arn, "DestinationConfig.OnFailure.Destination"),
)
ROLE = (
    Property("list of inline policies", lambda role: [role.role_name], "keys(Inline)"),
    Property("list of attached policies", lambda _: [], "Attached"),
)
RULE = (
    Property("state", lambda _: "ENABLED", "State"),
    Property("rate", lambda rule: rule.schedule_expression, "ScheduleExpression"),
)
ENDPOINT = Property("endpoint type", lambda e: [e.api.endpoint_type], "endpointConfiguration.types")
API = (
    Property(
        "smallest compressed response",
        lambda e: int(e.api.minimum_compression) if e.api.minimum_compression else None,
        "minimumCompressionSize",
        " bytes",
    ),
    Property("closing of the default address", lambda e: e.closed, "disableExecuteApiEndpoint || `false`"),
    Property("resource policy", lambda _: None, "policy"),
    Property("list of binary media types", lambda e: e.swagger[_BINARY_TYPES], "binaryMediaTypes"),
)
API_STAGE = (
    Property("tracing", lambda e: bool(e.api.xray), "tracingEnabled || `false`"),
    Property("request rate", lambda e: e.options.api_requests_per_second, _LIMITS + ".throttlingRateLimit", "/s"),
    Property(
        "switch of metrics for each method",
        lambda e: e.options.detailed_metrics,
        _LIMITS + ".metricsEnabled || `false`",
    ),
    Property("format of the access log", lambda e: e.access_log[1], "accessLogSettings.format"),
    Property("log group of the access log", lambda e: e.access_log[0], "accessLogSettings.destinationArn"),
    Property("burst", lambda e: e.options.api_burst, _LIMITS + ".throttlingBurstLimit", " requests"),
    Property("list of methods with settings", lambda _: ["*/*"], "keys(methodSettings || `{}`)"),
    Property("web ACL", lambda e: e.web_acl_arn, "webAclArn"),
    Property("cache", lambda _: False, "cacheClusterEnabled || `false`"),
)
METHOD = (
    Property("integration", lambda _: "AWS_PROXY", "methodIntegration.type"),
    Property("function", lambda uri: uri, "methodIntegration.uri"),
    Property("time-out", lambda _: 29_000, "methodIntegration.timeoutInMillis || `29000`", " ms"),
    Property("authorization", lambda _: "NONE", "authorizationType"),
    Property("requirement of an API key", lambda _: False, "apiKeyRequired || `false`"),
)
DOMAIN = (
    Property("certificate", lambda domain: domain.certificate_arn, "regionalCertificateArn || certificateArn"),
    Property("TLS version", lambda domain: domain.tls_version.value, "securityPolicy"),
)

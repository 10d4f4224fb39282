"""The IAM permissions that each handler in app.py declares, and the policies that are made from them.

`@needs(CATALOG.get, ORIGINALS.put)` only marks the handler. `make policies` reads the marks and writes one policy for
each Lambda function.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from chalice.app import Chalice

from chalicelib.config import Settings

Policy = dict[str, Any]
Handler = TypeVar("Handler", bound=Callable[..., object])

API = "api_handler"  # Chalice's name for the one Lambda function of all routes
_MARK = "needs"  # the attribute of a handler that holds its permissions


@dataclass(frozen=True, slots=True)
class StageLocation:
    """Where a stage of the service is deployed, and the names of its resources."""

    partition: str  # `aws`, `aws-cn` or `aws-us-gov`
    region: str
    account: str  # 12 digits
    stage: str
    settings: Settings  # the names of tables and buckets
    secrets_key_arn: str = ""  # the KMS key that encrypts the stage's secrets; empty: the key of SSM in the account


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that a policy names, in any location."""

    sid: str  # the id of its statement in a policy
    arn: str  # its ARN, as a format string with fields of a `location`

    def at(self, location: StageLocation) -> str:
        """Return the resource's ARN in a location."""
        return self.arn.format(location=location)


@dataclass(frozen=True, slots=True)
class Permission:
    """One IAM action on one resource."""

    action: str
    resource: Resource
    by_lambda: bool = False  # whether Lambda itself uses it, with the function's role; then no handler does

    def __str__(self) -> str:
        return f"{self.action} on {self.resource.sid}"


class Table:
    """The permissions on a DynamoDB table. `setting` is the field of Settings that has its name."""

    def __init__(self, sid: str, setting: str) -> None:
        self._resource = _regional(sid, "dynamodb", f"table/{{location.settings.{setting}}}")
        self.get = Permission("dynamodb:GetItem", self._resource)
        self.put = Permission("dynamodb:PutItem", self._resource)
        self.update = Permission("dynamodb:UpdateItem", self._resource)
        self.delete = Permission("dynamodb:DeleteItem", self._resource)
        self.batch_get = Permission("dynamodb:BatchGetItem", self._resource)
        self.query = Permission("dynamodb:Query", self._resource)

    def query_index(self, name: str) -> Permission:
        """Return the permission to query one index. It does not need a permission on the table."""
        sid = self._resource.sid + name.replace("-", "_").title().replace("_", "")
        return Permission("dynamodb:Query", Resource(sid, f"{self._resource.arn}/index/{name}"))


class Bucket:
    """The permissions on an S3 bucket and its objects. `setting` is the field of Settings that has its name."""

    def __init__(self, sid: str, setting: str) -> None:
        bucket = Resource(f"{sid}Bucket", f"arn:{{location.partition}}:s3:::{{location.settings.{setting}}}")
        objects = Resource(sid, f"{bucket.arn}/*")
        self.put = Permission("s3:PutObject", objects)
        self.get = Permission("s3:GetObject", objects)
        self.delete = Permission("s3:DeleteObject", objects)
        self.abort_upload = Permission("s3:AbortMultipartUpload", objects)
        self.list_parts = Permission("s3:ListMultipartUploadParts", objects)
        self.list = Permission("s3:ListBucket", bucket)
        self.locate = Permission("s3:GetBucketLocation", bucket)


class Queue:
    """The permissions on an SQS queue. `setting` is the field of Settings that has its name."""

    def __init__(self, sid: str, setting: str) -> None:
        queue = _regional(sid, "sqs", f"{{location.settings.{setting}}}")
        self.send = Permission("sqs:SendMessage", queue, by_lambda=True)


class Catalog(Table):
    """The permissions on the table of image records and its indexes."""

    def __init__(self) -> None:
        super().__init__("Catalog", "images_table_name")
        self.query_owner = self.query_index("user_id-index")
        self.query_owner_changed = self.query_index("user_id-changed-index")
        self.query_owner_taken = self.query_index("user_id-taken-index")
        self.query_state = self.query_index("state-index")


class TagCounts(Table):
    """The permissions on the table of tag counts, which also has the queue of their changes."""

    def __init__(self) -> None:
        super().__init__("TagCounts", "tag_counts_table_name")
        self.query_queue = self.query_index("queue-index")


class Terms(Table):
    """The permissions on the table of index rows and its indexes."""

    def __init__(self) -> None:
        super().__init__("Terms", "image_tags_table_name")
        self.query_changed = self.query_index("term-changed-index")
        self.query_taken = self.query_index("tag-taken-index")


def _regional(sid: str, service: str, name: str) -> Resource:
    return Resource(sid, f"arn:{{location.partition}}:{service}:{{location.region}}:{{location.account}}:{name}")


# The statement ids ("Catalog", "Terms", ...) stand in the policies of every deployed stage.
CATALOG = Catalog()
TERMS = Terms()
TAG_COUNTS = TagCounts()
ITEMS = Table("Items", "items_table_name")
IDEMPOTENCY_KEYS = Table("IdempotencyKeys", "idempotency_keys_table_name")
ORIGINALS = Bucket("Originals", "s3_bucket_name")
DERIVED = Bucket("Derived", "derived_bucket_name")
STAGED = Bucket("Staged", "staged_bucket_name")
DEAD_LETTERS = Queue("DeadLetters", "dead_letter_queue_name")

# These actions of X-Ray and EC2 support no resource but "*".
TRACING = tuple(
    Permission(f"xray:{name}", Resource("Traces", "*")) for name in ("PutTelemetryRecords", "PutTraceSegments")
)
# As in AWS's policy AWSLambdaVPCAccessExecutionRole: Lambda attaches functions to a VPC with these, in the role's name.
VPC = tuple(
    Permission(f"ec2:{name}", Resource("NetworkInterfaces", "*"))
    for name in (
        "AssignPrivateIpAddresses",
        "CreateNetworkInterface",
        "DeleteNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "UnassignPrivateIpAddresses",
    )
)


def needs(*permissions: Permission) -> Callable[[Handler], Handler]:
    """Declare every permission that a handler uses, also through the URLs that it signs.

    The decorator stands below Chalice's own.
    """

    def mark(handler: Handler) -> Handler:
        setattr(handler, _MARK, permissions)
        return handler

    return mark


def declared(app: Chalice) -> dict[str, dict[str, tuple[Permission, ...]]]:
    """Return the permissions that handlers declare: by Lambda function, then by handler.

    All routes are one Lambda function. Each event handler, schedule and direct function is a Lambda function of its
    own.
    Raises TypeError: a handler has no `@needs(...)`. One that needs nothing has `@needs()`.
    """
    routes = [route for methods in app.routes.values() for route in methods.values()]
    views = {route.view_name: _needs_of(route.view_name, route.view_function) for route in routes}
    others = {name: {name: _needs_of(name, handler)} for name, handler in app.handler_map.items() if name not in views}
    return {API: views} | others if views else others


def answers_callers(app: Chalice, handler: str) -> bool:
    """Whether a Lambda function with this handler answers callers, and so needs the secrets. Others are for events.

    `handler` is in Lambda's form: `app.app` for all routes, `app.<function>` for each of the others.
    """
    return handler in _functions_of_callers(app).values()


def policy(
    app: Chalice, function: str, location: StageLocation, *, traced: bool = False, in_vpc: bool = False
) -> Policy:
    """Return the least IAM policy for a Lambda function: what its handlers declare, its log, and what it needs to run.

    A function that answers callers reads secrets, one that is traced uses X-Ray, one in a VPC network interfaces.
    """
    needed = {permission for permissions in declared(app)[function].values() for permission in permissions}
    secrets = secret_permissions(location) if function in _functions_of_callers(app) else ()
    more = (*secrets, *(TRACING if traced else ()), *(VPC if in_vpc else ()))
    return allowing({*needed, *more, *log_permissions(app, function, location.stage)}, location)


def secret_permissions(location: StageLocation) -> tuple[Permission, ...]:
    """Return the permissions to read the secrets of a stage, which a function that answers callers needs to start."""
    if not location.settings.secrets_parameter:
        return ()
    parameter = _regional("Secrets", "ssm", "parameter{location.settings.secrets_parameter}")
    read = Permission("ssm:GetParameter", parameter)
    # KMS's own key for SSM allows everyone who may read the parameter; another key needs a permission.
    decrypt = Permission("kms:Decrypt", Resource("SecretsKey", "{location.secrets_key_arn}"))
    return (read, decrypt) if location.secrets_key_arn else (read,)


def log_permissions(app: Chalice, function: str, stage: str) -> tuple[Permission, ...]:
    """Return the permissions to write a function's log.

    logs:CreateLogGroup is not one of them, because the deployment creates the log group and sets its retention. A
    function with that permission could create a deleted group again, whose logs would never expire.
    """
    log = _regional("Log", "logs", f"log-group:/aws/lambda/{lambda_name(app, function, stage)}:*")
    return Permission("logs:CreateLogStream", log), Permission("logs:PutLogEvents", log)


def allowing(permissions: Iterable[Permission], location: StageLocation) -> Policy:
    """Return an IAM policy that allows exactly these permissions, with one statement for each resource."""
    actions: dict[Resource, set[str]] = {}
    for permission in permissions:
        actions.setdefault(permission.resource, set()).add(permission.action)
    statements = [
        {"Sid": resource.sid, "Effect": "Allow", "Action": sorted(names), "Resource": resource.at(location)}
        for resource, names in sorted(actions.items(), key=lambda item: item[0].sid)
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def lambda_name(app: Chalice, function: str, stage: str) -> str:
    """Return the name that Chalice gives a function on AWS. The name of the routes' function has no last part."""
    return f"{app.app_name}-{stage}" + ("" if function == API else f"-{function}")


def _functions_of_callers(app: Chalice) -> dict[str, str]:
    """Return the functions that answer callers, with their handlers in Lambda's form."""
    return {API: "app.app", **{each.name: each.handler_string for each in app.pure_lambda_functions}}


def _needs_of(name: str, handler: Any) -> tuple[Permission, ...]:
    # Chalice wraps an event handler once and a direct function twice.
    function = getattr(handler, "func", handler)
    function = getattr(function, "_original_func", function)
    try:
        permissions: tuple[Permission, ...] = getattr(function, _MARK)
    except AttributeError:
        raise TypeError(f"{name} has no @needs(...) below Chalice's decorator.") from None
    return permissions

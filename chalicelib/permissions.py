"""What each handler in app.py may touch, declared beside it, and the IAM policies made from that.

`@needs(CATALOG.get, ORIGINALS.put)` only marks the function. `make policies` reads the marks and writes one policy for
each Lambda function.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from chalice.app import Chalice

from chalicelib.config import Settings

Policy = dict[str, Any]
Handler = TypeVar("Handler", bound=Callable[..., object])

API = "api_handler"  # Chalice's name of the one function behind all routes
_MARK = "needs"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage of the service runs."""

    partition: str  # `aws`, `aws-cn` or `aws-us-gov`
    region: str
    account: str  # 12 digits
    stage: str
    settings: Settings  # the names of tables and buckets


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that IAM guards, whichever its place."""

    sid: str  # names its statement in a policy
    arn: str  # with fields of a `place` left open

    def at(self, place: Place) -> str:
        """The resource's ARN in one place."""
        return self.arn.format(place=place)


@dataclass(frozen=True, slots=True)
class Permission:
    """One IAM action on one resource."""

    action: str
    resource: Resource
    by_lambda: bool = False  # for Lambda itself, in the function's name: no handler ever uses it

    def __str__(self) -> str:
        return f"{self.action} on {self.resource.sid}"


class Table:
    """The permissions on a DynamoDB table, which a field of Settings names."""

    def __init__(self, sid: str, setting: str) -> None:
        self._resource = _regional(sid, "dynamodb", f"table/{{place.settings.{setting}}}")
        self.get = Permission("dynamodb:GetItem", self._resource)
        self.put = Permission("dynamodb:PutItem", self._resource)
        self.update = Permission("dynamodb:UpdateItem", self._resource)
        self.delete = Permission("dynamodb:DeleteItem", self._resource)
        self.batch_get = Permission("dynamodb:BatchGetItem", self._resource)
        self.query = Permission("dynamodb:Query", self._resource)

    def query_index(self, name: str) -> Permission:
        """Query one index; reading an index needs no permission on its table."""
        sid = self._resource.sid + name.replace("-", "_").title().replace("_", "")
        return Permission("dynamodb:Query", Resource(sid, f"{self._resource.arn}/index/{name}"))


class Bucket:
    """The permissions on an S3 bucket and its objects, which a field of Settings names."""

    def __init__(self, sid: str, setting: str) -> None:
        bucket = Resource(f"{sid}Bucket", f"arn:{{place.partition}}:s3:::{{place.settings.{setting}}}")
        objects = Resource(sid, f"{bucket.arn}/*")
        self.put = Permission("s3:PutObject", objects)
        self.get = Permission("s3:GetObject", objects)
        self.delete = Permission("s3:DeleteObject", objects)
        self.abort_upload = Permission("s3:AbortMultipartUpload", objects)
        self.list_parts = Permission("s3:ListMultipartUploadParts", objects)
        self.list = Permission("s3:ListBucket", bucket)
        self.locate = Permission("s3:GetBucketLocation", bucket)


class Queue:
    """The permissions on an SQS queue, which a field of Settings names."""

    def __init__(self, sid: str, setting: str) -> None:
        self.send = Permission(
            "sqs:SendMessage", _regional(sid, "sqs", f"{{place.settings.{setting}}}"), by_lambda=True
        )


class Catalog(Table):
    """The permissions on the records and their indexes."""

    def __init__(self) -> None:
        super().__init__("Catalog", "images_table_name")
        self.query_owner = self.query_index("user_id-index")
        self.query_owner_changed = self.query_index("user_id-changed-index")
        self.query_state = self.query_index("state-index")


class TagCounts(Table):
    """The permissions on the tags' counts and on the queue of their changes."""

    def __init__(self) -> None:
        super().__init__("TagCounts", "tag_counts_table_name")
        self.query_queue = self.query_index("queue-index")


class Terms(Table):
    """The permissions on the rows of terms and their index."""

    def __init__(self) -> None:
        super().__init__("Terms", "image_tags_table_name")
        self.query_changed = self.query_index("term-changed-index")


def _regional(sid: str, service: str, name: str) -> Resource:
    return Resource(sid, f"arn:{{place.partition}}:{service}:{{place.region}}:{{place.account}}:{name}")


CATALOG = Catalog()
TERMS = Terms()
TAG_COUNTS = TagCounts()
ITEMS = Table("Items", "items_table_name")
IDEMPOTENCY_KEYS = Table("IdempotencyKeys", "idempotency_keys_table_name")
ORIGINALS = Bucket("Originals", "s3_bucket_name")
DERIVED = Bucket("Derived", "derived_bucket_name")
STAGED = Bucket("Staged", "staged_bucket_name")
DEAD_LETTERS = Queue("DeadLetters", "dead_letter_queue_name")

# X-Ray has no resources that a policy could name.
TRACING = tuple(
    Permission(f"xray:{name}", Resource("Traces", "*")) for name in ("PutTelemetryRecords", "PutTraceSegments")
)


def needs(*permissions: Permission) -> Callable[[Handler], Handler]:
    """Declare all that a route or handler touches, also by the URLs it signs. Goes inside Chalice's decorator."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, _MARK, permissions)
        return handler

    return mark


def declared(app: Chalice) -> dict[str, dict[str, tuple[Permission, ...]]]:
    """What each handler declares: by Lambda function, then by handler.

    All routes are one function; each event, schedule and direct function is one of its own.
    Raises TypeError: a handler declares nothing, not even `@needs()`.
    """
    routes = [route for methods in app.routes.values() for route in methods.values()]
    views = {route.view_name: _needs_of(route.view_name, route.view_function) for route in routes}
    others = {name: {name: _needs_of(name, handler)} for name, handler in app.handler_map.items() if name not in views}
    return {API: views} | others if views else others


def policy(app: Chalice, function: str, place: Place, *, traced: bool = False) -> Policy:
    """The least IAM policy that one Lambda function works with: what its handlers declare, its log, its traces."""
    needed = {permission for permissions in declared(app)[function].values() for permission in permissions}
    tracing = TRACING if traced else ()
    return allowing({*needed, *tracing, *log_of(app, function, place.stage)}, place)


def log_of(app: Chalice, function: str, stage: str) -> tuple[Permission, ...]:
    """What a function's log takes.

    No logs:CreateLogGroup: the deployment makes the group, with its retention. A function that could make it would
    bring a deleted one back, to be kept for ever.
    """
    log = _regional("Log", "logs", f"log-group:/aws/lambda/{lambda_name(app, function, stage)}:*")
    return Permission("logs:CreateLogStream", log), Permission("logs:PutLogEvents", log)


def allowing(permissions: Iterable[Permission], place: Place) -> Policy:
    """An IAM policy of just these permissions: one statement for each resource."""
    actions: dict[Resource, set[str]] = {}
    for permission in permissions:
        actions.setdefault(permission.resource, set()).add(permission.action)
    statements = [
        {"Sid": resource.sid, "Effect": "Allow", "Action": sorted(names), "Resource": resource.at(place)}
        for resource, names in sorted(actions.items(), key=lambda item: item[0].sid)
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def lambda_name(app: Chalice, function: str, stage: str) -> str:
    """What Chalice calls a function on AWS: the routes' own lacks the last part."""
    return f"{app.app_name}-{stage}" + ("" if function == API else f"-{function}")


def _needs_of(name: str, handler: Any) -> tuple[Permission, ...]:
    # Chalice wraps an event handler once, and a direct function twice.
    function = getattr(handler, "func", handler)
    function = getattr(function, "_original_func", function)
    try:
        permissions: tuple[Permission, ...] = getattr(function, _MARK)
    except AttributeError:
        raise TypeError(f"{name} lacks @needs(...) inside Chalice's decorator.") from None
    return permissions

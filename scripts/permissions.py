"""Keep docs/permissions.md equal to what app.py declares.

What `make permissions` runs, in the repository's root: python -m scripts.permissions
"""

from collections.abc import Iterable, Iterator, Mapping

from chalice.app import Chalice

import app as app_module
from chalicelib.config import Settings
from chalicelib.permissions import API, Permission, StageLocation, declared, lambda_name
from project import PROJECT
from project.command_line import one_line_errors
from project.markdown import formatted
from project.stages import stage_config

PAGE = PROJECT / "docs" / "permissions.md"
_INTRODUCTION = """# IAM permissions of each function

`make permissions` writes this page from the `@needs(...)` decorators in [app.py](../app.py). From the same decorators,
`make policies` writes one IAM policy for each Lambda function. A resource is the last part of an ARN, with the default
name; each stage has its own names.

- Each function that answers callers may also read the secrets of its stage: `ssm:GetParameter` on
  `parameter/images-api/<stage>/secrets`, and `kms:Decrypt` on the key if `secrets_kms_key_arn` is set. The functions
  for S3 events and for the schedule have no secrets.
- Each function may also write its own log: `logs:CreateLogStream` and `logs:PutLogEvents`.
- With `"xray": true`, each function may also call `xray:PutTelemetryRecords` and `xray:PutTraceSegments` on `*`.
- With `subnet_ids`, each function may also use six actions of `ec2` on `*`, with which Lambda attaches it to the VPC.
- `sqs:SendMessage` is for Lambda itself, which sends failed events to the dead-letter queue.
"""


def page(app: Chalice) -> str:
    """Return the whole page, in Markdown: a table for each function, unless it has the permissions of a route."""
    location = StageLocation("aws", "<region>", "<account>", "<stage>", Settings())
    routes = {
        route.view_name: f"`{method} {path}`"
        for path, methods in app.routes.items()
        for method, route in methods.items()
        if method != "HEAD" or "GET" not in methods  # HEAD has the view of GET
    }
    functions = declared(app)
    first: dict[frozenset[Permission], str] = {}  # of the routes with the same permissions
    for handler, permissions in functions[API].items():
        first.setdefault(frozenset(permissions), routes[handler])
    text = _INTRODUCTION
    for function, handlers in functions.items():
        text += f"\n## `{lambda_name(app, function, location.stage)}`\n\n"
        if function == API:
            text += _table(((first[frozenset(needed)], needed) for needed in handlers.values()), location)
            text += "".join(f"\n{line}\n" for line in _same(handlers, first, routes))
            continue
        (needed,) = handlers.values()
        if route := first.get(frozenset(needed)):
            text += f"The permissions of {route}.\n"
        else:
            text += f"{_purpose(function)}\n\n{_table([('', needed)], location)}"
    return formatted(text)


def _same(
    handlers: Mapping[str, Iterable[Permission]], first: Mapping[frozenset[Permission], str], routes: Mapping[str, str]
) -> Iterator[str]:
    """Which routes have the permissions of another one."""
    others: dict[str, list[str]] = {}
    for handler, permissions in handlers.items():
        if permissions and routes[handler] != (one := first[frozenset(permissions)]):
            others.setdefault(one, []).append(routes[handler])
    for one, same in others.items():
        yield f"Like {one}: {', '.join(same)}."


def _purpose(function: str) -> str:
    """What a function of app.py is for: the first line of its docstring."""
    handler = getattr(app_module, function)
    return str(getattr(handler, "func", handler).__doc__).partition("\n")[0]


def _table(needs: Iterable[tuple[str, Iterable[Permission]]], location: StageLocation) -> str:
    """A table of the permissions that each operation needs; without names of operations, of the permissions alone."""
    operations: dict[Permission, list[str]] = {}
    for operation, permissions in needs:
        for permission in permissions:
            operations.setdefault(permission, []).append(operation)
    actions: dict[tuple[str, str], list[str]] = {}  # by the other cells of their row
    for permission in sorted(operations, key=lambda p: (p.resource.at(location), p.action)):
        resource = f"`{permission.resource.at(location).rpartition(':')[2]}`"
        needed_by = ", ".join(dict.fromkeys(operations[permission]))
        actions.setdefault((resource, needed_by), []).append(f"`{permission.action}`")
    rows = [["resource", "actions", "needed by"], ["---"] * 3]
    rows += [[resource, ", ".join(names), needed_by] for (resource, needed_by), names in actions.items()]
    width = 3 if any(needed_by for _, needed_by in actions) else 2
    return "".join(f"| {' | '.join(row[:width])} |\n" for row in rows)


@one_line_errors()
def main() -> None:
    """Write the page."""
    PAGE.write_text(page(stage_config("local").chalice_app))


if __name__ == "__main__":
    main()

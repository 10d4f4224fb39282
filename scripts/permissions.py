"""Keep docs/permissions.md equal to what app.py declares.

What `make permissions` runs, in the repository's root: python -m scripts.permissions
"""

import re
from collections.abc import Iterator

from chalice.app import Chalice

import app as app_module
from chalicelib.config import Settings
from chalicelib.permissions import API, Permission, Place, declared, lambda_name
from dev import PROJECT
from dev.environment import stage_config

_GROUPS = {name: group for name, group in vars(app_module).items() if name.isupper() and isinstance(group, tuple)}
_SOURCE = (PROJECT / "app.py").read_text()
PAGE = PROJECT / "docs" / "permissions.md"
_INTRODUCTION = """# IAM permissions of each function

`make permissions` writes this page from the `@needs(...)` decorators in [app.py](../app.py). From the same decorators,
`make policies` writes one IAM policy for each Lambda function. A resource is the last part of an ARN, with the default
name; each stage has its own names. The column "needed by" has routes or, for the other functions, names of permission
groups in app.py.

- Each function may also write its own log: `logs:CreateLogStream` and `logs:PutLogEvents`.
- With `"xray": true`, each function may also call `xray:PutTelemetryRecords` and `xray:PutTraceSegments` on `*`.
"""


def page(app: Chalice) -> str:
    """The whole page, in Markdown: a table for each function."""
    place = Place("aws", "<region>", "<account>", "<stage>", Settings())
    routes = {
        route.view_name: f"{method} {path}" for path, methods in app.routes.items() for method, route in methods.items()
    }
    text = _INTRODUCTION
    for function, handlers in declared(app).items():
        text += f"\n## `{lambda_name(app, function, place.stage)}`\n\n"
        text += "| resource | actions | needed by |\n|---|---|---|\n"
        needed: dict[Permission, list[str]] = {}
        for handler, permissions in handlers.items():
            for permission in permissions:
                operation = f"`{routes[handler]}`" if function == API else _purpose(permission, function)
                needed.setdefault(permission, []).append(
                    "Lambda, for failed events" if permission.by_lambda else operation
                )
        text += "".join(_rows(needed, place))
    return text


def _purpose(permission: Permission, function: str) -> str:
    """What a function needs one of its permissions for: the least group of app.py that has it, by its name there.

    Of those groups that stand in the function's own `@needs(…)`, and of the parts that these are made of.
    """
    (declaration,) = re.findall(rf"@needs\((.*)\)\ndef {function}\(", _SOURCE)
    named = [_GROUPS[name] for name in re.findall(r"\*([A-Z_]+)", declaration)]
    parts = (
        (len(group), name)
        for name, group in _GROUPS.items()
        if permission in group and any(set(group) <= set(whole) for whole in named)
    )
    _, name = min(parts, default=(0, "this function only"))
    return name.lower().replace("_", " ")


def _rows(needed: dict[Permission, list[str]], place: Place) -> Iterator[str]:
    """A row for each resource and list of operations, with all actions that these need."""
    actions: dict[tuple[str, str], list[str]] = {}
    for permission in sorted(needed, key=lambda p: (p.resource.at(place), p.action)):
        resource = permission.resource.at(place).rpartition(":")[2]
        operations = ", ".join(dict.fromkeys(needed[permission]))
        actions.setdefault((resource, operations), []).append(f"`{permission.action}`")
    for (resource, operations), names in actions.items():
        yield f"| `{resource}` | {', '.join(names)} | {operations} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(stage_config("local").chalice_app))


if __name__ == "__main__":
    main()

"""Keep docs/permissions.md equal to what app.py declares.

What `make permissions` runs, in the repository's root: python -m scripts.permissions
"""

import re
from collections.abc import Iterator

from chalice.app import Chalice

import app as app_module
from chalicelib.config import Settings
from chalicelib.permissions import API, Permission, Place, declared, lambda_name, log_of
from project import PROJECT
from project.command_line import one_line_errors
from project.stages import stage_config

_GROUPS = {name: group for name, group in vars(app_module).items() if name.isupper() and isinstance(group, tuple)}
_SOURCE = (PROJECT / "app.py").read_text()
PAGE = PROJECT / "docs" / "permissions.md"
_INTRODUCTION = """# What each function may do

Written by `make permissions` from the `@needs(…)` beside each handler of [app.py](../app.py), from which `make
policies` writes one IAM policy for each Lambda function. Names of buckets, tables and the queue are the defaults; a
stage has its own. A resource ends in `*` only where it is the objects of one bucket, whose keys nobody knows
beforehand, or the streams of one log. Where a stage is traced (`"xray": true`), each function may also
`xray:PutTelemetryRecords` and
`xray:PutTraceSegments`, for which IAM knows no resource but `*`.
"""


def page(app: Chalice) -> str:
    """The whole page, in Markdown: a table for each function."""
    place = Place("aws", "<region>", "<account>", "<stage>", Settings())
    routes = {
        route.view_name: f"{method} {path}" for path, methods in app.routes.items() for method, route in methods.items()
    }
    text = _INTRODUCTION
    for function, handlers in declared(app).items():
        text += f"\n## {lambda_name(app, function, place.stage)}\n\n"
        text += "| action | resource | needed by |\n|---|---|---|\n"
        needed: dict[Permission, list[str]] = {}
        for handler, permissions in handlers.items():
            for permission in permissions:
                operation = f"`{routes[handler]}`" if function == API else _purpose(permission, function)
                needed.setdefault(permission, []).append("what Lambda gives up" if permission.by_lambda else operation)
        needed |= {permission: ["its log"] for permission in log_of(app, function, place.stage)}
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
    _, name = min(parts, default=(0, "its own work"))
    return name.lower().replace("_", " ")


def _rows(needed: dict[Permission, list[str]], place: Place) -> Iterator[str]:
    for permission in sorted(needed, key=lambda p: (p.resource.at(place), p.action)):
        operations = ", ".join(dict.fromkeys(needed[permission]))
        yield f"| `{permission.action}` | `{permission.resource.at(place)}` | {operations} |\n"


@one_line_errors()
def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page(stage_config("local").chalice_app))


if __name__ == "__main__":
    main()

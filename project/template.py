"""CloudFormation templates, evaluated as far as this is possible before anything is created."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_NO_VALUE = object()  # AWS::NoValue: a property with this value is omitted


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. Short forms (`!Ref x`) are written out (`{"Ref": "x"}`)."""

    parsed: dict[str, Any]

    def resources(self, kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
        """Return the resources of one type by logical id, with parameters (or their defaults) and conditions applied.

        Resources whose condition is false are left out. References to other resources and to pseudo parameters stay as
        they are, unless `parameters` has their value: "Queue" for a `Ref`, "Queue.Arn" for an attribute, "AWS::Region".
        """
        defaults = {name: parameter["Default"] for name, parameter in self.parsed["Parameters"].items()}
        resolution = _Resolution(defaults | parameters, self.parsed["Conditions"])
        return {
            name: resolution.of(resource)
            for name, resource in self.parsed["Resources"].items()
            if resource["Type"] == kind and resolution.exists(resource)
        }


def parse(text: str) -> Template:
    """Parse a template in YAML."""
    return Template(yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader


def compact(text: str) -> str:
    """Return a template in YAML without comments, indentation and optional spaces. Its literal blocks must be JSON.

    CloudFormation accepts 51,200 bytes in a request.
    """
    root = yaml.compose(text)
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = True
            nodes += [part for each in node.value for part in (each if isinstance(each, tuple) else (each,))]
        elif isinstance(node, yaml.ScalarNode) and node.style == "|":
            node.value, node.style = json.dumps(json.loads(node.value), separators=(",", ":")), "'"
    return str(yaml.serialize(root, Dumper=_DenseDumper, width=1_000_000))


@dataclass(frozen=True, slots=True)
class _Resolution:
    """Replaces intrinsic functions by their values."""

    values: Mapping[str, Any]
    conditions: Mapping[str, Any]

    def of(self, declared: Any) -> Any:
        match declared:
            case {"Ref": "AWS::NoValue"}:
                return _NO_VALUE
            case {"Ref": str(name)} | {"Fn::GetAtt": str(name)} if name in self.values:
                return self.values[name]
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda found: str(self.values.get(found[1], found[0])), text)
            case {"Fn::Split": [separator, text]}:
                return self.of(text).split(separator)
            case {"Fn::If": [condition, yes, no]}:
                return self.of(yes if self.holds({"Condition": condition}) else no)
            case dict():
                of_each = {name: self.of(value) for name, value in declared.items()}
                return {name: value for name, value in of_each.items() if value is not _NO_VALUE}
            case list():
                return [value for value in map(self.of, declared) if value is not _NO_VALUE]
            case _:
                return declared

    def exists(self, resource: dict[str, Any]) -> bool:
        """Return whether a resource has no condition, or one that is true."""
        return "Condition" not in resource or self.holds({"Condition": resource["Condition"]})

    def holds(self, condition: dict[str, Any]) -> bool:
        """Return whether a condition is true."""
        match condition:
            case {"Condition": name}:
                return self.holds(self.conditions[name])
            case {"Fn::Not": [other]}:
                return not self.holds(other)
            case {"Fn::Or": others}:
                return any(map(self.holds, others))
            case {"Fn::Equals": [one, other]}:  # CloudFormation compares numbers as texts
                return str(self.of(one)) == str(self.of(other))
            case _:
                raise ValueError(f"Unknown condition {condition}")


class _DenseDumper(yaml.SafeDumper):
    """Writes no space after a comma. YAML needs none: a comma ends a plain scalar in a flow collection."""

    def write_indicator(self, indicator: str, *spaces: bool, **others: bool) -> None:
        super().write_indicator(indicator, *spaces, **others)
        self.whitespace = self.whitespace or indicator == ","


class _Loader(yaml.SafeLoader):
    """Reads short forms as long forms."""


def _long_form(loader: yaml.SafeLoader, function: str, node: yaml.Node) -> dict[str, Any]:
    argument = loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value
    return {function if function in ("Ref", "Condition") else f"Fn::{function}": argument}


_Loader.add_multi_constructor("!", _long_form)

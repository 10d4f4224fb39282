"""CloudFormation templates, evaluated as far as this is possible before anything is created."""

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

        References to other resources and to pseudo parameters stay as they are, unless `parameters` has their value:
        "Queue" for a `Ref`, "Queue.Arn" for an attribute, "AWS::Region".
        """
        defaults = {name: parameter["Default"] for name, parameter in self.parsed["Parameters"].items()}
        resolution = _Resolution(defaults | parameters, self.parsed["Conditions"])
        resources = self.parsed["Resources"].items()
        return {name: resolution.of(resource) for name, resource in resources if resource["Type"] == kind}


def parse(text: str) -> Template:
    """Parse a template in YAML."""
    return Template(yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader


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
                return self.of(yes if self.of(self.conditions[condition]) else no)
            case {"Fn::Equals": [one, other]}:
                return self.of(one) == self.of(other)
            case {"Fn::Not": [condition]}:
                return not self.of(condition)
            case dict():
                of_each = {name: self.of(value) for name, value in declared.items()}
                return {name: value for name, value in of_each.items() if value is not _NO_VALUE}
            case list():
                return [value for value in map(self.of, declared) if value is not _NO_VALUE]
            case _:
                return declared


class _Loader(yaml.SafeLoader):
    """Reads short forms as long forms."""


def _long_form(loader: yaml.SafeLoader, function: str, node: yaml.Node) -> dict[str, Any]:
    argument = loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value
    return {function if function == "Ref" else f"Fn::{function}": argument}


_Loader.add_multi_constructor("!", _long_form)

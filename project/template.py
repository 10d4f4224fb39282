"""CloudFormation templates as far as they say something before anything is created: with parameters in place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_NO_VALUE = object()  # AWS::NoValue: what refers to it is left out


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template, its short forms (`!Ref x`) written out (`{"Ref": "x"}`)."""

    parsed: dict[str, Any]

    def resources(self, kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
        """Its resources of one type by logical id, with parameters (or their defaults) and conditions applied.

        What refers to other resources or to pseudo parameters stays as it is.
        """
        defaults = {name: parameter["Default"] for name, parameter in self.parsed["Parameters"].items()}
        resolution = _Resolution(defaults | parameters, self.parsed["Conditions"])
        resources = self.parsed["Resources"].items()
        return {name: resolution.of(resource) for name, resource in resources if resource["Type"] == kind}


def parse(text: str) -> Template:
    """The template that a YAML text is."""
    return Template(yaml.load(text, _Loader))  # noqa: S506 - a SafeLoader


@dataclass(frozen=True, slots=True)
class _Resolution:
    """Intrinsic functions replaced by what they come to."""

    values: Mapping[str, Any]
    conditions: Mapping[str, Any]

    def of(self, declared: Any) -> Any:
        match declared:
            case {"Ref": "AWS::NoValue"}:
                return _NO_VALUE
            case {"Ref": name} if name in self.values:
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
    """Reads short forms as long ones."""


def _long_form(loader: yaml.SafeLoader, function: str, node: yaml.Node) -> dict[str, Any]:
    argument = loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value
    return {function if function == "Ref" else f"Fn::{function}": argument}


_Loader.add_multi_constructor("!", _long_form)

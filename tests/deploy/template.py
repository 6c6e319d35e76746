"""A CloudFormation template as plain data: `!Ref X` is {"Ref": "X"}, and so on."""

from pathlib import Path
from typing import Any

import yaml

from tests.checks.code import ROOT

AWS = ROOT / "deploy" / "aws"
NOTIFIER = AWS / "notifier.yaml"


class _Loader(yaml.SafeLoader):
    """Reads the short forms of intrinsic functions."""


def _function(loader: Any, tag: str, node: Any) -> dict[str, Any]:
    name = tag if tag in {"Ref", "Condition"} else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def load(path: Path = NOTIFIER) -> dict[str, Any]:
    """Return the template at `path`."""
    made: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  safe
    return made


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of every resource of a type, by its name."""
    return {
        name: one.get("Properties", {})
        for name, one in template["Resources"].items()
        if one["Type"] == kind
    }


def statements(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """Return what a role may do, with what policies of their own add; both sides of a condition."""
    inline = template["Resources"][role]["Properties"]["Policies"]
    others = [
        one for one in of_type(template, "AWS::IAM::Policy").values()
        if {"Ref": role} in one["Roles"]
    ]  # fmt: skip
    found = [
        one for policy in [*inline, *others] for one in policy["PolicyDocument"]["Statement"]
    ]  # fmt: skip
    return [one["Fn::If"][1] if "Fn::If" in one else one for one in found]


def actions(statement: dict[str, Any]) -> list[str]:
    """Return the actions of a statement."""
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)

"""API Gateway as deploy/aws/serverless.yaml describes it: which function a request reaches."""

import importlib
import re
from functools import cache
from types import ModuleType

from tests.checks.code import ROOT
from tests.deploy.template import load, of_type

SERVERLESS = ROOT / "deploy" / "aws" / "serverless.yaml"
TEMPLATE = load(SERVERLESS)
FUNCTIONS = of_type(TEMPLATE, "AWS::Lambda::Function")
BODY = TEMPLATE["Resources"]["Api"]["Properties"]["Body"]
METHOD = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"


@cache
def module(function: str) -> ModuleType:
    """Return the module of a function."""
    name, _, handler = FUNCTIONS[function]["Handler"].rpartition(".")
    made = importlib.import_module(name)
    assert callable(getattr(made, handler))
    return made


def modules(function: str) -> list[ModuleType]:
    """Return the modules that have routes of a function: its own, or those of its parts."""
    made = module(function)
    parts = sorted(set(getattr(made, "PARTS", {}).values()))
    return [importlib.import_module(one) for one in parts] or [made]


def serving(function: str, path: str) -> ModuleType:
    """Return the module that a function has a path served by."""
    made = module(function)
    part = made.part(path) if hasattr(made, "part") else None
    return importlib.import_module(part) if part else made


def chosen(path: str) -> tuple[str, bool]:
    """Return the function that API Gateway takes for a path, and whether it asks the authorizer.

    At each step it prefers a fixed word to a parameter, and a parameter to `{proxy+}`.
    """
    steps, found = path.strip("/").split("/"), []
    for template in BODY["paths"]:
        wanted = template.strip("/").split("/")
        kinds = [0 if one == step else 1 if one == "{proxy+}" else 2 if one.startswith("{") else 9
                 for one, step in zip(wanted, steps, strict=False)]  # fmt: skip
        rest = len(steps) - len(wanted)
        if 9 not in kinds and (rest == 0 or (rest > 0 and wanted[-1] == "{proxy+}")):
            # Fixed words first, then parameters, then the rest.
            found.append(([{0: 0, 2: 1, 1: 2}[one] for one in kinds], template))
    assert found, f"API Gateway knows no {path}"
    method = BODY["paths"][min(found)[1]][METHOD]
    uri = method[INTEGRATION]["uri"]["Fn::Sub"]
    [name] = re.findall(r"functions/\$\{(\w+)\.Arn\}", uri)
    return name, "security" in method

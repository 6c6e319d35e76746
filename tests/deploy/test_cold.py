"""What a function has when it starts, and what it leaves out so that it starts quickly."""

import inspect
import json
import re
import subprocess
import sys
from types import ModuleType

import pytest
from fastapi.routing import APIRoute

from chroniccare.lambdas.lean import IS_LAMBDA
from tests.deploy.gateway import FUNCTIONS, modules

OF_ALL = {"authority", "allowed_of_fhir", "platform"}
"""What `assemble`, or the handler itself, puts into the state of each."""
API = [one for name in FUNCTIONS for one in modules(name) if hasattr(one, "ROUTERS")]
_ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "ours", "AWS_REGION": "us-east-1",
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/c", "CHRONICCARE_KEY_PEPPER": "x" * 32,
}  # fmt: skip
_LEFT_OUT = {
    "authorizer": {"fastapi", "starlette", "icalendar", "aiobotocore"},
    "patients": {"chroniccare.app", "chroniccare.fhir.registry", "icalendar", "aiobotocore"},
    "notifications": {"icalendar", "aiohttp", "aiobotocore"},
    "clinic": {"chroniccare.audit.api", "chroniccare.privacy.api", "chroniccare.tasks.api"},
    "fhir": {"chroniccare.app", "chroniccare.console", "chroniccare.staff.api", "aiobotocore"},
}


@pytest.mark.parametrize("made", API, ids=lambda one: one.__name__.rpartition(".")[2])
def test_a_function_holds_what_its_routes_look_for(made: ModuleType) -> None:
    wanted: set[str] = set()
    for router in made.ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            source = inspect.getsource(sys.modules[route.endpoint.__module__])
            wanted |= set(re.findall(r"request\.app\.state\.(\w+)", source))
    held = set(getattr(made, "HELD", {}))
    assert wanted - OF_ALL == held


@pytest.mark.parametrize("name", _LEFT_OUT)
def test_a_function_starts_without_what_it_never_uses(name: str) -> None:
    code = (
        f"import json, sys, pydantic, chroniccare.lambdas.{name};"
        "print(json.dumps([sorted(sys.modules), pydantic.BaseModel.model_config]))"
    )
    environment = {**_ENVIRONMENT, "PYTHONPATH": ":".join(filter(None, sys.path))}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True
    )
    loaded, config = json.loads(said.stdout.splitlines()[-1])
    assert not (_LEFT_OUT[name] | {"pydantic.v1.main"}) & set(loaded)
    assert config == {"defer_build": True}


def test_models_are_built_at_once_everywhere_else() -> None:
    assert not IS_LAMBDA

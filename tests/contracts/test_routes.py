"""Every route, those of later slices included: its scope, its isolation, its description."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chroniccare.core.caller import system
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.contracts.operations import (
    RECORDS,
    Operation,
    application,
    by_name,
    document,
    example,
    has_example,
    made_records,
    operations,
    reached,
    resolved,
    writing,
)

OPERATIONS = operations()
WITH_IDS = [operation for operation in OPERATIONS if operation.ids]
WITHOUT_PAGES = {"GET /patients/{patient_id}/providers": "a handful, 200 at most"}
ALWAYS = {"400", "401", "403", "429", "503"}

each = pytest.mark.parametrize("operation", OPERATIONS, ids=by_name)


def body_of(operation: Operation) -> dict[str, Any]:
    """Return the options of a request whose body is made of the document's examples."""
    return {} if operation.schema is None else {"json": example(operation.schema)}


def without_meta(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    del body["meta"]
    return body


def test_every_route_is_in_the_document() -> None:
    routes = {
        f"{method} {path.removeprefix('/api/v1')}"
        for route in application().routes
        if (path := getattr(route, "path", "")).startswith("/api/")
        for method in getattr(route, "methods", None) or ()
    }
    assert routes == {operation.name for operation in OPERATIONS}


@each
def test_an_operation_names_exactly_one_scope(operation: Operation) -> None:
    assert operation.scope in SCOPES
    assert operation.scope.endswith(":read" if operation.method == "GET" else ":write")


# What a part of a body or of an answer asks for; the tests of those look at it.
ASKED_INSIDE = {"appointments:override", "medications:override", "telehealth:read"}
# What FHIR's stored types ask for; tests/fhir/test_access.py looks at it.
ASKED_BY_FHIR = {"records:write"}


def test_every_scope_is_some_operations() -> None:
    assert {operation.scope for operation in OPERATIONS} == SCOPES - ASKED_INSIDE - ASKED_BY_FHIR


@each
async def test_without_a_key_an_operation_answers_401(
    anonymous: httpx.AsyncClient, operation: Operation
) -> None:
    path = operation.at({name: str(uuid4()) for name in operation.ids})
    response = await anonymous.request(operation.method, f"/api/v1{path}", **body_of(operation))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "UNAUTHENTICATED"


@pytest.fixture(scope="module")
async def weak_keys(running: Running) -> dict[str, str]:
    """For each scope a key that has every other."""
    keys = {}
    async with new_clinic(running.app, running.contract) as clinic:
        pepper = running.app.state.authority.pepper
        for scope in SCOPES:
            async with begin(system(clinic.tenant_id, job="test")) as tx:
                keys[scope] = await create_key(
                    tx, pepper=pepper, name=scope, scopes=SCOPES - {scope}
                )
    return keys


@each
async def test_a_key_without_the_scope_answers_403(
    anonymous: httpx.AsyncClient, weak_keys: dict[str, str], operation: Operation
) -> None:
    path = operation.at({name: str(uuid4()) for name in operation.ids})
    response = await anonymous.request(
        operation.method,
        f"/api/v1{path}",
        headers={"X-API-Key": weak_keys[operation.scope]},
        **body_of(operation),
    )
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("operation", WITH_IDS, ids=by_name)
async def test_another_clinics_record_answers_as_one_that_never_was(
    clinic: Clinic, other_clinic: Clinic, operation: Operation
) -> None:
    own = await made_records(clinic, operation.ids)
    foreign = await made_records(other_clinic, operation.ids)
    before = {name: await read(other_clinic, name, foreign) for name in operation.ids}
    for name in operation.ids:
        answers = []
        for other in (foreign[name], str(uuid4())):
            path = operation.at({**own, name: other})
            response = await clinic.send(operation.method, path, **body_of(operation))
            answers.append((response.status_code, without_meta(response)))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404, answers[0][1]
    after = {name: await read(other_clinic, name, foreign) for name in operation.ids}
    assert after == before


async def read(clinic: Clinic, name: str, ids: dict[str, str]) -> dict[str, Any]:
    response = await clinic.get(f"{RECORDS[name][0]}/{ids[name]}".format(**ids))
    assert response.status_code == 200
    return without_meta(response)


@pytest.fixture(scope="module")
async def untouched(running: Running) -> AsyncIterator[Clinic]:
    """A clinic for requests that are all refused."""
    async with new_clinic(running.app, running.contract) as made:
        yield made


@pytest.mark.parametrize("operation", WITH_IDS, ids=by_name)
@pytest.mark.parametrize("bad", ["x", "1", "%00", "%F0%9F%98%80", "null", "'", "0" * 300])
async def test_an_id_that_is_none_is_named(
    untouched: Clinic, operation: Operation, bad: str
) -> None:
    for name in operation.ids:
        path = operation.at({**{other: str(uuid4()) for other in operation.ids}, name: bad})
        response = await untouched.send(operation.method, path, **body_of(operation))
        assert response.status_code == 400
        assert name in {detail["field"] for detail in response.json()["error"]["details"]}


@each
def test_an_operation_is_described(operation: Operation) -> None:
    described = operation.document
    assert described["summary"]
    assert described["description"]
    assert described["tags"]
    assert set(described["responses"]) >= ALWAYS
    for parameter in described.get("parameters", []):
        if parameter["in"] != "path":  # the resource's own id needs no words
            assert parameter.get("description"), parameter["name"]
    if operation.schema is not None:
        assert "413" in described["responses"]
    if operation.ids:
        assert "404" in described["responses"]
    if operation.method == "POST":
        names = {parameter["name"] for parameter in described["parameters"]}
        assert "Idempotency-Key" in names
        assert set(described["responses"]) >= {"409", "422"}
    if "/Listed_" in str(described["responses"].get("200")):
        names = {parameter["name"] for parameter in described["parameters"]}
        assert names >= {"cursor", "limit"} or operation.name in WITHOUT_PAGES


SCHEMAS = sorted(document()["components"]["schemas"])


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "JsonValue"])
def test_every_property_is_described(name: str) -> None:
    schema = document()["components"]["schemas"][name]
    bare = [
        key
        for key, value in schema.get("properties", {}).items()
        if not resolved(value).get("description")
    ]
    assert not bare
    # Pydantic gives the form of one generic shape, such as Items[Patient], no description.
    assert schema.get("description") or "[" in schema["title"]


@pytest.mark.parametrize("operation", writing(), ids=by_name)
def test_every_property_that_a_client_writes_has_an_example(operation: Operation) -> None:
    assert operation.schema is not None
    bare = [
        f"{name}.{key}"
        for name, schema in reached(operation.schema).items()
        for key, value in schema.get("properties", {}).items()
        if not has_example(value)
    ]
    assert not bare


@pytest.mark.parametrize("operation", writing(), ids=by_name)
async def test_the_examples_are_valid(clinic: Clinic, operation: Operation) -> None:
    """They may be against a rule of the domain (409, 422), but never malformed."""
    ids = {name: str(uuid4()) for name in operation.ids}
    response = await clinic.send(operation.method, operation.at(ids), **body_of(operation))
    assert response.status_code != 400, response.text


@each
async def test_an_answer_has_the_headers_that_every_answer_has(
    clinic: Clinic, operation: Operation
) -> None:
    path = operation.at({name: str(uuid4()) for name in operation.ids})
    headers = {"X-Request-Id": "a-request-of-mine"}
    response = await clinic.send(operation.method, path, headers=headers, **body_of(operation))
    assert response.headers["x-request-id"] == "a-request-of-mine"
    assert response.json()["meta"]["requestId"] == "a-request-of-mine"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["ratelimit-remaining"]) <= int(response.headers["ratelimit-limit"])
    assert "ratelimit-reset" in response.headers

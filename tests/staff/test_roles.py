"""Roles (SEC-14): each role x route x method is granted or refused as docs/identity.md says."""

import re
from uuid import uuid4

import pytest
from fastapi import FastAPI

from chroniccare.console.routes import Page
from chroniccare.fhir.registry import KINDS
from chroniccare.tenancy.roles import ROLES, STAFF
from chroniccare.tenancy.rules import SCOPES
from tests.checks.code import ROOT
from tests.client import Contract
from tests.contracts.operations import example, operations
from tests.staff.conftest import Person

TABLE = re.compile(r"^\| `(\w+:\w+)` \|(.+)\|$", re.MULTILINE)
COLUMNS = ("administrator", "clinician", "front_desk", "auditor")

_TOKEN, _SIGNED = "the address is a signed secret", "the body is signed by the provider"
_BY_TYPE = "a key, and the scope of the type: tests/fhir/test_access.py"
_EXPORTS = "a key, and the scopes of the types: tests/fhir/test_exports.py"
_SUBSCRIBES = "a key, and the scope for webhooks or of the type: tests/fhir/test_subscriptions.py"
_READ_ONLY = "refuses whatever comes"
PUBLIC = {
    "GET /openapi.json": "what there is, and no data",
    "* /static-offline-docs": "as above",
    "GET /docs": "as above",
    "GET /docs/oauth2-redirect": "as above",
    "GET /healthz": "one word",
    "GET /livez": "one word",
    "GET /readyz": "two words",
    "POST /receipts/sns": _SIGNED,
    "POST /receipts/http": _SIGNED,
    "POST /inbound/sns": _SIGNED,
    "POST /inbound/http": _SIGNED,
    "POST /auth/token": "an assertion is signed by the client",
    "GET /.well-known/smart-configuration": "how to sign in, and no data",
    "GET /fhir/.well-known/smart-configuration": "as above",
    "GET /fhir/metadata": "what there is, and no data",
    "POST /fhir": _BY_TYPE,
    "GET /fhir/{kind}": _BY_TYPE,
    "POST /fhir/{kind}": _BY_TYPE,
    "POST /fhir/{kind}/_search": _BY_TYPE,
    "GET /fhir/{kind}/{resource_id}": _BY_TYPE,
    "PUT /fhir/{kind}/{resource_id}": _BY_TYPE,
    "DELETE /fhir/{kind}/{resource_id}": _BY_TYPE,
    "POST /fhir/": _BY_TYPE,
    "GET /fhir/$export": _EXPORTS,
    "POST /fhir/$export": _EXPORTS,
    "GET /fhir/Patient/$export": _EXPORTS,
    "POST /fhir/Patient/$export": _EXPORTS,
    "GET /fhir/Group/{group_id}/$export": _EXPORTS,
    "POST /fhir/Group/{group_id}/$export": _EXPORTS,
    "GET /fhir/$export/{export_id}": _EXPORTS,
    "DELETE /fhir/$export/{export_id}": _EXPORTS,
    "GET /fhir/$export/{export_id}/{file_id}": _EXPORTS,
    "GET /fhir/Subscription": _SUBSCRIBES,
    "POST /fhir/Subscription": _SUBSCRIBES,
    "POST /fhir/Subscription/_search": _SUBSCRIBES,
    "GET /fhir/Subscription/$status": _SUBSCRIBES,
    "GET /fhir/Subscription/{subscription_id}": _SUBSCRIBES,
    "PUT /fhir/Subscription/{subscription_id}": _SUBSCRIBES,
    "DELETE /fhir/Subscription/{subscription_id}": _SUBSCRIBES,
    "GET /fhir/Subscription/{subscription_id}/$status": _SUBSCRIBES,
    "POST /fhir/Subscription/{subscription_id}/$status": _SUBSCRIBES,
    "GET /fhir/Subscription/{subscription_id}/$events": _SUBSCRIBES,
    "POST /fhir/Subscription/{subscription_id}/$events": _SUBSCRIBES,
    "GET /fhir/Slot": _BY_TYPE,
    "POST /fhir/Slot": _BY_TYPE,
    "PUT /fhir/Slot/{resource_id}": _BY_TYPE,
    "POST /fhir/Slot/_search": _BY_TYPE,
    "GET /fhir/Slot/{resource_id}": _BY_TYPE,
    "POST /fhir/AppointmentResponse": _BY_TYPE,
    "GET /fhir/Appointment/$find": _BY_TYPE,
    "POST /fhir/Appointment/$find": _BY_TYPE,
    "POST /fhir/Appointment/$hold": _BY_TYPE,
    "POST /fhir/Appointment/$book": _BY_TYPE,
    "POST /fhir/Appointment/{appointment_id}/$reschedule": _BY_TYPE,
    "POST /fhir/Appointment/{appointment_id}/$cancel": _BY_TYPE,
    "GET /fhir/Patient/{patient_id}/$everything": _BY_TYPE,
    "POST /fhir/Patient/{patient_id}/$everything": _BY_TYPE,
    "POST /fhir/Patient/$match": _BY_TYPE,
    "POST /fhir/{kind}/$validate": "says what is wrong with what was sent; a record by its type",
    "POST /fhir/{kind}/{resource_id}/$validate": "as above",
    "GET /fhir/{kind}/{resource_id}/$validate": _BY_TYPE,
    "PATCH /fhir/{kind}/{resource_id}": _BY_TYPE,
    "PUT /fhir/{kind}": _BY_TYPE,
    "PATCH /fhir/{kind}": _BY_TYPE,
    "DELETE /fhir/{kind}": _BY_TYPE,
    "GET /fhir/_history": _BY_TYPE,
    "GET /fhir/{kind}/_history": _BY_TYPE,
    "GET /fhir/{kind}/{resource_id}/_history": _BY_TYPE,
    "GET /fhir/{kind}/{resource_id}/_history/{version}": _BY_TYPE,
    "DELETE /fhir/metadata": _READ_ONLY,
    "PATCH /fhir/metadata": _READ_ONLY,
    "POST /fhir/metadata": _READ_ONLY,
    "PUT /fhir/metadata": _READ_ONLY,
    "GET /calendars/{token}.ics": _TOKEN,
    "GET /doses/{token}": _TOKEN,
    "POST /doses/{token}": _TOKEN,
    "POST /doses/{token}/{step}": _TOKEN,
    "GET /offers/{token}": _TOKEN,
    "POST /offers/{token}": _TOKEN,
    "POST /offers/{token}/{step}": _TOKEN,
    "GET /unsubscribe/{token}": _TOKEN,
    "POST /unsubscribe/{token}": _TOKEN,
    "GET /visits/{token}": _TOKEN,
    "POST /visits/{token}": _TOKEN,
    "POST /visits/{token}/{step}": _TOKEN,
    "GET /console/static/{digest}/{name:path}": "files of the package",
    "GET /console/sign-in": "a form",
    "GET /console/sign-in/with/{number}": "the way to an issuer",
    "GET /console/sign-in/from": "a code, for which the issuer says who it is",
    "POST /console/sign-in": "a password; who guesses waits",
    "GET /console/sign-in/code": "the way back to the form",
    "POST /console/sign-in/code": "half a sign-in and a code; who guesses waits",
}
"""Routes without a scope, and what guards them instead."""


def documented() -> dict[str, set[str]]:
    """Return the scopes of each role as the page shows them."""
    text = (ROOT / "docs/identity.md").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {role: set() for role in COLUMNS}
    for scope, cells in TABLE.findall(text):
        for role, cell in zip(COLUMNS, cells.split("|"), strict=True):
            if cell.strip():
                found[role].add(scope)
    return found


def test_sec_14_the_page_says_what_each_role_may_do() -> None:
    assert {role: set(scopes) for role, scopes in ROLES.items() if role in STAFF} == documented()
    assert ROLES["system"] == SCOPES
    assert set(COLUMNS) == STAFF


def test_sec_14_a_route_without_a_declared_scope_is_listed_as_public(door: FastAPI) -> None:
    declared = {(one.method, f"/api/v1{one.path}") for one in operations() if one.scope}
    bare = {
        f"{method} {path}"
        for route in door.routes
        if not isinstance(route, Page)  # behind a session; the API decides what it shows and does
        if (path := getattr(route, "path", ""))
        for method in getattr(route, "methods", None) or {"*"}
        if method != "HEAD" and (method, path) not in declared
    }
    assert bare == PUBLIC.keys()


@pytest.mark.parametrize("role", sorted(STAFF))
async def test_sec_14_every_cell_of_role_route_and_method(person: Person, role: str) -> None:
    who, wrong = await person(role), []
    Contract.counting = False
    try:
        for operation in operations():
            path = operation.at({name: str(uuid4()) for name in operation.ids})
            body = None if operation.schema is None else example(operation.schema)
            answer = await who.send(operation.method, path, json=body)
            if (answer.status_code == 403) == (operation.scope in documented()[role]):
                wrong.append(f"{operation.name}: {answer.status_code}")
    finally:
        Contract.counting = True
    assert not wrong


@pytest.mark.parametrize("role", sorted(STAFF))
async def test_sec_14_every_type_of_fhir_with_every_role(person: Person, role: str) -> None:
    who, granted = await person(role), documented()[role]
    for kind in KINDS.values():
        read = await who.http.get(f"/fhir/{kind.name}/{uuid4()}")
        found = await who.http.get(f"/fhir/{kind.name}")
        opened = kind.scope in granted
        assert (read.status_code, found.status_code) == ((404, 200) if opened else (403, 403)), kind
        if kind.writer is not None:
            made = await who.http.post(f"/fhir/{kind.name}", json={"resourceType": kind.name})
            assert (made.status_code == 403) == (kind.writer.scope not in granted), kind

"""The client of the tests: a clinic with its key; every answer is checked against OpenAPI."""

import re
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import httpx
import jsonschema_rs
from fastapi import FastAPI

from chroniccare.core.caller import Caller, system
from chroniccare.core.ids import new_id
from chroniccare.facilities.rules import DAYS
from chroniccare.notifications.queries_due import OUTBOX_BODY, OUTBOX_CALENDAR, OUTBOX_SUBJECT
from chroniccare.platform.postgres import Command, Query, begin
from chroniccare.platform.sealing import Opens
from chroniccare.providers.rules import npi_check_digit
from chroniccare.tenancy import actions
from chroniccare.tenancy.idempotency import opened
from chroniccare.tenancy.rules import SCOPES

MAX_PROBLEM_STATUS = 500
_ALWAYS = Command(
    "INSERT INTO provider_availability (id, tenant_id, provider_id, facility_id, day_of_week,"
    " start_time, end_time, effective_from, created_at, updated_at) SELECT gen_random_uuid(), $1,"
    " $2, $3, day, '00:00', '24:00', '2000-01-01', now(), now() FROM generate_series(0, 6) AS day"
)


class Contract:
    """The OpenAPI document, and which of its operations the tests touched."""

    touched: ClassVar[set[str]] = set()
    counting: ClassVar[bool] = True  # off in generated tests, which touch everything by themselves
    routes: ClassVar[set[str]] = set()

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.patterns = []
        self.validators: dict[str, Any] = {}
        for path, operations in document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$")
            for method, operation in operations.items():
                self.patterns.append((method.upper(), pattern, path, operation))
                Contract.routes.add(f"{method.upper()} {path}")
        # A fixed path is tried before one with parameters.
        self.patterns.sort(key=lambda entry: entry[2].count("{"))

    def check(self, response: httpx.Response) -> None:
        """Fail unless the answer is one that the document describes."""
        method, path = response.request.method, response.request.url.path
        found = [p for p in self.patterns if p[0] == method and p[1].match(path)]
        if not found:
            assert response.status_code in {404, 405}, f"{method} {path} is not documented"
            return
        _, _, template, operation = found[0]
        name = f"{method} {template}"
        if Contract.counting and response.is_success:
            Contract.touched.add(name)
        described = operation["responses"].get(str(response.status_code))
        assert described is not None, f"{name} answered {response.status_code}: {response.text}"
        content = described.get("content", {}).get("application/json")
        if content is None:
            assert not response.content, f"{name} answered a body that is not documented"
            return
        validator = self._validator(content["schema"])
        errors = [error.message for error in validator.iter_errors(response.json())]
        assert not errors, f"{name} {response.status_code}: {errors[:5]}\n{response.text}"

    def _validator(self, schema: dict[str, Any]) -> Any:
        key = repr(schema)  # a thousand answers share a few hundred, and making one takes long
        if key not in self.validators:
            whole = {**schema, "components": self.document["components"]}
            self.validators[key] = jsonschema_rs.validator_for(whole, validate_formats=True)
        return self.validators[key]


@dataclass(slots=True)
class Clinic:
    """One tenant, seen through its API key."""

    tenant_id: UUID
    key: str
    app: FastAPI
    contract: Contract
    http: httpx.AsyncClient
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        """The system's own caller in this tenant, for looking behind the API."""
        return system(self.tenant_id, job="test")

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request under /api/v1 and check the answer against the contract."""
        response = await self.http.request(method, f"/api/v1{path}", **options)
        self.contract.check(response)
        assert response.status_code < MAX_PROBLEM_STATUS or response.status_code == 503
        return response

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self.send("POST", path, json=json, **options)

    async def put(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self.send("PUT", path, json=json, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("DELETE", path, **options)

    def number(self, kind: str) -> int:
        """Return 1, 2, 3, ... for each kind of thing."""
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return self.numbers[kind]

    async def make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a record and return it."""
        response = await self.post(path, body)
        assert response.status_code == 201, response.text
        data: dict[str, Any] = response.json()["data"]
        return data

    def patient_body(self, **fields: Any) -> dict[str, Any]:
        number = self.number("patient")
        return {
            "mrn": f"MRN-{number}",
            "first_name": "Maria",
            "last_name": f"Gonzalez{'abcdefghij'[number % 10]}",
            "date_of_birth": "1961-04-12",
            "time_zone": "America/New_York",
            "contact_info": {
                "telecom": [
                    {"system": "phone", "value": f"+1415555{number:04d}"},
                    {"system": "email", "value": f"maria{number}@example.com", "rank": 2},
                ]
            },
            **fields,
        }

    async def patient(self, **fields: Any) -> dict[str, Any]:
        """Register a patient with a phone and an email address."""
        return await self.make("/patients", self.patient_body(**fields))

    def facility_body(self, **fields: Any) -> dict[str, Any]:
        number = self.number("facility")
        return {
            "name": f"Riverside Clinic {number:03d}",
            "facility_type": "clinic",
            "address": {"line": [f"{number} Main St"], "city": "Springfield", "country": "US"},
            "contact_info": {"telecom": [{"system": "phone", "value": f"+1212555{number:04d}"}]},
            "operating_hours": {day: [{"open": "00:00", "close": "24:00"}] for day in DAYS},
            "capabilities": ["lab"],
            "timezone": "America/New_York",
            **fields,
        }

    async def facility(self, **fields: Any) -> dict[str, Any]:
        """Open a facility in New York."""
        return await self.make("/facilities", self.facility_body(**fields))

    def provider_body(self, **fields: Any) -> dict[str, Any]:
        number = self.number("provider")
        nine = f"1{number:08d}"
        return {
            "npi": nine + npi_check_digit(nine),
            "first_name": "Aisha",
            "last_name": f"Rahman{'abcdefghij'[number % 10]}",
            "specializations": ["Endocrinology"],
            "contact_info": {"telecom": [{"system": "phone", "value": f"+1312555{number:04d}"}]},
            **fields,
        }

    async def provider(self, *, always: bool = True, **fields: Any) -> dict[str, Any]:
        """Register a provider, who works at a new facility unless `facilities` are given.

        They work around the clock at the first one, if `always`; a test about hours puts its own.
        """
        if "facilities" not in fields:
            facility = await self.facility()
            fields["facilities"] = [{"facility_id": facility["id"], "is_primary": True}]
        made = await self.make("/providers", self.provider_body(**fields))
        for link in fields["facilities"][:always]:
            async with begin(self.caller) as tx:
                await tx.run(_ALWAYS, self.tenant_id, UUID(made["id"]), UUID(link["facility_id"]))
        return made


_KEPT = Command(
    "SELECT jsonb_agg(jsonb_build_array(key, encode(body, 'base64'))) FROM idempotency_keys"
)


async def kept_answers(clinic: Clinic) -> str:
    """Return every answer that is kept under an idempotency key, in clear."""
    async with begin(clinic.caller) as tx:
        kept = [(key, b64decode(body)) for key, body in await tx.value(_KEPT) or []]
        return "\n".join([(await opened(tx, key, body)).decode() for key, body in kept])


OPENS_OUTBOX = (
    Opens(OUTBOX_SUBJECT, "subject"),
    Opens(OUTBOX_BODY, "body"),
    Opens(OUTBOX_CALENDAR, "calendar"),
)


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """What the local outbox channel keeps of a message, in clear."""

    id: UUID
    notification_id: UUID
    subject: str | None
    body: str
    calendar: str | None


_MESSAGES = Query(
    KeptMessage,
    "SELECT id, notification_id, subject, body, calendar FROM outbox_messages"
    " WHERE $1::uuid IS NULL OR notification_id = $1 ORDER BY created_at, id",
    OPENS_OUTBOX,
)


async def kept_messages(clinic: Clinic, notification_id: str | None = None) -> list[KeptMessage]:
    """Return what the outbox keeps, of one message or of all."""
    async with begin(clinic.caller) as tx:
        return await tx.all(_MESSAGES, notification_id)


@asynccontextmanager
async def new_clinic(
    app: FastAPI, contract: Contract, *, scopes: frozenset[str] = SCOPES
) -> AsyncIterator[Clinic]:
    """Create a tenant and a key with `scopes`."""
    pepper = app.state.authority.pepper
    name = f"clinic-{str(new_id())[-12:]}"
    tenant_id = await actions.create_tenant(name=name, subdomain=name)
    async with begin(system(tenant_id, job="test")) as tx:
        key = await actions.create_key(tx, pepper=pepper, name="tests", scopes=scopes)
    transport = httpx.ASGITransport(app)
    headers = {"X-API-Key": key}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://clinic.test", headers=headers
    ) as http:
        yield Clinic(tenant_id, key, app, contract, http)

"""Clinics whose patients all have one message due, planned as a booking plans it."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Unavailable
from chroniccare.core.ids import new_id
from chroniccare.notifications.plan import Visit, plan_visit
from chroniccare.platform.postgres import Command, begin, utc_now
from chroniccare.tenancy import actions as tenancy

ZONE = "America/New_York"
KIND = "appointment_confirmation"
CLINICS = 2
_PIECE = 500
_AGAIN_S = 0.3

_FACILITY = Command(
    "INSERT INTO facilities (id, tenant_id, name, facility_type, address, timezone, created_at,"
    " updated_at) VALUES ($1, $2, 'Chaos Clinic', 'clinic', '{}', $3, $4, $4)"
)
_PROVIDER = Command(
    "INSERT INTO providers (id, tenant_id, first_name, last_name, created_at, updated_at)"
    " VALUES ($1, $2, 'Aisha', 'Rahman', $3, $3)"
)
_PATIENTS = Command(
    "INSERT INTO patients (id, tenant_id, mrn, first_name, last_name, date_of_birth, time_zone,"
    " created_at, updated_at) SELECT d.id, $2, d.mrn, 'Maria', 'Gonzalez', '1961-04-12', $3, $4,"
    " $4 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, mrn text) ON CONFLICT DO NOTHING"
)
_POINTS = Command(
    "INSERT INTO contact_points (id, tenant_id, patient_id, system, value, use, rank, created_at)"
    " SELECT p.id, $2, d.id, p.system, p.value, 'mobile', p.rank, $3"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, phone_id uuid, phone text, email_id uuid,"
    " email text), LATERAL (VALUES (d.phone_id, 'phone', d.phone, 1),"
    " (d.email_id, 'email', d.email, 2)) AS p (id, system, value, rank) ON CONFLICT DO NOTHING"
)
_VISITS = Command(
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, created_at, updated_at)"
    " SELECT d.visit, $2, d.id, $3, $4, 'follow_up', d.starts_at,"
    " d.starts_at + interval '30 minutes', 30, $5, $5 FROM jsonb_to_recordset($1::jsonb)"
    " AS d (id uuid, visit uuid, starts_at timestamptz) ON CONFLICT DO NOTHING"
)


@dataclass(slots=True)
class Clinic:
    """One tenant and what it has so far."""

    tenant_id: UUID
    provider_id: UUID
    facility_id: UUID


@dataclass(slots=True)
class Clinics:
    """The clinics of a run; `planned` counts people who have a message."""

    all: list[Clinic]
    visits: list[tuple[Clinic, Visit]] = field(default_factory=list)
    planned: int = 0
    again: int = 0

    async def plan(self, count: int, *, piece: int = _PIECE) -> None:
        """Plan `count` messages, piece by piece, whatever breaks meanwhile."""
        last = self.planned + count
        while self.planned < last:
            numbers = range(self.planned, min(self.planned + piece, last))
            clinic = self.all[(self.planned // piece) % len(self.all)]
            await self._piece(clinic, [_person(number) for number in numbers])
            self.planned += len(numbers)

    async def _piece(self, clinic: Clinic, people: list[dict[str, Any]]) -> None:
        """Write a piece until it is known to be there; what is there already is not made again."""
        while True:
            try:
                planned = await _plan(clinic, people)
            except (Conflict, Unavailable):
                self.again += 1
                await asyncio.sleep(_AGAIN_S)
            else:
                self.visits += [(clinic, visit) for visit in planned]
                return


def phone(number: int) -> str:
    """Return the number of one person; nobody else has it."""
    return f"+1415{2_000_000 + number}"


def email(number: int) -> str:
    """Return the address of one person."""
    return f"p{number}@example.com"


def _person(number: int) -> dict[str, Any]:
    return {
        "id": new_id(), "mrn": f"M-{number}", "visit": new_id(), "phone_id": new_id(),
        "phone": phone(number), "email_id": new_id(), "email": email(number),
        # Today's are sent once more in doubt, others go to the next channel.
        "starts_at": utc_now() + timedelta(minutes=100 if number % 2 else 1400),
    }  # fmt: skip


async def found() -> Clinics:
    """Found the clinics."""
    made: list[Clinic] = []
    for number in range(CLINICS):
        tenant_id = await tenancy.create_tenant(name="Chaos", subdomain=f"chaos-{number}")
        clinic = Clinic(tenant_id, new_id(), new_id())
        async with begin(system(tenant_id, job="chaos")) as tx:
            await tx.run(_FACILITY, clinic.facility_id, tenant_id, ZONE, tx.now)
            await tx.run(_PROVIDER, clinic.provider_id, tenant_id, tx.now)
        made.append(clinic)
    return Clinics(made)


async def _plan(clinic: Clinic, people: list[dict[str, Any]]) -> list[Visit]:
    visits = [
        Visit(
            one["visit"], 1, one["id"], clinic.provider_id, one["starts_at"], "Aisha Rahman",
            "Chaos Clinic", ZONE,
        )
        for one in people
    ]  # fmt: skip
    async with begin(system(clinic.tenant_id, job="chaos")) as tx:
        await tx.run(_PATIENTS, people, clinic.tenant_id, ZONE, tx.now)
        await tx.run(_POINTS, people, clinic.tenant_id, tx.now)
        await tx.run(
            _VISITS, people, clinic.tenant_id, clinic.provider_id, clinic.facility_id, tx.now
        )
        await plan_visit(tx, visits)
    return visits

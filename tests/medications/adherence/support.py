"""What the tests of adherence share: a medication with its doses, and a look behind the API."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, Query, begin
from tests.client import Clinic

_MEDICATION = Command(
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " rxnorm_code, dosage, route, frequency, start_date, status, as_needed, drug_class,"
    " adherence_threshold, stopped_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6,"
    " '1 tablet', 'oral', 'twice a day', $7, $8, $9, $10, $11, $12, $13, $13)"
)
_DOSES = Command(
    "INSERT INTO medication_doses (id, tenant_id, patient_id, medication_id, regimen_version,"
    " local_date, ordinal, due_at, late_at, missed_at, state, updated_at) SELECT d.id, $2, $3, $4,"
    " 1, d.local_date, d.ordinal, d.due_at, d.due_at + interval '1 hour',"
    " d.due_at + interval '4 hours', 'planned', $5 FROM jsonb_to_recordset($1::jsonb) AS d"
    " (id uuid, local_date date, ordinal smallint, due_at timestamptz)"
)
_FILL = Command(
    "INSERT INTO medication_fills (id, tenant_id, patient_id, medication_id, filled_on,"
    " days_supply, source, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'pharmacy', $7)"
)
_EVENTS = Command(
    "SELECT array_agg(event_type ORDER BY id) FROM outbox WHERE event_type LIKE 'medication.%'"
    " AND event_type <> 'medication.dose.recorded'"
)


@dataclass(frozen=True, slots=True)
class DoseRow:
    id: UUID
    state: str
    source: str | None
    taken_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    reason: str
    escalated: int
    closed_reason: str | None


_STATES = Query(
    DoseRow,
    "SELECT id, state, source, taken_at, reason FROM medication_doses WHERE medication_id = $1"
    " ORDER BY due_at, ordinal",
)
_EPISODES = Query(
    EpisodeRow,
    "SELECT reason, escalated, closed_reason FROM adherence_episodes WHERE medication_id = $1"
    " ORDER BY opened_at, id",
)


@dataclass(slots=True)
class Taking:
    """A patient's medication and its doses, by number."""

    clinic: Clinic
    id: UUID
    patient_id: UUID
    doses: list[UUID] = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/medications/{self.id}/adherence"

    async def plan(self, *dues: datetime, days: list[date] | None = None) -> list[UUID]:
        """Plan doses that are late after an hour and missed after four."""
        rows: list[dict[str, Any]] = [
            {"id": new_id(), "due_at": at, "ordinal": len(self.doses) + n,
             "local_date": days[n] if days else (at - timedelta(hours=5)).date()}
            for n, at in enumerate(dues)
        ]  # fmt: skip
        async with begin(self.clinic.caller) as tx:
            await tx.run(
                _DOSES, rows, self.clinic.tenant_id, self.patient_id, self.id, tx.now
            )  # fmt: skip
        self.doses += [row["id"] for row in rows]
        self.due += dues
        return [row["id"] for row in rows]

    async def fill(self, day: date, supply: int) -> None:
        async with begin(self.clinic.caller) as tx:
            await tx.run(
                _FILL, new_id(), self.clinic.tenant_id, self.patient_id, self.id, day, supply,
                tx.now,
            )  # fmt: skip

    async def post(self, dose: int | None = None, **body: Any) -> httpx.Response:
        """Report on the dose of this number."""
        named = {} if dose is None else {"dose_id": str(self.doses[dose])}
        headers = body.pop("headers", None)
        return await self.clinic.post(self.path, {**named, **body}, headers=headers)

    async def report(self, dose: int | None = None, **body: Any) -> dict[str, Any]:
        response = await self.post(dose, **body)
        assert response.status_code in {200, 201}, response.text
        data: dict[str, Any] = response.json()["data"]
        return data

    async def reports(self) -> list[dict[str, Any]]:
        """Return every report, the latest dose first."""
        found = await self.clinic.get(self.path, params={"limit": 200})
        items: list[dict[str, Any]] = found.json()["data"]["items"]
        return items

    async def states(self) -> list[DoseRow]:
        async with begin(self.clinic.caller) as tx:
            return await tx.all(_STATES, self.id)

    async def episodes(self) -> list[EpisodeRow]:
        async with begin(self.clinic.caller) as tx:
            return await tx.all(_EPISODES, self.id)


async def taking(
    clinic: Clinic, patient_id: UUID | str | None = None, provider_id: UUID | str | None = None,
    **fields: Any,
) -> Taking:  # fmt: skip
    """Prescribe a medication behind the API's back."""
    patient = UUID(str(patient_id or (await clinic.patient())["id"]))
    provider = UUID(str(provider_id or (await clinic.provider())["id"]))
    made = Taking(clinic, new_id(), patient)
    async with begin(clinic.caller) as tx:
        await tx.run(
            _MEDICATION, made.id, clinic.tenant_id, patient, provider,
            fields.get("name", "Metformin"), fields.get("rxnorm_code"),
            fields.get("start_date", date(2031, 1, 1)), fields.get("status", "active"),
            fields.get("as_needed", False), fields.get("drug_class"), fields.get("threshold"),
            fields.get("stopped_at"), tx.now,
        )  # fmt: skip
    return made


async def events(clinic: Clinic) -> list[str]:
    """Return the alerts in their order."""
    async with begin(clinic.caller) as tx:
        return await tx.value(_EVENTS) or []


async def sql(clinic: Clinic, text: str, *args: Any) -> Any:
    """Change or read something behind the API's back."""
    async with begin(clinic.caller) as tx:
        return await tx.value(Command(text), *args)

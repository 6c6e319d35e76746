"""What the tests of doses share: prescriptions written behind the API, and a look at the rows."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.medications.doses.rules import DEFAULTS, Anchors, Clock, Regimen
from chroniccare.medications.dosing.model import Repeat, Step
from chroniccare.platform.postgres import Command, Query, Tx, begin
from tests.client import Clinic

USUAL = Anchors.of(*DEFAULTS.values())
NEW_YORK = Clock("America/New_York", USUAL)
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)

MEDICATION = Command(
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " dosage, route, frequency, start_date, status, created_at, updated_at)"
    " VALUES ($1, $2, $3, $4, 'Metformin', '500 mg', 'oral', 'twice a day', $5, 'active', $6, $6)"
)
REGIMEN = Command(
    "INSERT INTO medication_regimens (tenant_id, medication_id, version, dosage, starts_on,"
    " ends_on, effective_from, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)"
)
CLOSE = Command(
    "UPDATE medication_regimens SET effective_until = $2 WHERE medication_id = $1"
    " AND effective_until IS NULL"
)
STATUS = Command("UPDATE medications SET status = $2, hold_until = $3 WHERE id = $1")
SETTLE = Command(
    "UPDATE medication_doses SET state = $2, source = CASE WHEN $2 IN ('taken', 'skipped',"
    " 'missed') THEN 'patient' END, taken_at = $3 WHERE id = $1"
)


@dataclass(frozen=True, slots=True)
class Row:
    id: UUID
    version: int
    local_date: date
    ordinal: int
    due_at: datetime
    late_at: datetime
    missed_at: datetime
    quantity: Decimal | None
    unit: str | None
    state: str
    reason: str | None
    taken_at: datetime | None
    updated_at: datetime


ROWS = Query(
    Row,
    "SELECT id, regimen_version AS version, local_date, ordinal, due_at, late_at, missed_at,"
    " quantity, unit, state, reason, taken_at, updated_at FROM medication_doses"
    " WHERE medication_id = $1 ORDER BY due_at, id",
)


def timing(**repeat: Any) -> list[dict[str, Any]]:
    """Return a dosage of one instruction: one tablet, repeated so."""
    return [
        {
            "sequence": 1,
            "timing": {"repeat": repeat},
            "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
        }
    ]


TWICE = timing(frequency=2, period=1, periodUnit="d")
EVERY_8_H = timing(frequency=1, period=8, periodUnit="h")


def every(hours: int, **more: Any) -> Step:
    """Return an instruction of interval doses."""
    return Step(repeat=Repeat(period=Decimal(hours), unit="h", **more))


def regimen(
    *steps: Step, starts_on: date, ends_on: date | None = None, clock: Clock = NEW_YORK,
    since: datetime = LONG_AGO,
) -> Regimen:  # fmt: skip
    """Return a regimen that has always been in force."""
    return Regimen(1, steps, starts_on, ends_on, since, None, clock)


async def add_medication(
    tx: Tx, patient_id: UUID, provider_id: UUID, dosage: list[dict[str, Any]], *,
    starts_on: date, ends_on: date | None = None,
) -> UUID:  # fmt: skip
    """Write a prescription with its first regimen, without planning it."""
    medication_id = new_id()
    tenant = tx.caller.tenant_id
    await tx.run(MEDICATION, medication_id, tenant, patient_id, provider_id, starts_on, tx.now)
    await tx.run(REGIMEN, tenant, medication_id, 1, dosage, starts_on, ends_on, tx.now)
    return medication_id


async def prescribe(
    clinic: Clinic, dosage: list[dict[str, Any]], *, starts_on: date, ends_on: date | None = None,
    **patient: Any,
) -> tuple[UUID, UUID]:  # fmt: skip
    """Prescribe something to a new patient; return the patient and the medication, not planned."""
    patient_id = UUID((await clinic.patient(**patient))["id"])
    provider = await clinic.provider()
    async with begin(clinic.caller) as tx:
        made = await add_medication(
            tx, patient_id, UUID(provider["id"]), dosage, starts_on=starts_on, ends_on=ends_on
        )
    return patient_id, made


async def rows(clinic: Clinic, medication_id: UUID, *states: str) -> list[Row]:
    """Return the doses of a medication in the order in which they are due; of some states only."""
    async with begin(clinic.caller) as tx:
        found = await tx.all(ROWS, medication_id)
    return [row for row in found if not states or row.state in states]


def days(first: date, count: int) -> list[date]:
    """Return days that follow each other."""
    return [first + timedelta(days=number) for number in range(count)]

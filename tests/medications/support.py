"""What the tests of medications share: prescriptions and doses, and what comes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.core.time import to_local, zone
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.platform.postgres import Command, Query, Tx, begin
from tests.client import Clinic
from tests.notifications.support import Bench, Clock, Kept

_HOME = "America/New_York"
_MEDICATION = Command(
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " strength, dosage, route, frequency, start_date, end_date, status, as_needed,"
    " refills_remaining, reminders, created_at, updated_at) SELECT d.id, $2, d.patient_id,"
    " d.provider_id, d.medication_name, d.strength, '1 tablet', 'oral', 'daily', '2030-01-01',"
    " d.end_date, d.status, d.as_needed, d.refills_remaining, d.reminders, $3, $3"
    " FROM jsonb_to_record($1::jsonb) AS d (id uuid, patient_id uuid, provider_id uuid,"
    " medication_name text, strength text, end_date date, status text, as_needed boolean,"
    " refills_remaining int, reminders boolean)"
)
_DOSES = Command(
    "INSERT INTO medication_doses (id, tenant_id, patient_id, medication_id, regimen_version,"
    " local_date, ordinal, due_at, late_at, missed_at, quantity, updated_at) SELECT d.id, $2,"
    " d.patient_id, d.medication_id, 1, d.local_date, d.ordinal, d.due_at, d.late_at, d.missed_at,"
    " d.quantity, $3 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, patient_id uuid,"
    " medication_id uuid, local_date date, ordinal smallint, due_at timestamptz,"
    " late_at timestamptz, missed_at timestamptz, quantity numeric)"
)


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose as it stands."""

    id: UUID
    state: str
    source: str | None
    taken_at: datetime | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A message about doses or a supply as it stands."""

    id: UUID
    kind: str
    status: str
    at: datetime
    next_at: datetime
    expires_at: datetime
    priority: str
    related_person_id: UUID | None
    reason: str | None


_DOSE = Query(
    Dose,
    "SELECT id, state, source, taken_at, due_at FROM medication_doses WHERE id = ANY ($1::uuid[])"
    " ORDER BY due_at, id",
)
_MESSAGES = Query(
    Message,
    "SELECT id, notification_type AS kind, delivery_status AS status, scheduled_send_time AS at,"
    " next_attempt_at AS next_at, expires_at, priority, related_person_id,"
    " delivery_details ->> 'reason' AS reason FROM notifications"
    " WHERE notification_type = ANY ('{medication_reminder,refill_reminder}')"
    " AND ($1::text IS NULL OR delivery_status = $1) ORDER BY scheduled_send_time, id",
)


async def medication(
    clinic: Clinic, patient_id: UUID | str, *, provider_id: UUID | str | None = None, **fields: Any
) -> UUID:
    """Prescribe a drug, behind the API's back; `fields` are columns."""
    row: dict[str, Any] = {
        "id": new_id(),
        "patient_id": patient_id,
        "provider_id": provider_id or (await clinic.provider())["id"],
        "medication_name": "Metformin",
        "strength": "500 mg",
        "end_date": None,
        "status": "active",
        "as_needed": False,
        "refills_remaining": 3,
        "reminders": True,
        **fields,
    }
    async with begin(clinic.caller) as tx:
        await tx.run(_MEDICATION, row, clinic.tenant_id, tx.now)
    made: UUID = row["id"]
    return made


async def put_doses(
    tx: Tx, patient_id: UUID, doses: Sequence[tuple[UUID, datetime]], *, ordinal: int = 0
) -> list[UUID]:
    """Plan doses of medications at these instants, as the planner does; return their ids.

    They are late an hour later, and missed after four; the patient's messages are as they were.
    """
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "patient_id": patient_id,
            "medication_id": medication_id,
            "local_date": to_local(due_at, zone(_HOME)).date(),
            "ordinal": number,
            "due_at": due_at,
            "late_at": due_at + timedelta(hours=1),
            "missed_at": due_at + timedelta(hours=4),
            "quantity": 1,
        }
        for number, (medication_id, due_at) in enumerate(doses, start=ordinal)
    ]
    await tx.run(_DOSES, rows, tx.caller.tenant_id, tx.now)
    return [row["id"] for row in rows]


async def dose(clinic: Clinic, patient_id: UUID, medication_id: UUID, due_at: datetime) -> UUID:
    """Plan one dose, and the messages about the patient's doses."""
    async with begin(clinic.caller) as tx:
        [made] = await put_doses(tx, patient_id, [(medication_id, due_at)])
        await doses_changed(tx, [patient_id])
    return made


@dataclass(slots=True)
class Ward:
    """A clinic with a provider, its patients' doses and the messages about them."""

    bench: Bench

    @property
    def clinic(self) -> Clinic:
        return self.bench.clinic

    @property
    def clock(self) -> Clock:
        return self.bench.clock

    async def medication(self, patient_id: UUID, **fields: Any) -> UUID:
        provider_id = self.bench.provider_id
        return await medication(self.clinic, patient_id, provider_id=provider_id, **fields)

    async def dose(self, patient_id: UUID, medication_id: UUID, due_at: datetime) -> UUID:
        return await dose(self.clinic, patient_id, medication_id, due_at)

    async def change(self, patient_id: UUID, sql: str, *args: Any) -> None:
        """Change doses by `sql`, and bring the patient's messages in line, in one transaction."""
        async with begin(self.clinic.caller) as tx:
            await tx.run(Command(sql), *args)
            await doses_changed(tx, [patient_id])

    async def settle(self, patient_id: UUID, *dose_ids: UUID, state: str = "taken") -> None:
        """Settle doses as staff."""
        await self.change(
            patient_id,
            "UPDATE medication_doses SET state = $2, source = 'staff', taken_at = CASE WHEN $2 ="
            " 'taken' THEN $3::timestamptz END WHERE id = ANY ($1::uuid[])",
            list(dose_ids), state, self.clock.at,
        )  # fmt: skip

    async def doses(self, *dose_ids: UUID) -> list[Dose]:
        async with begin(self.clinic.caller) as tx:
            return await tx.all(_DOSE, list(dose_ids))

    async def messages(self, status: str | None = None) -> list[Message]:
        """Return the messages about doses and supplies by time, all or those of a status."""
        async with begin(self.clinic.caller) as tx:
            return await tx.all(_MESSAGES, status)

    async def at(self, moment: datetime) -> list[Kept]:
        """Let time come to `moment`, deliver what is due and return all that was ever sent."""
        self.clock.at = moment
        await self.bench.drain()
        return await self.bench.outbox()


def today(clock: Clock) -> date:
    """Return the local day of the patients."""
    return to_local(clock.at, zone(_HOME)).date()

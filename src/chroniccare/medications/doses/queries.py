"""SQL of doses as they are read, of dosing times, and of what was taken."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose as it goes over the wire; `medication_name` stands beside it to be shown."""

    id: UUID
    patient_id: UUID
    medication_id: UUID
    medication_name: str
    regimen_version: int
    local_date: date
    ordinal: int
    due_at: datetime
    late_at: datetime
    missed_at: datetime
    quantity: float | None
    unit: str | None
    state: str
    source: str | None
    taken_at: datetime | None
    reason: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Times:
    """The times a clinic or a patient has set; None: not set."""

    wake: str | None
    breakfast: str | None
    lunch: str | None
    dinner: str | None
    bed: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Open:
    """A dose that was set aside, as it was."""

    id: UUID
    medication_id: UUID
    state: str


_DOSES = (
    "SELECT d.id, d.patient_id, d.medication_id, m.medication_name, d.regimen_version,"
    " d.local_date, d.ordinal, d.due_at, d.late_at, d.missed_at, d.quantity::float8 AS quantity,"
    " d.unit, d.state, d.source, d.taken_at, d.reason, d.updated_at"
    " FROM medication_doses d JOIN medications m ON m.id = d.medication_id"
)
# A local day lies within two days of the same day in UTC; the index is by instant.
_LISTED = (
    " AND d.local_date >= $2::date AND d.local_date <= $3::date"
    " AND d.due_at >= ($2::date - 2)::timestamp AT TIME ZONE 'UTC'"
    " AND d.due_at < ($3::date + 4)::timestamp AT TIME ZONE 'UTC'"
    " AND ($4::text IS NULL AND d.state <> 'cancelled' OR d.state = $4)"
    " AND ($5::timestamptz IS NULL OR (d.due_at, d.id) > ($5, $6::uuid))"
    " ORDER BY d.due_at, d.id LIMIT $7"
)
OF_PATIENT = Query(Dose, f"{_DOSES} WHERE d.patient_id = $1{_LISTED}")
OF_MEDICATION = Query(Dose, f"{_DOSES} WHERE d.medication_id = $1{_LISTED}")
MEDICATION_ZONE = Command(
    "SELECT p.time_zone FROM medications m JOIN patients p ON p.id = m.patient_id"
    " WHERE m.id = $1 AND p.deleted_at IS NULL"
)
_TIMES = "SELECT wake, breakfast, lunch, dinner, bed, version FROM dosing_times"
CLINIC_TIMES = Query(Times, f"{_TIMES} WHERE patient_id IS NULL")
PATIENT_TIMES = Query(Times, f"{_TIMES} WHERE patient_id = $1")
# Also where there is no row yet: one after the other.
LOCK_TIMES = Command("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
PUT_TIMES = Command(
    "INSERT INTO dosing_times (tenant_id, patient_id, wake, breakfast, lunch, dinner, bed, version,"
    " updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)"
    " ON CONFLICT (tenant_id, patient_id) DO UPDATE SET wake = excluded.wake,"
    " breakfast = excluded.breakfast, lunch = excluded.lunch, dinner = excluded.dinner,"
    " bed = excluded.bed, version = dosing_times.version + 1, updated_at = excluded.updated_at"
)
DOSAGE_AT = Command(
    "SELECT dosage::text FROM medication_regimens WHERE medication_id = $1"
    " ORDER BY effective_from <= $2 AND (effective_until IS NULL OR effective_until > $2) DESC,"
    " version DESC LIMIT 1"
)
TAKEN = Command(
    "SELECT a.taken_at FROM medication_adherence a WHERE a.medication_id = $1"
    " AND a.status = 'taken' AND a.taken_at BETWEEN $2 AND $3 AND a.id IS DISTINCT FROM $4::uuid"
    " AND NOT EXISTS (SELECT FROM medication_adherence c WHERE c.corrects_id = a.id)"
    " ORDER BY a.taken_at"
)
SET_ASIDE = Query(
    Open,
    "UPDATE medication_doses d SET state = 'not_applicable', reason = $4, updated_at = $5"
    " FROM (SELECT id, state FROM medication_doses WHERE patient_id = $1 AND due_at >= $2"
    " AND due_at < $3 AND state IN ('planned', 'due', 'reminded') ORDER BY id FOR NO KEY UPDATE)"
    " AS o WHERE d.id = o.id RETURNING d.id, d.medication_id, o.state",
)

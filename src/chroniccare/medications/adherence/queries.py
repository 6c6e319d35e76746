"""SQL of adherence: medications, doses and the reports about them."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Medication:
    """What a report must know of its medication; days are the patient's, in `time_zone`."""

    id: UUID
    patient_id: UUID
    status: str
    as_needed: bool
    start_date: date
    stopped_at: datetime | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Dose:
    """One planned dose, and what is known of it; see 0025_doses.sql."""

    id: UUID
    patient_id: UUID
    medication_id: UUID
    due_at: datetime
    late_at: datetime
    missed_at: datetime
    state: str
    source: str | None
    taken_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """One report about a dose; field order is the wire's.

    `late` is null for what was not taken or was due at no time; `replaced`: a later report corrects
    it.
    """

    id: UUID
    medication_id: UUID
    patient_id: UUID
    dose_id: UUID | None
    scheduled_time: datetime
    taken_at: datetime | None
    was_taken: bool | None
    status: str
    reason: str | None
    source: str
    late: bool | None
    corrects_id: UUID | None
    replaced: bool
    notes: str | None
    created_at: datetime


# A patient who is removed takes their medications along.
_MEDICATION = (
    "SELECT m.id, m.patient_id, m.status, m.as_needed, m.start_date, m.stopped_at, p.time_zone"
    " FROM medications m JOIN patients p ON p.tenant_id = m.tenant_id AND p.id = m.patient_id"
    " WHERE m.id = $1 AND p.deleted_at IS NULL"
)
MEDICATION = Query(Medication, _MEDICATION)
# Whoever settles doses of a medication holds it: its rate is then nobody else's to change.
MEDICATION_FOR_UPDATE = Query(Medication, f"{_MEDICATION} FOR NO KEY UPDATE OF m")
LOCK_MEDICATIONS_OF = Command(
    "SELECT m.id FROM medications m WHERE m.id IN (SELECT d.medication_id FROM medication_doses d"
    " WHERE d.id = ANY ($1::uuid[])) ORDER BY m.id FOR NO KEY UPDATE"
)
_DOSE = (
    "SELECT d.id, d.patient_id, d.medication_id, d.due_at, d.late_at, d.missed_at, d.state,"
    " d.source, d.taken_at, d.reason FROM medication_doses d"
)
LOCK_DOSES = Query(
    Dose, f"{_DOSE} WHERE d.id = ANY ($1::uuid[]) ORDER BY d.id FOR NO KEY UPDATE OF d"
)
LOCK_DOSE = Query(Dose, f"{_DOSE} WHERE d.id = $1 AND d.medication_id = $2 FOR NO KEY UPDATE OF d")
# The dose that is due then; else the nearest whose own window, on either side, holds that time.
# A time names one dose, whatever is known of it: a report that comes twice must find the same.
DOSE_AT = Query(
    Dose,
    f"{_DOSE} WHERE d.medication_id = $1 AND d.state NOT IN ('cancelled', 'not_applicable')"
    " AND d.due_at BETWEEN $2::timestamptz - interval '7 days' AND $2 + interval '7 days'"
    " AND greatest(d.due_at - $2, $2 - d.due_at) <= d.missed_at - d.due_at"
    " ORDER BY greatest(d.due_at - $2, $2 - d.due_at), d.due_at, d.ordinal, d.id LIMIT 1"
    " FOR NO KEY UPDATE OF d",
)
_REPORT = (
    "a.id, a.medication_id, a.patient_id, a.dose_id, a.scheduled_time, a.taken_at, a.was_taken,"
    " a.status, a.reason, a.source, (SELECT a.taken_at > d.late_at FROM medication_doses d"
    " WHERE d.id = a.dose_id) AS late, a.corrects_id, EXISTS (SELECT FROM medication_adherence c"
    " WHERE c.corrects_id = a.id) AS replaced, a.notes, a.created_at"
)
LIST = Query(
    Report,
    f"SELECT {_REPORT} FROM medication_adherence a WHERE a.medication_id = $1"
    " AND ($2::timestamptz IS NULL OR (a.scheduled_time, a.id) < ($2, $3::uuid))"
    " ORDER BY a.scheduled_time DESC, a.id DESC LIMIT $4",
)
# What is said of a dose now: the report that no other corrects.
LATEST = Query(
    Report,
    f"SELECT {_REPORT} FROM medication_adherence a WHERE a.dose_id = $1 AND NOT EXISTS"
    " (SELECT FROM medication_adherence c WHERE c.corrects_id = a.id)",
)
SAME_AS_NEEDED = Query(
    Report,
    f"SELECT {_REPORT} FROM medication_adherence a WHERE a.medication_id = $1"
    " AND a.dose_id IS NULL AND a.scheduled_time = $2 AND a.status = $3 AND a.source = $4"
    " AND a.taken_at IS NOT DISTINCT FROM $5::timestamptz"
    " AND a.reason IS NOT DISTINCT FROM $6::text AND a.notes IS NOT DISTINCT FROM $7::text"
    " ORDER BY a.id LIMIT 1",
)
INSERT = Query(
    Report,
    "INSERT INTO medication_adherence AS a (id, tenant_id, patient_id, medication_id, dose_id,"
    " scheduled_time, taken_at, was_taken, status, reason, source, notes, corrects_id, created_at)"
    " SELECT r.id, $2, r.patient_id, r.medication_id, r.dose_id, r.scheduled_time, r.taken_at,"
    " r.status = 'taken', r.status, r.reason, r.source, r.notes, (SELECT b.id"
    " FROM medication_adherence b WHERE b.dose_id = r.dose_id AND NOT EXISTS (SELECT"
    " FROM medication_adherence c WHERE c.corrects_id = b.id)), $3"
    " FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, patient_id uuid, medication_id uuid,"
    " dose_id uuid, scheduled_time timestamptz, taken_at timestamptz, status text, reason text,"
    f" source text, notes text) RETURNING {_REPORT}",
)
SETTLE = Command(
    "UPDATE medication_doses d SET state = r.status, source = r.source, taken_at = r.taken_at,"
    " reason = r.reason, updated_at = $2 FROM jsonb_to_recordset($1::jsonb) AS r (dose_id uuid,"
    " status text, source text, taken_at timestamptz, reason text) WHERE d.id = r.dose_id"
)
# Medications with doses about which nobody said anything in time, locked with their patients. What
# another worker, or a report, holds at this moment is left to the next round.
OVERDUE_MEDICATIONS = Command(
    "SELECT m.id FROM medications m JOIN patients p ON p.tenant_id = m.tenant_id"
    " AND p.id = m.patient_id WHERE m.id IN (SELECT d.medication_id FROM (SELECT"
    " medication_id FROM medication_doses WHERE state IN ('planned', 'due', 'reminded')"
    " AND missed_at <= $1 ORDER BY missed_at LIMIT $2) d)"
    " ORDER BY m.id LIMIT $2 FOR NO KEY UPDATE OF p, m SKIP LOCKED"
)
OVERDUE = Command(
    "SELECT d.id FROM medication_doses d WHERE d.medication_id = ANY ($1::uuid[])"
    " AND d.state IN ('planned', 'due', 'reminded') AND d.missed_at <= $2"
    " ORDER BY d.missed_at, d.id LIMIT $3"
)
# One letter for a dose: words.Code. One that is past its time is missed, whether or not the loop
# has come by; $1 is the instant.
CODE = "CASE WHEN d.outcome = 'o' AND d.missed_at <= $1::timestamptz THEN 'i' ELSE d.outcome END"

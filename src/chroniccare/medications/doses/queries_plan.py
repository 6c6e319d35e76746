"""SQL of planning: what a plan is made from, and how it is written, many patients at once."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Medication:
    """What decides about the doses of a medication; `is_reachable`: the patient lives, is active.

    The times are the patient's, or else the clinic's; None: neither has set one.
    """

    id: UUID
    patient_id: UUID
    status: str
    hold_until: date | None
    planned_until: datetime
    time_zone: str
    is_reachable: bool
    wake: str | None
    breakfast: str | None
    lunch: str | None
    dinner: str | None
    bed: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a regimen; `dosage` is the text of its document."""

    medication_id: UUID
    version: int
    dosage: str
    starts_on: date
    ends_on: date | None
    effective_from: datetime
    effective_until: datetime | None
    began: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A dose that stands.

    Attributes:
        at: when it was or may have been taken; None: it was not.
        is_open: it is to come, and somebody was reminded of it.
    """

    medication_id: UUID
    version: int
    local_date: date
    ordinal: int
    due_at: datetime
    at: datetime | None
    id: UUID
    is_open: bool


# Patients before medications before doses, each in one order, so that those who change the same
# wait for each other and do not deadlock.
LOCK_PATIENTS = Command(
    "SELECT p.id FROM patients p WHERE p.id IN (SELECT m.patient_id FROM medications m"
    " WHERE m.id = ANY($1::uuid[])) ORDER BY p.id FOR NO KEY UPDATE"
)
LOCK = Command(
    "SELECT m.id FROM medications m WHERE m.id = ANY($1::uuid[]) ORDER BY m.id FOR NO KEY UPDATE"
)
GET = Query(
    Medication,
    "SELECT m.id, m.patient_id, m.status, m.hold_until, m.planned_until, p.time_zone,"
    " p.deleted_at IS NULL AND p.is_active AND p.treatment_status NOT IN ('deceased', 'inactive')"
    " AS is_reachable, coalesce(o.wake, c.wake) AS wake, coalesce(o.breakfast, c.breakfast)"
    " AS breakfast, coalesce(o.lunch, c.lunch) AS lunch, coalesce(o.dinner, c.dinner) AS dinner,"
    " coalesce(o.bed, c.bed) AS bed FROM medications m JOIN patients p ON p.id = m.patient_id"
    " LEFT JOIN dosing_times o ON o.patient_id = m.patient_id"
    " LEFT JOIN dosing_times c ON c.patient_id IS NULL"
    " WHERE m.id = ANY($1::uuid[]) ORDER BY m.id",
)
VERSIONS = Query(
    Version,
    "SELECT medication_id, version, dosage::text AS dosage, starts_on, ends_on, effective_from,"
    " effective_until, began FROM medication_regimens WHERE medication_id = ANY($1::uuid[])"
    " AND (effective_until IS NULL OR effective_until > $2) ORDER BY medication_id, version",
)
_STANDING = (
    "d.medication_id, d.regimen_version AS version, d.local_date, d.ordinal, d.due_at, CASE"
    " WHEN d.state = 'taken' THEN d.taken_at"
    " WHEN d.state IN ('planned', 'due', 'reminded') OR d.source = 'inference' THEN d.due_at"
    " END AS at, d.id, d.state = 'reminded' AND d.due_at > $2 AS is_open FROM medication_doses d"
)
# The last three days, what stands in the days to come, and before them the last dose of each: it
# may keep the next away, of which there may be one a month.
STANDING = Query(
    Standing,
    f"SELECT {_STANDING} WHERE d.medication_id = ANY($1::uuid[]) AND d.state <> 'cancelled'"
    " AND d.due_at > $2::timestamptz - interval '3 days'"
    " AND (d.due_at <= $2 OR d.state NOT IN ('planned', 'due'))"
    f" UNION ALL SELECT l.* FROM unnest($1::uuid[]) AS m (id) CROSS JOIN LATERAL"
    f" (SELECT {_STANDING}"
    " WHERE d.medication_id = m.id AND d.due_at <= $2::timestamptz - interval '3 days'"
    " AND d.state NOT IN ('cancelled', 'skipped', 'not_applicable')"
    " ORDER BY d.due_at DESC LIMIT 1) AS l",
)
BEGIN = Command(
    "UPDATE medication_regimens r SET began = d.began"
    " FROM unnest($1::uuid[], $2::int[], $3::jsonb[]) AS d (medication_id, version, began)"
    " WHERE r.medication_id = d.medication_id AND r.version = d.version AND r.began IS NULL"
)
# Kinds say of which medication and regimen doses are, and how much is taken; each dose names its
# kind by number. A dose that was given up comes back as it is planned now; one that is past,
# reminded of or settled stays as it is, also when a report has overtaken this plan.
WRITE = Command(
    "INSERT INTO medication_doses AS d (id, tenant_id, patient_id, medication_id, regimen_version,"
    " local_date, ordinal, due_at, late_at, missed_at, quantity, unit, updated_at)"
    " SELECT u.id, m.tenant_id, m.patient_id, m.id, k.version, u.local_date, u.ordinal, u.due_at,"
    " u.late_at, u.missed_at, k.quantity, k.unit, $1 FROM unnest($6::int[], $7::uuid[], $8::date[],"
    " $9::int[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[]) AS u (kind, id,"
    " local_date, ordinal, due_at, late_at, missed_at)"
    " JOIN unnest($2::uuid[], $3::int[], $4::numeric[], $5::text[]) WITH ORDINALITY AS k"
    " (medication_id, version, quantity, unit, number) ON k.number = u.kind"
    " JOIN medications m ON m.id = k.medication_id"
    " ON CONFLICT (id) DO UPDATE SET local_date = excluded.local_date, due_at = excluded.due_at,"
    " late_at = excluded.late_at, missed_at = excluded.missed_at, quantity = excluded.quantity,"
    " unit = excluded.unit, state = 'planned', reason = NULL, updated_at = excluded.updated_at"
    " WHERE d.state = 'cancelled' OR (d.state IN ('planned', 'due') AND d.due_at > $1"
    " AND (d.due_at, d.late_at, d.missed_at, d.local_date, d.quantity, d.unit) IS DISTINCT FROM"
    " (excluded.due_at, excluded.late_at, excluded.missed_at, excluded.local_date,"
    " excluded.quantity, excluded.unit))"
)
CANCEL = Command(
    "UPDATE medication_doses d SET state = 'cancelled', reason = m.reason, updated_at = $1"
    " FROM unnest($2::uuid[], $3::text[]) AS m (id, reason)"
    " WHERE d.medication_id = m.id AND d.due_at > $1 AND d.state IN ('planned', 'due', 'reminded')"
    " AND NOT EXISTS (SELECT FROM unnest($4::uuid[]) AS k (id) WHERE k.id = d.id)"
)
BOOKMARK = Command(
    "UPDATE medications m SET planned_until = d.until"
    " FROM unnest($1::uuid[], $2::timestamptz[]) AS d (id, until)"
    " WHERE m.id = d.id AND m.planned_until <> d.until"
)
OF_PATIENTS = Command("SELECT id FROM medications WHERE patient_id = ANY($1::uuid[]) ORDER BY id")
# Whom somebody is changing is left to the next round; it never waits, so it needs no order.
SHORT = Command(
    "SELECT m.id FROM medications m JOIN patients p ON p.id = m.patient_id"
    " WHERE m.status IN ('active', 'on_hold') AND m.planned_until < $1"
    " ORDER BY m.planned_until, m.id LIMIT $2 FOR NO KEY UPDATE OF p SKIP LOCKED"
)
# The patient's row before the note: who changes a patient holds the one and writes the other.
NOTED = Command(
    "SELECT p.id FROM patients p JOIN dose_replans r ON r.tenant_id = p.tenant_id"
    " AND r.patient_id = p.id ORDER BY p.id LIMIT $1 FOR NO KEY UPDATE OF p SKIP LOCKED"
)
FORGET = Command("DELETE FROM dose_replans WHERE patient_id = ANY ($1::uuid[])")
NOTE_ALL = Command(
    "INSERT INTO dose_replans (tenant_id, patient_id) SELECT DISTINCT $1::uuid, patient_id"
    " FROM medications WHERE status IN ('active', 'on_hold') ORDER BY patient_id"
    " ON CONFLICT DO NOTHING"
)

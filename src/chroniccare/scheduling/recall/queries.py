"""SQL of recalls: the record, its calls, the worklist, the claim."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Opens
from chroniccare.tenancy.queries_addresses import POINT


@dataclass(frozen=True, slots=True)
class Recall:
    """One recall; field order is the wire's. Who has claimed it is `Holder`'s."""

    id: UUID
    patient_id: UUID
    provider_id: UUID | None
    facility_id: UUID | None
    appointment_type: str
    reason: str | None
    due_on: date
    time_zone: str
    high_risk: bool
    status: str
    closed_reason: str | None
    closed_at: datetime | None
    source: str
    source_appointment_id: UUID | None
    remind_on: date | None
    claimed_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has claimed a recall last, through which key, and until when."""

    claimed_by: str | None
    claimed_key: UUID | None
    claimed_until: datetime | None


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what came of it."""

    id: UUID
    called_by: str
    outcome: str
    removed_reason: str | None
    remind_on: date | None
    note: str | None
    called_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recall stands on the worklist."""

    rank: int
    due_on: date
    id: UUID


@dataclass(frozen=True, slots=True)
class Card:
    """What the person who calls sees, besides the recall itself.

    The number is `phone["value"]`; `calls` are the latest first.
    """

    id: UUID
    first_name: str
    last_name: str
    date_of_birth: date
    language: str
    phone: dict[str, str] | None
    last_visit: dict[str, Any] | None
    calls: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Parties:
    """What a recall must know of those it names; None where there is no such record.

    `patient_is_due` is False for a patient who is inactive or has died.
    """

    patient_is_due: bool | None
    patient_zone: str | None
    provider_exists: bool
    facility_zone: str | None


_NAMES = (
    "id patient_id provider_id facility_id appointment_type reason due_on time_zone high_risk"
    " status closed_reason closed_at source source_appointment_id remind_on claimed_until version"
    " created_at updated_at"
)
_COLUMNS = ", ".join(f"r.{name}" for name in _NAMES.split())
RETURNING = f" RETURNING {_COLUMNS}"

GET = Query(Recall, f"SELECT {_COLUMNS} FROM recalls r WHERE r.id = $1")
GET_MANY = Query(
    Recall,
    f"SELECT {_COLUMNS} FROM recalls r WHERE r.id = ANY($1::uuid[])"
    " ORDER BY r.rank, r.due_on, r.id",
)
GET_FOR_UPDATE = Query(Recall, GET.sql + " FOR NO KEY UPDATE")
HOLDER = Query(Holder, "SELECT claimed_by, claimed_key, claimed_until FROM recalls WHERE id = $1")
# Key-share lock: the patient cannot be removed between this look and the commit.
PARTIES = Query(
    Parties,
    "WITH p AS (SELECT is_active AND treatment_status NOT IN ('deceased', 'inactive') AS is_due,"
    " time_zone FROM patients WHERE id = $1 AND deleted_at IS NULL FOR SHARE)"
    " SELECT p.is_due AS patient_is_due, p.time_zone AS patient_zone,"
    " EXISTS (SELECT FROM providers WHERE id = $2 AND deleted_at IS NULL) AS provider_exists,"
    " (SELECT timezone FROM facilities WHERE id = $3 AND deleted_at IS NULL) AS facility_zone"
    " FROM (SELECT) AS one LEFT JOIN p ON true",
)
OTHER_OPEN = Command(
    "SELECT id FROM recalls WHERE patient_id = $1 AND appointment_type = $2 AND status = 'open'"
    " AND id IS DISTINCT FROM $3::uuid"
)
_DOCUMENT = (
    "(id uuid, patient_id uuid, provider_id uuid, facility_id uuid, appointment_type text,"
    " reason text, due_on date, time_zone text, due_at timestamptz, high_risk boolean,"
    " remind_on date, source text, source_appointment_id uuid)"
)
INSERT = Query(
    Recall,
    "INSERT INTO recalls AS r (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, reason, due_on, time_zone, due_at, high_risk, remind_on, source,"
    " source_appointment_id, created_at, updated_at)"
    " SELECT d.id, $2, d.patient_id, d.provider_id, d.facility_id, d.appointment_type, d.reason,"
    " d.due_on, d.time_zone, d.due_at, d.high_risk, d.remind_on, d.source,"
    " d.source_appointment_id, $3::timestamptz, $3"
    f" FROM jsonb_to_recordset($1::jsonb) AS d {_DOCUMENT}"
    f" ON CONFLICT (tenant_id, patient_id, appointment_type) WHERE status = 'open' DO NOTHING"
    f"{RETURNING}",
)
UPDATE = Query(
    Recall,
    "UPDATE recalls r SET provider_id = d.provider_id, facility_id = d.facility_id,"
    " appointment_type = d.appointment_type, reason = d.reason, due_on = d.due_on,"
    " time_zone = d.time_zone, due_at = d.due_at, high_risk = d.high_risk,"
    " remind_on = d.remind_on, version = r.version + 1, updated_at = $2"
    f" FROM jsonb_to_record($1::jsonb) AS d {_DOCUMENT} WHERE r.id = d.id{RETURNING}",
)
CLAIM = Query(
    Recall,
    "UPDATE recalls r SET claimed_by = $3, claimed_key = $4, claimed_until = $5,"
    f" version = r.version + 1, updated_at = $2 WHERE r.id = $1{RETURNING}",
)
UNCLAIM = Query(
    Recall,
    "UPDATE recalls r SET claimed_by = NULL, claimed_key = NULL, claimed_until = NULL,"
    f" version = r.version + 1, updated_at = $2 WHERE r.id = $1{RETURNING}",
)
RELIST = Query(
    Recall,
    "UPDATE recalls r SET claimed_by = NULL, claimed_key = NULL, claimed_until = NULL,"
    f" remind_on = $3, version = r.version + 1, updated_at = $2 WHERE r.id = $1{RETURNING}",
)
REMOVE = Query(
    Recall,
    "UPDATE recalls r SET claimed_by = NULL, claimed_key = NULL, claimed_until = NULL,"
    " status = 'closed', closed_reason = $3, closed_at = $2, version = r.version + 1,"
    f" updated_at = $2 WHERE r.id = $1{RETURNING}",
)
INSERT_CALL = Command(
    "INSERT INTO recall_calls (id, tenant_id, recall_id, called_by, outcome, removed_reason,"
    " remind_on, note, called_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
)
# The calls since the last that somebody answered, at most as many as matter.
UNANSWERED = Command(
    "SELECT count(*) FROM recall_calls c WHERE c.recall_id = $1 AND c.outcome = 'no_answer'"
    " AND NOT EXISTS (SELECT FROM recall_calls l WHERE l.recall_id = $1"
    " AND l.outcome <> 'no_answer' AND (l.called_at, l.id) > (c.called_at, c.id))"
)

# Which day it is at the recall: $1 but in the zones $2 (still the day before) and $3 (the day
# after already). The kernel of time says so; SQL converts nothing.
_TODAY = (
    "(CASE WHEN r.time_zone = ANY($2::text[]) THEN $1::date - 1"
    " WHEN r.time_zone = ANY($3::text[]) THEN $1::date + 1 ELSE $1::date END)"
)
PHONE = (
    "FROM contact_points c WHERE c.patient_id = r.patient_id AND c.system = 'phone'"
    " AND c.use <> 'old'"
)
_FILTERED = (
    " AND ($4::uuid IS NULL OR r.patient_id = $4) AND ($5::uuid IS NULL OR r.facility_id = $5)"
    " AND ($6::uuid IS NULL OR r.provider_id = $6) AND ($7::boolean IS NULL OR r.high_risk = $7)"
    f" AND ($8::boolean IS NULL OR EXISTS (SELECT {PHONE}) = $8)"
    f" AND ($9::int IS NULL OR r.due_on <= {_TODAY} - $9)"
    f" AND ($10::int IS NULL OR r.due_on >= {_TODAY} - $10)"
)
# $11 is the instant, $12 and $13 the person and the key whose own claims do not count. No visit is
# longer than a day; who has come within the last day is closed a little later.
_LISTED = (
    f" AND r.status = 'open' AND r.due_on <= {_TODAY} AND r.due_on >= {_TODAY} - 365"
    f" AND (r.remind_on IS NULL OR r.remind_on <= {_TODAY})"
    " AND (r.claimed_until IS NULL OR r.claimed_until <= $11"
    " OR (r.claimed_by = $12::text AND r.claimed_key IS NOT DISTINCT FROM $13::uuid))"
    " AND EXISTS (SELECT FROM patients p WHERE p.id = r.patient_id AND p.deleted_at IS NULL"
    " AND p.is_active AND p.treatment_status NOT IN ('deceased', 'inactive'))"
    " AND NOT EXISTS (SELECT FROM appointments a WHERE a.patient_id = r.patient_id"
    " AND a.scheduled_start > $11::timestamptz - interval '24 hours'"
    " AND ((a.status IN ('scheduled', 'confirmed') AND a.scheduled_end > $11)"
    " OR (a.status = 'held' AND a.held_until > $11)"
    " OR (a.status IN ('checked_in', 'in_progress', 'completed')"
    " AND a.checked_in_at >= r.created_at)))"
)
_ORDERED = " ORDER BY r.rank, r.due_on, r.id"
_AFTER_DUE = " AND ($14::int IS NULL OR (r.rank, r.due_on, r.id) > ($14, $15::date, $16::uuid))"
DUE = Query(
    Place,
    f"SELECT r.rank, r.due_on, r.id FROM recalls r WHERE true{_LISTED}{_FILTERED}{_AFTER_DUE}"
    f"{_ORDERED} LIMIT $17",
)
BY_STATUS = Query(
    Place,
    "SELECT r.rank, r.due_on, r.id FROM recalls r WHERE r.status = $11"
    f"{_FILTERED} AND ($12::int IS NULL OR (r.rank, r.due_on, r.id) > ($12, $13::date, $14::uuid))"
    f"{_ORDERED} LIMIT $15",
)
# Rows that another worker is claiming at this moment are passed over, so nobody waits. $12 and $13
# are nobody here: a further claim is another patient.
CLAIM_NEXT = Query(
    Recall,
    f"WITH next AS (SELECT r.id FROM recalls r WHERE true{_LISTED}{_FILTERED}{_ORDERED} LIMIT 1"
    " FOR NO KEY UPDATE OF r SKIP LOCKED)"
    " UPDATE recalls r SET claimed_by = $14, claimed_key = $15, claimed_until = $16,"
    f" version = r.version + 1, updated_at = $11 FROM next WHERE r.id = next.id{RETURNING}",
)
_CALL = (
    "jsonb_build_object('id', c.id, 'called_by', c.called_by, 'outcome', c.outcome,"
    " 'removed_reason', c.removed_reason, 'remind_on', c.remind_on, 'note', c.note,"
    " 'called_at', c.called_at)"
)
# $2 is how many calls a card shows.
CARDS = Query(
    Card,
    "SELECT r.id, p.first_name, p.last_name, p.date_of_birth, p.language,"
    f" (SELECT jsonb_build_object('point', c.id, 'value', c.value) {PHONE}"
    " ORDER BY c.rank, c.id LIMIT 1) AS phone,"
    " (SELECT jsonb_build_object('id', a.id, 'appointment_type', a.appointment_type,"
    " 'scheduled_start', a.scheduled_start) FROM appointments a"
    " WHERE a.patient_id = r.patient_id AND a.status IN ('checked_in', 'in_progress', 'completed')"
    " ORDER BY a.scheduled_start DESC, a.id DESC LIMIT 1) AS last_visit,"
    f" coalesce((SELECT jsonb_agg({_CALL} ORDER BY c.called_at DESC, c.id DESC) FROM (SELECT *"
    " FROM recall_calls c WHERE c.recall_id = r.id ORDER BY c.called_at DESC, c.id DESC"
    " LIMIT $2::int) AS c), '[]') AS calls"
    " FROM recalls r JOIN patients p ON p.id = r.patient_id WHERE r.id = ANY($1::uuid[])",
    (Opens(POINT, "phone", within="points"),),
)

"""SQL of appointments and of who is taken when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Appointment:
    """One visit; field order is the wire's."""

    id: UUID
    patient_id: UUID
    provider_id: UUID
    facility_id: UUID
    series_id: UUID | None
    appointment_type: str
    scheduled_start: datetime
    scheduled_end: datetime
    duration_minutes: int
    status: str
    priority: str
    reason: str | None
    special_requirements: dict[str, Any]
    pre_appointment_instructions: dict[str, Any]
    telehealth_details: dict[str, Any] | None
    insurance_verified: bool
    confirmed_at: datetime | None
    checked_in_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    no_show_at: datetime | None
    cancelled_at: datetime | None
    cancellation_reason: str | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Parties:
    """What booking must know of patient, provider and facility; None where there is none.

    `default_minutes` is the provider's length for this type of visit.
    """

    patient_is_active: bool | None
    provider_is_active: bool | None
    provider_name: str | None
    default_minutes: int | None
    facility_is_active: bool | None
    facility_name: str | None
    facility_zone: str | None
    works_there: bool


_NAMES = (
    "id patient_id provider_id facility_id series_id appointment_type scheduled_start"
    " scheduled_end duration_minutes status priority reason special_requirements"
    " pre_appointment_instructions telehealth_details insurance_verified confirmed_at"
    " checked_in_at started_at completed_at no_show_at cancelled_at cancellation_reason version"
    " created_at updated_at"
)
_COLUMNS = ", ".join(f"a.{name}" for name in _NAMES.split())
GET = Query(Appointment, f"SELECT {_COLUMNS} FROM appointments a WHERE a.id = $1")
GET_FOR_UPDATE = Query(Appointment, GET.sql + " FOR UPDATE")
LIST = Query(
    Appointment,
    f"SELECT {_COLUMNS} FROM appointments a"
    " WHERE ($1::uuid IS NULL OR patient_id = $1) AND ($2::uuid IS NULL OR provider_id = $2)"
    " AND ($3::uuid IS NULL OR facility_id = $3) AND ($4::text IS NULL OR status = $4)"
    " AND ($5::timestamptz IS NULL OR scheduled_start >= $5)"
    " AND ($6::timestamptz IS NULL OR scheduled_start < $6)"
    " AND ($7::timestamptz IS NULL OR (scheduled_start, id) > ($7, $8::uuid))"
    " ORDER BY scheduled_start, id LIMIT $9",
)
# Key-share locks: nobody can be removed between this look and the commit.
PARTIES = Query(
    Parties,
    "WITH p AS (SELECT is_active FROM patients WHERE id = $1 AND deleted_at IS NULL"
    " FOR KEY SHARE),"
    " d AS (SELECT is_active, first_name || ' ' || last_name AS name,"
    " (default_appointment_durations ->> $4)::int AS minutes"
    " FROM providers WHERE id = $2 AND deleted_at IS NULL FOR KEY SHARE),"
    " f AS (SELECT is_active, name, timezone FROM facilities"
    " WHERE id = $3 AND deleted_at IS NULL FOR KEY SHARE)"
    " SELECT p.is_active AS patient_is_active, d.is_active AS provider_is_active,"
    " d.name AS provider_name, d.minutes AS default_minutes, f.is_active AS facility_is_active,"
    " f.name AS facility_name, f.timezone AS facility_zone,"
    " EXISTS (SELECT FROM provider_facilities w WHERE w.provider_id = $2 AND w.facility_id = $3)"
    " AS works_there FROM (SELECT) AS one"
    " LEFT JOIN p ON true LEFT JOIN d ON true LEFT JOIN f ON true",
)
# Keys come sorted; unnest keeps their order, so everyone locks in the same order.
LOCK = Command("SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key")
# No visit is longer than a day, so a range of starts bounds what can overlap.
BLOCKING = Command(
    "SELECT DISTINCT r.kind FROM occupancy o JOIN resource r ON r.id = o.resource_id"
    " WHERE o.resource_id = ANY($1::uuid[]) AND o.starts_at > $2::timestamptz - interval '24 hours'"
    " AND o.starts_at < $3::timestamptz AND o.ends_at > $2 AND o.lane = 0"
    " AND o.appointment_id IS DISTINCT FROM $4::uuid ORDER BY r.kind"
)
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, patient_id uuid, provider_id uuid,"
    " facility_id uuid, appointment_type text, scheduled_start timestamptz,"
    " duration_minutes int, priority text, reason text, special_requirements jsonb,"
    " pre_appointment_instructions jsonb, telehealth_details jsonb, insurance_verified boolean)"
)
INSERT = Query(
    Appointment,
    "INSERT INTO appointments AS a (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, priority, reason,"
    " special_requirements, pre_appointment_instructions, telehealth_details, insurance_verified,"
    " created_at, updated_at)"
    " SELECT d.id, $2, d.patient_id, d.provider_id, d.facility_id, d.appointment_type,"
    " d.scheduled_start, d.scheduled_start + d.duration_minutes * interval '1 minute',"
    " d.duration_minutes, d.priority, d.reason, d.special_requirements,"
    " d.pre_appointment_instructions, d.telehealth_details, d.insurance_verified,"
    f" $3::timestamptz, $3 FROM {_DOCUMENT} RETURNING {_COLUMNS}",
)
UPDATE = Query(
    Appointment,
    "UPDATE appointments a SET provider_id = d.provider_id, facility_id = d.facility_id,"
    " appointment_type = d.appointment_type, scheduled_start = d.scheduled_start,"
    " scheduled_end = d.scheduled_start + d.duration_minutes * interval '1 minute',"
    " duration_minutes = d.duration_minutes, priority = d.priority, reason = d.reason,"
    " special_requirements = d.special_requirements,"
    " pre_appointment_instructions = d.pre_appointment_instructions,"
    " telehealth_details = d.telehealth_details, insurance_verified = d.insurance_verified,"
    f" version = a.version + 1, updated_at = $2 FROM {_DOCUMENT} WHERE a.id = d.id"
    f" RETURNING {_COLUMNS}",
)
CANCEL = Query(
    Appointment,
    "UPDATE appointments a SET status = 'cancelled', cancelled_at = $2, cancellation_reason = $3,"
    " held_until = NULL, sequence = sequence + 1,"
    f" version = version + 1, updated_at = $2 WHERE id = $1 RETURNING {_COLUMNS}",
)
STEP = Query(
    Appointment,
    "UPDATE appointments a SET status = d.status, confirmed_at = d.confirmed_at,"
    " checked_in_at = d.checked_in_at, started_at = d.started_at, completed_at = d.completed_at,"
    " no_show_at = d.no_show_at, version = a.version + 1, updated_at = $3"
    " FROM jsonb_to_record($2::jsonb) AS d (status text, confirmed_at timestamptz,"
    " checked_in_at timestamptz, started_at timestamptz, completed_at timestamptz,"
    f" no_show_at timestamptz) WHERE a.id = $1 RETURNING {_COLUMNS}",
)
# Rows that somebody holds are left to the next round, so this waits for nobody.
MARK_NO_SHOWS = Query(
    Appointment,
    "WITH due AS (SELECT id FROM appointments WHERE status IN ('scheduled', 'confirmed')"
    " AND scheduled_end < $2 AND updated_at < $2 ORDER BY scheduled_end LIMIT $3"
    " FOR NO KEY UPDATE SKIP LOCKED)"
    " UPDATE appointments a SET status = 'no_show', no_show_at = $1, version = a.version + 1,"
    f" updated_at = $1 FROM due WHERE a.id = due.id RETURNING {_COLUMNS}",
)
OCCUPY = Command(
    "INSERT INTO occupancy (tenant_id, resource_id, lane, starts_at, ends_at, appointment_id)"
    " SELECT $1, resource_id, 0, $3, $4, $5 FROM unnest($2::uuid[]) AS resource_id"
    " ON CONFLICT DO NOTHING"
)
RELEASE = Command("DELETE FROM occupancy WHERE appointment_id = $1")
RELEASE_MANY = Command("DELETE FROM occupancy WHERE appointment_id = ANY($1::uuid[])")
EXISTS = {
    "patient_id": Command(
        "SELECT EXISTS (SELECT FROM patients WHERE id = $1 AND deleted_at IS NULL)"
    ),
    "provider_id": Command(
        "SELECT EXISTS (SELECT FROM providers WHERE id = $1 AND deleted_at IS NULL)"
    ),
}

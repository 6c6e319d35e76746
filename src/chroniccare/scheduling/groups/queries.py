"""SQL of group sessions and the seats in them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.scheduling.queries import COLUMNS, Appointment


@dataclass(frozen=True, slots=True)
class GroupSession:
    """One group session; field order is the wire's."""

    id: UUID
    title: str
    provider_id: UUID
    facility_id: UUID
    appointment_type: str
    scheduled_start: datetime
    scheduled_end: datetime
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    seats: int
    seats_taken: int
    additional_provider_ids: list[UUID]
    resource_ids: list[UUID]
    status: str
    override: dict[str, Any] | None
    cancelled_at: datetime | None
    cancellation_reason: str | None
    version: int
    created_at: datetime
    updated_at: datetime


# A no-show's seat counts: who was missed can still be checked in late.
_TAKEN = (
    "(SELECT count(*)::int FROM appointments a WHERE a.group_session_id = g.id"
    " AND a.status <> 'cancelled')"
)
_SELECTED = (
    "g.id, g.title, g.provider_id, g.facility_id, g.appointment_type, g.scheduled_start,"
    " g.scheduled_end, g.duration_minutes, g.buffer_before_minutes, g.buffer_after_minutes,"
    f" g.seats, {_TAKEN} AS seats_taken, g.additional_provider_ids, g.resource_ids, g.status,"
    " g.override, g.cancelled_at, g.cancellation_reason, g.version, g.created_at, g.updated_at"
)
GET = Query(GroupSession, f"SELECT {_SELECTED} FROM group_sessions g WHERE g.id = $1")
GET_LOCKED = Query(GroupSession, GET.sql + " FOR NO KEY UPDATE OF g")
LIST = Query(
    GroupSession,
    f"SELECT {_SELECTED} FROM group_sessions g"
    " WHERE ($1::uuid IS NULL OR g.provider_id = $1 OR $1 = ANY (g.additional_provider_ids))"
    " AND ($2::uuid IS NULL OR g.facility_id = $2)"
    " AND ($3::text IS NULL OR g.status = $3)"
    " AND ($4::timestamptz IS NULL OR g.scheduled_start >= $4)"
    " AND ($5::timestamptz IS NULL OR g.scheduled_start < $5)"
    " AND ($6::timestamptz IS NULL OR (g.scheduled_start, g.id) > ($6, $7::uuid))"
    " ORDER BY g.scheduled_start, g.id LIMIT $8",
)
_CHANGED = (
    "title, provider_id, facility_id, appointment_type, scheduled_start, scheduled_end,"
    " duration_minutes, buffer_before_minutes, buffer_after_minutes, seats,"
    " additional_provider_ids, resource_ids, override"
)
_DOCUMENT = (
    "jsonb_to_record($2::jsonb) AS d (title text, provider_id uuid, facility_id uuid,"
    " appointment_type text, scheduled_start timestamptz, scheduled_end timestamptz,"
    " duration_minutes int, buffer_before_minutes int, buffer_after_minutes int, seats smallint,"
    " additional_provider_ids uuid[], resource_ids uuid[], override jsonb)"
)
INSERT = Query(
    GroupSession,
    f"INSERT INTO group_sessions AS g (id, tenant_id, {_CHANGED}, created_at, updated_at)"
    f" SELECT $1, $3, d.*, $4::timestamptz, $4 FROM {_DOCUMENT} RETURNING {_SELECTED}",
)
UPDATE = Query(
    GroupSession,
    f"UPDATE group_sessions g SET ({_CHANGED}) = (SELECT d.* FROM {_DOCUMENT}),"
    f" version = g.version + 1, updated_at = $3 WHERE g.id = $1 RETURNING {_SELECTED}",
)
CANCEL = Query(
    GroupSession,
    "UPDATE group_sessions g SET status = 'cancelled', cancelled_at = $2, cancellation_reason = $3,"
    f" version = g.version + 1, updated_at = $2 WHERE g.id = $1 RETURNING {_SELECTED}",
)
RELEASE = Command("DELETE FROM occupancy WHERE group_session_id = $1")

SEATS_LOCKED = Query(
    Appointment,
    f"SELECT {COLUMNS} FROM appointments a WHERE a.group_session_id = $1"
    " AND a.status <> 'cancelled' ORDER BY a.id FOR NO KEY UPDATE",
)
LIST_SEATS = Query(
    Appointment,
    f"SELECT {COLUMNS} FROM appointments a WHERE a.group_session_id = $1"
    " AND ($2::uuid IS NULL OR a.id > $2) ORDER BY a.id LIMIT $3",
)
HAS_SEAT = Command(
    "SELECT EXISTS (SELECT FROM appointments a WHERE a.group_session_id = $1"
    " AND a.patient_id = $2 AND a.status <> 'cancelled')"
)
# Key-share lock: nobody removes the patient between this look and the commit.
PATIENT = Command("SELECT is_active FROM patients WHERE id = $1 AND deleted_at IS NULL FOR SHARE")

"""SQL of visit types, rooms and equipment, and a clinic's rules of booking."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class VisitType:
    """One kind of visit; field order is the wire's. `code` is visits' appointment_type."""

    id: UUID
    code: str
    name: str
    description: str | None
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    min_notice_minutes: int
    horizon_days: int
    requirements: list[dict[str, Any]]
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Resource:
    """One room or piece of equipment; field order is the wire's."""

    id: UUID
    kind: Literal["room", "equipment"]
    facility_id: UUID
    name: str
    category: str
    capacity: int
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A stretch of time for which a visit or a group session has one place of a resource."""

    holder_id: UUID
    starts_at: datetime
    ends_at: datetime
    lane: int


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    """A clinic's rules of booking; field order is the wire's. Version 0 is the defaults."""

    cancel_notice_minutes: int
    reschedule_notice_minutes: int
    max_reschedules: int | None
    overbooking_lanes: int
    waitlist_offer_minutes: int
    recall_return_days: int
    calendar_details: bool
    version: int
    updated_at: datetime | None


_TYPE_FIELDS = (
    "code, name, description, duration_minutes, buffer_before_minutes, buffer_after_minutes,"
    " min_notice_minutes, horizon_days, requirements, is_active"
)
_TYPE_COLUMNS = f"id, {_TYPE_FIELDS}, version, created_at, updated_at"
_TYPE_DOCUMENT = (
    "jsonb_to_record($2::jsonb) AS d (code text, name text, description text,"
    " duration_minutes int, buffer_before_minutes int, buffer_after_minutes int,"
    " min_notice_minutes int, horizon_days int, requirements jsonb, is_active boolean)"
)
GET_TYPE = Query(VisitType, f"SELECT {_TYPE_COLUMNS} FROM visit_types WHERE id = $1")
GET_TYPE_FOR_UPDATE = Query(VisitType, GET_TYPE.sql + " FOR UPDATE")
LIST_TYPES = Query(
    VisitType,
    f"SELECT {_TYPE_COLUMNS} FROM visit_types"
    " WHERE ($1::text IS NULL OR code = $1) AND ($2::boolean IS NULL OR is_active = $2)"
    " AND ($3::text IS NULL OR code > $3) ORDER BY code LIMIT $4",
)
INSERT_TYPE = Query(
    VisitType,
    f"INSERT INTO visit_types (id, tenant_id, {_TYPE_FIELDS}, created_at, updated_at)"
    f" SELECT $1, $3, d.*, $4::timestamptz, $4 FROM {_TYPE_DOCUMENT}"
    f" ON CONFLICT (tenant_id, code) DO NOTHING RETURNING {_TYPE_COLUMNS}",
)
CODE_TAKEN = Command("SELECT EXISTS (SELECT FROM visit_types WHERE code = $1 AND id <> $2)")
UPDATE_TYPE = Query(
    VisitType,
    f"UPDATE visit_types SET ({_TYPE_FIELDS}) = (SELECT d.* FROM {_TYPE_DOCUMENT}),"
    f" version = version + 1, updated_at = $3 WHERE id = $1 RETURNING {_TYPE_COLUMNS}",
)
DELETE_TYPE = Command("DELETE FROM visit_types WHERE id = $1")

# Providers and patients are rows of the same table; nothing here may see or touch them.
_PLACED = "r.kind IN ('room', 'equipment') AND r.facility_id IS NOT NULL"
_RESOURCE_COLUMNS = (
    "r.id, r.kind, r.facility_id, r.name, r.category, r.capacity, r.is_active, r.version,"
    " r.created_at, r.updated_at"
)
GET_RESOURCE = Query(
    Resource, f"SELECT {_RESOURCE_COLUMNS} FROM resource r WHERE r.id = $1 AND {_PLACED}"
)
# Not FOR UPDATE: bookings hold key-share locks on what they take, and those do not stand against.
GET_RESOURCE_LOCKED = Query(Resource, GET_RESOURCE.sql + " FOR NO KEY UPDATE")
LIST_RESOURCES = Query(
    Resource,
    f"SELECT {_RESOURCE_COLUMNS} FROM resource r WHERE {_PLACED}"
    " AND ($1::text IS NULL OR r.kind = $1) AND ($2::uuid IS NULL OR r.facility_id = $2)"
    " AND ($3::text IS NULL OR r.category = $3) AND ($4::boolean IS NULL OR r.is_active = $4)"
    ' AND ($5::text IS NULL OR (r.name COLLATE "C", r.id) > ($5, $6::uuid))'
    ' ORDER BY r.name COLLATE "C", r.id LIMIT $7',
)
# Key-share lock: the facility cannot be removed between this look and the commit.
FACILITY = Command("SELECT id FROM facilities WHERE id = $1 AND deleted_at IS NULL FOR SHARE")
_RESOURCE_DOCUMENT = (
    "jsonb_to_record($2::jsonb) AS d (kind text, facility_id uuid, name text, category text,"
    " capacity smallint, is_active boolean)"
)
INSERT_RESOURCE = Query(
    Resource,
    "INSERT INTO resource AS r (id, tenant_id, kind, facility_id, name, category, capacity,"
    " is_active, created_at, updated_at)"
    f" SELECT $1, $3, d.*, $4::timestamptz, $4 FROM {_RESOURCE_DOCUMENT}"
    f" RETURNING {_RESOURCE_COLUMNS}",
)
UPDATE_RESOURCE = Query(
    Resource,
    "UPDATE resource r SET (kind, facility_id, name, category, capacity, is_active)"
    f" = (SELECT d.* FROM {_RESOURCE_DOCUMENT}), version = r.version + 1, updated_at = $3"
    f" WHERE r.id = $1 AND {_PLACED} RETURNING {_RESOURCE_COLUMNS}",
)
# NOWAIT: a booking that holds the row may wait for the resource's lock, which we have.
LOCK_TO_DELETE = Command(
    f"SELECT r.id FROM resource r WHERE r.id = $1 AND {_PLACED} FOR UPDATE NOWAIT"
)
DELETE_RESOURCE = Command(f"DELETE FROM resource r WHERE r.id = $1 AND {_PLACED}")
# The last two read every visit of the clinic: rooms are removed once in a blue moon.
EVER_USED = Command(
    "SELECT EXISTS (SELECT FROM occupancy o WHERE o.resource_id = $1)"
    " OR EXISTS (SELECT FROM appointments a WHERE $1 = ANY(a.resource_ids))"
    " OR EXISTS (SELECT FROM group_sessions g WHERE $1 = ANY(g.resource_ids))"
)
# No visit is longer than a day, so a range of starts bounds what is under way.
_TO_COME = (
    "o.resource_id = $1 AND o.starts_at > $2::timestamptz - interval '24 hours' AND o.ends_at > $2"
    " AND (o.held_until IS NULL OR o.held_until > $2)"
)
VISITS_TO_COME = Command(f"SELECT EXISTS (SELECT FROM occupancy o WHERE {_TO_COME})")
BEYOND = Command(f"SELECT EXISTS (SELECT FROM occupancy o WHERE {_TO_COME} AND o.lane >= $3)")
# Locked, so that a cancellation waits and then frees the place that the visit was given.
TO_COME = Query(
    Taken,
    "SELECT coalesce(o.appointment_id, o.group_session_id) AS holder_id, o.starts_at, o.ends_at,"
    f" o.lane FROM occupancy o WHERE {_TO_COME} ORDER BY o.starts_at FOR NO KEY UPDATE NOWAIT",
)
FORGET_EXPIRED = Command("DELETE FROM occupancy WHERE resource_id = $1 AND held_until <= $2")
# The constraint looks at each row by itself, so places are exchanged by way of unused lanes.
STEP_ASIDE = Command(
    "UPDATE occupancy o SET lane = o.lane + 1000 FROM jsonb_to_recordset($2::jsonb)"
    " AS d (holder_id uuid) WHERE o.resource_id = $1"
    " AND (o.appointment_id = d.holder_id OR o.group_session_id = d.holder_id)"
)
SETTLE = Command(
    "UPDATE occupancy o SET lane = d.lane FROM jsonb_to_recordset($2::jsonb)"
    " AS d (holder_id uuid, lane smallint) WHERE o.resource_id = $1"
    " AND (o.appointment_id = d.holder_id OR o.group_session_id = d.holder_id)"
)

_POLICY_FIELDS = (
    "cancel_notice_minutes, reschedule_notice_minutes, max_reschedules, overbooking_lanes,"
    " waitlist_offer_minutes, recall_return_days, calendar_details"
)
_POLICY_COLUMNS = f"{_POLICY_FIELDS}, version, updated_at"
GET_POLICY = Query(SchedulingPolicy, f"SELECT {_POLICY_COLUMNS} FROM scheduling_policies")
SET_POLICY = Query(
    SchedulingPolicy,
    f"INSERT INTO scheduling_policies AS p (tenant_id, {_POLICY_FIELDS}, updated_at)"
    " SELECT $1, d.*, $3 FROM jsonb_to_record($2::jsonb) AS d (cancel_notice_minutes int,"
    " reschedule_notice_minutes int, max_reschedules smallint, overbooking_lanes smallint,"
    " waitlist_offer_minutes smallint, recall_return_days smallint, calendar_details boolean)"
    f" ON CONFLICT (tenant_id) DO UPDATE SET ({_POLICY_FIELDS}) ="
    " (EXCLUDED.cancel_notice_minutes, EXCLUDED.reschedule_notice_minutes,"
    " EXCLUDED.max_reschedules, EXCLUDED.overbooking_lanes, EXCLUDED.waitlist_offer_minutes,"
    " EXCLUDED.recall_return_days, EXCLUDED.calendar_details),"
    f" version = p.version + 1, updated_at = EXCLUDED.updated_at RETURNING {_POLICY_COLUMNS}",
)

"""SQL of availability: weekly rules, exceptions, and the visits that a change may strand."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.scheduling.queries import GET, Appointment


@dataclass(frozen=True, slots=True)
class Availability:
    """A provider's weekly rules as they go over the wire, and the provider's version."""

    version: int
    rules: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DayException:
    """One exception to the week of a provider or a facility; field order is the wire's."""

    id: UUID
    facility_id: UUID | None
    day: date
    start_time: str | None
    end_time: str | None
    is_available: bool
    reason: str | None
    created_at: datetime

    @property
    def version(self) -> int:
        """Return 1: an exception is made and removed, never changed."""
        return 1


@dataclass(frozen=True, slots=True)
class Booked:
    """A visit to come that takes time; `others` are the providers besides the first."""

    id: UUID
    provider_id: UUID
    others: list[UUID]
    facility_id: UUID
    status: str
    scheduled_start: datetime
    scheduled_end: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """The hours of a provider or a facility.

    Attributes:
        kind: `provider` or `facility`.
        document: days are ordinals, times minutes since midnight; a facility's operating hours
            are as they were put.
    """

    kind: str
    id: UUID
    document: dict[str, Any]


# Times travel as text: Python's `time` cannot hold PostgreSQL's 24:00.
GET_AVAILABILITY = Query(
    Availability,
    "SELECT p.version, coalesce((SELECT jsonb_agg(jsonb_build_object('id', a.id,"
    " 'facility_id', a.facility_id, 'day_of_week', a.day_of_week,"
    " 'start_time', left(a.start_time::text, 5), 'end_time', left(a.end_time::text, 5),"
    " 'slot_duration', a.slot_duration, 'is_available', a.is_available,"
    " 'effective_from', a.effective_from, 'effective_until', a.effective_until,"
    " 'reserved_for', a.reserved_for, 'release_minutes', a.release_minutes)"
    " ORDER BY a.day_of_week, a.start_time, a.effective_from, a.id)"
    " FROM provider_availability a WHERE a.tenant_id = p.tenant_id AND a.provider_id = p.id), '[]')"
    " AS rules FROM providers p WHERE p.id = $1 AND p.deleted_at IS NULL",
)
REPLACE_AVAILABILITY = Command(
    "WITH gone AS (DELETE FROM provider_availability WHERE provider_id = $3),"
    " stored AS (INSERT INTO provider_availability (id, tenant_id, provider_id, facility_id,"
    " day_of_week, start_time, end_time, slot_duration, is_available, effective_from,"
    " effective_until, reserved_for, release_minutes, created_at, updated_at)"
    " SELECT d.id, $2::uuid, $3::uuid, d.facility_id, d.day_of_week, d.start_time, d.end_time,"
    " d.slot_duration, d.is_available, d.effective_from, d.effective_until, d.reserved_for,"
    " d.release_minutes, $4::timestamptz, $4"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, facility_id uuid, day_of_week smallint,"
    " start_time time, end_time time, slot_duration int, is_available boolean,"
    " effective_from date, effective_until date, reserved_for text, release_minutes int))"
    " UPDATE providers SET version = version + 1, updated_at = $4 WHERE id = $3"
)

_EXCEPTION = (
    "x.id, x.facility_id, x.day, left(x.start_time::text, 5) AS start_time,"
    " left(x.end_time::text, 5) AS end_time, x.is_available, x.reason, x.created_at"
)
GET_EXCEPTION = Query(
    DayException,
    f"SELECT {_EXCEPTION} FROM availability_exceptions x WHERE x.provider_id = $1 AND x.id = $2",
)
GET_FACILITY_EXCEPTION = Query(
    DayException,
    f"SELECT {_EXCEPTION} FROM availability_exceptions x"
    " WHERE x.facility_id = $1 AND x.provider_id IS NULL AND x.id = $2",
)
_PAGE = (
    " AND ($2::date IS NULL OR x.day >= $2) AND ($3::date IS NULL OR x.day <= $3)"
    " AND ($4::date IS NULL OR (x.day, x.id) > ($4, $5::uuid)) ORDER BY x.day, x.id LIMIT $6"
)
LIST_EXCEPTIONS = Query(
    DayException,
    f"SELECT {_EXCEPTION} FROM availability_exceptions x WHERE x.provider_id = $1 {_PAGE}",
)
LIST_FACILITY_EXCEPTIONS = Query(
    DayException,
    f"SELECT {_EXCEPTION} FROM availability_exceptions x WHERE x.facility_id = $1"
    f" AND x.provider_id IS NULL {_PAGE}",
)
INSERT_EXCEPTIONS = Query(
    DayException,
    "INSERT INTO availability_exceptions AS x (id, tenant_id, provider_id, facility_id, day,"
    " start_time, end_time, is_available, reason, created_at, updated_at)"
    " SELECT d.id, $2, d.provider_id, d.facility_id, d.day, d.start_time, d.end_time,"
    " d.is_available, d.reason, $3::timestamptz, $3 FROM jsonb_to_recordset($1::jsonb) AS d"
    " (id uuid, provider_id uuid, facility_id uuid, day date, start_time time, end_time time,"
    f" is_available boolean, reason text) RETURNING {_EXCEPTION}",
)
DELETE_EXCEPTION = Command("DELETE FROM availability_exceptions WHERE id = $1")
CLOSED_DAYS = Command(
    "SELECT DISTINCT x.day FROM availability_exceptions x WHERE x.facility_id = $1"
    " AND x.provider_id IS NULL AND x.day >= $2 AND x.day <= $3 AND NOT x.is_available"
    " AND (x.start_time IS NULL OR (x.start_time = '00:00' AND x.end_time IN ('00:00', '24:00')))"
)

# --- what a change may strand -----------------------------------------------------------------

_BOOKED = (
    "SELECT a.id, a.provider_id, a.additional_provider_ids AS others, a.facility_id, a.status,"
    " a.scheduled_start, a.scheduled_end FROM appointments a"
)
# $2 the start of the time to come, $3 and $4 the bounds of starts, each or NULL.
_TO_COME = (
    " a.scheduled_start > $2::timestamptz AND a.status IN ('held', 'scheduled', 'confirmed')"
    " AND (a.held_until IS NULL OR a.held_until > $2)"
    " AND ($3::timestamptz IS NULL OR a.scheduled_start >= $3)"
    " AND ($4::timestamptz IS NULL OR a.scheduled_start < $4)"
)
# Visits in which the provider is not the first are found by the time they take.
BOOKED_WITH = Query(
    Booked,
    f"{_BOOKED} WHERE a.provider_id = $1 AND {_TO_COME}"
    f" UNION {_BOOKED} JOIN occupancy o ON o.appointment_id = a.id WHERE o.resource_id = $1"
    " AND o.starts_at > $2 - interval '24 hours' AND a.provider_id <> $1"
    f" AND {_TO_COME} ORDER BY 6, 1",
)
BOOKED_AT = Query(
    Booked, f"{_BOOKED} WHERE a.facility_id = $1 AND {_TO_COME} ORDER BY a.scheduled_start, a.id"
)
_EXCEPTIONS = (
    "coalesce((SELECT jsonb_agg(jsonb_build_array(x.facility_id, x.day - date '0001-01-01' + 1,"
    " (date_part('epoch', x.start_time) / 60)::int, (date_part('epoch', x.end_time) / 60)::int,"
    " x.is_available)) FROM availability_exceptions x WHERE x.day >= $3::date AND x.day <= $4::date"
)
# $1 providers, $2 facilities, $3 and $4 the first and the last day of exceptions.
PARTS = Query(
    Part,
    "SELECT 'provider' AS kind, p.id, jsonb_build_object("
    "'rules', coalesce((SELECT jsonb_agg(jsonb_build_array(a.facility_id, a.day_of_week,"
    " (date_part('epoch', a.start_time) / 60)::int, (date_part('epoch', a.end_time) / 60)::int,"
    " a.slot_duration, a.is_available, a.effective_from - date '0001-01-01' + 1,"
    " a.effective_until - date '0001-01-01' + 1)) FROM provider_availability a"
    " WHERE a.provider_id = p.id), '[]'),"
    f" 'exceptions', {_EXCEPTIONS} AND x.provider_id = p.id), '[]')) AS document"
    " FROM providers p WHERE p.id = ANY($1::uuid[])"
    " UNION ALL SELECT 'facility', f.id, jsonb_build_object('zone', f.timezone,"
    " 'hours', f.operating_hours, 'is_active', f.is_active, 'exceptions',"
    f" {_EXCEPTIONS} AND x.facility_id = f.id AND x.provider_id IS NULL), '[]'))"
    " FROM facilities f WHERE f.id = ANY($2::uuid[])",
)
# Not to wait: whoever changes one of the visits may be waiting for the row that we hold.
LOCK_OPEN = Query(
    Appointment,
    GET.sql.replace("= $1", "= ANY($1::uuid[])")
    + " AND a.status IN ('held', 'scheduled', 'confirmed')"
    " ORDER BY a.scheduled_start, a.id FOR NO KEY UPDATE NOWAIT",
)
# Everybody whom visits take ($1), and every place where their providers ($2) work, as each booking
# keeps its own: until the commit they stay as they are.
KEEP_ALL = Command(
    "WITH p AS (SELECT FROM patients WHERE id = ANY($1::uuid[]) ORDER BY id FOR SHARE),"
    " d AS (SELECT FROM providers WHERE id = ANY($1) ORDER BY id FOR SHARE),"
    " f AS (SELECT FROM facilities WHERE id IN (SELECT w.facility_id FROM provider_facilities w"
    " WHERE w.provider_id = ANY($2::uuid[])) ORDER BY id FOR SHARE)"
    " SELECT (SELECT count(*) FROM p) + (SELECT count(*) FROM d) + (SELECT count(*) FROM f)"
)
# Every room and device that a visit with one of the providers can take.
ROOMS = Command(
    "SELECT r.id FROM resource r WHERE r.facility_id IN (SELECT w.facility_id"
    " FROM provider_facilities w WHERE w.provider_id = ANY($1::uuid[]))"
)

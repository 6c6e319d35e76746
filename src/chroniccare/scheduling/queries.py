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
    recurrence_id: datetime | None
    series_exception: bool
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
    additional_provider_ids: list[UUID]
    resource_ids: list[UUID]
    named_resource_ids: list[UUID]
    group_session_id: UUID | None
    buffer_before_minutes: int
    buffer_after_minutes: int
    override: dict[str, Any] | None
    held_until: datetime | None
    reschedule_count: int
    sequence: int
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
class Names:
    """What messages call the provider and the facility of a visit."""

    appointment_id: UUID
    provider_name: str
    facility_name: str
    facility_zone: str


@dataclass(frozen=True, slots=True)
class Daily:
    """The most visits a day of a provider, and the zone whose days count."""

    provider_id: UUID
    daily: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A resource, and what takes it: rows of lane, start and end in minutes since 1970.

    Attributes:
        leads: for each row, the minutes of it before the visit itself.
        held_by: for each row, the hold that has lapsed but was not given up yet; else None.
    """

    id: UUID
    kind: str
    capacity: int
    version: int
    lanes: list[int]
    starts: list[int]
    ends: list[int]
    leads: list[int]
    held_by: list[UUID | None]


@dataclass(frozen=True, slots=True)
class Policy:
    """A clinic's rules for changes; see the columns of `scheduling_policies`."""

    cancel_notice_minutes: int = 0
    reschedule_notice_minutes: int = 0
    max_reschedules: int | None = None
    overbooking_lanes: int = 1


_NAMES = (
    "id patient_id provider_id facility_id series_id recurrence_id series_exception"
    " appointment_type scheduled_start scheduled_end duration_minutes status priority reason"
    " special_requirements pre_appointment_instructions telehealth_details insurance_verified"
    " additional_provider_ids resource_ids named_resource_ids group_session_id"
    " buffer_before_minutes buffer_after_minutes override held_until reschedule_count"
    " sequence confirmed_at checked_in_at started_at completed_at no_show_at cancelled_at"
    " cancellation_reason version created_at updated_at"
)
COLUMNS = ", ".join(f"a.{name}" for name in _NAMES.split())
GET = Query(Appointment, f"SELECT {COLUMNS} FROM appointments a WHERE a.id = $1")
GET_FOR_UPDATE = Query(Appointment, GET.sql + " FOR NO KEY UPDATE")
# $1 patient, $2 facility, $3 status, $4 and $5 the window, $6 and $7 behind whom, $8 how many.
_LISTED = (
    "($1::uuid IS NULL OR a.patient_id = $1) AND ($2::uuid IS NULL OR a.facility_id = $2)"
    " AND ($3::text IS NULL OR a.status = $3)"
    " AND ($4::timestamptz IS NULL OR a.scheduled_start >= $4)"
    " AND ($5::timestamptz IS NULL OR a.scheduled_start < $5)"
    " AND ($9::uuid IS NULL OR $9 = ANY (a.resource_ids))"
    " AND ($6::timestamptz IS NULL OR (a.scheduled_start, a.id) > ($6, $7::uuid))"
    " ORDER BY a.scheduled_start, a.id LIMIT $8"
)
LIST = Query(Appointment, f"SELECT {COLUMNS} FROM appointments a WHERE {_LISTED}")
# $10 the provider, $11 `own` or `joined` for one of the two. One walk along an index for each.
LIST_OF_PROVIDER = Query(
    Appointment,
    f"SELECT {COLUMNS} FROM ((SELECT a.* FROM appointments a WHERE a.provider_id = $10"
    f" AND $11::text IS DISTINCT FROM 'joined' AND {_LISTED}) UNION ALL"
    " (SELECT a.* FROM appointments a WHERE a.additional_provider_ids <> '{}'"
    " AND $10 = ANY (a.additional_provider_ids) AND $11::text IS DISTINCT FROM 'own'"
    f" AND {_LISTED})) a ORDER BY a.scheduled_start, a.id LIMIT $8",
)
# Share locks: until the commit nobody is removed, no hours are changed, and whoever changes hours
# sees this visit. A statement of its own, because rules are read behind the locks. Not FOR KEY
# SHARE against FOR UPDATE: the checks of foreign keys would join the queue behind everybody's
# locks, and a circle of three could close.
KEEP = Command(
    "WITH p AS (SELECT FROM patients WHERE id = $1 FOR SHARE),"
    " d AS (SELECT FROM providers WHERE id = ANY($2::uuid[]) ORDER BY id FOR SHARE),"
    " f AS (SELECT FROM facilities WHERE id = $3 FOR SHARE)"
    " SELECT (SELECT count(*) FROM p) + (SELECT count(*) FROM d) + (SELECT count(*) FROM f)"
)
NAMES = Query(
    Names,
    "SELECT a.id AS appointment_id, p.first_name || ' ' || p.last_name AS provider_name,"
    " f.name AS facility_name, f.timezone AS facility_zone FROM appointments a"
    " JOIN providers p ON p.id = a.provider_id JOIN facilities f ON f.id = a.facility_id"
    " WHERE a.id = ANY($1::uuid[])",
)
DAILY = Query(
    Daily,
    "SELECT p.id AS provider_id, p.max_daily_capacity AS daily, f.timezone AS time_zone"
    " FROM providers p, facilities f WHERE p.id = ANY($1::uuid[]) AND f.id = $2",
)
POLICY = Query(
    Policy,
    "SELECT cancel_notice_minutes, reschedule_notice_minutes, max_reschedules, overbooking_lanes"
    " FROM scheduling_policies",
)
# Keys come sorted; unnest keeps their order, so everyone locks in the same order.
LOCK = Command("SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key")
# Behind the locks: $2 and $3 the ends of the times looked at, which lie more than a day apart, $4
# the visits that give way, $5 now. No visit is longer than a day, so a range of starts bounds what
# can reach into it.
TAKEN = Query(
    Taken,
    "SELECT r.id, r.kind, r.capacity, r.version,"
    " coalesce(array_agg(o.lane) FILTER (WHERE o.lane IS NOT NULL), '{}') AS lanes,"
    " coalesce(array_agg(floor(date_part('epoch', o.starts_at) / 60)::int)"
    " FILTER (WHERE o.lane IS NOT NULL), '{}') AS starts,"
    " coalesce(array_agg(ceil(date_part('epoch', o.ends_at) / 60)::int)"
    " FILTER (WHERE o.lane IS NOT NULL), '{}') AS ends,"
    " coalesce(array_agg(o.lead_minutes) FILTER (WHERE o.lane IS NOT NULL), '{}') AS leads,"
    " coalesce(array_agg(CASE WHEN o.held_until <= $5::timestamptz THEN o.appointment_id END)"
    " FILTER (WHERE o.lane IS NOT NULL), '{}') AS held_by"
    " FROM resource r CROSS JOIN unnest($2::timestamptz[], $3::timestamptz[]) AS s (first, last)"
    " LEFT JOIN LATERAL (SELECT * FROM occupancy o WHERE o.resource_id = r.id"
    " AND o.starts_at > s.first - interval '24 hours' AND o.starts_at < s.last"
    " AND o.ends_at > s.first AND (o.appointment_id IS NULL OR o.appointment_id <> ALL($4::uuid[]))"
    " ORDER BY o.starts_at) o ON true WHERE r.id = ANY($1::uuid[])"
    " GROUP BY r.id, r.kind, r.capacity, r.version",
)
_DOCUMENT = (
    "jsonb_to_recordset($1::jsonb) AS d (id uuid, patient_id uuid, provider_id uuid,"
    " facility_id uuid, series_id uuid, recurrence_id timestamptz, series_exception boolean,"
    " appointment_type text, scheduled_start timestamptz,"
    " scheduled_end timestamptz, duration_minutes int, status text, priority text, reason text,"
    " special_requirements jsonb, pre_appointment_instructions jsonb, telehealth_details jsonb,"
    " insurance_verified boolean, additional_provider_ids uuid[], resource_ids uuid[],"
    " named_resource_ids uuid[],"
    " group_session_id uuid, buffer_before_minutes int, buffer_after_minutes int, override jsonb,"
    " held_until timestamptz, confirmed_at timestamptz, reschedule_count int, sequence int)"
)
_CHANGED = (
    "provider_id facility_id appointment_type scheduled_start scheduled_end duration_minutes"
    " status priority reason special_requirements pre_appointment_instructions telehealth_details"
    " insurance_verified additional_provider_ids resource_ids buffer_before_minutes"
    " buffer_after_minutes override held_until confirmed_at reschedule_count sequence"
)
# What is not told of a visit's place in a series, and of what was asked for by id, stays.
_PLACE = "series_id recurrence_id series_exception named_resource_ids"
_SET = ", ".join(
    (*(f"{name} = d.{name}" for name in _CHANGED.split()),
     *(f"{name} = coalesce(d.{name}, a.{name})" for name in _PLACE.split()))
)  # fmt: skip
_WRITTEN = f"id patient_id group_session_id {_CHANGED} {_PLACE}".replace(" ", ", ")
_WRITTEN_FROM = (
    ", ".join(f"d.{name}" for name in _WRITTEN.split(", "))
    .replace("d.series_exception", "coalesce(d.series_exception, false)")
    .replace("d.named_resource_ids", "coalesce(d.named_resource_ids, '{}')")
)
INSERT = Query(
    Appointment,
    f"INSERT INTO appointments AS a (tenant_id, {_WRITTEN}, created_at, updated_at)"
    f" SELECT $2, {_WRITTEN_FROM}, $3::timestamptz, $3 FROM {_DOCUMENT} RETURNING {COLUMNS}",
)
UPDATE = Query(
    Appointment,
    f"UPDATE appointments a SET {_SET}, version = a.version + 1, updated_at = $2"
    f" FROM {_DOCUMENT} WHERE a.id = d.id RETURNING {COLUMNS}",
)
CANCEL = Query(
    Appointment,
    "UPDATE appointments a SET status = 'cancelled', cancelled_at = $2, cancellation_reason = $3,"
    " override = coalesce($4::jsonb, override), held_until = NULL, sequence = sequence + 1,"
    f" version = version + 1, updated_at = $2 WHERE id = ANY($1::uuid[]) RETURNING {COLUMNS}",
)
STEP = Query(
    Appointment,
    "UPDATE appointments a SET status = d.status, held_until = d.held_until,"
    " confirmed_at = d.confirmed_at,"
    " checked_in_at = d.checked_in_at, started_at = d.started_at, completed_at = d.completed_at,"
    " no_show_at = d.no_show_at, version = a.version + 1, updated_at = $3"
    " FROM jsonb_to_record($2::jsonb) AS d (status text, held_until timestamptz,"
    " confirmed_at timestamptz,"
    " checked_in_at timestamptz, started_at timestamptz, completed_at timestamptz,"
    f" no_show_at timestamptz) WHERE a.id = $1 RETURNING {COLUMNS}",
)
# Rows that somebody holds are left to the next round, so this waits for nobody.
MARK_NO_SHOWS = Query(
    Appointment,
    "WITH due AS (SELECT id FROM appointments WHERE status IN ('scheduled', 'confirmed')"
    " AND scheduled_end < $2 AND updated_at < $2 ORDER BY scheduled_end LIMIT $3"
    " FOR NO KEY UPDATE SKIP LOCKED)"
    " UPDATE appointments a SET status = 'no_show', no_show_at = $1, version = a.version + 1,"
    f" updated_at = $1 FROM due WHERE a.id = due.id RETURNING {COLUMNS}",
)
OCCUPY = Command(
    "INSERT INTO occupancy (tenant_id, resource_id, lane, starts_at, ends_at, lead_minutes,"
    " appointment_id, group_session_id, held_until) SELECT $2, d.resource_id, d.lane,"
    " to_timestamp(d.begins * 60.0), to_timestamp(d.ends * 60.0), d.lead, d.appointment_id,"
    " d.group_session_id, d.held_until"
    " FROM jsonb_to_recordset($1::jsonb) AS d (resource_id uuid, lane smallint, begins bigint,"
    " ends bigint, lead smallint, appointment_id uuid, group_session_id uuid,"
    " held_until timestamptz)"
    " ON CONFLICT DO NOTHING"
)
# What was held is taken for good.
KEEP_HELD = Command("UPDATE occupancy SET held_until = NULL WHERE appointment_id = $1")
# Holds that have lapsed; one that somebody is changing at this moment is left to them.
LAPSE = Query(
    Appointment,
    "WITH due AS (SELECT id FROM appointments WHERE status = 'held' AND held_until <= $1"
    " AND ($2::uuid[] IS NULL OR id = ANY($2)) ORDER BY held_until, id LIMIT $3"
    " FOR NO KEY UPDATE SKIP LOCKED)"
    " UPDATE appointments a SET status = 'cancelled', held_until = NULL, cancelled_at = $1,"
    " cancellation_reason = $4, sequence = a.sequence + 1,"
    f" version = a.version + 1, updated_at = $1 FROM due WHERE a.id = due.id RETURNING {COLUMNS}",
)
RELEASE = Command("DELETE FROM occupancy WHERE appointment_id = $1")
RELEASE_MANY = Command("DELETE FROM occupancy WHERE appointment_id = ANY($1::uuid[])")
# Times that are free again, where somebody waits for such a time.
NOTE_OPENINGS = Command(
    "INSERT INTO waitlist_openings (id, tenant_id, provider_id, facility_id, appointment_type,"
    " starts_at, duration_minutes, next_attempt_at, created_at)"
    " SELECT d.id, $2, d.provider_id, d.facility_id, d.appointment_type, d.starts_at,"
    " d.duration_minutes, $3, $3 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid,"
    " provider_id uuid, facility_id uuid, appointment_type text, starts_at timestamptz,"
    " duration_minutes int) WHERE EXISTS (SELECT FROM waitlist w WHERE w.status = 'waiting'"
    " AND (w.provider_id IS NULL OR w.provider_id = d.provider_id)"
    " AND (w.facility_id IS NULL OR w.facility_id = d.facility_id)"
    " AND (w.appointment_type IS NULL OR w.appointment_type = d.appointment_type))"
)
EXISTS = {
    "patient_id": Command(
        "SELECT EXISTS (SELECT FROM patients WHERE id = $1 AND deleted_at IS NULL)"
    ),
    "provider_id": Command(
        "SELECT EXISTS (SELECT FROM providers WHERE id = $1 AND deleted_at IS NULL)"
    ),
}

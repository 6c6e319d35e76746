"""SQL of the search for free times: one statement, one round trip."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class Part:
    """A provider, a facility, the patient, or the type of visit.

    Attributes:
        kind: `provider`, `facility`, `patient` or `type`.
        document: what `rules` needs to know; days are ordinals, times minutes since midnight.
        busy_from: starts of what takes the party, in minutes since 1970, rounded down; sorted.
        busy_until: the ends, rounded up.
        leads: minutes of each of these before the visit itself.
    """

    kind: str
    id: UUID
    document: dict[str, Any]
    busy_from: list[int]
    busy_until: list[int]
    leads: list[int]


@dataclass(frozen=True, slots=True)
class Place:
    """A room or a device, or several of a kind that are booked as one.

    Attributes:
        kind: `room` or `equipment`.
        capacity: how many visits it takes at once, each in a lane of its own.
        lanes: the lane of each of `busy_from` and `busy_until`, which are as in `Part`.
    """

    id: UUID
    kind: str
    category: str
    facility_id: UUID
    is_active: bool
    capacity: int
    version: int
    lanes: list[int]
    busy_from: list[int]
    busy_until: list[int]


_EXCEPTIONS = (
    "coalesce((SELECT jsonb_agg(jsonb_build_array(x.facility_id, x.day - date '0001-01-01' + 1,"
    " (date_part('epoch', x.start_time) / 60)::int, (date_part('epoch', x.end_time) / 60)::int,"
    " x.is_available)) FROM availability_exceptions x WHERE x.day >= $5::date AND x.day <= $6::date"
)
# One descent of the btree for each party: the exclusion constraint's index is a poor one to read
# by, and a plan that joins all of occupancy at once can turn a thousand times slower (ADR 0003).
# No visit is longer than a day, so a range of starts bounds what can reach into the window.
_BUSY = (
    "CROSS JOIN LATERAL (SELECT"
    " coalesce(array_agg(floor(date_part('epoch', s.starts_at) / 60)::int), '{}') AS busy_from,"
    " coalesce(array_agg(ceil(date_part('epoch', s.ends_at) / 60)::int), '{}') AS busy_until,"
    " coalesce(array_agg(s.lead_minutes), '{}') AS leads FROM (SELECT o.starts_at, o.ends_at,"
    " o.lead_minutes FROM occupancy o WHERE o.resource_id = party.id"
    " AND o.starts_at > $7::timestamptz - interval '24 hours' AND o.starts_at < $8::timestamptz"
    " AND o.ends_at > $7 AND (o.held_until IS NULL OR o.held_until > $9::timestamptz)"
    " ORDER BY o.starts_at) s) busy"
)
# $1 providers or NULL for any, $2 facility, $3 type of visit, $4 patient, $5 and $6 the first and
# the last day of exceptions, $7 and $8 the ends of what may be taken, $9 now, $10 providers who
# must be there as well.
PARTS = Query(
    Part,
    "WITH wanted AS MATERIALIZED (SELECT p.id, p.is_active,"
    " p.default_appointment_durations -> $3::text AS minutes, p.max_daily_capacity AS daily,"
    " p.first_name || ' ' || p.last_name AS name FROM providers p"
    " WHERE p.deleted_at IS NULL AND (p.id = ANY($1::uuid[]) OR p.id = ANY($10::uuid[])"
    " OR ($1 IS NULL AND p.is_active"
    " AND ($2::uuid IS NULL OR EXISTS (SELECT FROM provider_facilities w"
    " WHERE w.provider_id = p.id AND w.facility_id = $2)))))"
    " SELECT 'provider' AS kind, party.id, jsonb_build_object('is_active', party.is_active,"
    " 'minutes', party.minutes, 'daily', party.daily, 'name', party.name,"
    " 'places', coalesce((SELECT jsonb_agg(w.facility_id) FROM provider_facilities w"
    " WHERE w.provider_id = party.id), '[]'),"
    " 'rules', coalesce((SELECT jsonb_agg(jsonb_build_array(a.facility_id, a.day_of_week,"
    " (date_part('epoch', a.start_time) / 60)::int, (date_part('epoch', a.end_time) / 60)::int,"
    " a.slot_duration, a.is_available, a.effective_from - date '0001-01-01' + 1,"
    " a.effective_until - date '0001-01-01' + 1, CASE a.reserved_for WHEN 'high' THEN 1"
    " WHEN 'urgent' THEN 2 ELSE 0 END, a.release_minutes)) FROM provider_availability a"
    " WHERE a.provider_id = party.id AND a.effective_from <= $6"
    " AND (a.effective_until IS NULL OR a.effective_until >= $5)), '[]'),"
    f" 'exceptions', {_EXCEPTIONS} AND x.provider_id = party.id), '[]')) AS document,"
    f" busy.busy_from, busy.busy_until, busy.leads FROM wanted party {_BUSY}"
    " UNION ALL SELECT 'facility', f.id, jsonb_build_object('is_active', f.is_active,"
    " 'zone', f.timezone, 'name', f.name, 'hours', f.operating_hours, 'exceptions',"
    f" {_EXCEPTIONS} AND x.facility_id = f.id AND x.provider_id IS NULL), '[]')),"
    " '{}', '{}', '{}' FROM facilities f WHERE f.deleted_at IS NULL AND (f.id = $2"
    " OR ($2 IS NULL AND f.id IN (SELECT w.facility_id FROM provider_facilities w"
    " JOIN wanted ON wanted.id = w.provider_id)))"
    " UNION ALL SELECT 'patient', party.id, jsonb_build_object('is_active', party.is_active),"
    f" busy.busy_from, busy.busy_until, busy.leads FROM patients party {_BUSY}"
    " WHERE party.id = $4::uuid AND party.deleted_at IS NULL"
    " UNION ALL SELECT 'type', t.id, jsonb_build_object('is_active', t.is_active,"
    " 'minutes', t.duration_minutes, 'before', t.buffer_before_minutes,"
    " 'after', t.buffer_after_minutes, 'notice', t.min_notice_minutes,"
    " 'horizon', t.horizon_days, 'needs', t.requirements), '{}', '{}', '{}'"
    " FROM visit_types t WHERE t.code = $3",
)
# $1 rooms and equipment by id, $2 kinds and $3 categories that are needed, pairwise, $4 where
# (NULL for anywhere), $5 and $6 the ends of what may be taken, $7 now.
PLACES = Query(
    Place,
    "SELECT r.id, r.kind, r.category, r.facility_id, r.is_active, r.capacity, r.version, busy.*"
    " FROM resource r CROSS JOIN LATERAL (SELECT coalesce(array_agg(s.lane), '{}') AS lanes,"
    " coalesce(array_agg(floor(date_part('epoch', s.starts_at) / 60)::int), '{}') AS busy_from,"
    " coalesce(array_agg(ceil(date_part('epoch', s.ends_at) / 60)::int), '{}') AS busy_until"
    " FROM (SELECT o.lane, o.starts_at, o.ends_at FROM occupancy o WHERE o.resource_id = r.id"
    " AND o.starts_at > $5::timestamptz - interval '24 hours' AND o.starts_at < $6::timestamptz"
    " AND o.ends_at > $5 AND (o.held_until IS NULL OR o.held_until > $7::timestamptz)"
    " ORDER BY o.starts_at) s) busy"
    " WHERE r.facility_id IS NOT NULL AND (r.id = ANY($1::uuid[]) OR (r.is_active"
    " AND ($4::uuid IS NULL OR r.facility_id = $4) AND EXISTS (SELECT FROM"
    " unnest($2::text[], $3::text[]) AS n (kind, category)"
    " WHERE n.kind = r.kind AND n.category = r.category))) ORDER BY r.id",
)

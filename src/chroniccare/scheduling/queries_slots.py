"""SQL of the search for free times: one statement, one round trip."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class Part:
    """A provider, a facility or the patient.

    Attributes:
        kind: `provider`, `facility` or `patient`.
        document: what slots.py needs to know; days are ordinals, times minutes since midnight.
        busy_from: starts of what takes the party, in minutes since 1970, rounded down; sorted.
        busy_until: the ends, rounded up.
    """

    kind: str
    id: UUID
    document: dict[str, Any]
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
    " coalesce(array_agg(ceil(date_part('epoch', s.ends_at) / 60)::int), '{}') AS busy_until"
    " FROM (SELECT o.starts_at, o.ends_at FROM occupancy o WHERE o.resource_id = party.id"
    " AND o.starts_at > $7::timestamptz - interval '24 hours' AND o.starts_at < $8::timestamptz"
    " AND o.ends_at > $7 ORDER BY o.starts_at) s) busy"
)
# $1 providers or NULL for any, $2 facility, $3 type of visit, $4 patient, $5 and $6 the first and
# the last day of exceptions, $7 and $8 the ends of what may be taken.
PARTS = Query(
    Part,
    "WITH wanted AS MATERIALIZED (SELECT p.id, p.is_active,"
    " p.default_appointment_durations -> $3::text AS minutes FROM providers p"
    " WHERE p.deleted_at IS NULL AND (p.id = ANY($1::uuid[]) OR ($1 IS NULL AND p.is_active"
    " AND ($2::uuid IS NULL OR EXISTS (SELECT FROM provider_facilities w"
    " WHERE w.provider_id = p.id AND w.facility_id = $2)))))"
    " SELECT 'provider' AS kind, party.id, jsonb_build_object('is_active', party.is_active,"
    " 'minutes', party.minutes,"
    " 'places', coalesce((SELECT jsonb_agg(w.facility_id) FROM provider_facilities w"
    " WHERE w.provider_id = party.id), '[]'),"
    " 'rules', coalesce((SELECT jsonb_agg(jsonb_build_array(a.facility_id, a.day_of_week,"
    " (date_part('epoch', a.start_time) / 60)::int, (date_part('epoch', a.end_time) / 60)::int,"
    " a.slot_duration, a.is_available, a.effective_from - date '0001-01-01' + 1,"
    " a.effective_until - date '0001-01-01' + 1)) FROM provider_availability a"
    " WHERE a.provider_id = party.id AND a.effective_from <= $6"
    " AND (a.effective_until IS NULL OR a.effective_until >= $5)), '[]'),"
    f" 'exceptions', {_EXCEPTIONS} AND x.provider_id = party.id), '[]')) AS document,"
    f" busy.busy_from, busy.busy_until FROM wanted party {_BUSY}"
    " UNION ALL SELECT 'facility', f.id, jsonb_build_object('is_active', f.is_active,"
    " 'zone', f.timezone, 'hours', f.operating_hours, 'exceptions',"
    f" {_EXCEPTIONS} AND x.facility_id = f.id AND x.provider_id IS NULL), '[]')), '{{}}', '{{}}'"
    " FROM facilities f WHERE f.deleted_at IS NULL AND (f.id = $2"
    " OR ($2 IS NULL AND f.id IN (SELECT w.facility_id FROM provider_facilities w"
    " JOIN wanted ON wanted.id = w.provider_id)))"
    " UNION ALL SELECT 'patient', party.id, jsonb_build_object('is_active', party.is_active),"
    f" busy.busy_from, busy.busy_until FROM patients party {_BUSY}"
    " WHERE party.id = $4::uuid AND party.deleted_at IS NULL",
)

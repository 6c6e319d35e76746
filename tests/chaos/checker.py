"""The judge: plain SQL over appointments and group sessions, which knows nothing of the core.

Only `ASTRAY` looks at occupancy, to see that it says what the visits say.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be; `kind` says what, `what` names the records."""

    kind: str
    what: str


# Who is taken when, by which visit; providers, rooms and equipment with the buffers around. A seat
# in a group session takes its patient alone, and the session everybody else. An expired hold takes
# nobody. $1 is the tenant.
_TAKES = (
    "WITH live AS (SELECT a.*, coalesce(a.override -> 'allow' ? 'overbook', false) AS over"
    " FROM appointments a WHERE a.tenant_id = $1 AND (a.status IN ('scheduled', 'confirmed',"
    " 'checked_in', 'in_progress', 'completed')"
    " OR a.status = 'held' AND a.held_until > clock_timestamp())),"
    " spread AS (SELECT id, provider_id, additional_provider_ids, resource_ids, over,"
    " scheduled_start - make_interval(mins => buffer_before_minutes) AS s,"
    " scheduled_end + make_interval(mins => buffer_after_minutes) AS e"
    " FROM live WHERE group_session_id IS NULL"
    " UNION ALL SELECT id, provider_id, additional_provider_ids, resource_ids,"
    " coalesce(override -> 'allow' ? 'overbook', false),"
    " scheduled_start - make_interval(mins => buffer_before_minutes),"
    " scheduled_end + make_interval(mins => buffer_after_minutes)"
    " FROM group_sessions WHERE tenant_id = $1 AND status = 'scheduled'),"
    " takes AS (SELECT 'patient' AS kind, patient_id AS who, id, scheduled_start AS s,"
    " scheduled_end AS e, false AS over FROM live"
    " UNION ALL SELECT 'provider', provider_id, id, s, e, over FROM spread"
    " UNION ALL SELECT 'provider', one, id, s, e, over FROM spread,"
    " unnest(additional_provider_ids) AS one"
    " UNION ALL SELECT 'room', one, id, s, e, over FROM spread, unnest(resource_ids) AS one)"
)
# Two that may not be at once: a patient's, or a provider's of which neither was booked over others.
OVERLAPS = (
    f"{_TAKES} SELECT x.kind, x.who, x.id, y.id FROM takes x JOIN takes y"
    " ON x.kind = y.kind AND x.who = y.who AND x.id < y.id AND x.s < y.e AND y.s < x.e"
    " WHERE x.kind = 'patient' OR x.kind = 'provider' AND NOT (x.over OR y.over)"
)
# More at once than there are lanes: the most there ever are, are there when one of them begins.
CROWDS = (
    f"{_TAKES} SELECT x.kind, x.who, x.id, count(*) FROM takes x JOIN takes y"
    " ON x.kind = y.kind AND x.who = y.who AND y.s <= x.s AND x.s < y.e"
    " LEFT JOIN resource r ON x.kind = 'room' AND r.id = x.who"
    " LEFT JOIN scheduling_policies p ON x.kind = 'provider' AND p.tenant_id = $1"
    " GROUP BY x.kind, x.who, x.id, x.s, r.capacity, p.overbooking_lanes"
    " HAVING count(*) > CASE x.kind WHEN 'patient' THEN 1 WHEN 'room' THEN r.capacity"
    " ELSE 1 + coalesce(p.overbooking_lanes, 1) END"
)
# More visits of a provider than a day may have, without those that were booked over the maximum.
# Not those that have begun: to take a no-show back asks for no day's leave.
FULL_DAYS = (
    f"{_TAKES} SELECT p.id, d.day, count(*) FROM takes t"
    " LEFT JOIN live a ON a.id = t.id LEFT JOIN group_sessions g ON g.id = t.id"
    " JOIN providers p ON t.kind = 'provider' AND p.id = t.who"
    " JOIN facilities f ON f.id = coalesce(a.facility_id, g.facility_id)"
    " CROSS JOIN LATERAL (SELECT coalesce(a.scheduled_start, g.scheduled_start) AS start) s"
    " CROSS JOIN LATERAL (SELECT (s.start AT TIME ZONE f.timezone)::date AS day) d"
    " WHERE s.start > clock_timestamp()"
    " AND NOT coalesce(coalesce(a.override, g.override) -> 'allow' ? 'daily_maximum', false)"
    " GROUP BY p.id, d.day, p.max_daily_capacity HAVING count(*) > p.max_daily_capacity"
)
# Rows of occupancy that no visit explains, and the other way round. What is held keeps its rows
# until it is given up.
ASTRAY = (
    "WITH live AS (SELECT * FROM appointments WHERE tenant_id = $1"
    " AND status NOT IN ('cancelled', 'no_show')),"
    " spread AS (SELECT id, provider_id, additional_provider_ids, resource_ids, held_until,"
    " scheduled_start - make_interval(mins => buffer_before_minutes) AS s,"
    " scheduled_end + make_interval(mins => buffer_after_minutes) AS e"
    " FROM live WHERE group_session_id IS NULL"
    " UNION ALL SELECT id, provider_id, additional_provider_ids, resource_ids, NULL,"
    " scheduled_start - make_interval(mins => buffer_before_minutes),"
    " scheduled_end + make_interval(mins => buffer_after_minutes)"
    " FROM group_sessions WHERE tenant_id = $1 AND status = 'scheduled'),"
    " due AS (SELECT id, patient_id AS who, scheduled_start AS s, scheduled_end AS e, held_until"
    " FROM live UNION ALL SELECT id, one, s, e, held_until FROM spread,"
    " unnest(provider_id || additional_provider_ids || resource_ids) AS one),"
    " there AS (SELECT coalesce(appointment_id, group_session_id) AS id, resource_id AS who,"
    " starts_at AS s, ends_at AS e, held_until FROM occupancy WHERE tenant_id = $1)"
    " (SELECT 'missing' AS kind, id, who, s FROM (TABLE due EXCEPT ALL TABLE there) m)"
    " UNION ALL (SELECT 'leaked', id, who, s FROM (TABLE there EXCEPT ALL TABLE due) l)"
)
# A seat is where its session is, and there are no more than the session has.
SEATS = (
    "SELECT g.id, count(a.id) FROM group_sessions g LEFT JOIN appointments a"
    " ON a.group_session_id = g.id AND a.status <> 'cancelled' WHERE g.tenant_id = $1"
    " GROUP BY g.id HAVING count(a.id) > CASE g.status WHEN 'scheduled' THEN g.seats ELSE 0 END"
    " OR count(DISTINCT a.patient_id) < count(a.id)"
    " OR bool_or((a.scheduled_start, a.scheduled_end, a.provider_id, a.facility_id) IS DISTINCT"
    " FROM (g.scheduled_start, g.scheduled_end, g.provider_id, g.facility_id)) FILTER"
    " (WHERE a.id IS NOT NULL)"
)
# $2 begins the keys of the run; a new visit has its key as its reason, sessions and series as
# their names.
KEYS = (
    "SELECT reason, count(*) FROM appointments WHERE tenant_id = $1 AND reason ^@ $2"
    " GROUP BY reason HAVING count(*) > 1"
    " UNION ALL SELECT title, count(*) FROM group_sessions WHERE tenant_id = $1 AND title ^@ $2"
    " GROUP BY title HAVING count(*) > 1"
    " UNION ALL SELECT series_name, count(*) FROM appointment_series WHERE tenant_id = $1"
    " AND series_name ^@ $2 GROUP BY series_name HAVING count(*) > 1"
)
# Each version of a visit is told once in the audit, from 1 to the last.
HISTORY = (
    "SELECT a.id, a.version FROM appointments a LEFT JOIN audit_logs l ON l.entity_id = a.id"
    " AND l.tenant_id = $1 AND l.changes -> 'after' ? 'version' WHERE a.tenant_id = $1"
    " GROUP BY a.id, a.version HAVING count(l.id) <> a.version"
    " OR count(DISTINCT l.changes -> 'after' ->> 'version') <> a.version"
)
# A hold that was booked when it had lapsed.
TOO_LATE = (
    "SELECT entity_id, changes -> 'before' ->> 'held_until', created_at FROM audit_logs"
    " WHERE tenant_id = $1 AND entity_type = 'appointment' AND action = 'book'"
    " AND (changes -> 'before' ->> 'held_until')::timestamptz <= created_at"
)
_JUDGED = {
    "double booking": OVERLAPS,
    "too many at once": CROWDS,
    "day over its maximum": FULL_DAYS,
    "occupancy astray": ASTRAY,
    "seats astray": SEATS,
    "history astray": HISTORY,
    "lapsed hold booked": TOO_LATE,
}


async def violations(
    connection: "asyncpg.Connection[asyncpg.Record]", tenant_id: UUID
) -> list[Violation]:
    """Return whatever is wrong at this moment; nothing need stand still for it."""
    found = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for kind, sql in _JUDGED.items():
            rows = await connection.fetch(sql, tenant_id)
            found += [Violation(kind, _said(row)) for row in rows]
    return found


async def keys_used_twice(
    connection: "asyncpg.Connection[asyncpg.Record]", tenant_id: UUID, run: str
) -> list[Violation]:
    """Return the keys that booked more than one visit."""
    rows = await connection.fetch(KEYS, tenant_id, run)
    return [Violation("key booked twice", _said(row)) for row in rows]


def _said(row: Any) -> str:
    return " ".join(str(value) for value in row)

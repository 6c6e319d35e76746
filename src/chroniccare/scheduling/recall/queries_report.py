"""SQL of the recall report; docs/recall.md has the same for a person with psql."""

from dataclasses import dataclass

from chroniccare.platform.postgres import Command, Query
from chroniccare.scheduling.recall.queries import PHONE


@dataclass(frozen=True, slots=True)
class Counts:
    """How many recalls were overdue, and what came of them; one row an outcome of the first call.

    `outcome` is None in the row of those who were not called.
    """

    outcome: str | None
    overdue: int
    contactable: int
    returned: int


ZONES = Command("SELECT DISTINCT time_zone FROM recalls")
RETURN_DAYS = Command("SELECT recall_return_days FROM scheduling_policies")
# $1 to $3 are zones, each with the instants at which the period begins and ends there; $4 is its
# first day, $5 the facility, $6 the days within which a patient returns, of 24 hours each.
COUNTS = Query(
    Counts,
    "WITH zones AS (SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[])"
    " AS z (name, begins, ends)),"
    f" cohort AS (SELECT r.id, r.patient_id, z.begins, z.ends, EXISTS (SELECT {PHONE}) AS phone"
    " FROM recalls r JOIN zones z ON z.name = r.time_zone WHERE r.created_at < z.begins"
    " AND (r.closed_at IS NULL OR r.closed_at >= z.begins)"
    " AND r.due_on < $4::date AND r.due_on >= $4::date - 365"
    " AND ($5::uuid IS NULL OR r.facility_id = $5)),"
    " first AS (SELECT o.id, o.patient_id, o.phone, c.outcome, c.called_at FROM cohort o"
    " LEFT JOIN LATERAL (SELECT c.outcome, c.called_at FROM recall_calls c"
    " WHERE o.phone AND c.recall_id = o.id AND c.called_at >= o.begins AND c.called_at < o.ends"
    " ORDER BY c.called_at, c.id LIMIT 1) AS c ON true)"
    " SELECT f.outcome, count(*) AS overdue, count(*) FILTER (WHERE f.phone) AS contactable,"
    " count(*) FILTER (WHERE EXISTS (SELECT FROM appointments a"
    " WHERE a.patient_id = f.patient_id AND a.checked_in_at > f.called_at"
    " AND a.checked_in_at <= f.called_at + make_interval(hours => 24 * $6::int)"
    " AND a.status IN ('checked_in', 'in_progress', 'completed'))) AS returned"
    " FROM first f GROUP BY f.outcome",
)

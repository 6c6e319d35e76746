"""SQL of the adherence report: one row a medication, its doses and fills as arrays."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.medications.adherence.queries import CODE
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Course:
    """A medication as the report reads it.

    `codes` has a letter for each dose (words.Code) and `days` its day, counted from the first day
    asked for; `drug` is what it shares with other strengths: the generic name, if that is known;
    `fill_*` are every fill; `stopped_at` is UTC, `low_*` of the open episode.
    """

    id: UUID
    medication_name: str
    drug_class: str | None
    drug: str
    status: str
    as_needed: bool
    adherence_threshold: int | None
    end_date: date | None
    stopped_at: datetime | None
    codes: str | None
    days: list[int] | None
    fill_days: list[date]
    fill_supplies: list[int]
    low_since: datetime | None
    low_reason: str | None


ZONE = Command("SELECT time_zone FROM patients WHERE id = $1 AND deleted_at IS NULL")
# $1 is the instant, $2 the patient, $3 and $4 the days, $6 and $7 instants that hold them wherever
# the patient was: what the index goes by. $5: this medication alone.
COURSES = Query(
    Course,
    "WITH d AS MATERIALIZED (SELECT d.medication_id, string_agg(d.code, '' ORDER BY d.due_at)"
    " AS codes, array_agg(d.day ORDER BY d.due_at) AS days FROM (SELECT d.medication_id, d.due_at,"
    f" d.local_date - $3::date AS day, {CODE} AS code FROM medication_doses d"
    " WHERE d.patient_id = $2 AND d.due_at BETWEEN $6 AND $7 AND d.local_date BETWEEN $3 AND $4"
    " AND d.outcome IS NOT NULL) d GROUP BY d.medication_id)"
    " SELECT m.id, m.medication_name, m.drug_class,"
    " lower(coalesce(m.generic_name, m.rxnorm_code, m.medication_name)) AS drug, m.status,"
    " m.as_needed, m.adherence_threshold, m.end_date, m.stopped_at, d.codes, d.days,"
    " f.days AS fill_days, f.supplies AS fill_supplies, e.opened_at AS low_since,"
    " e.reason AS low_reason"
    " FROM medications m LEFT JOIN d ON d.medication_id = m.id"
    " LEFT JOIN adherence_episodes e ON e.tenant_id = m.tenant_id AND e.medication_id = m.id"
    " AND e.closed_at IS NULL CROSS JOIN LATERAL"
    " (SELECT coalesce(array_agg(l.filled_on ORDER BY l.filled_on, l.id), '{}') AS days,"
    " coalesce(array_agg(l.days_supply ORDER BY l.filled_on, l.id), '{}') AS supplies"
    " FROM medication_fills l WHERE l.tenant_id = m.tenant_id AND l.medication_id = m.id"
    " AND l.filled_on BETWEEN $3 AND $4 AND l.voided_at IS NULL) f"
    " WHERE m.patient_id = $2 AND m.status <> 'draft' AND ($5::uuid IS NULL OR m.id = $5)"
    " ORDER BY m.start_date, m.id",
)
CODES = Command(
    f"SELECT string_agg({CODE}, '') FROM medication_doses d WHERE d.medication_id = $2"
    " AND d.due_at > $3"
)

"""SQL of episodes of low adherence."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.medications.adherence.queries import CODE
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Episode:
    """One time in which a medication's adherence was low."""

    id: UUID
    patient_id: UUID
    medication_id: UUID
    reason: str
    escalated: int
    opened_at: datetime
    closed_at: datetime | None
    closed_reason: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A medication with everything that decides about an episode.

    `is_taken`: it is active and taken by plan, and the patient is active. `codes` are its settled
    doses of the window, the first due first (words.Code); `fill_*` are its fills; `episode_*` of
    the open episode, if there is one; `is_told`: the patient was written to today because of
    another medication.
    """

    id: UUID
    patient_id: UUID
    is_taken: bool
    drug_class: str | None
    adherence_threshold: int | None
    time_zone: str
    codes: str
    fill_days: list[date]
    fill_supplies: list[int]
    episode_id: UUID | None
    episode_reason: str | None
    episode_escalated: int | None
    is_told: bool


LOCK = Command(
    "SELECT m.id FROM medications m WHERE m.id = ANY ($1::uuid[]) ORDER BY m.id FOR NO KEY UPDATE"
)
# Of whom doses are planned, as `doses.queries_plan` has it.
_IS_TAKEN = (
    "(m.status = 'active' AND NOT m.as_needed AND p.deleted_at IS NULL AND p.is_active"
    " AND p.treatment_status NOT IN ('deceased', 'inactive'))"
)
# $1 is the instant, $2 the window's beginning, $3 a day before it.
WATCHED = Query(
    Watched,
    f"SELECT m.id, m.patient_id, {_IS_TAKEN} AS is_taken, m.drug_class, m.adherence_threshold,"
    " p.time_zone,"
    f" (SELECT coalesce(string_agg({CODE}, '' ORDER BY d.due_at, d.ordinal, d.id), '')"
    " FROM medication_doses d WHERE d.tenant_id = m.tenant_id AND d.medication_id = m.id"
    " AND d.due_at > $2::timestamptz AND d.state IN ('taken', 'skipped', 'missed')) AS codes,"
    " f.days AS fill_days, f.supplies AS fill_supplies, e.id AS episode_id,"
    " e.reason AS episode_reason, e.escalated AS episode_escalated,"
    " EXISTS (SELECT FROM adherence_episodes o WHERE o.tenant_id = m.tenant_id"
    " AND o.patient_id = m.patient_id AND o.closed_at IS NULL AND o.opened_at > $3::timestamptz)"
    " AS is_told"
    " FROM medications m JOIN patients p ON p.tenant_id = m.tenant_id AND p.id = m.patient_id"
    " LEFT JOIN adherence_episodes e ON e.tenant_id = m.tenant_id AND e.medication_id = m.id"
    " AND e.closed_at IS NULL CROSS JOIN LATERAL"
    " (SELECT coalesce(array_agg(l.filled_on ORDER BY l.filled_on, l.id), '{}') AS days,"
    " coalesce(array_agg(l.days_supply ORDER BY l.filled_on, l.id), '{}') AS supplies"
    " FROM medication_fills l WHERE l.tenant_id = m.tenant_id AND l.medication_id = m.id"
    " AND l.voided_at IS NULL) f WHERE m.id = ANY ($4::uuid[]) ORDER BY m.id",
)
_EPISODE = (
    "e.id, e.patient_id, e.medication_id, e.reason, e.escalated, e.opened_at, e.closed_at,"
    " e.closed_reason, e.version"
)
OPEN = Query(
    Episode,
    "INSERT INTO adherence_episodes AS e (id, tenant_id, patient_id, medication_id, reason,"
    " opened_at) SELECT d.id, $2, d.patient_id, d.medication_id, d.reason, $3"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, patient_id uuid, medication_id uuid,"
    " reason text) ON CONFLICT (tenant_id, medication_id) WHERE closed_at IS NULL DO NOTHING"
    f" RETURNING {_EPISODE}",
)
ESCALATE = Query(
    Episode,
    "UPDATE adherence_episodes e SET escalated = d.escalated, version = e.version + 1"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, escalated smallint) WHERE e.id = d.id"
    f" RETURNING {_EPISODE}",
)
CLOSE = Query(
    Episode,
    "UPDATE adherence_episodes e SET closed_at = $2, closed_reason = d.reason,"
    " version = e.version + 1 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, reason text)"
    f" WHERE e.id = d.id AND e.closed_at IS NULL RETURNING {_EPISODE}",
)
# Open episodes of what nobody takes any more: a patient has died, is inactive or was removed. Both
# rows are locked; what somebody holds is left to the next round.
ORPHANED = Command(
    "SELECT m.id FROM adherence_episodes e JOIN medications m ON m.tenant_id = e.tenant_id"
    " AND m.id = e.medication_id JOIN patients p ON p.tenant_id = m.tenant_id"
    f" AND p.id = m.patient_id WHERE e.closed_at IS NULL AND NOT {_IS_TAKEN}"
    " ORDER BY m.id LIMIT $1 FOR NO KEY UPDATE OF p, m SKIP LOCKED"
)
STILL_LOW = Command(
    "SELECT DISTINCT patient_id FROM adherence_episodes WHERE patient_id = ANY ($1::uuid[])"
    " AND closed_at IS NULL"
)

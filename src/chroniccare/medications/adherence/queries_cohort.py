"""SQL of the patients whose adherence is low now."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.medications.adherence.queries import CODE
from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class Row:
    """One open episode; `taken` of `observed` doses of the window. `key`: what it is sorted by."""

    id: UUID
    patient_id: UUID
    mrn: str
    first_name: str
    last_name: str
    medication_id: UUID
    medication_name: str
    drug_class: str | None
    adherence_threshold: int | None
    reason: str
    escalated: int
    opened_at: datetime
    taken: int
    observed: int
    key: str


# Of whom nothing is observed stands last, either way: `last` is their key. $1 is the instant, $2
# the window's beginning, $7 the drug classes with the threshold $8, $9 that of all others.
LOW, LOW_DESCENDING = (
    Query(
        Row,
        "SELECT r.* FROM (SELECT e.id, e.patient_id, p.mrn, p.first_name, p.last_name,"
        " e.medication_id, m.medication_name, m.drug_class, m.adherence_threshold, e.reason,"
        " e.escalated, e.opened_at, c.taken, c.observed, CASE $3::text WHEN 'rate' THEN"
        f" coalesce(lpad((c.taken * 100000 / nullif(c.observed, 0))::text, 6, '0'), '{last}')"
        " WHEN 'reason' THEN e.reason WHEN 'escalated' THEN e.escalated::text"
        " WHEN 'threshold' THEN lpad(coalesce(nullif(m.adherence_threshold, 0), CASE WHEN"
        " lower(btrim(m.drug_class)) = ANY ($7::text[]) THEN $8::int ELSE $9::int END)::text, 3,"
        " '0') WHEN 'since' THEN to_char(e.opened_at AT TIME ZONE 'UTC',"
        " 'YYYYMMDDHH24MISSUS') WHEN 'medication' THEN m.medication_name"
        " ELSE p.last_name || ' ' || p.first_name END COLLATE \"C\" AS key"
        " FROM adherence_episodes e"
        " JOIN medications m ON m.tenant_id = e.tenant_id AND m.id = e.medication_id"
        " JOIN patients p ON p.tenant_id = e.tenant_id AND p.id = e.patient_id"
        " CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE o.code IN ('t', 'l')) AS taken,"
        " count(*) FILTER (WHERE o.code IN ('t', 'l', 's', 'm')) AS observed"
        f" FROM (SELECT {CODE} AS code FROM medication_doses d WHERE d.tenant_id = e.tenant_id"
        " AND d.medication_id = e.medication_id AND d.due_at > $2::timestamptz"
        " AND d.state IN ('taken', 'skipped', 'missed')) o) c"
        " WHERE e.closed_at IS NULL AND p.deleted_at IS NULL) r"
        f" WHERE ($4::text IS NULL OR (r.key, r.id) {after} ($4, $5::uuid))"
        f" ORDER BY r.key {order}, r.id {order} LIMIT $6",
    )
    for after, order, last in ((">", "ASC", "999999"), ("<", "DESC", ""))
)

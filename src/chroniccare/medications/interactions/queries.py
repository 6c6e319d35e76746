"""SQL of interactions: what a patient takes, and the sets that a site has imported."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Taken:
    """A medication that the patient takes, or will go on taking."""

    id: UUID
    medication_name: str
    generic_name: str | None
    rxnorm_code: str | None


@dataclass(frozen=True, slots=True)
class InteractionSet:
    """A set that the site has imported."""

    id: UUID
    name: str
    version: str
    pairs: int
    sha256: str
    imported_at: datetime


@dataclass(frozen=True, slots=True)
class Met:
    """A pair of an imported set; `a` and `b` are RXCUIs."""

    set_name: str
    set_version: str
    a: str
    b: str
    severity: str
    text: str


# What is over by its last day is no longer taken, even before anybody has marked it completed.
TAKEN = Query(
    Taken,
    "SELECT id, medication_name, generic_name, rxnorm_code FROM medications WHERE patient_id = $1"
    " AND status IN ('active', 'on_hold') AND ($2::uuid IS NULL OR id <> $2)"
    " AND (end_date IS NULL OR is_ongoing OR end_date >= $3) ORDER BY created_at, id",
)
SETS = Query(
    InteractionSet,
    "SELECT id, name, version, pairs, sha256, imported_at FROM interaction_sets ORDER BY name",
)
GET_SET = Query(
    InteractionSet,
    "SELECT id, name, version, pairs, sha256, imported_at FROM interaction_sets WHERE name = $1"
    " FOR UPDATE",
)
MET = Query(
    Met,
    "SELECT s.name AS set_name, s.version AS set_version, p.a, p.b, p.severity, p.text"
    " FROM interaction_sets s CROSS JOIN unnest($1::text[], $2::text[]) AS w (a, b)"
    " JOIN interaction_pairs p ON p.tenant_id = s.tenant_id AND p.set_id = s.id AND p.a = w.a"
    " AND p.b = w.b ORDER BY s.name, p.a, p.b",
)
MEMBERS = Command(
    "SELECT DISTINCT m.rxcui FROM interaction_sets s JOIN interaction_members m"
    " ON m.tenant_id = s.tenant_id AND m.set_id = s.id AND m.rxcui = ANY ($1::text[])"
)
INSERT_SET = Command(
    "INSERT INTO interaction_sets (id, tenant_id, name, version, pairs, sha256,"
    " license_acknowledged, imported_at) VALUES ($1, $2, $3, $4, 0, '', true, $5)"
)
FINISH_SET = Command("UPDATE interaction_sets SET pairs = $2, sha256 = $3 WHERE id = $1")
INSERT_MEMBERS = Command(
    "INSERT INTO interaction_members (tenant_id, set_id, rxcui)"
    " SELECT $1, $2, m.rxcui FROM unnest($3::text[]) AS m (rxcui) ON CONFLICT DO NOTHING"
)
# In parts: no statement may take longer than five seconds.
DELETE_PAIRS = Command(
    "DELETE FROM interaction_pairs WHERE ctid = ANY (ARRAY"
    "(SELECT p.ctid FROM interaction_pairs p WHERE p.set_id = $1 LIMIT $2))"
)
DELETE_SET = Command("DELETE FROM interaction_sets WHERE id = $1")
INSERT_PAIRS = Command(
    "INSERT INTO interaction_pairs (tenant_id, set_id, a, b, severity, text)"
    " SELECT $1, $2, d.a, d.b, d.severity, d.text FROM jsonb_to_recordset($3::jsonb)"
    " AS d (a text, b text, severity text, text text)"
)

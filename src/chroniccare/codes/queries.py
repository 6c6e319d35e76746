"""SQL of a site's subset of RxNorm."""

from dataclasses import dataclass
from datetime import datetime

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Concept:
    """One concept; `ingredients` are RXCUIs, of an ingredient its own."""

    rxcui: str
    term_type: str
    name: str
    ingredients: list[str]


@dataclass(frozen=True, slots=True)
class Release:
    """The release that a site has loaded."""

    release: str
    concepts: int
    imported_at: datetime


RELEASE = Query(Release, "SELECT release, concepts, imported_at FROM rxnorm_releases")
CONCEPTS = Query(
    Concept,
    "SELECT rxcui, term_type, name, ingredients FROM rxnorm_concepts WHERE rxcui = ANY ($1::text[])"
    " ORDER BY rxcui",
)
# Two imports at once: the second waits here, and is told so after two seconds.
PUT_RELEASE = Command(
    "INSERT INTO rxnorm_releases (tenant_id, release, concepts, imported_at)"
    " VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (tenant_id) DO UPDATE SET release = excluded.release,"
    " concepts = excluded.concepts, imported_at = excluded.imported_at"
)
# In parts: no statement may take longer than five seconds.
CLEAR = Command(
    "DELETE FROM rxnorm_concepts WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM rxnorm_concepts c"
    " LIMIT $1))"
)
INSERT = Command(
    "INSERT INTO rxnorm_concepts (tenant_id, rxcui, term_type, name, ingredients)"
    " SELECT $1, d.rxcui, d.term_type, d.name, d.ingredients FROM jsonb_to_recordset($2::jsonb)"
    " AS d (rxcui text, term_type text, name text, ingredients text[])"
)

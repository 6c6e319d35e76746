"""SQL of earlier versions as they are stored; `composing_versions` reads them as resources."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column
from chroniccare.tenancy.queries_keys import Stale


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record, the latest included.

    Attributes:
        kind: name of the type.
        is_gone: the record was removed by it.
        is_kept: it is an earlier one.
    """

    kind: str
    id: UUID
    version: int
    updated_at: datetime
    is_gone: bool
    is_kept: bool


# Of records that are removed as rows.
REMOVED = Command("SELECT EXISTS (SELECT FROM record_versions WHERE record_id = $1 AND is_gone)")

ROWS = Column("record_versions.rows")
FIELDS = (
    "contact_points.value", "fhir_extras.extra", "fhir_resources.resource",
    "patients.emergency_contact", "patients.insurance_info",
)  # fmt: skip
"""Columns that are sealed as a whole."""
ADDRESSES = ("patients.contact_info", "related_persons.contact_info")
"""Columns of which a part is."""

_AS_A_WHOLE = ",".join(FIELDS)
_IN_PART = ",".join(ADDRESSES)
_SEALED = (
    "EXISTS (SELECT FROM jsonb_each(rows) t (name, records),"
    " jsonb_array_elements(t.records) r (record), jsonb_each(r.record) c (name, value)"
    f" WHERE (t.name || '.' || c.name = ANY ('{{{_AS_A_WHOLE}}}')"
    " AND c.value <> '{}' AND left(c.value #>> '{}', 5) <> $1)"
    f" OR (t.name || '.' || c.name = ANY ('{{{_IN_PART}}}')"
    " AND c.value ->> 'address' IS NOT NULL"
    " AND left(coalesce(c.value ->> 'sealed', ''), 5) <> $1))"
)
FIND_STALE = Query(
    Stale,
    f"SELECT id, rows AS value FROM record_versions WHERE {_SEALED} AND id > $2"
    " ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE = Command(f"SELECT EXISTS (SELECT FROM record_versions WHERE {_SEALED})")
RESEAL = Command(
    "UPDATE record_versions v SET rows = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value jsonb) WHERE v.id = d.id"
)

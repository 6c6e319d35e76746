"""SQL of what FHIR clients wrote of a patient's records and no column holds."""

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_keys import Stale

EXTRA = Column("fhir_extras.extra")
OPENS = (Opens(EXTRA, "extra"),)
PUT = Command(
    "INSERT INTO fhir_extras (id, tenant_id, patient_id, extra, updated_at)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id)"
    " DO UPDATE SET extra = excluded.extra, updated_at = excluded.updated_at"
)
DELETE = Command("DELETE FROM fhir_extras WHERE id = $1")
PUT_NUMBERS = Command(
    "INSERT INTO fhir_numbers (tenant_id, record_id, number_index, parameter)"
    " SELECT $1, $2, n, p FROM unnest($3::text[], $4::text[]) AS t (n, p)"
)
DELETE_NUMBERS = Command("DELETE FROM fhir_numbers WHERE record_id = $1")

_STALE = "left(extra #>> '{}', 5) <> $1"
FIND_STALE = Query(
    Stale,
    f"SELECT id, extra AS value FROM fhir_extras WHERE {_STALE} AND id > $2"
    " ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE = Command(f"SELECT EXISTS (SELECT FROM fhir_extras WHERE {_STALE})")
RESEAL = Command(
    "UPDATE fhir_extras e SET extra = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value jsonb) WHERE e.id = d.id"
)

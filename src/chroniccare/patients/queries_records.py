"""SQL of what is sealed of the resources that FHIR clients store (`fhir_resources`)."""

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_keys import Stale

RESOURCE = Column("fhir_resources.resource")
OPENS = (Opens(RESOURCE, "resource"),)

_STALE = "left(resource, 5) <> $1 AND resource <> ''"
FIND_STALE = Query(
    Stale,
    f"SELECT id, resource AS value FROM fhir_resources WHERE {_STALE} AND id > $2"
    " ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE = Command(f"SELECT EXISTS (SELECT FROM fhir_resources WHERE {_STALE})")
RESEAL = Command(
    "UPDATE fhir_resources r SET resource = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text) WHERE r.id = d.id"
)

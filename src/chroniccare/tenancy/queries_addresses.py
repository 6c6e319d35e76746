"""SQL of telephone numbers and email addresses: how sealed ones are found, and sealed anew."""

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_keys import Stale

POINT = Column("contact_points.value")
IN_CONTACT_INFO = Opens(POINT, "contact_info", within="points")
"""The contact points in a column of `core.contact.info_sql`."""

FIND_STALE_POINTS = Query(
    Stale,
    "SELECT id, value FROM contact_points WHERE left(value, 5) <> $1 AND id > $2"
    " ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE_POINT = Command("SELECT EXISTS (SELECT FROM contact_points WHERE left(value, 5) <> $1)")
RESEAL_POINTS = Command(
    "UPDATE contact_points c SET value = d.value, value_index = d.blind"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text, blind text) WHERE c.id = d.id"
)

"""SQL that finds what of replies is to be sealed anew, and writes it; see `tenancy.resealing`.

What was erased, or removed after its time, is empty and stays so.
"""

from chroniccare.platform.postgres import Command, Query
from chroniccare.tenancy.queries_keys import Stale

_STALE_SENDER = "sender <> '' AND left(sender, 5) <> $1"
_STALE_BODY = "body <> '' AND left(body, 5) <> $1"
_IN_ORDER = "AND id > $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"
FIND_STALE_SENDERS = Query(
    Stale, f"SELECT id, sender AS value FROM inbound_messages WHERE {_STALE_SENDER} {_IN_ORDER}"
)
ANY_STALE_SENDER = Command(f"SELECT EXISTS (SELECT FROM inbound_messages WHERE {_STALE_SENDER})")
RESEAL_SENDERS = Command(
    "UPDATE inbound_messages m SET sender = d.value, sender_index = d.blind"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text, blind text) WHERE m.id = d.id"
)
FIND_STALE_BODIES = Query(
    Stale, f"SELECT id, body AS value FROM inbound_messages WHERE {_STALE_BODY} {_IN_ORDER}"
)
ANY_STALE_BODY = Command(f"SELECT EXISTS (SELECT FROM inbound_messages WHERE {_STALE_BODY})")
RESEAL_BODIES = Command(
    "UPDATE inbound_messages m SET body = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text) WHERE m.id = d.id"
)

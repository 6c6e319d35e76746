"""SQL that finds what of messages is to be sealed anew, and writes it; see `tenancy.resealing`."""

from chroniccare.platform.postgres import Command, Query
from chroniccare.tenancy.queries_keys import Stale

FIND_STALE_RECIPIENTS = Query(
    Stale,
    "SELECT id, recipient AS value FROM notification_attempts WHERE left(recipient, 5) <> $1"
    " AND id > $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE_RECIPIENT = Command(
    "SELECT EXISTS (SELECT FROM notification_attempts WHERE left(recipient, 5) <> $1)"
)
RESEAL_RECIPIENTS = Command(
    "UPDATE notification_attempts a SET recipient = d.value,"
    " recipient_index = CASE a.channel WHEN 'sms' THEN d.blind END"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text, blind text) WHERE a.id = d.id"
)

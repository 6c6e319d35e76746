"""SQL that finds what of messages is to be sealed anew, and writes it; see `tenancy.resealing`."""

from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_keys import Stale, StaleRest

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

DATA = Column("notifications.template_data")
OPENS_DATA = Opens(DATA, "template_data", by="dedupe_key", within="rest")
"""By its key and not its id: a row of a file that is taken up again keeps its own id."""
CLEAR = frozenset({
    "bundle_id", "fill_id", "language", "local", "offer_id", "offset_hours", "starts_at", "until",
    "visit", "zone",
})  # fmt: skip
"""What stays in clear of the data: ids, times and zones, by which messages are found and compared.
The numbers and addresses of `recipient` and every name are sealed."""
_STALE_DATA = (
    "template_data - '{bundle_id,fill_id,language,local,offer_id,offset_hours,starts_at,until,"
    "visit,zone}'::text[] <> '{}' AND left(coalesce(template_data ->> 'sealed', ''), 5) <> $1"
)
FIND_STALE_DATA = Query(
    StaleRest,
    "SELECT id, template_data AS value, dedupe_key AS row FROM notifications"
    f" WHERE {_STALE_DATA} AND id > $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE_DATA = Command(f"SELECT EXISTS (SELECT FROM notifications WHERE {_STALE_DATA})")
RESEAL_DATA = Command(
    "UPDATE notifications n SET template_data = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value jsonb) WHERE n.id = d.id"
)
# Something that it is made from cannot be decrypted; the row is locked.
CANNOT_BE_MADE = Command(
    "UPDATE notifications SET delivery_status = 'failed', lease_until = NULL, fence = fence + 1,"
    " delivery_details = delivery_details - 'held' || '{\"reason\": \"cannot_be_made\"}',"
    " updated_at = $2 WHERE id = $1"
)

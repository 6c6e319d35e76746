"""SQL that finds what the local channel kept before it was sealed, and seals it.

It is `record`: what is sealed once keeps its version, so only what is in clear is looked for, which
$1 says by its first character.
"""

from chroniccare.platform.postgres import Command, Query
from chroniccare.tenancy.queries_keys import Stale

_NEXT = " AND m.id > $2 ORDER BY m.id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"
_GIVEN = " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text) WHERE m.id = d.id"

_RECIPIENT = (
    "FROM outbox_messages m WHERE m.recipient <> '' AND left(m.recipient, 1) <> left($1, 1)"
)
CLEAR_RECIPIENTS = Query(Stale, f"SELECT m.id, m.recipient AS value {_RECIPIENT}{_NEXT}")
ANY_CLEAR_RECIPIENT = Command(f"SELECT EXISTS (SELECT {_RECIPIENT})")
SEAL_RECIPIENTS = Command(f"UPDATE outbox_messages m SET recipient = d.value{_GIVEN}")

_SUBJECT = "FROM outbox_messages m WHERE m.subject <> '' AND left(m.subject, 1) <> left($1, 1)"
CLEAR_SUBJECTS = Query(Stale, f"SELECT m.id, m.subject AS value {_SUBJECT}{_NEXT}")
ANY_CLEAR_SUBJECT = Command(f"SELECT EXISTS (SELECT {_SUBJECT})")
SEAL_SUBJECTS = Command(f"UPDATE outbox_messages m SET subject = d.value{_GIVEN}")

_BODY = "FROM outbox_messages m WHERE m.body <> '' AND left(m.body, 1) <> left($1, 1)"
CLEAR_BODIES = Query(Stale, f"SELECT m.id, m.body AS value {_BODY}{_NEXT}")
ANY_CLEAR_BODY = Command(f"SELECT EXISTS (SELECT {_BODY})")
SEAL_BODIES = Command(f"UPDATE outbox_messages m SET body = d.value{_GIVEN}")

_CALENDAR = "FROM outbox_messages m WHERE m.calendar <> '' AND left(m.calendar, 1) <> left($1, 1)"
CLEAR_CALENDARS = Query(Stale, f"SELECT m.id, m.calendar AS value {_CALENDAR}{_NEXT}")
ANY_CLEAR_CALENDAR = Command(f"SELECT EXISTS (SELECT {_CALENDAR})")
SEAL_CALENDARS = Command(f"UPDATE outbox_messages m SET calendar = d.value{_GIVEN}")

_HTML = "FROM outbox_messages m WHERE m.html <> '' AND left(m.html, 1) <> left($1, 1)"
CLEAR_HTML = Query(Stale, f"SELECT m.id, m.html AS value {_HTML}{_NEXT}")
ANY_CLEAR_HTML = Command(f"SELECT EXISTS (SELECT {_HTML})")
SEAL_HTML = Command(f"UPDATE outbox_messages m SET html = d.value{_GIVEN}")

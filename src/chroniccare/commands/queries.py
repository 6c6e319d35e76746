"""SQL of the messages that the local outbox channel keeps."""

from chroniccare.notifications.outbox.queries import COLUMNS, OPENS
from chroniccare.notifications.outbox.queries import Kept as Message
from chroniccare.platform.postgres import Query

__all__ = ["NEWEST", "SINCE", "Message"]

NEWEST = Query(Message, f"{COLUMNS} ORDER BY m.created_at DESC, m.id DESC LIMIT $1", OPENS)
SINCE = Query(
    Message,
    f"{COLUMNS} WHERE m.created_at >= $1 ORDER BY m.created_at, m.id LIMIT 1000",
    OPENS,
)

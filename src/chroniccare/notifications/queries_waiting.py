"""SQL of what waits to be sent, across tenants: for those who watch."""

from dataclasses import dataclass
from datetime import datetime

from chroniccare.notifications.queries_due import OPEN
from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is due of a class: of each tenant at most a thousand rows are counted."""

    priority: str
    oldest: datetime | None
    rows: int


WAITING = Query(
    Waiting,
    "SELECT c.priority, min(d.next_attempt_at) AS oldest, count(d.next_attempt_at)::int AS rows"
    " FROM tenants t CROSS JOIN unnest('{urgent,normal,bulk}'::text[]) AS c (priority)"
    " LEFT JOIN LATERAL (SELECT n.next_attempt_at FROM notifications n WHERE n.tenant_id = t.id"
    f" AND n.priority = c.priority AND n.delivery_status IN {OPEN} AND n.next_attempt_at <= $1"
    " ORDER BY n.next_attempt_at LIMIT 1000) d ON true WHERE t.is_active GROUP BY c.priority",
)

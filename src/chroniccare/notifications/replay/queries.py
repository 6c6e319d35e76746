"""SQL of messages that reached nobody, and of putting them back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that reached nobody; `cause` is its reason, or its status where none is known."""

    id: UUID
    patient_id: UUID | None
    appointment_id: UUID | None
    notification_type: str
    channel: str
    delivery_status: str
    cause: str
    attempts: int
    replays: int
    expires_at: datetime | None
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """How many failed of one cause on one channel, and between when."""

    cause: str
    channel: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands, locked."""

    id: UUID
    delivery_status: str
    replays: int


# The words of idx_notifications_failed, which serves these alone.
_FAILED = "n.delivery_status IN ('failed', 'undelivered', 'suppressed', 'expired')"
_CAUSE = "coalesce(n.delivery_details ->> 'reason', n.delivery_status)"
_REPLAYS = "coalesce((n.delivery_details -> 'replay' ->> 'count')::int, 0)"
_WANTED = (
    f"{_FAILED} AND ($1::text IS NULL OR {_CAUSE} = $1) AND ($2::text IS NULL OR n.channel = $2)"
    " AND ($3::timestamptz IS NULL OR n.updated_at >= $3)"
)
LIST = Query(
    Failed,
    "SELECT n.id, n.patient_id, n.appointment_id, n.notification_type, n.channel,"
    f" n.delivery_status, {_CAUSE} AS cause, (SELECT count(*) FROM notification_attempts t"
    " WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id) AS attempts,"
    f" {_REPLAYS} AS replays, n.expires_at, n.updated_at AS failed_at"
    f" FROM notifications n WHERE {_WANTED}"
    " AND ($4::timestamptz IS NULL OR (n.updated_at, n.id) < ($4, $5::uuid))"
    " ORDER BY n.updated_at DESC, n.id DESC LIMIT $6",
)
GROUPS = Query(
    Group,
    f"SELECT {_CAUSE} AS cause, n.channel, count(*) AS count, min(n.updated_at) AS first_at,"
    f" max(n.updated_at) AS last_at FROM notifications n WHERE {_WANTED}"
    " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
)
# In one order, so that two replays at once wait for each other and do not deadlock.
LOCK = Query(
    Standing,
    f"SELECT n.id, n.delivery_status, {_REPLAYS} AS replays FROM notifications n"
    " WHERE n.id = ANY ($1::uuid[]) ORDER BY n.id FOR UPDATE",
)
# The same row under the same dedupe key: what is planned again, or stands in a file that is read
# again, meets this row and no second one. Tries are counted from here. A late answer to an earlier
# attempt changes nothing: the row is not in `sending`, and the next claim raises its fence.
REPLAY = Command(
    "UPDATE notifications n SET delivery_status = 'pending', channel = d.channel,"
    " channel_plan = d.channel_plan, next_attempt_at = d.next_at, lease_until = NULL,"
    " retry_count = 0, updated_at = $2,"
    " delivery_details = (n.delivery_details - 'reason' - 'skipped')"
    " || jsonb_build_object('replay', jsonb_build_object('count', d.replays, 'by', $3::text))"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, channel text, channel_plan jsonb,"
    f" next_at timestamptz, replays int) WHERE n.id = d.id AND {_FAILED}"
    " RETURNING n.id"
)

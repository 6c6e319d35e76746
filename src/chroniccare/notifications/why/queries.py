"""SQL of the history of messages, of their counts and of what is planned."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.notifications.queries_due import OPEN
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Subject:
    """The message that is explained; `time_zone` is its recipient's."""

    id: UUID
    notification_type: str
    scheduled_send_time: datetime
    delivery_status: str
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state; `details` hold codes, such as the channels that were skipped."""

    at: datetime
    from_status: str | None
    to_status: str
    channel: str
    next_attempt_at: datetime
    reason: str | None
    details: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a provider; `template_number` is the version of the clinic's own text, if any."""

    id: UUID
    channel: str
    driver: str
    status: str
    error_code: str | None
    started_at: datetime
    finished_at: datetime | None
    template_locale: str | None
    template_number: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of a class and channel that are due and not sent."""

    priority: str
    channel: str
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider told about an attempt later."""

    attempt_id: UUID
    driver: str
    status: str
    occurred_at: datetime | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many messages of a group have a status; `fallbacks` of them used a second channel."""

    key: str
    delivery_status: str
    count: int
    fallbacks: int


@dataclass(frozen=True, slots=True)
class Planned:
    """How many messages of a kind are to go out in one of the stretches of time."""

    stretch: int
    channel: str
    notification_type: str
    count: int
    moved: int


SUBJECT = Query(
    Subject,
    "SELECT n.id, n.notification_type, n.scheduled_send_time, n.delivery_status,"
    " coalesce(r.time_zone, p.time_zone) AS time_zone FROM notifications n"
    " LEFT JOIN patients p ON p.tenant_id = n.tenant_id AND p.id = n.patient_id"
    " LEFT JOIN related_persons r ON r.tenant_id = n.tenant_id AND r.id = n.related_person_id"
    " WHERE n.id = $1",
)
HISTORY = Query(
    Change,
    "SELECT at, from_status, to_status, channel, next_attempt_at, reason, details"
    " FROM notification_history WHERE notification_id = $1 ORDER BY seq",
)
ATTEMPTS = Query(
    Attempt,
    "SELECT t.id, t.channel, t.driver, t.status, t.error_code, t.started_at, t.finished_at,"
    " t.template_locale, v.number AS template_number FROM notification_attempts t"
    " LEFT JOIN message_template_versions v ON v.tenant_id = t.tenant_id"
    " AND v.id = t.template_version_id WHERE t.notification_id = $1 ORDER BY t.number",
)
RECEIPTS = Query(
    Receipt,
    "SELECT r.attempt_id, r.driver, r.status, r.occurred_at, r.received_at"
    " FROM notification_receipts r WHERE r.attempt_id = ANY ($1::uuid[])"
    " ORDER BY r.received_at, r.id",
)
# A message that was tried on two channels has attempts on both; later attempts name it.
_COUNTED = (
    "n.delivery_status, count(*) AS count, count(*) FILTER (WHERE EXISTS"
    " (SELECT FROM notification_attempts t WHERE t.tenant_id = n.tenant_id"
    " AND t.notification_id = n.id AND t.number > 1 AND t.channel <>"
    " (SELECT f.channel FROM notification_attempts f WHERE f.tenant_id = n.tenant_id"
    " AND f.notification_id = n.id AND f.number = 1))) AS fallbacks FROM notifications n"
    " WHERE n.scheduled_send_time >= $1 AND n.scheduled_send_time < $2 GROUP BY 1, 2 ORDER BY 1, 2"
)
BY_CHANNEL = Query(GroupCount, f"SELECT n.channel AS key, {_COUNTED}")
BY_TYPE = Query(GroupCount, f"SELECT n.notification_type AS key, {_COUNTED}")
# $3 are the instants at which local hours begin, $4 what a clock on the wall shows then.
BY_HOUR = Query(
    GroupCount,
    "SELECT ($4::text[])[width_bucket(n.scheduled_send_time, $3::timestamptz[])] AS key,"
    f" {_COUNTED}",
)
# `moved`: off the time on paper, by quiet hours or a pause after a failure. What was not tried yet
# goes by the first channel of the clinic's own plan, unless its patient has chosen channels.
PLANNED = Query(
    Planned,
    "SELECT width_bucket(n.next_attempt_at, $1::timestamptz[]) AS stretch,"
    " CASE WHEN s.id IS NOT NULL AND n.fence = 0 AND n.patient_id IS NOT NULL AND NOT EXISTS"
    " (SELECT FROM patients p WHERE p.tenant_id = n.tenant_id AND p.id = n.patient_id"
    " AND coalesce(p.communication_preferences -> 'channels', '[]') <> '[]')"
    " THEN s.steps -> 0 ->> 'channel' ELSE n.channel END AS channel, n.notification_type,"
    " count(*) AS count,"
    " count(*) FILTER (WHERE n.next_attempt_at <> n.scheduled_send_time) AS moved"
    " FROM notifications n LEFT JOIN notification_plans s ON s.tenant_id = n.tenant_id"
    " AND s.notification_type = n.notification_type"
    " WHERE n.delivery_status IN ('pending', 'held', 'queued')"
    " AND n.next_attempt_at < $2 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
)
FOLLOW_UPS = Command(
    "SELECT count(*) FROM notifications WHERE delivery_status = 'accepted' AND evidence_due_at < $1"
)
ZONES = Command("SELECT DISTINCT timezone FROM facilities WHERE is_active AND deleted_at IS NULL")
QUEUE = Query(
    Waiting,
    "SELECT n.priority, n.channel, count(*) AS count, min(n.next_attempt_at) AS oldest_at"
    " FROM notifications n WHERE n.priority IN ('urgent', 'normal', 'bulk')"
    f" AND n.delivery_status IN {OPEN} AND n.next_attempt_at <= $1 GROUP BY 1, 2 ORDER BY 4, 1, 2",
)
# One value that is another one as soon as a message is sent, kept or fails: each part is the end of
# an index. A receipt that comes later changes none.
MOVED = Command(
    "SELECT concat_ws(' ', (SELECT n.updated_at FROM notifications n WHERE n.delivery_status IN"
    " ('failed', 'undelivered', 'suppressed', 'expired') ORDER BY n.updated_at DESC LIMIT 1),"
    " (SELECT m.created_at FROM outbox_messages m ORDER BY m.created_at DESC LIMIT 1),"
    " (SELECT string_agg(d.next_attempt_at::text, ' ' ORDER BY c.priority)"
    " FROM unnest('{urgent,normal,bulk}'::text[]) AS c (priority) CROSS JOIN LATERAL"
    " (SELECT n.next_attempt_at FROM notifications n WHERE n.priority = c.priority"
    f" AND n.delivery_status IN {OPEN} ORDER BY n.next_attempt_at LIMIT 1) d))"
)

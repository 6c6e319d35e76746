"""SQL of notifications: planning, and what the API shows; `queries_due` has the rest."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.notifications.queries_due import OPEN
from chroniccare.notifications.queries_recipients import (
    OPENS_CONTACTS,
    PATIENT_CONTACTS,
    RELATED_CONTACTS,
)
from chroniccare.notifications.queries_sealed import OPENS_DATA
from chroniccare.platform.postgres import Command, Query

# --- planning ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reach:
    """How a recipient may be reached: a patient, or a related person who receives `categories`.

    `contacts` are `{"system", "value"}` by rank; `preferences` are a patient's alone.
    """

    patient_id: UUID
    related_person_id: UUID | None
    preferred: list[str] | None
    consents: dict[str, Any]
    contacts: list[dict[str, str]]
    time_zone: str
    address_country: str | None
    preferences: dict[str, Any]
    categories: list[str] | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message of the patient that is still to be sent, as far as another's copy needs it."""

    provider_id: UUID | None
    appointment_id: UUID | None
    medication_id: UUID | None
    notification_type: str
    priority: str
    scheduled_send_time: datetime
    expires_at: datetime | None
    template_data: dict[str, Any]
    dedupe_key: str


# Nothing is planned for a patient who is removed, inactive or has died. Each patient comes before
# those who receive with them, or in their place; $2 is a day before which a period has ended
# wherever one lives.
REACH = Query(
    Reach,
    "WITH p AS MATERIALIZED (SELECT * FROM patients p WHERE p.id = ANY ($1::uuid[])"
    " AND p.deleted_at IS NULL AND p.is_active AND p.treatment_status <> 'deceased')"
    " SELECT * FROM (SELECT p.id AS patient_id, NULL::uuid AS related_person_id,"
    " p.communication_preferences -> 'channels' AS preferred, p.consent_settings AS consents,"
    f" {PATIENT_CONTACTS} AS contacts, p.time_zone,"
    " p.contact_info #>> '{address,country}' AS address_country,"
    " p.notification_preferences AS preferences, NULL::jsonb AS categories FROM p UNION ALL"
    " SELECT p.id, r.id, r.channels, r.consent_settings,"
    f" {RELATED_CONTACTS}, coalesce(r.time_zone, p.time_zone),"
    " r.contact_info #>> '{address,country}', '{}', r.categories FROM p JOIN related_persons r"
    " ON r.tenant_id = p.tenant_id AND r.patient_id = p.id WHERE r.deleted_at IS NULL"
    " AND r.is_active AND (r.period_end IS NULL OR r.period_end >= $2::date)) t"
    " ORDER BY patient_id, related_person_id NULLS FIRST",
    (OPENS_CONTACTS,),
)
_PLANNED = (
    "INSERT INTO notifications AS n (id, tenant_id, patient_id, provider_id, appointment_id,"
    " notification_type, channel, channel_plan, priority, scheduled_send_time, next_attempt_at,"
    " expires_at, delivery_status, delivery_details, template_data, dedupe_key, lease_until, fence,"
    " created_at, updated_at, related_person_id, medication_id)"
    " SELECT d.id, $2, d.patient_id, d.provider_id, d.appointment_id, d.notification_type,"
    " d.channel, d.channel_plan, d.priority, d.scheduled_send_time, d.next_attempt_at,"
    " d.expires_at, d.delivery_status, d.delivery_details, d.template_data, d.dedupe_key,"
    " d.lease_until, 0, $3, $3, d.related_person_id, d.medication_id"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, patient_id uuid, related_person_id uuid,"
    " provider_id uuid, appointment_id uuid, notification_type text, channel text,"
    " channel_plan jsonb, priority text, scheduled_send_time timestamptz,"
    " next_attempt_at timestamptz, expires_at timestamptz, delivery_status text,"
    " delivery_details jsonb, template_data jsonb, dedupe_key text, lease_until timestamptz,"
    " medication_id uuid) ON CONFLICT (tenant_id, dedupe_key) DO"
)
WAITING = Query(
    Waiting,
    "SELECT provider_id, appointment_id, medication_id, notification_type, priority,"
    " scheduled_send_time, expires_at, template_data, dedupe_key FROM notifications"
    " WHERE patient_id = $1 AND related_person_id IS NULL"
    " AND delivery_status IN ('pending', 'held', 'queued')"
    " AND (expires_at IS NULL OR expires_at > $2)",
    (OPENS_DATA,),
)
INSERT = Command(f"{_PLANNED} NOTHING")
# A row of a file that reached nobody before is taken up again with what the file says now.
INSERT_OR_REVIVE = Command(
    f"{_PLANNED} UPDATE SET channel = excluded.channel, channel_plan = excluded.channel_plan,"
    " next_attempt_at = excluded.next_attempt_at, delivery_status = excluded.delivery_status,"
    " delivery_details = excluded.delivery_details, template_data = excluded.template_data,"
    " lease_until = excluded.lease_until, retry_count = 0, updated_at = excluded.updated_at"
    " WHERE n.delivery_status IN ('failed', 'suppressed') RETURNING n.id"
)
SUPERSEDE_FILE_ROWS = Command(
    "UPDATE notifications SET delivery_status = 'superseded', lease_until = NULL, updated_at = $3"
    " WHERE delivery_status IN ('pending', 'held', 'queued') AND patient_id IS NULL"
    " AND template_data ->> 'visit' = ANY($1::text[]) AND dedupe_key <> ALL($2::text[])"
)
CANCEL_VISITS = Command(
    "UPDATE notifications SET delivery_status = $2, lease_until = NULL, updated_at = $3"
    " WHERE appointment_id = ANY($1::uuid[]) AND delivery_status IN ('pending', 'held', 'queued')"
)
RESTORE_VISIT = Command(
    "UPDATE notifications SET delivery_status = 'pending',"
    " delivery_details = delivery_details - 'reason', updated_at = $3 WHERE appointment_id = $1"
    " AND notification_type = ANY($2::text[]) AND delivery_status = 'cancelled' AND expires_at > $3"
)

# --- what the API and the batch show ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notification:
    """One message as the API answers it; never its text, its recipient or its template data."""

    id: UUID
    patient_id: UUID | None
    related_person_id: UUID | None
    provider_id: UUID | None
    appointment_id: UUID | None
    medication_id: UUID | None
    notification_type: str
    channel: str
    channel_plan: list[str]
    priority: str
    scheduled_send_time: datetime
    expires_at: datetime | None
    next_attempt_at: datetime | None
    sent_at: datetime | None
    delivery_status: str
    reason: str | None
    read_at: datetime | None
    acknowledged_at: datetime | None
    retry_count: int
    attempts: list[dict[str, Any]]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many messages of a channel have a status."""

    delivery_status: str
    channel: str
    count: int


@dataclass(frozen=True, slots=True)
class State:
    """Where one message stands."""

    id: UUID
    dedupe_key: str
    delivery_status: str
    channel: str
    next_attempt_at: datetime
    reason: str | None


_NOTIFICATION = (
    "SELECT n.id, n.patient_id, n.related_person_id, n.provider_id, n.appointment_id,"
    " n.medication_id,"
    " n.notification_type, n.channel, n.channel_plan, n.priority, n.scheduled_send_time,"
    f" n.expires_at, CASE WHEN n.delivery_status IN {OPEN} THEN n.next_attempt_at END"
    " AS next_attempt_at, n.sent_at, n.delivery_status, n.delivery_details ->> 'reason' AS reason,"
    " n.read_at, n.acknowledged_at, n.retry_count,"
    " coalesce((SELECT jsonb_agg(jsonb_build_object('id', t.id, 'number', t.number,"
    " 'channel', t.channel, 'driver', t.driver, 'status', t.status, 'error_code', t.error_code,"
    " 'started_at', t.started_at, 'finished_at', t.finished_at) ORDER BY t.number)"
    " FROM notification_attempts t WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id),"
    " '[]') AS attempts, n.created_at, n.updated_at FROM notifications n"
)
GET = Query(Notification, f"{_NOTIFICATION} WHERE n.id = $1")
LIST_OF_PATIENT = Query(
    Notification,
    f"{_NOTIFICATION} WHERE n.patient_id = $1 AND ($2::text IS NULL OR n.delivery_status = $2)"
    " AND ($3::text IS NULL OR n.notification_type = $3)"
    " AND ($4::timestamptz IS NULL OR (n.scheduled_send_time, n.id) < ($4, $5::uuid))"
    " ORDER BY n.scheduled_send_time DESC, n.id DESC LIMIT $6",
)
COUNTS = Query(
    StatusCount,
    "SELECT delivery_status, channel, count(*) AS count FROM notifications"
    " WHERE scheduled_send_time >= $1 AND scheduled_send_time < $2"
    " GROUP BY delivery_status, channel ORDER BY delivery_status, channel",
)
_STATE = (
    "SELECT id, dedupe_key, delivery_status, channel, next_attempt_at,"
    " delivery_details ->> 'reason' AS reason FROM notifications"
)
STATES = Query(State, f"{_STATE} WHERE id = ANY ($1::uuid[])")
STATES_BY_KEY = Query(State, f"{_STATE} WHERE dedupe_key = ANY ($1::text[])")

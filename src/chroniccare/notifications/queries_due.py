"""SQL of delivery: claims across tenants, and what becomes of claimed messages in one."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.core.contact import found_by
from chroniccare.notifications.queries_attempts import TAKEN_ON
from chroniccare.notifications.queries_doses import DOSES, LIVE_DOSE, SUPPLY
from chroniccare.notifications.queries_recipients import (
    OPENS_CONTACTS,
    OPENS_PROXIES,
    PATIENT_CONTACTS,
    PROXY,
    RELATED_CONTACTS,
)
from chroniccare.notifications.queries_sealed import OPENS_DATA
from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_addresses import POINT

_BY_VALUE = found_by("value")
_BY_S_VALUE = found_by("s.value")

# --- claims, across tenants -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A due row that is ours until its lease ends; `was` is its status before."""

    id: UUID
    tenant_id: UUID
    priority: str
    was: str
    fence: int


OPEN = "('pending', 'held', 'queued', 'sending')"
"""States of a row that a dispatcher looks at."""
_TAKE = (
    " UPDATE notifications n SET delivery_status ="
    " CASE n.delivery_status WHEN 'sending' THEN 'sending' ELSE 'queued' END, lease_until = $2,"
    " next_attempt_at = $2, fence = n.fence + 1, updated_at = $1 FROM due"
    " WHERE n.tenant_id = due.tenant_id AND n.id = due.id"
    " RETURNING n.id, n.tenant_id, n.priority, due.delivery_status AS was, n.fence"
)
# Up to $3 rows of each tenant and class, and $4 in all; classes in the order of $5, urgent first,
# however long another waits; tenants in random order, so that none is always last.
CLAIM = Query(
    Claim,
    "WITH due AS MATERIALIZED (SELECT d.id, d.tenant_id, d.delivery_status FROM"
    " (SELECT c.priority, t.id FROM unnest($5::text[]) WITH ORDINALITY AS c (priority, place)"
    " CROSS JOIN tenants t WHERE t.is_active ORDER BY c.place, random()) t CROSS JOIN LATERAL"
    " (SELECT n.id, n.tenant_id, n.delivery_status FROM notifications n WHERE n.tenant_id = t.id"
    f" AND n.priority = t.priority AND n.delivery_status IN {OPEN} AND n.next_attempt_at <= $1"
    " ORDER BY n.next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) d LIMIT $4)" + _TAKE,
)
# The same for rows named by id, in their tenant's own transaction.
CLAIM_THESE = Query(
    Claim,
    "WITH due AS MATERIALIZED (SELECT n.id, n.tenant_id, n.delivery_status FROM notifications n"
    f" WHERE n.id = ANY ($3::uuid[]) AND n.delivery_status IN {OPEN}"
    " AND n.next_attempt_at <= $1 FOR UPDATE SKIP LOCKED)" + _TAKE,
)
NEXT_DUE = Command(
    "SELECT min(d.next_attempt_at) FROM tenants t"
    " CROSS JOIN unnest('{urgent,normal,bulk}'::text[]) AS c (priority) CROSS JOIN LATERAL"
    " (SELECT n.next_attempt_at FROM notifications n WHERE n.tenant_id = t.id"
    " AND n.priority = c.priority"
    f" AND n.delivery_status IN {OPEN} ORDER BY n.next_attempt_at LIMIT 1) d WHERE t.is_active"
)
# Claims that could not be handed to the broker; a consumer that has one already keeps it.
RELEASE = Command(
    "UPDATE notifications n SET delivery_status = 'pending', lease_until = NULL,"
    " next_attempt_at = $2, updated_at = $2 FROM unnest($1::uuid[], $3::int[]) AS d (id, fence)"
    " WHERE n.id = d.id AND n.fence = d.fence AND n.delivery_status = 'queued'"
)

# --- delivery, in one tenant ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed row with everything that decides whether, where and what to send.

    `visit_*` are the appointment as it is now; `contacts` are `{"system", "value"}` by rank;
    `language`, `time_zone`, `consents`, `contacts`, `channels` and `address_country` are those of
    who receives it: the patient, or the related person, whose `categories` and period follow.
    `preferences` are the patient's; `proxies` receive this message in the patient's place.
    `attempt_*` are the last attempt's, `tries` counts transient failures on the row's channel
    (the last `retry_count` of them: what came before belongs to an earlier run of a file).
    `sms_countries` are where SMS may go (null: anywhere), `spend_limits` what the tenant set.
    `held_since` is when it began to wait for a driver; `plan_steps` are those of the clinic's own
    plan, `preferred` the channels that the patient has chosen, and `moved_on` is the attempt that
    was not delivered in time, while it may still arrive; `taken_on` is the channel of one that a
    provider has after all. `care_stands` is False when the medication that it is about is no longer
    taken, or the patient's adherence has recovered. `doses` are the open ones of a bundle, `supply`
    is what a refill is about, both as in `queries_doses`.
    `facility_phone` is the contact point `{"value"}`.
    """

    id: UUID
    fence: int
    patient_id: UUID | None
    provider_id: UUID | None
    appointment_id: UUID | None
    notification_type: str
    channel: str
    channel_plan: list[str]
    scheduled_send_time: datetime
    created_at: datetime
    expires_at: datetime | None
    template_data: dict[str, Any]
    dedupe_key: str
    retry_count: int
    visit_status: str | None
    visit_start: datetime | None
    visit_provider_id: UUID | None
    visit_link: str | None
    provider_name: str | None
    facility_name: str | None
    facility_zone: str | None
    first_name: str | None
    language: str | None
    time_zone: str | None
    reachable: bool
    consents: dict[str, Any] | None
    contacts: list[dict[str, str]]
    attempt_id: UUID | None
    attempt_number: int | None
    attempt_status: str | None
    attempt_channel: str | None
    attempt_driver: str | None
    tries: int
    related_person_id: UUID | None
    channels: list[str] | None
    address_country: str | None
    preferences: dict[str, Any] | None
    categories: list[str] | None
    proxy_active: bool
    period_start: date | None
    period_end: date | None
    proxies: list[dict[str, Any]]
    priority: str
    sms_countries: dict[str, Any] | None
    spend_limits: dict[str, Any] | None
    provider_degrees: list[str]
    held_since: datetime | None
    plan_steps: list[dict[str, Any]] | None
    moved_on: UUID | None
    taken_on: str | None
    facility_phone: dict[str, str] | None
    care_stands: bool
    doses: list[dict[str, Any]] | None
    supply: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What an address is found by that must not be written to on a channel."""

    channel: str
    found_by: str


# SKIP LOCKED: a row that is being cancelled right now is left; if it is not cancelled after all,
# it is due again when its lease ends. Waiting here could deadlock with the cancelling transaction.
LOCK_QUEUED = Command(
    "SELECT id FROM notifications WHERE id = ANY ($1::uuid[]) AND delivery_status = 'queued'"
    " FOR UPDATE SKIP LOCKED"
)
# Who receives it in the patient's place: only those who have a message of their own that stands.
_PROXIES = (
    f"coalesce((SELECT jsonb_agg({PROXY} ORDER BY r.created_at, r.id)"
    " FROM related_persons r WHERE n.related_person_id IS NULL AND r.tenant_id = n.tenant_id"
    " AND r.patient_id = n.patient_id AND r.deleted_at IS NULL AND r.is_active"
    " AND r.receives = 'instead' AND EXISTS (SELECT FROM notifications m"
    " WHERE m.tenant_id = n.tenant_id AND m.dedupe_key = n.dedupe_key || ':' || r.id::text"
    " AND m.delivery_status NOT IN ('suppressed', 'failed', 'undelivered', 'expired',"
    " 'cancelled', 'superseded'))), '[]')"
)
READ_DUE = Query(
    Due,
    "SELECT n.id, n.fence, n.patient_id, n.provider_id, n.appointment_id, n.notification_type,"
    " n.channel, n.channel_plan, n.scheduled_send_time, n.created_at, n.expires_at,"
    " n.template_data, n.dedupe_key, n.retry_count, a.status AS visit_status,"
    " a.scheduled_start AS visit_start, a.provider_id AS visit_provider_id,"
    " a.telehealth_details ->> 'link' AS visit_link,"
    " nullif(concat_ws(' ', d.first_name, d.last_name), '') AS provider_name,"
    # What is about no visit comes from the clinic itself.
    " coalesce(f.name, CASE WHEN n.notification_type IN ('medication_reminder', 'refill_reminder',"
    " 'recall') AND n.patient_id IS NOT NULL THEN (SELECT t.name FROM tenants t"
    " WHERE t.id = n.tenant_id) END) AS facility_name, f.timezone AS facility_zone, p.first_name,"
    " coalesce(r.language, p.language) AS language,"
    " coalesce(r.time_zone, p.time_zone) AS time_zone,"
    " coalesce(p.is_active AND p.deleted_at IS NULL AND p.treatment_status <> 'deceased',"
    " n.patient_id IS NULL) AS reachable,"
    " coalesce(r.consent_settings, p.consent_settings) AS consents,"
    f" CASE WHEN r.id IS NULL THEN {PATIENT_CONTACTS} ELSE {RELATED_CONTACTS} END AS contacts,"
    " l.id AS attempt_id, l.number AS attempt_number, l.status AS attempt_status,"
    " l.channel AS attempt_channel, l.driver AS attempt_driver,"
    " (SELECT count(*) FROM (SELECT t.channel FROM notification_attempts t"
    " WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id AND t.status = 'transient'"
    " ORDER BY t.number DESC LIMIT n.retry_count) t WHERE t.channel = n.channel) AS tries,"
    " n.related_person_id, coalesce(r.channels, p.communication_preferences -> 'channels')"
    " AS channels, CASE WHEN r.id IS NULL THEN p.contact_info ELSE r.contact_info END"
    " #>> '{address,country}' AS address_country, p.notification_preferences AS preferences,"
    " r.categories, coalesce(r.is_active AND r.deleted_at IS NULL, true) AS proxy_active,"
    f" r.period_start, r.period_end, {_PROXIES} AS proxies,"
    # Once a statement and not once a row: nothing in them is of the row.
    " n.priority, coalesce((SELECT s.countries FROM spend_limits s),"
    " (SELECT jsonb_object_agg(h.address ->> 'country', '{}'::jsonb) FROM facilities h"
    " WHERE h.deleted_at IS NULL AND h.address ->> 'country' IS NOT NULL)) AS sms_countries,"
    " (SELECT to_jsonb(s) FROM spend_limits s) AS spend_limits,"
    " coalesce(d.qualifications, '[]') AS provider_degrees,"
    " (n.delivery_details #>> '{held,since}')::timestamptz AS held_since,"
    " (SELECT s.steps FROM notification_plans s WHERE s.tenant_id = n.tenant_id"
    " AND s.notification_type = n.notification_type) AS plan_steps,"
    " (SELECT t.id FROM notification_attempts t WHERE t.tenant_id = n.tenant_id"
    " AND t.id = (n.delivery_details #>> '{moved_on,attempt}')::uuid AND t.status = 'accepted')"
    f" AS moved_on, CASE WHEN l.number > 1 THEN {TAKEN_ON} END AS taken_on,"
    " (SELECT jsonb_build_object('point', c.id, 'value', c.value) FROM contact_points c"
    " WHERE c.tenant_id = f.tenant_id AND c.facility_id = f.id AND c.system = 'phone'"
    " AND c.use <> 'old' ORDER BY c.rank, c.id LIMIT 1) AS facility_phone,"
    " CASE WHEN n.notification_type = 'low_adherence' THEN EXISTS (SELECT"
    " FROM adherence_episodes e JOIN medications m ON m.tenant_id = e.tenant_id"
    " AND m.id = e.medication_id WHERE e.tenant_id = n.tenant_id AND e.patient_id = n.patient_id"
    " AND e.closed_at IS NULL AND m.status = 'active') ELSE n.medication_id IS NULL OR EXISTS"
    " (SELECT FROM medications m WHERE m.tenant_id = n.tenant_id AND m.id = n.medication_id"
    f" AND m.status = 'active') END AS care_stands, {DOSES} AS doses, {SUPPLY} AS supply"
    " FROM notifications n"
    " LEFT JOIN appointments a ON a.tenant_id = n.tenant_id AND a.id = n.appointment_id"
    " LEFT JOIN providers d ON d.tenant_id = a.tenant_id AND d.id = a.provider_id"
    " LEFT JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
    " LEFT JOIN patients p ON p.tenant_id = n.tenant_id AND p.id = n.patient_id"
    " LEFT JOIN related_persons r ON r.tenant_id = n.tenant_id AND r.id = n.related_person_id"
    " LEFT JOIN LATERAL (SELECT t.id, t.number, t.status, t.channel, t.driver"
    " FROM notification_attempts t WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id"
    " ORDER BY t.number DESC LIMIT 1) l ON true"
    " WHERE n.id = ANY ($1::uuid[])",
    (OPENS_CONTACTS, OPENS_PROXIES, Opens(POINT, "facility_phone", within="points"), OPENS_DATA),
)
SUPPRESSED = Query(
    Suppressed,
    f"SELECT channel, {_BY_VALUE} AS found_by FROM suppressions"
    f" WHERE {_BY_VALUE} = ANY ($1::text[]) AND lifted_at IS NULL",
)
# The rows are locked, so their fences are those that were read. Why a row was held is over.
PREPARE = Command(
    "UPDATE notifications n SET delivery_status = d.status, channel = d.channel,"
    " channel_plan = d.channel_plan, next_attempt_at = coalesce(d.next_at, n.next_attempt_at),"
    " lease_until = d.lease_until, fence = n.fence + 1, evidence_due_at = CASE d.status WHEN"
    " 'accepted' THEN n.evidence_due_at ELSE d.evidence_due_at END, sent_at = CASE d.status"
    " WHEN 'accepted' THEN $2 ELSE n.sent_at END,"
    " delivery_details = (n.delivery_details - 'reason' - 'held') || d.details, updated_at = $2"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, status text, channel text,"
    " channel_plan jsonb, next_at timestamptz, lease_until timestamptz, details jsonb,"
    " evidence_due_at timestamptz) WHERE n.id = d.id"
)
RECIPIENT = Column("notification_attempts.recipient")
# An attempt that was prepared but never made is taken up again under its own id.
PREPARE_ATTEMPTS = Command(
    "INSERT INTO notification_attempts (id, tenant_id, notification_id, number, channel, driver,"
    " recipient, recipient_index, status, started_at, segments, micros, country, spend_day,"
    " template_version_id, template_locale) SELECT d.id, $2, d.notification_id, d.number,"
    " d.channel, d.driver, d.recipient, d.recipient_index, d.status, $3, d.segments, d.micros,"
    " d.country, d.spend_day, d.template_version_id, d.template_locale"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, notification_id uuid, number smallint,"
    " channel text, driver text, recipient text, recipient_index text, status text,"
    " segments smallint, micros bigint, country text, spend_day date, template_version_id uuid,"
    " template_locale text) ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
    " recipient = excluded.recipient, recipient_index = excluded.recipient_index,"
    " started_at = excluded.started_at, segments = excluded.segments, micros = excluded.micros,"
    " country = excluded.country,"
    " spend_day = excluded.spend_day, template_version_id = excluded.template_version_id,"
    " template_locale = excluded.template_locale"
)
# Just before the socket: only while the row is still ours, the lease outlasts the call, and
# nothing was committed since it was prepared that forbids the message to its recipient. `opt_in`: a
# consent has to be on record; `day` is the date where the recipient lives.
# Channels that we do not know count as none, as in `rules.wanted_channels`.
# What waits in the inbox about an earlier attempt is applied first: it may be the echo of it.
# The ids stand in $3 and $4 once more: for a young table the planner expects one row, and would
# compare every attempt, and every message, that is open with every one of these.
_KNOWN = "?| '{sms,email,push}'"
_CHOSEN = (
    "coalesce(nullif(p.notification_preferences #> ARRAY['categories', d.category, 'channels'],"
    " '[]'), p.communication_preferences -> 'channels')"
)
_PATIENT_WANTS = (
    "coalesce(p.consent_settings -> a.channel, to_jsonb(NOT d.opt_in)) = 'true'"
    f" AND (d.category = 'answers' OR ((coalesce(NOT {_CHOSEN} {_KNOWN}, true)"
    f" OR {_CHOSEN} ? a.channel) AND coalesce(p.notification_preferences"
    " #> ARRAY['categories', d.category, 'enabled'], 'true') = 'true'))"
)
_RELATED_WANTS = (
    "coalesce(r.consent_settings -> a.channel, to_jsonb(NOT d.opt_in)) = 'true'"
    f" AND (NOT r.channels {_KNOWN} OR r.channels ? a.channel) AND r.categories ? d.category"
    " AND (r.period_start IS NULL OR r.period_start <= d.day)"
    " AND (r.period_end IS NULL OR r.period_end >= d.day)"
)
START = Command(
    "UPDATE notification_attempts a SET status = 'in_flight', started_at = $2"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, attempt_id uuid, fence int, lease"
    " timestamptz, found_by text[], category text, opt_in boolean, day date), notifications n"
    " WHERE a.id = d.attempt_id AND a.id = ANY ($3::uuid[]) AND a.status = 'prepared'"
    " AND n.tenant_id = a.tenant_id AND n.id = a.notification_id"
    " AND n.id = d.id AND n.id = ANY ($4::uuid[]) AND n.fence = d.fence"
    " AND n.delivery_status = 'sending' AND n.lease_until >= d.lease"
    " AND (n.expires_at IS NULL OR n.expires_at > $2) AND (n.appointment_id IS NULL OR"
    " n.notification_type NOT IN ('appointment_confirmation', 'appointment_rescheduled',"
    " 'appointment_reminder', 'waitlist_offer') OR EXISTS (SELECT FROM appointments v WHERE"
    " (v.tenant_id, v.id, v.provider_id) = (n.tenant_id, n.appointment_id, n.provider_id) AND"
    " v.status = ANY ('{held,scheduled,confirmed}') AND (v.status = 'held') = (n.notification_type"
    " = 'waitlist_offer') AND v.scheduled_start = (n.template_data ->> 'starts_at')::timestamptz))"
    " AND (n.notification_type <> 'medication_reminder' OR NOT n.template_data ? 'bundle_id'"
    f" OR {LIVE_DOSE})"
    " AND (n.patient_id IS NULL OR EXISTS (SELECT FROM patients p WHERE p.tenant_id = n.tenant_id"
    " AND p.id = n.patient_id AND p.deleted_at IS NULL AND p.is_active"
    " AND p.treatment_status <> 'deceased'"
    " AND (n.notification_type IN ('reply_stopped', 'reply_help')"
    f" OR n.related_person_id IS NOT NULL OR ({_PATIENT_WANTS}))))"
    " AND (n.related_person_id IS NULL OR EXISTS (SELECT FROM related_persons r"
    " WHERE r.tenant_id = n.tenant_id AND r.id = n.related_person_id AND r.deleted_at IS NULL"
    f" AND r.is_active AND {_RELATED_WANTS}))"
    " AND (n.notification_type IN ('reply_stopped', 'reply_help')"
    " OR NOT EXISTS (SELECT FROM suppressions s WHERE s.tenant_id = n.tenant_id"
    f" AND s.channel = a.channel AND {_BY_S_VALUE} = ANY (d.found_by)"
    " AND s.lifted_at IS NULL))"
    " AND (a.number = 1 OR NOT EXISTS (SELECT FROM notification_attempts e JOIN receipt_inbox i"
    " ON i.attempt_id = e.id WHERE e.tenant_id = n.tenant_id AND e.notification_id = n.id))"
    " RETURNING a.id"
)

_OUTCOMES = (
    "jsonb_to_recordset($1::jsonb) AS d (id uuid, fence int, attempt_id uuid, attempt_status text,"
    " provider_message_id text, error_code text, status text, channel text, channel_plan jsonb,"
    " next_at timestamptz, sent_at timestamptz, retry_count int, details jsonb)"
)
# Guarded by the fence: whoever lost its lease changes nothing, unless it ends a doubt.
RECORD = Command(
    "UPDATE notifications n SET delivery_status = d.status, channel = d.channel,"
    " channel_plan = d.channel_plan, next_attempt_at = coalesce(d.next_at, n.next_attempt_at),"
    " lease_until = NULL, sent_at = coalesce(d.sent_at, n.sent_at), retry_count = d.retry_count,"
    f" delivery_details = n.delivery_details || d.details, updated_at = $2 FROM {_OUTCOMES}"
    " WHERE n.id = d.id AND ((n.fence = d.fence AND n.delivery_status = 'sending') OR ("
    " n.delivery_status IN ('unknown', 'needs_staff') AND d.status IN ('accepted', 'delivered')))"
)
# Back to `prepared` only by whoever holds the row: it may be another's by now. No call, no cost.
RECORD_ATTEMPTS = Command(
    "UPDATE notification_attempts a SET status = d.attempt_status,"
    " segments = CASE d.attempt_status WHEN 'prepared' THEN NULL ELSE a.segments END,"
    " provider_message_id = d.provider_message_id, error_code = d.error_code,"
    " finished_at = CASE d.attempt_status WHEN 'prepared' THEN NULL ELSE $2::timestamptz END"
    f" FROM {_OUTCOMES} WHERE a.id = d.attempt_id AND a.id = ANY ($3::uuid[])"
    " AND a.status IN ('prepared', 'in_flight', 'unknown')"
    " AND (d.attempt_status <> 'prepared' OR EXISTS (SELECT FROM notifications n"
    " WHERE n.id = d.id AND n.fence = d.fence))"
)
# A worker died with these rows in hand. Nothing left the house before an attempt was in flight;
# what the outbox has is delivered, and what it lacks, or a driver among $4 took, can be repeated.
# Everything else is in doubt, and is not sent again.
RECOVER = Command(
    "WITH lost AS MATERIALIZED (SELECT n.id, l.id AS attempt_id, CASE"
    " WHEN EXISTS (SELECT FROM outbox_messages o WHERE o.id = l.id) THEN 'delivered'"
    " WHEN l.status IN ('accepted', 'unknown') THEN l.status"
    " WHEN l.status = 'in_flight' AND NOT l.driver = ANY ($4::text[])"
    " THEN 'unknown' ELSE 'prepared' END AS verdict"
    " FROM unnest($1::uuid[], $2::int[]) AS c (id, fence)"
    " JOIN notifications n ON n.id = c.id AND n.fence = c.fence AND n.delivery_status = 'sending'"
    " LEFT JOIN LATERAL (SELECT t.id, t.status, t.driver FROM notification_attempts t"
    " WHERE t.tenant_id = n.tenant_id AND t.notification_id = n.id"
    " ORDER BY t.number DESC LIMIT 1) l ON true FOR UPDATE OF n SKIP LOCKED),"
    " a AS (UPDATE notification_attempts a SET status ="
    " CASE lost.verdict WHEN 'delivered' THEN 'accepted' ELSE lost.verdict END,"
    " segments = CASE lost.verdict WHEN 'prepared' THEN NULL ELSE a.segments END,"
    " error_code = CASE lost.verdict WHEN 'unknown' THEN 'worker_lost' END,"
    " finished_at = CASE lost.verdict WHEN 'prepared' THEN NULL ELSE $3::timestamptz END"
    " FROM lost WHERE a.id = lost.attempt_id AND a.status IN ('prepared', 'in_flight'))"
    " UPDATE notifications n SET updated_at = $3, lease_until = NULL, next_attempt_at = $3,"
    " delivery_status = CASE lost.verdict WHEN 'prepared' THEN 'pending' ELSE lost.verdict END,"
    " sent_at = CASE WHEN lost.verdict IN ('accepted', 'delivered') THEN $3 ELSE n.sent_at END,"
    " delivery_details = CASE lost.verdict WHEN 'unknown' THEN n.delivery_details"
    ' || \'{"reason": "worker_lost"}\' ELSE n.delivery_details END'
    " FROM lost WHERE n.id = lost.id"
)
OUTBOX_RECIPIENT = Column("outbox_messages.recipient", "record")
OUTBOX_SUBJECT = Column("outbox_messages.subject", "record")
OUTBOX_BODY = Column("outbox_messages.body", "record")
OUTBOX_CALENDAR = Column("outbox_messages.calendar", "record")
OUTBOX_HTML = Column("outbox_messages.html", "record")
INSERT_OUTBOX = Command(
    "INSERT INTO outbox_messages (id, tenant_id, notification_id, channel, recipient, subject,"
    " body, html, calendar, created_at) SELECT id, $2, notification_id, channel, recipient,"
    " subject, body, html, calendar, $3 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid,"
    " notification_id uuid, channel text, recipient text, subject text, body text, html text,"
    " calendar text) ON CONFLICT DO NOTHING"
)

"""SQL of replies: the inbox across tenants, what was written to a number, and what is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.contact import found_by
from chroniccare.notifications.queries_doses import LIVE_DOSE
from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens

_BY_RECIPIENT = found_by("recipient")
_BY_T_RECIPIENT = found_by("t.recipient")
_BY_C_VALUE = found_by("c.value")
_BY_M_SENDER = found_by("m.sender")
_BY_L_SENDER = found_by("l.sender")
_BY_VALUE = found_by("value")
_BY_S_VALUE = found_by("s.value")

# --- the inbox, across tenants ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A reply of the inbox, ours for the moment.

    `tenant_id` is whose message it answers, if the provider says which one that was. `inbox.opened`
    reads sender and body where `master_id` names a master key.
    """

    id: UUID
    driver: str
    message_id: str
    sender: str
    recipient: str | None
    body: str
    cut: bool
    received_at: datetime
    looks: int
    tenant_id: UUID | None
    master_id: str | None = None


STORE = Command(
    "INSERT INTO inbound_inbox (id, driver, message_id, sender, recipient, body, cut, in_reply_to,"
    " master_id, received_at, next_look_at) SELECT d.id, d.driver, d.message_id, d.sender,"
    " d.recipient, d.body, d.cut, d.in_reply_to, d.master_id, $2, $2"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, driver text, message_id text,"
    " sender text, recipient text, body text, cut boolean, in_reply_to text,"
    " master_id text) ON CONFLICT DO NOTHING"
)
# Two-way numbers of End User Messaging carry what SNS sent as well.
TAKE = Query(
    Waiting,
    "WITH due AS MATERIALIZED (SELECT i.id FROM inbound_inbox i WHERE i.next_look_at <= $1"
    " ORDER BY i.next_look_at, i.id LIMIT $3 FOR UPDATE SKIP LOCKED)"
    " UPDATE inbound_inbox i SET next_look_at = $2, looks = i.looks + 1 FROM due"
    " WHERE i.id = due.id RETURNING i.id, i.driver, i.message_id, i.sender, i.recipient, i.body,"
    " i.cut, i.received_at, i.looks, (SELECT a.tenant_id FROM notification_attempts a WHERE"
    " a.driver IN (i.driver, CASE i.driver WHEN 'aws' THEN 'sns' ELSE i.driver END)"
    " AND a.provider_message_id = i.in_reply_to ORDER BY a.id DESC LIMIT 1) AS tenant_id,"
    " i.master_id",
)
WAITS_UNDER_OTHERS = Command("SELECT EXISTS (SELECT FROM inbound_inbox WHERE master_id <> $1)")
REMOVE = Command("DELETE FROM inbound_inbox WHERE id = $1")
PUT_BACK = Command("UPDATE inbound_inbox SET next_look_at = $2 WHERE id = $1")

SENDER = Column("inbound_messages.sender")
BODY = Column("inbound_messages.body")
_OPENS = (Opens(SENDER, "sender"),)

# --- in one tenant ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """A visit, or an offered time, that a number was last written to about; see `rules.Prompt`."""

    appointment_id: UUID
    patient_id: UUID
    offer_id: UUID | None
    told_start: datetime
    starts_at: datetime
    status: str
    held_until: datetime | None
    asked_at: datetime
    zone: str
    language: str


@dataclass(frozen=True, slots=True)
class Reminded:
    """Doses that a number was reminded of; see `rules.DosePrompt`."""

    notification_id: UUID
    patient_id: UUID
    is_open: bool
    asked_at: datetime
    language: str


@dataclass(frozen=True, slots=True)
class Person:
    """A patient who has the number."""

    id: UUID
    language: str


@dataclass(frozen=True, slots=True)
class Question:
    """Our last question to a number which visit was meant."""

    intent: str
    choices: dict[str, Any]
    received_at: datetime
    latest: bool


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that is barred, or is so no longer."""

    id: UUID
    channel: str
    reason: str


LAST_WRITTEN = Command(
    "SELECT max(started_at) FROM notification_attempts WHERE channel = 'sms'"
    f" AND recipient IS NOT NULL AND {_BY_RECIPIENT} = ANY ($1::text[])"
    " AND status NOT IN ('prepared', 'rejected')"
)
# Replies of one number are read one after another.
LOCK_SENDER = Command("SELECT pg_advisory_xact_lock($1)")
SEEN = Command("SELECT id FROM inbound_messages WHERE driver = $1 AND message_id = $2")
CLINIC = Command("SELECT name FROM tenants WHERE id = $1")
_TO_THE_NUMBER = (
    f"t.channel = 'sms' AND t.recipient IS NOT NULL AND {_BY_T_RECIPIENT} = ANY ($1::text[])"
)
# $2 how long ago is of no interest any more.
WRITTEN = Query(
    Written,
    "SELECT DISTINCT ON (n.appointment_id) n.appointment_id, a.patient_id,"
    " CASE WHEN a.status = 'held' THEN (n.template_data ->> 'offer_id')::uuid END AS offer_id,"
    " (n.template_data ->> 'starts_at')::timestamptz AS told_start,"
    " a.scheduled_start AS starts_at, a.status, a.held_until, t.started_at AS asked_at,"
    " f.timezone AS zone, p.language"
    " FROM notification_attempts t JOIN notifications n ON n.tenant_id = t.tenant_id"
    " AND n.id = t.notification_id"
    " JOIN appointments a ON a.tenant_id = n.tenant_id AND a.id = n.appointment_id"
    " JOIN facilities f ON f.tenant_id = a.tenant_id AND f.id = a.facility_id"
    " JOIN patients p ON p.tenant_id = a.tenant_id AND p.id = a.patient_id"
    f" WHERE {_TO_THE_NUMBER} AND t.started_at > $2"
    " AND t.status NOT IN ('prepared', 'rejected', 'transient')"
    " AND n.notification_type IN ('appointment_confirmation', 'appointment_rescheduled',"
    " 'appointment_reminder', 'waitlist_offer')"
    " ORDER BY n.appointment_id, t.started_at DESC, t.id DESC",
)
# Since $2; the last time that each message went to the number.
REMINDED = Query(
    Reminded,
    "SELECT DISTINCT ON (n.id) n.id AS notification_id, n.patient_id,"
    f" {LIVE_DOSE} AS is_open, t.started_at AS asked_at,"
    " coalesce(r.language, p.language) AS language"
    " FROM notification_attempts t JOIN notifications n ON n.tenant_id = t.tenant_id"
    " AND n.id = t.notification_id JOIN patients p ON p.tenant_id = n.tenant_id"
    " AND p.id = n.patient_id LEFT JOIN related_persons r ON r.tenant_id = n.tenant_id"
    " AND r.id = n.related_person_id"
    f" WHERE {_TO_THE_NUMBER} AND t.started_at > $2"
    " AND t.status NOT IN ('prepared', 'rejected', 'transient')"
    " AND n.notification_type = 'medication_reminder' AND n.template_data ? 'bundle_id'"
    " ORDER BY n.id, t.started_at DESC, t.id DESC",
)
PEOPLE = Query(
    Person,
    "SELECT p.id, p.language FROM contact_points c JOIN patients p ON p.tenant_id = c.tenant_id"
    " AND p.id = c.patient_id WHERE c.system = 'phone'"
    f" AND {_BY_C_VALUE} = ANY ($1::text[]) AND p.deleted_at IS NULL"
    " ORDER BY p.id LIMIT 5",
)
_FROM_THE_NUMBER = f"{_BY_M_SENDER} = ANY ($1::text[])"
QUESTION = Query(
    Question,
    "SELECT m.intent, m.choices, m.received_at, NOT EXISTS (SELECT FROM inbound_messages l"
    f" WHERE l.tenant_id = m.tenant_id AND {_BY_L_SENDER} = ANY ($1::text[])"
    " AND (l.received_at, l.id) > (m.received_at, m.id)) AS latest"
    f" FROM inbound_messages m WHERE {_FROM_THE_NUMBER}"
    " AND m.received_at > $2 AND m.outcome = 'asked' ORDER BY m.received_at DESC, m.id DESC"
    " LIMIT 1",
)
# How many answers a number has had since $2, and how many of them after the same outcome.
ANSWERED = Command(
    "SELECT ARRAY[count(*), count(*) FILTER (WHERE m.outcome = $3)] FROM inbound_messages m"
    f" WHERE {_FROM_THE_NUMBER} AND m.received_at > $2 AND m.answered"
)
INSERT = Command(
    "INSERT INTO inbound_messages (id, tenant_id, driver, message_id, sender, sender_index,"
    " recipient, body, cut, intent, outcome, patient_id, appointment_id, offer_id,"
    " notification_id, choices, action, action_start, action_status, answered, received_at,"
    " updated_at)"
    " SELECT d.id, $2, d.driver, d.message_id, d.sender, d.sender_index, d.recipient, d.body,"
    " d.cut, d.intent, d.outcome, d.patient_id, d.appointment_id, d.offer_id, d.notification_id,"
    " d.choices, d.action, d.action_start,"
    " CASE WHEN d.action IS NOT NULL THEN 'waiting' END, d.answered, d.received_at, $3"
    " FROM jsonb_to_record($1::jsonb) AS d (id uuid, driver text, message_id text, sender text,"
    " sender_index text, recipient text, body text, cut boolean, intent text, outcome text,"
    " patient_id uuid, appointment_id uuid, offer_id uuid, notification_id uuid, choices jsonb,"
    " action text, action_start timestamptz, answered boolean, received_at timestamptz)"
)
# The patient's own word stands above what a provider found: it is not lifted with that.
SUPPRESS = Query(
    Suppression,
    "INSERT INTO suppressions AS s (id, value, value_index, tenant_id, channel, reason, created_at)"
    " VALUES ($1, $2, $3, $4, 'sms', 'opted_out', $5)"
    f" ON CONFLICT (tenant_id, channel, ({_BY_VALUE})) WHERE lifted_at IS NULL"
    " DO UPDATE SET reason = 'opted_out' WHERE s.reason = 'bounced_hard'"
    " RETURNING s.id, s.channel, s.reason",
)
# Only what a stop has closed: what bounced, or staff have barred, stays so.
LIFT = Query(
    Suppression,
    "UPDATE suppressions s SET lifted_at = $2, lifted_because = 'asked for it by text'"
    f" WHERE s.channel = 'sms' AND {_BY_S_VALUE} = ANY ($1::text[])"
    " AND s.reason = 'opted_out' AND s.lifted_at IS NULL RETURNING s.id, s.channel, s.reason",
)

# --- what a higher slice does -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    """What a reply asks for, for the loop of the slice that can do it."""

    id: UUID
    action: str
    patient_id: UUID
    appointment_id: UUID
    offer_id: UUID | None
    start: datetime | None
    sender: str
    received_at: datetime


_ACTION = (
    "SELECT m.id, m.action, m.patient_id, m.appointment_id, m.offer_id, m.action_start AS start,"
    " m.sender, m.received_at FROM inbound_messages m WHERE m.action_status = 'waiting'"
    " AND m.action IN ('confirm', 'accept', 'decline')"
)
ACTIONS = Query(Action, f"{_ACTION} ORDER BY m.received_at, m.id LIMIT $1", _OPENS)
LOCK_ACTION = Query(Action, f"{_ACTION} AND m.id = $1 FOR UPDATE SKIP LOCKED", _OPENS)


@dataclass(frozen=True, slots=True)
class DoseAction:
    """What a reply says about the doses of a bundle: `taken` or `skip`.

    `related_person_id` is whose phone says so, if it is not the patient's.
    """

    id: UUID
    action: str
    patient_id: UUID
    related_person_id: UUID | None
    notification_id: UUID
    bundle_id: UUID
    language: str
    sender: str
    received_at: datetime


_DOSE_ACTION = (
    "SELECT m.id, m.action, n.patient_id, n.related_person_id, n.id AS notification_id,"
    " (n.template_data ->> 'bundle_id')::uuid AS bundle_id,"
    " coalesce(r.language, p.language) AS language, m.sender, m.received_at"
    " FROM inbound_messages m JOIN notifications n ON n.tenant_id = m.tenant_id"
    " AND n.id = m.notification_id JOIN patients p ON p.tenant_id = n.tenant_id"
    " AND p.id = n.patient_id LEFT JOIN related_persons r ON r.tenant_id = n.tenant_id"
    " AND r.id = n.related_person_id"
    " WHERE m.action_status = 'waiting' AND m.action IN ('taken', 'skip')"
)
DOSE_ACTIONS = Query(DoseAction, f"{_DOSE_ACTION} ORDER BY m.received_at, m.id LIMIT $1", _OPENS)
LOCK_DOSE_ACTION = Query(
    DoseAction, f"{_DOSE_ACTION} AND m.id = $1 FOR UPDATE OF m SKIP LOCKED", _OPENS
)
SETTLE = Command(
    "UPDATE inbound_messages SET action_status = $2, action_reason = $3, answered = answered OR $4,"
    " updated_at = $5 WHERE id = $1 AND action_status = 'waiting'"
)

# --- what the API shows -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as staff read it; field order is the wire's."""

    id: UUID
    sender: str
    body: str
    cut: bool
    intent: str
    outcome: str
    patient_id: UUID | None
    appointment_id: UUID | None
    offer_id: UUID | None
    notification_id: UUID | None
    action: str | None
    action_status: str | None
    action_reason: str | None
    answered: bool
    received_at: datetime


_REPLY = (
    "SELECT m.id, m.sender, m.body, m.cut, m.intent, m.outcome, m.patient_id, m.appointment_id,"
    " m.offer_id, m.notification_id, m.action, m.action_status, m.action_reason, m.answered,"
    " m.received_at FROM inbound_messages m"
)
OPENS = (*_OPENS, Opens(BODY, "body"))
GET = Query(Reply, f"{_REPLY} WHERE m.id = $1", OPENS)
LIST = Query(
    Reply,
    f"{_REPLY} WHERE ($1::uuid IS NULL OR m.patient_id = $1)"
    " AND ($2::text IS NULL OR m.outcome = $2) AND ($3::timestamptz IS NULL OR m.received_at >= $3)"
    " AND ($4::uuid[] IS NULL OR m.id = ANY ($4))"
    " AND ($5::timestamptz IS NULL OR (m.received_at, m.id) < ($5, $6::uuid))"
    " ORDER BY m.received_at DESC, m.id DESC LIMIT $7",
    OPENS,
)

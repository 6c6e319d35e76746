"""SQL of preferences and of the opt-out list."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.contact import found_by
from chroniccare.notifications.queries_due import RECIPIENT
from chroniccare.notifications.queries_recipients import (
    OPENS_CONTACTS,
    OPENS_PROXIES,
    PATIENT_CONTACTS,
    PROXY,
)
from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_keys import Stale

_BY_VALUE = found_by("value")
_BY_C_VALUE = found_by("c.value")


@dataclass(frozen=True, slots=True)
class Stored:
    """What decides about a patient's messages, as it stands; `reachable`: active and alive."""

    id: UUID
    version: int
    channels: list[str] | None
    consents: dict[str, Any]
    preferences: dict[str, Any]
    language: str
    time_zone: str
    address_country: str | None
    reachable: bool
    contacts: list[dict[str, str]]
    proxies: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class OptOut:
    """An address that must not be written to; field order is the wire's."""

    id: UUID
    channel: str
    address: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Reached:
    """Where an attempt went to."""

    id: UUID
    recipient: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A patient or related person whose consent was changed, with what it was."""

    id: UUID
    patient_id: UUID
    version: int
    before: dict[str, Any]
    after: dict[str, Any]


GET = Query(
    Stored,
    "SELECT p.id, p.version, p.communication_preferences -> 'channels' AS channels,"
    " p.consent_settings AS consents, p.notification_preferences AS preferences, p.language,"
    " p.time_zone, p.contact_info #>> '{address,country}' AS address_country,"
    " p.is_active AND p.treatment_status <> 'deceased' AS reachable,"
    f" {PATIENT_CONTACTS} AS contacts,"
    f" coalesce((SELECT jsonb_agg({PROXY} ORDER BY r.created_at, r.id)"
    " FROM related_persons r WHERE r.tenant_id = p.tenant_id AND r.patient_id = p.id"
    " AND r.deleted_at IS NULL), '[]') AS proxies"
    " FROM patients p WHERE p.id = $1 AND p.deleted_at IS NULL",
    (OPENS_CONTACTS, OPENS_PROXIES),
)
# The rest of both documents stays as it is.
UPDATE = Command(
    "UPDATE patients SET communication_preferences = communication_preferences"
    " || jsonb_build_object('channels', $2::jsonb), consent_settings = $3::jsonb,"
    " notification_preferences = $4::jsonb, version = version + 1, updated_at = $5 WHERE id = $1"
)
BARRED = Column("suppressions.value")
_OPENS = (Opens(BARRED, "address"),)
OPT_OUTS = Query(
    OptOut,
    "SELECT id, channel, value AS address, reason, created_at FROM suppressions"
    f" WHERE {_BY_VALUE} = ANY ($1::text[]) AND lifted_at IS NULL"
    " ORDER BY created_at, id",
    _OPENS,
)
LIFT = Query(
    OptOut,
    "UPDATE suppressions SET lifted_at = $3, lifted_because = $4"
    f" WHERE channel = $1 AND {_BY_VALUE} = ANY ($2::text[])"
    " AND lifted_at IS NULL RETURNING id, channel, value AS address, reason, created_at",
    _OPENS,
)
# An entry from before the tenant had keys: the same address must not get another one. Where the
# release before has listed it a second time, it has one that is found.
FIND_BY_INDEX = Command(
    "UPDATE suppressions s SET value_index = $3 WHERE s.channel = $1 AND s.value = $2"
    " AND s.value_index IS NULL AND s.lifted_at IS NULL AND NOT EXISTS (SELECT FROM suppressions o"
    " WHERE o.tenant_id = s.tenant_id AND o.channel = s.channel AND o.value_index = $3"
    " AND o.lifted_at IS NULL)"
)
RECIPIENTS = Query(
    Reached,
    "SELECT id, recipient FROM notification_attempts WHERE id = ANY ($1::uuid[])"
    " AND recipient IS NOT NULL",
    (Opens(RECIPIENT, "recipient"),),
)
# By value alone, whatever the channel: a few too many do no harm.
_OWNERS = (
    f"FROM contact_points c WHERE {_BY_C_VALUE} = ANY ($1::text[])) ORDER BY o.id FOR NO KEY UPDATE"
)
LOCK_PATIENTS = Command(f"SELECT o.id FROM patients o WHERE o.id IN (SELECT c.patient_id {_OWNERS}")
LOCK_RELATED = Command(
    f"SELECT o.id FROM related_persons o WHERE o.id IN (SELECT c.related_person_id {_OWNERS}"
)
# Everybody whose address it is, in one order, so that two at once wait and do not deadlock.
_THEIRS = (
    "FROM contact_points c WHERE c.system = $1"
    f" AND {_BY_C_VALUE} = ANY ($2::text[]))"
    " AND o.deleted_at IS NULL AND o.consent_settings -> $3::text IS DISTINCT FROM $4::jsonb"
    " ORDER BY o.id FOR NO KEY UPDATE)"
)
_CONSENT = (
    "SET consent_settings = o.consent_settings || jsonb_build_object($3, $4),"
    " version = o.version + 1, updated_at = $5 FROM theirs WHERE o.id = theirs.id RETURNING o.id,"
)
_CHANGED = "AS patient_id, o.version, theirs.before, o.consent_settings AS after"
CONSENT_OF_PATIENTS = Query(
    Withdrawn,
    "WITH theirs AS MATERIALIZED (SELECT o.id, o.consent_settings AS before FROM patients o"
    f" WHERE o.id IN (SELECT c.patient_id {_THEIRS} UPDATE patients o {_CONSENT} o.id {_CHANGED}",
)
CONSENT_OF_RELATED = Query(
    Withdrawn,
    "WITH theirs AS MATERIALIZED (SELECT o.id, o.consent_settings AS before FROM related_persons o"
    f" WHERE o.id IN (SELECT c.related_person_id {_THEIRS} UPDATE related_persons o {_CONSENT}"
    f" o.patient_id {_CHANGED}",
)

FIND_STALE = Query(
    Stale,
    "SELECT id, value FROM suppressions WHERE left(value, 5) <> $1 AND id > $2"
    " ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE = Command("SELECT EXISTS (SELECT FROM suppressions WHERE left(value, 5) <> $1)")
# An address that the release before put on the list a second time, while both ran, is found once.
RESEAL = Command(
    "UPDATE suppressions s SET value = d.value, value_index = CASE WHEN s.lifted_at IS NULL"
    " AND EXISTS (SELECT FROM suppressions o WHERE o.tenant_id = s.tenant_id"
    " AND o.channel = s.channel AND o.value_index = d.blind AND o.lifted_at IS NULL"
    " AND o.id <> s.id) THEN s.value_index ELSE d.blind END"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value text, blind text) WHERE s.id = d.id"
)

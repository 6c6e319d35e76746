"""SQL of related persons."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.core import contact
from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Column, Opens
from chroniccare.tenancy.queries_addresses import IN_CONTACT_INFO
from chroniccare.tenancy.queries_keys import Stale


@dataclass(frozen=True, slots=True)
class RelatedPerson:
    """One related person; field order is the wire's. `contact_info` includes contact points."""

    id: UUID
    patient_id: UUID
    name: str
    relationship: str
    language: str
    time_zone: str | None
    contact_info: dict[str, Any]
    channels: list[str]
    consents: dict[str, Any]
    categories: list[str]
    receives: str
    period_start: date | None
    period_end: date | None
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


CONTACT = Column("related_persons.contact_info")
OPENS = (IN_CONTACT_INFO, Opens(CONTACT, "contact_info", within="address"))
_CONTACT_INFO = contact.info_sql("r", "related_person_id")
_SELECT = (
    "SELECT r.id, r.patient_id, r.name, r.relationship, r.language, r.time_zone,"
    f" {_CONTACT_INFO}, r.channels,"
    " r.consent_settings AS consents, r.categories, r.receives, r.period_start, r.period_end,"
    " r.is_active, r.version, r.created_at, r.updated_at FROM related_persons r"
)
GET = Query(
    RelatedPerson,
    f"{_SELECT} WHERE r.patient_id = $1 AND r.id = $2 AND r.deleted_at IS NULL",
    OPENS,
)
GET_FOR_UPDATE = Query(RelatedPerson, GET.sql + " FOR NO KEY UPDATE OF r", OPENS)
LIST = Query(
    RelatedPerson,
    f"{_SELECT} WHERE r.patient_id = $1 AND r.deleted_at IS NULL"
    " AND ($2::timestamptz IS NULL OR (r.created_at, r.id) > ($2, $3::uuid))"
    " ORDER BY r.created_at, r.id LIMIT $4",
    OPENS,
)
COUNT = Command("SELECT count(*) FROM related_persons WHERE patient_id = $1 AND deleted_at IS NULL")
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, patient_id uuid, name text, relationship text,"
    " language text, time_zone text, contact_info jsonb, channels jsonb, consents jsonb,"
    " categories jsonb, receives text, period_start date, period_end date, is_active boolean)"
)
INSERT = Command(
    "INSERT INTO related_persons (id, tenant_id, patient_id, name, relationship, language,"
    " time_zone, contact_info, channels, consent_settings, categories, receives, period_start,"
    " period_end, is_active, created_at, updated_at) SELECT d.id, $2, d.patient_id, d.name,"
    " d.relationship, d.language, d.time_zone, d.contact_info, d.channels, d.consents,"
    " d.categories, d.receives, d.period_start, d.period_end, d.is_active, $3::timestamptz, $3"
    f" FROM {_DOCUMENT}"
)
UPDATE = Command(
    "UPDATE related_persons r SET name = d.name, relationship = d.relationship,"
    " language = d.language, time_zone = d.time_zone, contact_info = d.contact_info,"
    " channels = d.channels, consent_settings = d.consents, categories = d.categories,"
    " receives = d.receives, period_start = d.period_start, period_end = d.period_end,"
    " is_active = d.is_active, version = r.version + 1, updated_at = $2"
    f" FROM {_DOCUMENT} WHERE r.id = d.id"
)
CONSENT = Command(
    "UPDATE related_persons SET consent_settings = $2::jsonb, version = version + 1,"
    " updated_at = $3 WHERE id = $1"
)
# How to reach somebody who is not asked any more is not kept.
DELETE = Command(
    "UPDATE related_persons SET deleted_at = $2, updated_at = $2, is_active = false,"
    " contact_info = '{}', version = version + 1 WHERE id = $1"
)
REPLACE_CONTACT_POINTS = Command(contact.replace_sql("related_person_id"))
GIVE_UP = Command(
    "UPDATE notifications SET delivery_status = 'cancelled', lease_until = NULL, updated_at = $3,"
    ' delivery_details = delivery_details || \'{"reason": "proxy_inactive"}\''
    " WHERE patient_id = $1 AND related_person_id = $2"
    " AND delivery_status IN ('pending', 'held', 'queued')"
)
FIND_STALE_CONTACT = Query(Stale, contact.find_stale_sql("related_persons"))
ANY_STALE_CONTACT = Command(contact.any_stale_sql("related_persons"))
RESEAL_CONTACT = Command(contact.reseal_sql("related_persons"))

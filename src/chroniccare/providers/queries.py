"""SQL of providers and where they work."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core import contact
from chroniccare.platform.postgres import Command, Query
from chroniccare.tenancy.queries_addresses import IN_CONTACT_INFO


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider; field order is the wire's. `contact_info` includes the contact points."""

    id: UUID
    npi: str | None
    identifiers: list[dict[str, str]]
    first_name: str
    last_name: str
    specializations: list[str]
    qualifications: list[str]
    contact_info: dict[str, Any]
    languages: list[str]
    telehealth_enabled: bool
    max_daily_capacity: int
    default_appointment_durations: dict[str, int]
    facilities: list[dict[str, Any]]
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


OPENS = (IN_CONTACT_INFO,)
_CONTACT_INFO = contact.info_sql("p", "provider_id")
_COLUMNS = (
    "p.id, p.npi, p.identifiers, p.first_name, p.last_name, p.specializations, p.qualifications,"
    f" {_CONTACT_INFO}, p.languages, p.telehealth_enabled, p.max_daily_capacity,"
    " p.default_appointment_durations,"
    " coalesce((SELECT jsonb_agg(jsonb_build_object('facility_id', w.facility_id,"
    " 'is_primary', w.is_primary) ORDER BY w.is_primary DESC, w.associated_at, w.id)"
    " FROM provider_facilities w WHERE w.tenant_id = p.tenant_id AND w.provider_id = p.id), '[]')"
    " AS facilities,"
    " p.is_active, p.version, p.created_at, p.updated_at"
)

GET = Query(
    Provider,
    f"SELECT {_COLUMNS} FROM providers p WHERE p.id = $1 AND p.deleted_at IS NULL",
    OPENS,
)
GET_FOR_UPDATE = Query(Provider, GET.sql + " FOR NO KEY UPDATE OF p", OPENS)
# $6 and $7 are the ends of the range of the last name's prefix.
LIST = Query(
    Provider,
    f"SELECT {_COLUMNS} FROM providers p WHERE p.deleted_at IS NULL"
    " AND ($1::text IS NULL OR p.npi = $1)"
    " AND ($2::text IS NULL OR EXISTS (SELECT FROM provider_specializations s"
    " WHERE s.tenant_id = p.tenant_id AND s.provider_id = p.id AND s.specialization = $2))"
    " AND ($3::uuid IS NULL OR EXISTS (SELECT FROM provider_facilities w"
    " WHERE w.tenant_id = p.tenant_id AND w.provider_id = p.id AND w.facility_id = $3))"
    " AND ($4::boolean IS NULL OR p.is_active = $4)"
    " AND ($5::uuid[] IS NULL OR p.id = ANY($5))"
    ' AND ($6::text IS NULL OR (p.last_name COLLATE "C" >= $6'
    ' AND p.last_name COLLATE "C" < $7::text))'
    ' AND ($8::text IS NULL OR (p.last_name COLLATE "C", p.first_name COLLATE "C", p.id)'
    " > ($8, $9, $10::uuid))"
    ' ORDER BY p.last_name COLLATE "C", p.first_name COLLATE "C", p.id LIMIT $11',
    OPENS,
)
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, npi text, identifiers jsonb, first_name text,"
    " last_name text, specializations jsonb, qualifications jsonb, contact_info jsonb,"
    " languages jsonb, telehealth_enabled boolean, max_daily_capacity int,"
    " default_appointment_durations jsonb, facilities jsonb, is_active boolean)"
)
# What a provider does and where, as rows: `written` is the provider's row, `d` the document.
_SKILLS = (
    "skills AS (INSERT INTO provider_specializations (tenant_id, provider_id, specialization)"
    " SELECT $2, written.id, s FROM written, d, jsonb_array_elements_text(d.specializations) AS s)"
)
_PLACES = (
    "places AS (INSERT INTO provider_facilities"
    " (id, tenant_id, provider_id, facility_id, is_primary, associated_at)"
    " SELECT w.id, $2, written.id, w.facility_id, w.is_primary, $3 FROM written, d,"
    " jsonb_to_recordset(d.facilities) AS w (id uuid, facility_id uuid, is_primary boolean)"
    " ON CONFLICT (tenant_id, provider_id, facility_id)"
    " DO UPDATE SET is_primary = excluded.is_primary)"
)
INSERT = Command(
    f"WITH d AS (SELECT * FROM {_DOCUMENT}), written AS (INSERT INTO providers (id, tenant_id, npi,"
    " identifiers, first_name, last_name, specializations, qualifications, contact_info, languages,"
    " telehealth_enabled, max_daily_capacity, default_appointment_durations, is_active, created_at,"
    " updated_at)"
    " SELECT d.id, $2::uuid, d.npi, d.identifiers, d.first_name, d.last_name, d.specializations,"
    " d.qualifications, d.contact_info, d.languages, d.telehealth_enabled, d.max_daily_capacity,"
    " d.default_appointment_durations, d.is_active, $3::timestamptz, $3 FROM d"
    " ON CONFLICT (tenant_id, npi) WHERE deleted_at IS NULL DO NOTHING RETURNING id),"
    " bookable AS (INSERT INTO resource (id, tenant_id, kind)"
    " SELECT written.id, $2, 'provider' FROM written),"
    f" {_SKILLS}, {_PLACES} SELECT id FROM written"
)
NPI_TAKEN = Command(
    "SELECT EXISTS (SELECT FROM providers WHERE npi = $1 AND id <> $2 AND deleted_at IS NULL)"
)
# Before UPDATE, as a unique key looks at each row at once: no specialization stays, no facility
# that is not among $3, and no primary one.
CLEAR = Command(
    "WITH skills AS (DELETE FROM provider_specializations"
    " WHERE provider_id = $1 AND specialization = ANY($2::text[])),"
    " places AS (DELETE FROM provider_facilities"
    " WHERE provider_id = $1 AND facility_id <> ALL($3::uuid[]))"
    " UPDATE provider_facilities SET is_primary = false"
    " WHERE provider_id = $1 AND is_primary AND facility_id = ANY($3)"
)
UPDATE = Command(
    f"WITH d AS (SELECT * FROM {_DOCUMENT}), written AS (UPDATE providers p SET npi = d.npi,"
    " identifiers = d.identifiers, first_name = d.first_name, last_name = d.last_name,"
    " specializations = d.specializations, qualifications = d.qualifications,"
    " contact_info = d.contact_info, languages = d.languages,"
    " telehealth_enabled = d.telehealth_enabled, max_daily_capacity = d.max_daily_capacity,"
    " default_appointment_durations = d.default_appointment_durations, is_active = d.is_active,"
    " version = p.version + 1, updated_at = $3::timestamptz"
    " FROM d WHERE p.tenant_id = $2::uuid AND p.id = d.id RETURNING p.id),"
    f" {_SKILLS}, {_PLACES} SELECT id FROM written"
)
# The lock keeps a facility from being removed before the provider is written.
KNOWN_FACILITIES = Command(
    "SELECT id FROM facilities WHERE id = ANY($1::uuid[]) AND deleted_at IS NULL"
    " ORDER BY id FOR SHARE"
)
RULES_ELSEWHERE = Command(
    "SELECT EXISTS (SELECT FROM provider_availability"
    " WHERE provider_id = $1 AND facility_id <> ALL($2::uuid[]))"
)
# No visit is longer than a day, so a range of starts bounds what can still be under way.
VISITS_TO_COME = Command(
    "SELECT EXISTS (SELECT FROM appointments WHERE provider_id = $1"
    " AND scheduled_start > $2::timestamptz - interval '24 hours' AND scheduled_end > $2"
    " AND status NOT IN ('completed', 'cancelled', 'no_show'))"
    # Who joins a visit of somebody else's, or leads a group session, has only this.
    " OR EXISTS (SELECT FROM occupancy o LEFT JOIN appointments a ON a.id = o.appointment_id"
    " WHERE o.resource_id = $1 AND o.starts_at > $2 - interval '24 hours' AND o.ends_at > $2"
    " AND a.status IS DISTINCT FROM 'completed')"
)
DELETE = Command(
    "UPDATE providers SET deleted_at = $2, updated_at = $2, is_active = false,"
    " version = version + 1 WHERE id = $1"
)
REPLACE_CONTACT_POINTS = Command(contact.replace_sql("provider_id"))

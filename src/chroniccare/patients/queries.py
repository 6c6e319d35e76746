"""SQL of patients, their contact points, names and assignments."""

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
class Patient:
    """One patient; field order is the wire's. `contact_info` includes the contact points."""

    id: UUID
    mrn: str
    first_name: str
    last_name: str
    date_of_birth: date
    gender: str | None
    contact_info: dict[str, Any]
    emergency_contact: dict[str, Any]
    insurance_info: dict[str, Any]
    primary_diagnosis: str | None
    icd10_codes: list[str]
    treatment_status: str
    communication_preferences: dict[str, Any]
    consent_settings: dict[str, Any]
    time_zone: str
    language: str
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Assignment:
    """A provider who cares for a patient."""

    id: UUID
    patient_id: UUID
    provider_id: UUID
    relationship_type: str
    is_primary: bool
    assigned_at: datetime
    ended_at: datetime | None


CONTACT = Column("patients.contact_info")
EMERGENCY = Column("patients.emergency_contact")
INSURANCE = Column("patients.insurance_info")
OPENS = (
    IN_CONTACT_INFO,
    Opens(CONTACT, "contact_info", within="address"),
    Opens(EMERGENCY, "emergency_contact"),
    Opens(INSURANCE, "insurance_info"),
)
_CONTACT_INFO = contact.info_sql("p", "patient_id")
_COLUMNS = (
    "p.id, p.mrn, p.first_name, p.last_name, p.date_of_birth, p.gender,"
    f" {_CONTACT_INFO},"
    " p.emergency_contact, p.insurance_info, p.primary_diagnosis, p.icd10_codes,"
    " p.treatment_status, p.communication_preferences, p.consent_settings, p.time_zone,"
    " p.language, p.is_active, p.version, p.created_at, p.updated_at"
)
_LISTED = (
    " AND ($1::text IS NULL OR p.mrn = $1) AND ($2::date IS NULL OR p.date_of_birth = $2)"
    " AND ($3::text IS NULL OR p.treatment_status = $3)"
    " AND ($4::uuid IS NULL OR EXISTS (SELECT FROM patient_providers a"
    " WHERE a.tenant_id = p.tenant_id AND a.patient_id = p.id AND a.provider_id = $4"
    " AND a.is_primary AND a.ended_at IS NULL))"
    " AND ($5::uuid[] IS NULL OR p.id = ANY($5))"
    ' AND ($6::text IS NULL OR (p.last_name COLLATE "C", p.first_name COLLATE "C", p.id)'
    " > ($6, $7, $8::uuid))"
)
_IN_ORDER = ' ORDER BY p.last_name COLLATE "C", p.first_name COLLATE "C", p.id LIMIT $9'

GET = Query(
    Patient,
    f"SELECT {_COLUMNS} FROM patients p WHERE p.id = $1 AND p.deleted_at IS NULL",
    OPENS,
)
GET_FOR_UPDATE = Query(Patient, GET.sql + " FOR NO KEY UPDATE OF p", OPENS)
LIST = Query(
    Patient,
    f"SELECT {_COLUMNS} FROM patients p WHERE p.deleted_at IS NULL{_LISTED}{_IN_ORDER}",
    OPENS,
)
# $10 and $11 are the ends of the ranges of each word's prefix; a patient must match every word.
LIST_BY_PREFIX = Query(
    Patient,
    f"SELECT {_COLUMNS} FROM patients p JOIN (SELECT t.patient_id FROM unnest($10::text[],"
    " $11::text[]) AS w (low, high) JOIN patient_name_tokens t"
    " ON t.kind = 'word' AND t.token >= w.low AND t.token < w.high"
    " GROUP BY t.patient_id HAVING count(DISTINCT w.low) = cardinality($10::text[])) m"
    f" ON m.patient_id = p.id WHERE p.deleted_at IS NULL{_LISTED}{_IN_ORDER}",
    OPENS,
)
# $10 and $11 pair each typing-error token with the number of the word it came from; $12 words.
LIST_BY_TYPO = Query(
    Patient,
    f"SELECT {_COLUMNS} FROM patients p JOIN (SELECT t.patient_id FROM unnest($10::text[],"
    " $11::int[]) AS w (token, word) JOIN patient_name_tokens t"
    " ON t.kind = 'typo' AND t.token = w.token"
    " GROUP BY t.patient_id HAVING count(DISTINCT w.word) = $12::int) m"
    f" ON m.patient_id = p.id WHERE p.deleted_at IS NULL{_LISTED}{_IN_ORDER}",
    OPENS,
)
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, mrn text, first_name text, last_name text,"
    " date_of_birth date, gender text, contact_info jsonb, emergency_contact jsonb,"
    " insurance_info jsonb, primary_diagnosis text, icd10_codes jsonb, treatment_status text,"
    " communication_preferences jsonb, consent_settings jsonb, time_zone text, language text,"
    " is_active boolean)"
)
# With what belongs to the patient, and the patient as GET has it, from the same statement: what it
# has written itself it cannot see. Nothing comes back where the number is taken.
_SENT_INFO = _CONTACT_INFO.replace(
    "contact_points c WHERE c.tenant_id = p.tenant_id AND c.patient_id = p.id", "sent c"
)
_SENT_COLUMNS = _COLUMNS.replace(_CONTACT_INFO, _SENT_INFO)
INSERT = Query(
    Patient,
    "WITH sent AS (SELECT c.* FROM jsonb_to_recordset($4::jsonb) AS c (id uuid, system text,"
    " value text, value_index text, use text, rank smallint)),"
    " made AS (INSERT INTO patients (id, tenant_id, mrn, first_name, last_name, date_of_birth,"
    " gender, contact_info, emergency_contact, insurance_info, primary_diagnosis, icd10_codes,"
    " treatment_status, communication_preferences, consent_settings, time_zone, language,"
    " is_active, created_at, updated_at)"
    " SELECT d.id, $2, d.mrn, d.first_name, d.last_name, d.date_of_birth, d.gender,"
    " d.contact_info, d.emergency_contact, d.insurance_info, d.primary_diagnosis, d.icd10_codes,"
    " d.treatment_status, d.communication_preferences, d.consent_settings, d.time_zone,"
    f" d.language, d.is_active, $3::timestamptz, $3 FROM {_DOCUMENT}"
    " ON CONFLICT (tenant_id, mrn) WHERE deleted_at IS NULL DO NOTHING RETURNING *),"
    " kinds AS (INSERT INTO resource (id, tenant_id, kind) SELECT id, $2, 'patient' FROM made),"
    " points AS (INSERT INTO contact_points (id, tenant_id, patient_id, system, value, value_index,"
    " use, rank, created_at) SELECT c.id, $2, made.id, c.system, c.value, c.value_index, c.use,"
    " c.rank, $3 FROM made CROSS JOIN sent c),"
    " names AS (INSERT INTO patient_name_tokens (tenant_id, patient_id, kind, token)"
    " SELECT $2, made.id, t.kind, t.token FROM made"
    " CROSS JOIN unnest($5::text[], $6::text[]) AS t (kind, token))"
    f" SELECT {_SENT_COLUMNS} FROM made p",
    OPENS,
)
MRN_TAKEN = Command(
    "SELECT EXISTS (SELECT FROM patients WHERE mrn = $1 AND id <> $2 AND deleted_at IS NULL)"
)
UPDATE = Command(
    "UPDATE patients p SET mrn = d.mrn, first_name = d.first_name, last_name = d.last_name,"
    " date_of_birth = d.date_of_birth, gender = d.gender, contact_info = d.contact_info,"
    " emergency_contact = d.emergency_contact, insurance_info = d.insurance_info,"
    " primary_diagnosis = d.primary_diagnosis, icd10_codes = d.icd10_codes,"
    " treatment_status = d.treatment_status,"
    " communication_preferences = d.communication_preferences,"
    " consent_settings = d.consent_settings, time_zone = d.time_zone, language = d.language,"
    " is_active = d.is_active, version = p.version + 1, updated_at = $2"
    f" FROM {_DOCUMENT} WHERE p.id = d.id"
)
DELETE = Command(
    "UPDATE patients SET deleted_at = $2, updated_at = $2, is_active = false,"
    " version = version + 1 WHERE id = $1"
)
REPLACE_CONTACT_POINTS = Command(contact.replace_sql("patient_id"))
HAS_VISITS = Command(
    "SELECT EXISTS (SELECT FROM appointments WHERE patient_id = $1 AND scheduled_end > $2"
    " AND status NOT IN ('completed', 'cancelled', 'no_show'))"
)
DELETE_NAMES = Command("DELETE FROM patient_name_tokens WHERE patient_id = $1")
INSERT_NAMES = Command(
    "INSERT INTO patient_name_tokens (tenant_id, patient_id, kind, token)"
    " SELECT $1, $2, kind, token FROM unnest($3::text[], $4::text[]) AS t (kind, token)"
)

_ASSIGNMENT = "id, patient_id, provider_id, relationship_type, is_primary, assigned_at, ended_at"
LIST_ASSIGNMENTS = Query(
    Assignment,
    f"SELECT {_ASSIGNMENT} FROM patient_providers WHERE patient_id = $1"
    " AND ($2 OR ended_at IS NULL)"
    " AND ($3::timestamptz IS NULL OR (assigned_at, id) > ($3, $4::uuid))"
    " ORDER BY assigned_at, id LIMIT $5",
)
CURRENT_ASSIGNMENTS = Query(
    Assignment,
    f"SELECT {_ASSIGNMENT} FROM patient_providers WHERE patient_id = $1 AND ended_at IS NULL"
    " ORDER BY assigned_at, id",
)
END_PRIMARY = Command(
    "UPDATE patient_providers SET is_primary = false"
    " WHERE patient_id = $1 AND is_primary AND ended_at IS NULL"
)
INSERT_ASSIGNMENT = Query(
    Assignment,
    "INSERT INTO patient_providers (id, tenant_id, patient_id, provider_id, relationship_type,"
    " is_primary, assigned_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " ON CONFLICT (tenant_id, patient_id, provider_id) WHERE ended_at IS NULL"
    " DO UPDATE SET relationship_type = excluded.relationship_type,"
    f" is_primary = excluded.is_primary RETURNING {_ASSIGNMENT}",
)
END_ASSIGNMENT = Query(
    Assignment,
    "UPDATE patient_providers SET ended_at = $3, is_primary = false WHERE patient_id = $1"
    f" AND provider_id = $2 AND ended_at IS NULL RETURNING {_ASSIGNMENT}",
)
PROVIDER_EXISTS = Command(
    "SELECT EXISTS (SELECT FROM providers WHERE id = $1 AND deleted_at IS NULL)"
)

_STALE_EMERGENCY = "emergency_contact <> '{}' AND left(emergency_contact #>> '{}', 5) <> $1"
_STALE_INSURANCE = "insurance_info <> '{}' AND left(insurance_info #>> '{}', 5) <> $1"
FIND_STALE_CONTACT = Query(Stale, contact.find_stale_sql("patients"))
ANY_STALE_CONTACT = Command(contact.any_stale_sql("patients"))
RESEAL_CONTACT = Command(contact.reseal_sql("patients"))
FIND_STALE_EMERGENCY = Query(
    Stale,
    f"SELECT id, emergency_contact AS value FROM patients WHERE {_STALE_EMERGENCY}"
    " AND id > $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE_EMERGENCY = Command(f"SELECT EXISTS (SELECT FROM patients WHERE {_STALE_EMERGENCY})")
RESEAL_EMERGENCY = Command(
    "UPDATE patients p SET emergency_contact = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value jsonb) WHERE p.id = d.id"
)
FIND_STALE_INSURANCE = Query(
    Stale,
    f"SELECT id, insurance_info AS value FROM patients WHERE {_STALE_INSURANCE}"
    " AND id > $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
)
ANY_STALE_INSURANCE = Command(f"SELECT EXISTS (SELECT FROM patients WHERE {_STALE_INSURANCE})")
RESEAL_INSURANCE = Command(
    "UPDATE patients p SET insurance_info = d.value"
    " FROM jsonb_to_recordset($1::jsonb) AS d (id uuid, value jsonb) WHERE p.id = d.id"
)

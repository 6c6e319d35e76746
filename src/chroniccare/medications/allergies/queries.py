"""SQL of allergies."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Allergy:
    """One allergy; field order is the wire's."""

    id: UUID
    patient_id: UUID
    substance: str
    category: str
    rxnorm_code: str | None
    drug_class: str | None
    criticality: str
    verification: str
    note: str | None
    recorded_on: date | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LookedAt:
    """An allergy that counts when a drug is checked."""

    id: UUID
    substance: str
    rxnorm_code: str | None
    drug_class: str | None
    criticality: str


_SELECT = (
    "SELECT a.id, a.patient_id, a.substance, a.category, a.rxnorm_code, a.drug_class,"
    " a.criticality, a.verification, a.note, a.recorded_on, a.version, a.created_at, a.updated_at"
    " FROM patient_allergies a"
)
GET = Query(Allergy, f"{_SELECT} WHERE a.patient_id = $1 AND a.id = $2 AND a.deleted_at IS NULL")
GET_FOR_UPDATE = Query(Allergy, GET.sql + " FOR NO KEY UPDATE OF a")
LIST = Query(
    Allergy,
    f"{_SELECT} WHERE a.patient_id = $1 AND a.deleted_at IS NULL"
    " AND ($2::timestamptz IS NULL OR (a.created_at, a.id) > ($2, $3::uuid))"
    " ORDER BY a.created_at, a.id LIMIT $4",
)
LOOKED_AT = Query(
    LookedAt,
    "SELECT id, substance, rxnorm_code, drug_class, criticality FROM patient_allergies"
    " WHERE patient_id = $1 AND deleted_at IS NULL AND category IN ('medication', 'biologic')"
    " AND verification IN ('unconfirmed', 'confirmed') ORDER BY created_at, id",
)
COUNT = Command(
    "SELECT count(*) FROM patient_allergies WHERE patient_id = $1 AND deleted_at IS NULL"
)
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, patient_id uuid, substance text, category text,"
    " rxnorm_code text, drug_class text, criticality text, verification text, note text,"
    " recorded_on date)"
)
INSERT = Command(
    "INSERT INTO patient_allergies (id, tenant_id, patient_id, substance, category, rxnorm_code,"
    " drug_class, criticality, verification, note, recorded_on, created_at, updated_at)"
    " SELECT d.id, $2, d.patient_id, d.substance, d.category, d.rxnorm_code, d.drug_class,"
    f" d.criticality, d.verification, d.note, d.recorded_on, $3::timestamptz, $3 FROM {_DOCUMENT}"
)
UPDATE = Command(
    "UPDATE patient_allergies a SET substance = d.substance, category = d.category,"
    " rxnorm_code = d.rxnorm_code, drug_class = d.drug_class, criticality = d.criticality,"
    " verification = d.verification, note = d.note, recorded_on = d.recorded_on,"
    f" version = a.version + 1, updated_at = $2 FROM {_DOCUMENT} WHERE a.id = d.id"
)
DELETE = Command(
    "UPDATE patient_allergies SET deleted_at = $2, updated_at = $2, version = version + 1"
    " WHERE id = $1"
)

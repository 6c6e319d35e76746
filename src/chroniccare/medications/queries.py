"""SQL of prescriptions and of how they are taken."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Medication:
    """One prescription with its newest regimen; field order is the wire's."""

    id: UUID
    patient_id: UUID
    prescribing_provider_id: UUID
    medication_name: str
    generic_name: str | None
    rxnorm_code: str | None
    drug_class: str | None
    dosage: str
    strength: str | None
    route: str
    frequency: str
    sig: str | None
    schedule_details: dict[str, Any]
    start_date: date
    end_date: date | None
    is_ongoing: bool
    as_needed: bool
    pharmacy_info: dict[str, Any]
    refills_remaining: int
    days_supply: int | None
    special_instructions: dict[str, Any]
    side_effects_to_monitor: list[str]
    adherence_threshold: int | None
    reminders: bool
    override: dict[str, Any] | None
    status: str
    hold_until: date | None
    stop_reason: str | None
    stopped_at: datetime | None
    regimen_version: int
    dosage_instructions: list[dict[str, Any]]
    effective_from: datetime
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Regimen:
    """How a prescription is taken, from one change to the next."""

    version: int
    dosage_instructions: list[dict[str, Any]]
    starts_on: date
    ends_on: date | None
    effective_from: datetime
    effective_until: datetime | None


@dataclass(frozen=True, slots=True)
class Prescriber:
    """A provider who prescribes."""

    is_active: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prescription whose `last_day` may have passed; `is_gone` when its patient was removed."""

    id: UUID
    patient_id: UUID
    time_zone: str
    is_gone: bool
    last_day: date


_COLUMNS = (
    "m.id, m.patient_id, m.prescribing_provider_id, m.medication_name, m.generic_name,"
    " m.rxnorm_code, m.drug_class, m.dosage, m.strength, m.route, m.frequency, m.sig,"
    " m.schedule_details, m.start_date, m.end_date, m.is_ongoing, m.as_needed, m.pharmacy_info,"
    " m.refills_remaining, m.days_supply, m.special_instructions, m.side_effects_to_monitor,"
    " m.adherence_threshold, m.reminders, m.override, m.status, m.hold_until, m.stop_reason,"
    " m.stopped_at, m.regimen_version, r.dosage AS dosage_instructions, r.effective_from,"
    " m.version, m.created_at, m.updated_at"
)
_FROM = (
    " FROM medications m JOIN medication_regimens r ON r.medication_id = m.id"
    " AND r.version = m.regimen_version"
)
GET = Query(Medication, f"SELECT {_COLUMNS}{_FROM} WHERE m.id = $1")
GET_FOR_UPDATE = Query(Medication, GET.sql + " FOR NO KEY UPDATE OF m")
# The newest first: ids are UUIDs version 7.
LIST = Query(
    Medication,
    f"SELECT {_COLUMNS}{_FROM} WHERE m.patient_id = $1 AND ($2::text IS NULL OR m.status = $2)"
    " AND ($3::uuid IS NULL OR m.id < $3) ORDER BY m.id DESC LIMIT $4",
)
PATIENT = Command("SELECT EXISTS (SELECT FROM patients WHERE id = $1 AND deleted_at IS NULL)")
# Whoever prescribes is not removed before the commit.
PRESCRIBER = Query(
    Prescriber,
    "SELECT is_active FROM providers WHERE id = $1 AND deleted_at IS NULL FOR SHARE",
)
_DOCUMENT = (
    "jsonb_to_record($1::jsonb) AS d (id uuid, patient_id uuid, prescribing_provider_id uuid,"
    " medication_name text, generic_name text, rxnorm_code text, drug_class text, dosage text,"
    " strength text, route text, frequency text, sig text, schedule_details jsonb,"
    " start_date date, end_date date, is_ongoing boolean, as_needed boolean, pharmacy_info jsonb,"
    " refills_remaining integer, days_supply integer, special_instructions jsonb,"
    " side_effects_to_monitor jsonb, adherence_threshold smallint, reminders boolean,"
    " override jsonb, status text, regimen_version integer)"
)
INSERT = Command(
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id,"
    " medication_name, generic_name, rxnorm_code, drug_class, dosage, strength, route, frequency,"
    " sig, schedule_details, start_date, end_date, is_ongoing, as_needed, pharmacy_info,"
    " refills_remaining, days_supply, special_instructions, side_effects_to_monitor,"
    " adherence_threshold, reminders, override, status, regimen_version, created_at, updated_at)"
    " SELECT d.id, $2, d.patient_id, d.prescribing_provider_id, d.medication_name,"
    " d.generic_name, d.rxnorm_code, d.drug_class, d.dosage, d.strength, d.route, d.frequency,"
    " d.sig, d.schedule_details, d.start_date, d.end_date, d.is_ongoing, d.as_needed,"
    " d.pharmacy_info, d.refills_remaining, d.days_supply, d.special_instructions,"
    " d.side_effects_to_monitor, d.adherence_threshold, d.reminders, nullif(d.override, 'null'),"
    f" d.status, d.regimen_version, $3::timestamptz, $3 FROM {_DOCUMENT}"
)
UPDATE = Command(
    "UPDATE medications m SET prescribing_provider_id = d.prescribing_provider_id,"
    " medication_name = d.medication_name, generic_name = d.generic_name,"
    " rxnorm_code = d.rxnorm_code, drug_class = d.drug_class, dosage = d.dosage,"
    " strength = d.strength, route = d.route, frequency = d.frequency, sig = d.sig,"
    " schedule_details = d.schedule_details, start_date = d.start_date, end_date = d.end_date,"
    " is_ongoing = d.is_ongoing, as_needed = d.as_needed, pharmacy_info = d.pharmacy_info,"
    " refills_remaining = d.refills_remaining, days_supply = d.days_supply,"
    " special_instructions = d.special_instructions,"
    " side_effects_to_monitor = d.side_effects_to_monitor,"
    " adherence_threshold = d.adherence_threshold, reminders = d.reminders,"
    " override = nullif(d.override, 'null'), regimen_version = d.regimen_version,"
    f" version = m.version + 1, updated_at = $2 FROM {_DOCUMENT} WHERE m.id = d.id"
)
STEP = Command(
    "UPDATE medications SET status = $2, hold_until = $3::date, stop_reason = $4,"
    " stopped_at = $5::timestamptz, override = $6::jsonb, version = version + 1, updated_at = $7"
    " WHERE id = $1"
)
ADD_REGIMEN = Command(
    "INSERT INTO medication_regimens (tenant_id, medication_id, version, dosage, starts_on,"
    " ends_on, effective_from, created_at) VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8)"
)
# What is in force ends then; what was to come only later never begins.
END_REGIMENS = Command(
    "UPDATE medication_regimens SET effective_until = greatest(effective_from, $2::timestamptz)"
    " WHERE medication_id = $1 AND (effective_until IS NULL OR effective_until > $2)"
)
MOVE_END = Command(
    "UPDATE medication_regimens SET ends_on = $2::date WHERE medication_id = $1"
    " AND effective_until IS NULL"
)
# A draft is not taken before it is activated.
BEGIN_REGIMEN = Command(
    "UPDATE medication_regimens SET effective_from = greatest(effective_from, $2::timestamptz)"
    " WHERE medication_id = $1 AND effective_until IS NULL"
)
NEWEST = Query(
    Regimen,
    "SELECT version, dosage AS dosage_instructions, starts_on, ends_on, effective_from,"
    " effective_until FROM medication_regimens WHERE medication_id = $1"
    " ORDER BY version DESC LIMIT 1",
)
REGIMENS = Query(
    Regimen,
    "SELECT version, dosage AS dosage_instructions, starts_on, ends_on, effective_from,"
    " effective_until FROM medication_regimens WHERE medication_id = $1"
    " AND ($2::integer IS NULL OR version < $2) ORDER BY version DESC LIMIT $3",
)
# Locks are taken in one order, everywhere: patients, medications, doses, messages, each by id. What
# takes one of them without those before it never waits (SKIP LOCKED), or stops there.
LOCK_PATIENTS = Command(
    "SELECT id FROM patients WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
)
LOCK_PATIENTS_OF = Command(
    "SELECT id FROM patients WHERE id IN (SELECT patient_id FROM medications"
    " WHERE id = ANY ($1::uuid[])) ORDER BY id FOR NO KEY UPDATE"
)
ZONE = Command("SELECT time_zone FROM patients WHERE id = $1")

# Days are where the patient lives, so that the last of $1 (the latest day it is anywhere) are only
# candidates; $2 and $3 are where the page before ended.
ENDED = Query(
    Candidate,
    "SELECT m.id, m.patient_id, p.time_zone,"
    " false AS is_gone, m.end_date AS last_day FROM medications m"
    " JOIN patients p ON p.id = m.patient_id"
    " WHERE m.status IN ('active', 'on_hold') AND m.end_date < $1"
    " AND ($2::date IS NULL OR (m.end_date, m.id) > ($2, $3::uuid))"
    " ORDER BY m.end_date, m.id LIMIT $4",
)
HELD = Query(
    Candidate,
    "SELECT m.id, m.patient_id, p.time_zone,"
    " false AS is_gone, m.hold_until - 1 AS last_day FROM medications m"
    " JOIN patients p ON p.id = m.patient_id"
    " WHERE m.status = 'on_hold' AND m.hold_until <= $1"
    " AND ($2::date IS NULL OR (m.hold_until - 1, m.id) > ($2, $3::uuid))"
    " ORDER BY m.hold_until - 1, m.id LIMIT $4",
)
ORPHANED = Query(
    Candidate,
    "SELECT m.id, m.patient_id, p.time_zone,"
    " true AS is_gone, m.start_date AS last_day FROM patients p"
    " JOIN medications m ON m.patient_id = p.id"
    " AND m.status IN ('draft', 'active', 'on_hold')"
    " WHERE p.deleted_at IS NOT NULL AND $1::date IS NOT NULL"
    " AND ($2::date IS NULL OR (m.start_date, m.id) > ($2, $3::uuid))"
    " ORDER BY m.start_date, m.id LIMIT $4",
)

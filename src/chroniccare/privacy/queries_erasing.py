"""SQL that takes a patient ($1) out of what is kept, at an instant ($2), table by table.

What stays names nobody: which visits there were and when, which drugs and doses, which messages
were sent on which channel.
"""

from chroniccare.platform.postgres import Command, Query
from chroniccare.privacy.queries import Hold
from chroniccare.scheduling.queries import COLUMNS, Appointment

LOCK = Command("SELECT id FROM patients WHERE id = $1 FOR UPDATE")
# Whoever places one, and who removes what one would keep, come one after the other.
LOCK_HOLDS = Command("SELECT pg_advisory_xact_lock(hashtextextended('holds:' || $1::text, 0))")
HOLD = Query(Hold, "SELECT patient_id, reason, placed_at FROM legal_holds WHERE patient_id = $1")
PLACE_HOLD = Query(
    Hold,
    "INSERT INTO legal_holds (tenant_id, patient_id, reason, placed_at) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (tenant_id, patient_id) DO UPDATE SET reason = excluded.reason"
    " RETURNING patient_id, reason, placed_at",
)
LIFT_HOLD = Command("DELETE FROM legal_holds WHERE patient_id = $1")
COMING = Query(
    Appointment,
    f"SELECT {COLUMNS} FROM appointments a WHERE a.patient_id = $1 AND a.scheduled_end > $2"
    " AND a.status IN ('held', 'scheduled', 'confirmed', 'checked_in')"
    " ORDER BY a.id FOR NO KEY UPDATE",
)
# Whoever begins an export shares the lock (fhir/exports/queries.py): it sees the patient, and is
# cancelled, or it begins behind the erasure.
LOCK_EXPORTS = Command("SELECT pg_advisory_xact_lock(hashtextextended('exports:' || $1, 0))")
CANCEL_EXPORTS = Command(
    "UPDATE fhir_exports SET state = 'cancelled' WHERE state NOT IN ('cancelled', 'failed')"
)
VISITS = Command("SELECT id FROM appointments WHERE patient_id = $1")

PATIENT = Command(
    "UPDATE patients SET mrn = 'erased-' || id, first_name = 'Erased', last_name = 'Erased',"
    " date_of_birth = '1900-01-01', gender = NULL, contact_info = '{}', emergency_contact = '{}',"
    " insurance_info = '{}', primary_diagnosis = NULL, icd10_codes = '[]',"
    " communication_preferences = '{}', consent_settings = '{}', notification_preferences = '{}',"
    " is_active = false, deleted_at = coalesce(deleted_at, $2), updated_at = $2,"
    " version = version + 1 WHERE id = $1"
)
EXTRAS = Command("DELETE FROM fhir_extras WHERE patient_id = $1 AND $2::timestamptz IS NOT NULL")
# Their index goes with them.
RECORDS = Command(
    "DELETE FROM fhir_resources WHERE patient_id = $1 AND $2::timestamptz IS NOT NULL"
)
NAMES = Command(
    "DELETE FROM patient_name_tokens WHERE patient_id = $1 AND $2::timestamptz IS NOT NULL"
)
ADDRESSES = Command(
    "DELETE FROM contact_points WHERE $2::timestamptz IS NOT NULL AND (patient_id = $1"
    " OR related_person_id IN (SELECT id FROM related_persons WHERE patient_id = $1))"
)
RELATED = Command(
    "UPDATE related_persons SET name = 'Erased', relationship = 'erased', contact_info = '{}',"
    " consent_settings = '{}', is_active = false, deleted_at = coalesce(deleted_at, $2),"
    " updated_at = $2, version = version + 1 WHERE patient_id = $1"
)
DEVICES = Command(
    "UPDATE patient_devices SET status = 'removed', token = 'erased-' || id, app = NULL,"
    " reason = NULL, next_try_at = $2, tries = 0, updated_at = $2, version = version + 1"
    " WHERE patient_id = $1"
)
FEEDS = Command(
    "UPDATE calendar_feeds SET revoked_at = coalesce(revoked_at, $2), updated_at = $2,"
    " version = version + 1 WHERE patient_id = $1"
)
APPOINTMENTS = Command(
    "UPDATE appointments SET reason = NULL, special_requirements = '{}',"
    " pre_appointment_instructions = '{}', telehealth_details = NULL, cancellation_reason = NULL,"
    " override = NULL, updated_at = $2, version = version + 1 WHERE patient_id = $1"
)
SERIES = Command(
    "UPDATE appointment_series SET series_name = NULL, cancellation_reason = NULL,"
    " is_active = false, cancelled_at = coalesce(cancelled_at, $2), updated_at = $2,"
    " version = version + 1 WHERE patient_id = $1"
)
# What is not sent yet never will be; what is being sent has its text from memory.
UNSENT = Command(
    "UPDATE notifications SET delivery_status = 'cancelled', lease_until = NULL, updated_at = $2"
    " WHERE patient_id = $1 AND delivery_status IN ('pending', 'held', 'queued')"
)
MESSAGES = Command(
    "UPDATE notifications SET template_data = '{}', delivery_details = '{}', updated_at = $2"
    " WHERE patient_id = $1"
)
ATTEMPTS = Command(
    "UPDATE notification_attempts SET recipient = NULL, recipient_index = NULL"
    " WHERE recipient IS NOT NULL"
    " AND $2::timestamptz IS NOT NULL AND notification_id IN"
    " (SELECT id FROM notifications WHERE patient_id = $1)"
)
BODIES = Command(
    "DELETE FROM outbox_messages WHERE $2::timestamptz IS NOT NULL AND notification_id IN"
    " (SELECT id FROM notifications WHERE patient_id = $1)"
)
REPLIES = Command(
    "UPDATE inbound_messages SET sender = '', sender_index = NULL, recipient = NULL, body = '',"
    " choices = NULL, updated_at = $2 WHERE patient_id = $1"
)
MEDICATIONS = Command(
    "UPDATE medications SET special_instructions = '{}', pharmacy_info = '{}', stop_reason = NULL,"
    " side_effects_to_monitor = '[]', override = NULL, updated_at = $2, version = version + 1"
    " WHERE patient_id = $1"
)
ADHERENCE = Command(
    "UPDATE medication_adherence SET notes = NULL WHERE notes IS NOT NULL"
    " AND $2::timestamptz IS NOT NULL AND patient_id = $1"
)
FILLS = Command(
    "UPDATE medication_fills SET pharmacy = NULL WHERE pharmacy IS NOT NULL"
    " AND $2::timestamptz IS NOT NULL AND patient_id = $1"
)
ALLERGIES = Command(
    "UPDATE patient_allergies SET note = NULL, deleted_at = coalesce(deleted_at, $2),"
    " updated_at = $2, version = version + 1 WHERE patient_id = $1"
)
CALLS = Command(
    "UPDATE recall_calls SET note = NULL WHERE note IS NOT NULL AND $2::timestamptz IS NOT NULL"
    " AND recall_id IN (SELECT id FROM recalls WHERE patient_id = $1)"
)
RECALLS = Command(
    "UPDATE recalls SET reason = NULL, claimed_by = NULL, claimed_key = NULL, claimed_until = NULL,"
    " closed_reason = coalesce(closed_reason, 'patient_removed'),"
    " closed_at = coalesce(closed_at, $2), status = 'closed', updated_at = $2,"
    " version = version + 1 WHERE patient_id = $1"
)
TASKS = Command(
    "UPDATE tasks SET note = NULL, closed_at = coalesce(closed_at, $2), updated_at = $2,"
    " status = CASE WHEN closed_at IS NULL THEN 'cancelled' ELSE status END,"
    " version = version + 1 WHERE patient_id = $1"
)
WAITLIST = Command(
    "UPDATE waitlist SET notes = NULL, updated_at = $2, version = version + 1,"
    " status = CASE WHEN status IN ('waiting', 'offered') THEN 'removed' ELSE status END"
    " WHERE patient_id = $1"
)
DOSING = Command("DELETE FROM dosing_times WHERE patient_id = $1 AND $2::timestamptz IS NOT NULL")
# Why the patient was erased is the evidence; why their data were copied out before is not.
EXPORTS = Command(
    "UPDATE privacy_jobs SET bundle = NULL, reason = 'Erased' WHERE kind = 'export'"
    " AND $2::timestamptz IS NOT NULL AND patient_id = $1"
)
VERSIONS = Command(
    "DELETE FROM record_versions WHERE patient_id = $1 AND $2::timestamptz IS NOT NULL"
)
# In this order: messages are found by the patient, addresses by the related persons, and what these
# steps change becomes an earlier version.
STEPS: tuple[tuple[str, Command], ...] = (
    ("appointments", APPOINTMENTS),
    ("appointment_series", SERIES),
    ("calendar_feeds", FEEDS),
    ("contact_points", ADDRESSES),
    ("dosing_times", DOSING),
    ("inbound_messages", REPLIES),
    ("medication_adherence", ADHERENCE),
    ("medication_fills", FILLS),
    ("medications", MEDICATIONS),
    ("notification_attempts", ATTEMPTS),
    ("notifications_cancelled", UNSENT),
    ("notifications", MESSAGES),
    ("outbox_messages", BODIES),
    ("patient_allergies", ALLERGIES),
    ("patient_devices", DEVICES),
    ("fhir_extras", EXTRAS),
    ("fhir_resources", RECORDS),
    ("patient_name_tokens", NAMES),
    ("privacy_jobs", EXPORTS),
    ("recall_calls", CALLS),
    ("recalls", RECALLS),
    ("related_persons", RELATED),
    ("tasks", TASKS),
    ("waitlist", WAITLIST),
    ("patients", PATIENT),
    ("record_versions", VERSIONS),
)
KEPT = {
    "adherence_episodes": "codes and times only",
    "legal_holds": "there is none when a patient is erased",
    "medication_doses": "codes, amounts and times only",
    "medication_regimens": "what was prescribed, of nobody who is named",
    "medication_reminder_doses": "ids and times only",
    "medication_supplies": "ids and days only",
    "notification_history": "codes and times only; nobody may change it",
    "notification_receipts": "codes and times only",
    "patient_providers": "ids and times only",
    "waitlist_offers": "ids and times only",
}
"""Tables that are exported and not erased from, and why."""

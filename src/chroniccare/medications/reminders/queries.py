"""SQL of reminders: doses to tell of, which message tells of which, and what a reply is about."""

from chroniccare.medications.reminders.model import Dose, Told
from chroniccare.platform.postgres import Command, Query

_WANTED = (
    "FROM medication_doses d JOIN medications m ON m.tenant_id = d.tenant_id"
    " AND m.id = d.medication_id WHERE d.state IN ('planned', 'due', 'reminded')"
    " AND d.due_at > $1::timestamptz - interval '1 day' AND d.due_at <= $2 AND d.missed_at > $1"
    " AND m.status = 'active' AND m.reminders"
)
# The patient's message of a bundle, by its whole key: a part of it would not use the index. It
# speaks for the copies of related persons, who get theirs at the same time.
_MESSAGE = "n.tenant_id = b.tenant_id AND n.dedupe_key = 'doses:' || b.bundle_id::text"
_TO_PROXY = "n.delivery_status = 'cancelled' AND n.delivery_details ->> 'reason' = 'goes_to_proxy'"
# It is on its way, was sent, could not be, or goes to somebody in the patient's place.
_OUT = (
    "(n.delivery_status NOT IN ('pending', 'held', 'queued', 'cancelled', 'superseded')"
    f" OR n.delivery_details ? 'moved_on' OR ({_TO_PROXY}))"
)
# OFFSET: key by key along the index. In a join the key, which is put together, would count as a
# leak, and row-level security would have every message of the tenant read first.
_IS_OUT = f"EXISTS (SELECT FROM notifications n WHERE {_MESSAGE} AND {_OUT} OFFSET 0)"
# Of the patients $3; but for those that a message told of which is on its way, was sent, or could
# not be: nobody is told of a dose twice.
UNTOLD = Query(
    Dose,
    f"SELECT d.id, d.patient_id, d.due_at, d.missed_at {_WANTED}"
    " AND d.patient_id = ANY ($3::uuid[]) AND NOT EXISTS (SELECT"
    " FROM medication_reminder_doses b WHERE b.tenant_id = d.tenant_id AND b.dose_id = d.id"
    f" AND b.due_at = d.due_at AND {_IS_OUT} OFFSET 0)",
)
# Patients after $3 with a dose to come that no message is planned for.
BEHIND = Command(
    f"SELECT DISTINCT d.patient_id {_WANTED} AND d.patient_id > $3 AND NOT EXISTS (SELECT"
    " FROM medication_reminder_doses b WHERE b.tenant_id = d.tenant_id AND b.dose_id = d.id"
    " AND b.due_at = d.due_at) ORDER BY d.patient_id LIMIT $4"
)
# Of the patients $2, all but $1, so that the loop sees what has no message. What a message that is
# out told of stays on record.
UNLINK = Command(
    "DELETE FROM medication_reminder_doses b WHERE b.dose_id = ANY (ARRAY(SELECT d.id"
    " FROM medication_doses d WHERE d.patient_id = ANY ($2::uuid[])"
    " AND d.due_at > $3::timestamptz - interval '1 day' AND d.due_at <= $4)) AND NOT EXISTS"
    " (SELECT FROM jsonb_to_recordset($1::jsonb) AS k (bundle_id uuid, dose_id uuid)"
    " WHERE k.bundle_id = b.bundle_id AND k.dose_id = b.dose_id)"
    f" AND NOT {_IS_OUT}"
)
LINK = Command(
    "INSERT INTO medication_reminder_doses AS b (tenant_id, bundle_id, dose_id, due_at)"
    " SELECT b.tenant_id, b.bundle_id, b.dose_id, b.due_at FROM (SELECT $2::uuid AS tenant_id,"
    " d.* FROM jsonb_to_recordset($1::jsonb) AS d (bundle_id uuid, dose_id uuid,"
    f" due_at timestamptz)) b WHERE NOT {_IS_OUT} ON CONFLICT (tenant_id, bundle_id, dose_id)"
    " DO UPDATE SET due_at = excluded.due_at WHERE b.due_at <> excluded.due_at"
)
# What its provider took counts as told, whoever of the patient's people got it.
NOTE_REMINDED = Command(
    "UPDATE medication_doses SET state = 'reminded', updated_at = $1 WHERE id IN (SELECT d.id"
    " FROM medication_doses d WHERE d.state IN ('planned', 'due')"
    " AND d.due_at > $1::timestamptz - interval '2 days'"
    " AND d.due_at <= $1::timestamptz + interval '2 hours'"
    " AND EXISTS (SELECT FROM medication_reminder_doses b WHERE b.tenant_id = d.tenant_id"
    " AND b.dose_id = d.id AND b.due_at = d.due_at AND EXISTS (SELECT FROM notifications n"
    f" WHERE {_MESSAGE} AND (n.delivery_status IN ('accepted', 'delivered', 'unconfirmed')"
    f" OR ({_TO_PROXY})) OFFSET 0) OFFSET 0)"
    " ORDER BY d.id LIMIT $2 FOR UPDATE SKIP LOCKED)"
)

# What a bundle is about, locked in the order in which doses are settled.
LOCK_MEDICATIONS = Command(
    "SELECT m.id FROM medications m WHERE m.id IN (SELECT d.medication_id"
    " FROM medication_reminder_doses b JOIN medication_doses d ON d.tenant_id = b.tenant_id"
    " AND d.id = b.dose_id WHERE b.bundle_id = $1) ORDER BY m.id FOR NO KEY UPDATE"
)
TOLD = Query(
    Told,
    "SELECT d.id, d.state, d.source, d.missed_at FROM medication_doses d WHERE d.id IN"
    " (SELECT b.dose_id FROM medication_reminder_doses b WHERE b.bundle_id = $1)"
    " AND d.state NOT IN ('cancelled', 'not_applicable') ORDER BY d.id FOR UPDATE",
)

"""Which rows are a patient's, table by table; a test compares it with the schema.

A table is here, or among `NOT_EXPORTED` with the reason, if it has a `patient_id` or a foreign key
to one that is here.
"""

_OWN = (
    "adherence_episodes", "appointment_series", "appointments", "calendar_feeds", "contact_points",
    "dosing_times", "inbound_messages", "legal_holds", "medication_adherence", "medication_doses",
    "medication_fills", "medication_supplies", "medications", "notifications", "patient_allergies",
    "patient_devices", "patient_providers", "privacy_jobs", "recalls", "related_persons", "tasks",
    "waitlist", "fhir_extras", "fhir_resources",
)  # fmt: skip
_VISITS = "(SELECT id FROM appointments WHERE patient_id = $1)"
_MEDICATIONS = "(SELECT id FROM medications WHERE patient_id = $1)"
_MESSAGES = "(SELECT id FROM notifications WHERE patient_id = $1)"

ROWS: dict[str, str] = {
    "patients": "t.id = $1",
    **dict.fromkeys(_OWN, "t.patient_id = $1"),
    "contact_points": "t.patient_id = $1 OR t.related_person_id IN"
    " (SELECT id FROM related_persons WHERE patient_id = $1)",
    "medication_regimens": f"t.medication_id IN {_MEDICATIONS}",
    "medication_reminder_doses": "t.dose_id IN"
    " (SELECT id FROM medication_doses WHERE patient_id = $1)",
    "notification_attempts": f"t.notification_id IN {_MESSAGES}",
    "notification_history": f"t.notification_id IN {_MESSAGES}",
    "notification_receipts": "t.attempt_id IN (SELECT id FROM notification_attempts"
    f" WHERE notification_id IN {_MESSAGES})",
    "outbox_messages": f"t.notification_id IN {_MESSAGES}",
    "recall_calls": "t.recall_id IN (SELECT id FROM recalls WHERE patient_id = $1)",
    "waitlist_offers": "t.entry_id IN (SELECT id FROM waitlist WHERE patient_id = $1)",
}
"""By table, which of its rows, called t, belong to the patient $1."""

NOT_EXPORTED = {
    "patient_name_tokens": "derived from the name, for the search",
    "fhir_index": "derived from the resources, for the search",
    "fhir_numbers": "derived from what a FHIR client wrote, for the search",
    "record_versions": "what the others were before; told by /fhir/Patient/{id}/_history",
    "dose_replans": "a list of work that is worked off within seconds",
    "occupancy": "derived from the visits",
}

_ALWAYS = "'tenant_id'"
_DROPPED = {
    "contact_points": "'tenant_id', 'value_index'",
    "inbound_messages": "'tenant_id', 'sender_index'",
    "notification_attempts": "'tenant_id', 'recipient_index'",
    "privacy_jobs": "'tenant_id', 'bundle'",  # the export of an export
    # Who has them can send to the telephone.
    "patient_devices": "'tenant_id', 'token', 'endpoint'",
}
WHAT = tuple((table, where, _DROPPED.get(table, _ALWAYS)) for table, where in ROWS.items())
"""Table, its rows, and the columns that are left out."""

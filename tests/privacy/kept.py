"""Columns of patients' tables that can hold words and are kept at an erasure, each with why."""

_CODE = "a code of a short list, or a language, zone or kind"
_IDS = "ids, times or numbers"
_TAKEN = "which drug and how it is taken: what stays, as docs/privacy.md says"
_STAFF = "names staff, not the patient"
_MACHINE = "what a machine said of a message: a code or an id"


def _each(why: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


KEPT_COLUMNS: dict[str, dict[str, str]] = {
    "adherence_episodes": _each(_CODE, "closed_reason reason"),
    "appointment_series": {
        **_each(_CODE, "appointment_type mode time_zone recurrence_pattern"),
        **_each(_IDS, "exdates rdates"),
    },
    "appointments": {
        **_each(_CODE, "appointment_type priority status"),
        **_each(_IDS, "additional_provider_ids named_resource_ids resource_ids"),
    },
    "inbound_messages": {
        **_each(_CODE, "action action_reason action_status intent outcome"),
        **_each(_MACHINE, "driver message_id"),
    },
    "legal_holds": {"reason": "there is none when a patient is erased"},
    "medication_adherence": _each(_CODE, "reason source status"),
    "medication_doses": _each(_CODE, "reason source state unit"),
    "medication_fills": _each(_CODE, "kind source"),
    "medication_regimens": {**_each(_CODE, "began"), **_each(_TAKEN, "dosage")},
    "medications": {
        **_each(_CODE, "status"),
        **_each(
            _TAKEN,
            "dosage drug_class frequency generic_name medication_name route rxnorm_code"
            " schedule_details sig strength",
        ),
    },
    "notification_attempts": {
        **_each(_CODE, "channel country status template_locale"),
        **_each(_MACHINE, "driver error_code provider_message_id"),
    },
    "notification_history": {
        **_each(_CODE, "channel from_status to_status reason"),
        **_each(_MACHINE, "details"),
    },
    "notification_receipts": _each(_MACHINE, "code driver provider_event_id status"),
    "notifications": {
        **_each(_CODE, "channel channel_plan delivery_status notification_type priority"),
        **_each(_IDS, "dedupe_key"),
    },
    "patient_allergies": {
        **_each(_CODE, "category criticality verification"),
        **_each("the substance stays, as docs/privacy.md says", "drug_class rxnorm_code substance"),
    },
    "patient_devices": {
        **_each(_CODE, "locale platform status"),
        **_each(
            "needed to remove it at its provider, unless another patient has the same device;"
            " the row goes with that",
            "endpoint token_index",
        ),
    },
    "patient_providers": _each(_CODE, "relationship_type"),
    "patients": _each(_CODE, "language time_zone treatment_status"),
    "privacy_jobs": {**_each(_CODE, "kind status"), "report": "counts of rows and hashes"},
    "recall_calls": {**_each(_CODE, "outcome removed_reason"), "called_by": _STAFF},
    "recalls": _each(_CODE, "appointment_type closed_reason source status time_zone"),
    "related_persons": _each(_CODE, "categories channels language receives time_zone"),
    "tasks": {
        **_each(_CODE, "code focus_type opened_by outcome priority reason status"),
        **_each(_IDS, "dedupe_key"),
        "assigned_to": _STAFF,
    },
    "waitlist": {
        **_each(_CODE, "appointment_type priority status"),
        **_each(_IDS, "days starts_before starts_from"),
    },
    "waitlist_offers": _each(_CODE, "outcome"),
}

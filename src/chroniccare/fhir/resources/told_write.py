"""From RelatedPerson and CommunicationRequest to the fields of theirs."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroniccare.core.errors import FieldError
from chroniccare.fhir.resources import common, patient_write
from chroniccare.fhir.resources.common import Resource, local, target_of
from chroniccare.fhir.resources.patient_write import Number

RELATED_PLACES = {
    "patient_id": "RelatedPerson.patient",
    "name": "RelatedPerson.name",
    "relationship": "RelatedPerson.relationship",
    "language": "RelatedPerson.communication",
    "contact_info": "RelatedPerson.telecom",
    "consents": "RelatedPerson.telecom",
    "period_start": "RelatedPerson.period.start",
    "period_end": "RelatedPerson.period.end",
}
REQUEST_PLACES = {
    "patient_id": "CommunicationRequest.subject",
    "appointment_id": "CommunicationRequest.about",
    "notification_type": "CommunicationRequest.reasonCode",
    "scheduled_send_time": "CommunicationRequest.occurrence",
    "status": "CommunicationRequest.status",
}
"""Where a client finds the fields that rules speak of."""
_KNOWN = frozenset(
    {"about", "authoredOn", "id", "meta", "occurrenceDateTime", "reasonCode", "resourceType",
     "status", "subject", "text"}
)  # fmt: skip


def related(
    said: Resource, kept: Mapping[str, Any], *, phone: Number, email: Number
) -> dict[str, Any]:
    """Return the fields of somebody related; what they receive, and by what consent, is kept.

    `phone` and `email` return a contact point as it is stored, or None for what cannot be.
    """
    name = patient_write.best(said.get("name", []), ("official", "usual"))
    parts = [*name.get("given", []), name.get("family")]
    kin: Resource = next(iter(said.get("relationship", [])), {})
    codes = [one["code"] for one in kin.get("coding", []) if "code" in one]
    home = patient_write.best(said.get("address", []), ("home",))
    period = said.get("period", {})
    return {
        **kept,
        "name": name.get("text") or " ".join(one for one in parts if one) or None,
        "relationship": common.words(kin) or next(iter(codes), None),
        "language": patient_write.language(said) or kept.get("language", "en"),
        "contact_info": {
            "telecom": [
                *patient_write.telecom(said.get("telecom", []), phone, email),
                *patient_write.devices(kept),
            ],
            "address": patient_write.address(home),
        },
        "period_start": common.day(period.get("start")),
        "period_end": common.day(period.get("end")),
        "is_active": said.get("active", kept.get("is_active", True)),
    }


def request(said: Resource, tenant_id: UUID) -> tuple[dict[str, Any], list[FieldError]]:
    """Return the fields of a message that somebody asks for, and what is wrong.

    What a clinic and the patient decide (channel, text, priority) is refused: it would not hold.
    """
    wrong = [
        FieldError(f"CommunicationRequest.{name}", "is decided here: leave it out", "not-supported")
        for name in said
        if name not in _KNOWN
    ]
    if said.get("status") != "active":
        wrong.append(FieldError("CommunicationRequest.status", "must be active", "value"))
    about = [target_of(one, "Appointment") for one in said.get("about", [])]
    reasons = [
        one["code"]
        for reason in said.get("reasonCode", [])
        for one in reason.get("coding", [])
        if "code" in one and one.get("system") in {None, local(tenant_id, "message-type")}
    ]
    fields = {
        "appointment_id": about[0] if len(about) == 1 else None,
        "notification_type": reasons[0] if len(reasons) == 1 else None,
        "scheduled_send_time": said.get("occurrenceDateTime"),
    }
    return fields, wrong

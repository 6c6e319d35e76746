"""From an Appointment to the fields of a visit."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Unprocessable
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.appointment import VIRTUAL
from chroniccare.fhir.resources.common import Resource, local, target_of

PLACES = {
    "patient_id": "Appointment.participant",
    "provider_id": "Appointment.participant",
    "additional_provider_ids": "Appointment.participant",
    "facility_id": "Appointment.participant",
    "appointment_type": "Appointment.serviceType",
    "scheduled_start": "Appointment.start",
    "scheduled_end": "Appointment.end",
    "duration_minutes": "Appointment.minutesDuration",
    "status": "Appointment.status",
    "held_until": "Appointment.status",
    "reason": "Appointment.reasonCode",
    "cancellation_reason": "Appointment.cancelationReason",
    "telehealth_details": "Appointment.extension",
}
"""Where a client finds the fields that rules speak of."""
_USUAL_TYPE = "visit"
_URGENT, _HIGH, _NORMAL = 2, 4, 6
"""The least urgent number of each priority, from 1; 0 is undefined."""


def from_fhir(said: Resource, kept: Mapping[str, Any], tenant_id: UUID) -> dict[str, Any]:
    """Return the fields of the visit; `kept` are those that it has already."""
    providers = actors(said, "Practitioner")
    patients, places = actors(said, "Patient"), actors(said, "Location")
    return {
        **kept,
        "patient_id": patients[0] if len(patients) == 1 else None,
        "provider_id": providers[0] if providers else None,
        "additional_provider_ids": providers[1:],
        "facility_id": places[0] if places else kept.get("facility_id"),
        "appointment_type": _type(said, tenant_id) or kept.get("appointment_type", _USUAL_TYPE),
        "scheduled_start": said.get("start"),
        "scheduled_end": said.get("end"),
        "duration_minutes": None,
        "priority": _priority(said.get("priority", 0)),
        "reason": common.words(next(iter(said.get("reasonCode", [])), {}))
        or said.get("description"),
        "pre_appointment_instructions": _instructions(said.get("patientInstruction"), kept),
    }


def actors(said: Resource, kind: str) -> list[str]:
    """Return the ids of the participants of a type."""
    named = [target_of(one.get("actor"), kind) for one in said.get("participant", [])]
    return [one for one in named if one is not None]


def _type(said: Resource, tenant_id: UUID) -> str | None:
    """Return the code of our own system, else the first word there is for the kind of visit."""
    ours = local(tenant_id, "visit-type")
    concepts = [*said.get("serviceType", []), said.get("appointmentType", {})]
    codings = [coding for one in concepts for coding in one.get("coding", [])]
    for coding in codings:
        if coding.get("system") == ours and "code" in coding:
            return str(coding["code"])
    words = [coding["code"] for coding in codings if "code" in coding]
    words += [one["text"] for one in concepts if "text" in one]
    return str(words[0])[:50] if words else None


def _priority(number: int) -> str:
    if not number or number > _NORMAL:
        return "low" if number else "normal"
    return "urgent" if number <= _URGENT else "high" if number <= _HIGH else "normal"


def virtual(said: Resource) -> list[Resource]:
    """Return what a client says of the way into a video visit."""
    return [one for one in said.get("extension", []) if one.get("url") == VIRTUAL]


def joining(said: Resource, kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return how to join from afar; only the address of the way in is said in FHIR.

    Raises:
        Unprocessable: the client says more than one address.
    """
    found = {name: one for name, one in (kept or {}).items() if name != "link"}
    for number, one in enumerate(virtual(said)):
        parts = one.get("extension", [])
        if number or [part["url"] for part in parts] != ["addressUrl"]:
            raise Unprocessable.field("telehealth_details", "says one addressUrl, and nothing else")
        found["link"] = parts[0].get("valueUrl")
    return found or None


def _instructions(text: str | None, kept: Mapping[str, Any]) -> dict[str, Any]:
    before: dict[str, Any] = kept.get("pre_appointment_instructions", {})
    if text is None:
        return {}
    return before if common.lines(before) == text else {"text": text}


def cancellation(said: Resource) -> str:
    """Return why a visit is cancelled, in words."""
    return common.words(said.get("cancelationReason", {})) or "Cancelled by a FHIR client"

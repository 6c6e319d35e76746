"""From MedicationRequest, MedicationDispense and MedicationAdministration to our fields."""

from collections.abc import Mapping
from typing import Any, get_args

from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.beside import FILLS
from chroniccare.fhir.resources.common import Resource, target_of
from chroniccare.medications.adherence.words import SkipReason
from chroniccare.medications.dosing import words

REQUEST_PLACES = {
    "patient_id": "MedicationRequest.subject",
    "prescribing_provider_id": "MedicationRequest.requester",
    "medication_name": "MedicationRequest.medication",
    "rxnorm_code": "MedicationRequest.medication",
    "dosage": "MedicationRequest.dosageInstruction",
    "dosage_instructions": "MedicationRequest.dosageInstruction",
    "sig": "MedicationRequest.dosageInstruction",
    "frequency": "MedicationRequest.dosageInstruction",
    "route": "MedicationRequest.dosageInstruction",
    "start_date": "MedicationRequest.dispenseRequest.validityPeriod",
    "end_date": "MedicationRequest.dispenseRequest.validityPeriod",
    "days_supply": "MedicationRequest.dispenseRequest.expectedSupplyDuration",
    "refills_remaining": "MedicationRequest.dispenseRequest.numberOfRepeatsAllowed",
    "pharmacy_info": "MedicationRequest.dispenseRequest.performer",
    "status": "MedicationRequest.status",
    "reason": "MedicationRequest.statusReason",
    "override": "MedicationRequest.medication",
}
DISPENSE_PLACES = {
    "medication_id": "MedicationDispense.authorizingPrescription",
    "patient_id": "MedicationDispense.subject",
    "filled_on": "MedicationDispense.whenHandedOver",
    "days_supply": "MedicationDispense.daysSupply",
    "quantity": "MedicationDispense.quantity",
    "pharmacy": "MedicationDispense.performer",
    "kind": "MedicationDispense.type",
    "status": "MedicationDispense.status",
}
ADMINISTRATION_PLACES = {
    "medication_id": "MedicationAdministration.request",
    "patient_id": "MedicationAdministration.subject",
    "dose_id": "MedicationAdministration.effective",
    "scheduled_time": "MedicationAdministration.effective",
    "taken_at": "MedicationAdministration.effective",
    "status": "MedicationAdministration.status",
    "reason": "MedicationAdministration.statusReason",
    "source": "MedicationAdministration.performer",
    "notes": "MedicationAdministration.note",
}
"""Where a client finds the fields that rules speak of."""
DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7}
KINDS = {code: own for own, code in FILLS.items()}
_SKIPPED: tuple[str, ...] = get_args(SkipReason)
_SOURCES = {"Patient": "patient", "RelatedPerson": "caregiver", "Device": "device"}


def request(said: Resource, kept: Mapping[str, Any], *, today: str) -> dict[str, Any]:
    """Return the fields of the prescription; `kept` are those that it has already.

    `today` is where the patient lives: what says no other day begins then.
    """
    asked = said.get("dispenseRequest", {})
    period = asked.get("validityPeriod", {})
    end = common.day(period.get("end"))
    first = common.day(period.get("start") or _bounds(said)) or kept.get("start_date") or today
    pharmacy = dict(kept.get("pharmacy_info", {}))
    if "display" in asked.get("performer", {}):
        pharmacy["name"] = asked["performer"]["display"]
    drug = said.get("medicationCodeableConcept", {})
    return {
        **kept,
        "prescribing_provider_id": target_of(said.get("requester"), "Practitioner"),
        "medication_name": common.words(drug),
        "rxnorm_code": common.code_of(drug, common.RXNORM),
        **taken(said.get("dosageInstruction", []), kept),
        "start_date": first,
        "end_date": end,
        "is_ongoing": bool(kept.get("is_ongoing")) and end is None,
        "refills_remaining": asked.get("numberOfRepeatsAllowed", kept.get("refills_remaining", 0)),
        "days_supply": length(asked.get("expectedSupplyDuration"), kept.get("days_supply")),
        "pharmacy_info": pharmacy,
        "override": None,
    }


def taken(dosages: list[Resource], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return how it is taken: unchanged, as a text alone, or as FHIR has it."""
    before = kept.get("dosage_instructions")
    if before is not None and dosages == before:
        # Words that we made of it ourselves are not read as if somebody had said them.
        derived = {words.timing(before), "as directed"}
        often = kept["frequency"] if kept["frequency"] not in derived else None
        both = {"dosage": kept["dosage"], "route": kept["route"], "frequency": often}
        if kept["sig"] is not None:
            return {**both, "sig": kept["sig"], "dosage_instructions": None}
        return {**both, "sig": None, "dosage_instructions": before}
    nothing = {"dosage": None, "route": None, "frequency": None}
    if len(dosages) == 1 and dosages[0].keys() <= {"text", "sequence"}:
        return {**nothing, "sig": dosages[0].get("text"), "dosage_instructions": None}
    return {**nothing, "sig": None, "dosage_instructions": dosages or None}


def length(duration: Resource | None, kept: int | None) -> Any:
    """Return a Duration in days; one that is not in days or weeks comes back as no number."""
    if duration is None:
        return kept
    unit = duration.get("code") or duration.get("unit") or "d"
    value = duration.get("value")
    if unit not in DAYS or value is None or value != int(value):
        return f"{value} {unit}"
    return int(value) * DAYS[unit]


def _bounds(said: Resource) -> str | None:
    for one in said.get("dosageInstruction", []):
        start = one.get("timing", {}).get("repeat", {}).get("boundsPeriod", {}).get("start")
        if start is not None:
            return str(start)
    return None


def fill(said: Resource) -> dict[str, Any]:
    """Return the fields of a fill; without a type it is a refill."""
    performers = [one.get("actor", {}).get("display") for one in said.get("performer", [])]
    codes = [coding.get("code") for coding in said.get("type", {}).get("coding", [])]
    return {
        "filled_on": common.day(said.get("whenHandedOver") or said.get("whenPrepared")),
        "days_supply": length(said.get("daysSupply"), None),
        "quantity": said.get("quantity", {}).get("value"),
        "pharmacy": next((one for one in performers if one), None),
        "kind": next((KINDS[one] for one in codes if one in KINDS), "refill"),
        "source": "pharmacy",
    }


def report(said: Resource) -> dict[str, Any]:
    """Return the fields of a report about a dose.

    What was not taken was skipped, for a reason that is known here, or else missed.
    """
    at = said.get("effectiveDateTime") or said.get("effectivePeriod", {}).get("start")
    reasons = [
        word
        for one in said.get("statusReason", [])
        for word in [one.get("text"), *(each.get("code") for each in one.get("coding", []))]
        if word in _SKIPPED
    ]
    if said.get("status") == "completed":
        what: dict[str, Any] = {"status": "taken", "taken_at": at}
    elif reasons:
        what = {"status": "skipped", "reason": reasons[0]}
    else:
        what = {"status": "missed"}
    notes = "\n".join(one["text"] for one in said.get("note", []) if "text" in one)
    return {**what, "scheduled_time": at, "source": _source(said), "notes": notes or None}


def _source(said: Resource) -> str:
    """Return who says so; staff, if nobody is named."""
    for one in said.get("performer", []):
        kind = one.get("actor", {}).get("reference", "").rpartition("/")[0].rpartition("/")[2]
        if kind in _SOURCES:
            return _SOURCES[kind]
    return "staff"

"""From Practitioner, PractitionerRole and Location to the fields of providers and facilities."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.facilities.rules import DAYS
from chroniccare.fhir.resources import common, patient_write, places
from chroniccare.fhir.resources.common import Resource, local
from chroniccare.fhir.resources.patient_write import Number

PRACTITIONER_PLACES = {
    "npi": "Practitioner.identifier",
    "identifiers": "Practitioner.identifier",
    "first_name": "Practitioner.name[0].given",
    "last_name": "Practitioner.name[0].family",
    "qualifications": "Practitioner.qualification",
    "contact_info": "Practitioner.telecom",
    "languages": "Practitioner.communication",
    "is_active": "Practitioner.active",
}
ROLE_PLACES = {
    "provider_id": "PractitionerRole.practitioner",
    "facilities": "PractitionerRole.location",
    "specializations": "PractitionerRole.specialty",
}
LOCATION_PLACES = {
    "name": "Location.name",
    "facility_type": "Location.type",
    "address": "Location.address",
    "contact_info": "Location.telecom",
    "operating_hours": "Location.hoursOfOperation",
    "timezone": "Location.extension",
    "is_active": "Location.status",
}
"""Where a client finds the fields that rules speak of."""
_USUAL_TYPE = "clinic"
_MIDNIGHT, _WHOLE = "24:00", "00:00"


def practitioner(
    said: Resource, kept: Mapping[str, Any], *, phone: Number, email: Number
) -> dict[str, Any]:
    """Return the fields of a provider; where and how they work is kept.

    A number without a type is of type `OTH`. `phone` and `email` return a contact point as it is
    stored, or None for what cannot be.
    """
    numbers = [one for one in said.get("identifier", []) if "system" in one and "value" in one]
    npi = [one["value"] for one in numbers if one["system"] == common.NPI]
    name = patient_write.best(said.get("name", []), ("official", "usual"))
    home = patient_write.best(said.get("address", []), ("work",))
    spoken = [common.code_of(one, common.LANGUAGES) for one in said.get("communication", [])]
    degrees = [_words(one.get("code", {})) for one in said.get("qualification", [])]
    return {
        **kept,
        "npi": npi[0] if npi else None,
        "identifiers": [
            {"system": one["system"], "value": one["value"], "type": _type(one)}
            for one in numbers
            if one["system"] != common.NPI
        ],
        "first_name": next(iter(name.get("given", [])), None),
        "last_name": name.get("family"),
        "qualifications": [one for one in degrees if one],
        "contact_info": {
            "telecom": [
                *patient_write.telecom(said.get("telecom", []), phone, email),
                *patient_write.devices(kept),
            ],
            "address": patient_write.address(home),
        },
        "languages": list(dict.fromkeys(one for one in spoken if one)),
        "is_active": said.get("active", kept.get("is_active", True)),
    }


def _words(concept: Resource) -> str | None:
    codes = [one["code"] for one in concept.get("coding", []) if "code" in one]
    return common.words(concept) or next(iter(codes), None)


def _type(identifier: Resource) -> str:
    codings = identifier.get("type", {}).get("coding", [])
    return next((one["code"] for one in codings if "code" in one), "OTH")


def check_role(said: Resource, *, is_active: bool) -> None:
    """Check that a role is one provider's at one facility, and says nothing that nobody goes by.

    `is_active` is what the provider and the facility are, which no role changes.

    Raises:
        Unprocessable: it is not; each element is named.
    """
    wrong = [
        FieldError(f"PractitionerRole.{name}", "is said through /api/v1", "not-supported")
        for name in ("availableTime", "availabilityExceptions", "notAvailable")
        if name in said
    ]
    if len(said.get("location", [])) != 1:
        wrong.append(FieldError("PractitionerRole.location", "must be one", "value"))
    if said.get("active", is_active) is not is_active:
        reason = f"must be {str(is_active).lower()}, as provider and facility together are"
        wrong.append(FieldError("PractitionerRole.active", reason, "value"))
    if wrong:
        raise Unprocessable(details=wrong)


def specialties(said: Resource) -> list[str]:
    """Return fields of work, in words."""
    return [one for one in map(_words, said.get("specialty", [])) if one]


def location(
    said: Resource, kept: Mapping[str, Any], tenant_id: UUID, *, phone: Number, email: Number
) -> dict[str, Any]:
    """Return the fields of a facility; without a zone it is where most of the clinic's are."""
    zones = [one.get("valueCode") for one in said.get("extension", []) if one["url"] == common.ZONE]
    concepts = said.get("type", [])
    ours = [common.code_of(one, local(tenant_id, "facility-type")) for one in concepts]
    words = [one for one in [*ours, *map(_words, concepts)] if one]
    hours = said.get("hoursOfOperation", [])
    before: dict[str, Any] = kept.get("operating_hours", {})
    return {
        **kept,
        "name": said.get("name"),
        "facility_type": words[0] if words else kept.get("facility_type", _USUAL_TYPE),
        "address": patient_write.address(said.get("address", {})) or {},
        "contact_info": {
            "telecom": [
                *patient_write.telecom(said.get("telecom", []), phone, email),
                *patient_write.devices(kept),
            ],
            "address": kept.get("contact_info", {}).get("address"),
        },
        "operating_hours": before if hours == places.hours(before) else week(hours),
        "timezone": zones[0] if zones else kept["timezone"],
        "is_active": said["status"] == "active"
        if "status" in said
        else kept.get("is_active", True),
    }


def week(hours: list[Resource]) -> dict[str, list[dict[str, Any]]]:
    """Return opening hours by day; one that is open without an end is until midnight."""
    found: dict[str, list[dict[str, Any]]] = {}
    names = {one[:3]: one for one in DAYS}
    for one in hours:
        begins = _WHOLE if one.get("allDay") else _minute(one.get("openingTime", "00:00:00"))
        ends = _MIDNIGHT if one.get("allDay") else _minute(one.get("closingTime", "24:00:00"))
        for day in one.get("daysOfWeek", []):
            found.setdefault(names[day], []).append({"open": begins, "close": ends})
    return found


def _minute(time: str) -> str:
    """Return a time without its seconds; one that has some stays, and is refused."""
    return time.removesuffix(":00") if time.count(":") > 1 else time

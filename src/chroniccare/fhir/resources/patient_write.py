"""From a Patient to the fields of a patient: what we have a column for. The rest is `extra`'s."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local, target_of

Number = Callable[[str], str | None]
PLACES = {
    "mrn": "Patient.identifier",
    "first_name": "Patient.name[0].given",
    "last_name": "Patient.name[0].family",
    "date_of_birth": "Patient.birthDate",
    "time_zone": "Patient.extension",
    "language": "Patient.communication",
    "contact_info": "Patient.telecom",
    "emergency_contact": "Patient.contact",
    "provider_id": "Patient.generalPractitioner",
}
"""Where a client finds the fields that rules speak of."""
_USES = frozenset({"home", "work", "mobile", "old", "temp"})


def from_fhir(
    said: Resource, kept: Mapping[str, Any], tenant_id: UUID, *, phone: Number, email: Number
) -> dict[str, Any]:
    """Return the fields of the patient; `kept` are those it has, or has unless told.

    `phone` and `email` return a contact point as it is stored, or None for what cannot be.
    """
    name = best(said.get("name", []), ("official", "usual"))
    given = name.get("given", [])
    home = best(said.get("address", []), ("home",))
    contact: Resource = next(iter(said.get("contact", [])), {})
    return {
        **kept,
        "mrn": _mrn(said, tenant_id) or kept.get("mrn"),
        "first_name": given[0] if given else None,
        "last_name": name.get("family"),
        "date_of_birth": said.get("birthDate"),
        "gender": said.get("gender"),
        "contact_info": {
            "telecom": [*telecom(said.get("telecom", []), phone, email), *devices(kept)],
            "address": address(home),
        },
        "emergency_contact": _unless_same(_contact(contact), kept.get("emergency_contact", {})),
        "treatment_status": _status(said, kept.get("treatment_status", "active")),
        "time_zone": _zone(said) or kept["time_zone"],
        "language": language(said) or kept.get("language", "en"),
        # Who says nothing of it does not bring back a patient whom the clinic has set aside.
        "is_active": said.get("active", kept.get("is_active", True)),
    }


def _mrn(said: Resource, tenant_id: UUID) -> str | None:
    """Return the number of our own system, else one of type MR."""
    numbers = [one for one in said.get("identifier", []) if one.get("value")]
    ours = local(tenant_id, "mrn")
    for one in numbers:
        if one.get("system") == ours:
            return str(one["value"])
    for one in numbers:
        codes = one.get("type", {}).get("coding", [])
        if "MR" in {coding.get("code") for coding in codes}:
            return str(one["value"])
    return None


def best(entries: list[Resource], uses: tuple[str, ...]) -> Resource:
    """Return the first of the first use that is there, else the first, else nothing."""
    for use in uses:
        for one in entries:
            if one.get("use") == use:
                return one
    return next(iter(entries), {})


def telecom(points: list[Resource], phone: Number, email: Number) -> list[Resource]:
    """Return the contact points that a message can be sent to."""
    found: list[Resource] = []
    for number, point in enumerate(points):
        system = {"sms": "phone"}.get(point.get("system", ""), point.get("system"))
        prepare = {"phone": phone, "email": email}.get(system or "")
        value = prepare(point["value"]) if prepare and "value" in point else None
        if value is None or system is None:
            continue  # what no message can be sent to stays as it was written
        use = point.get("use", "mobile")
        rank = min(int(point.get("rank", number + 1)), 100)
        found.append(
            {"system": system, "value": value, "use": use if use in _USES else "mobile",
             "rank": rank}
        )  # fmt: skip
    return found[:20]


def devices(kept: Mapping[str, Any]) -> list[Resource]:
    """Return the contact points that FHIR is not told of, so that replacing others keeps them."""
    points = kept.get("contact_info", {}).get("telecom", [])
    names = ("system", "value", "use", "rank")
    return [{name: one[name] for name in names} for one in points if one["system"] == "push"]


def _unless_same(contact: Resource, kept: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return whom to call; who says what is there already changes nothing beside it."""
    names = ("name", "phone", "email", "relationship")
    told = {name: str(kept[name]) for name in names if kept.get(name)}
    return kept if told == contact else contact


def address(one: Resource) -> Resource | None:
    """Return a postal address; none whose country is no code of ISO 3166."""
    country = one.get("country")
    if not one or (country is not None and not _is_code(country)):
        return None
    return {
        "line": [each for each in one.get("line", []) if each][:4],
        "city": one.get("city"),
        "state": one.get("state"),
        "postal_code": one.get("postalCode"),
        "country": country,
    }


def _is_code(country: str) -> bool:
    return len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()  # noqa: PLR2004  ISO 3166


def _contact(one: Resource) -> Resource:
    name = one.get("name", {})
    text = name.get("text") or " ".join(
        one for one in [*name.get("given", []), name.get("family")] if one
    )
    found = {"name": text.strip()}
    for point in one.get("telecom", []):
        if point.get("system") in {"phone", "email"} and "value" in point:
            found.setdefault(point["system"], point["value"])
    for kin in one.get("relationship", []):
        if kin.get("text"):
            found.setdefault("relationship", kin["text"])
    return {key: value for key, value in found.items() if value}


def _status(said: Resource, kept: str) -> str:
    if said.get("deceasedBoolean") or said.get("deceasedDateTime"):
        return "deceased"
    return "active" if kept == "deceased" and said.get("deceasedBoolean") is False else kept


def _zone(said: Resource) -> str | None:
    for one in said.get("extension", []):
        if one.get("url") == common.ZONE:
            return str(one["valueCode"]) if "valueCode" in one else None
    return None


def language(said: Resource) -> str | None:
    """Return the preferred language, else the first."""
    spoken = said.get("communication", [])
    first = next((one for one in spoken if one.get("preferred")), next(iter(spoken), None))
    codings = (first or {}).get("language", {}).get("coding", [])
    return next((one["code"] for one in codings if "code" in one), None)


def practitioner(said: Resource) -> str | None:
    """Return the id of the provider who is named first."""
    named = [target_of(one, "Practitioner") for one in said.get("generalPractitioner", [])]
    return next((one for one in named if one is not None), None)

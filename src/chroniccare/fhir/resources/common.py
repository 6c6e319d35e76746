"""Parts that resources share: identifiers, names, contact points, addresses, codes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

Resource = dict[str, Any]

V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
NPI = "http://hl7.org/fhir/sid/us-npi"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
LANGUAGES = "urn:ietf:bcp:47"
_SHOWN_SYSTEMS = {"phone", "email"}


@lru_cache(maxsize=4096)
def local(tenant_id: UUID, name: str) -> str:
    """Return the URI of a clinic's own system of codes or numbers: `mrn`, `visit-type`, ..."""
    return f"urn:uuid:{uuid5(tenant_id, name)}"


def started(kind: str, record_id: UUID, version: int, updated_at: datetime) -> Resource:
    """Return a resource with what every one has."""
    return {
        "resourceType": kind,
        "id": str(record_id),
        "meta": {"versionId": str(version), "lastUpdated": updated_at},
    }


def said(resource: Resource, **elements: Any) -> Resource:
    """Add those elements that have a value: FHIR knows no null and nothing empty."""
    for name, value in elements.items():
        if value is not None and value not in ({}, [], ""):
            resource[name.rstrip("_")] = value
    return resource


def reference(kind: str, record_id: UUID, display: str | None = None) -> Resource:
    """Return a reference; asyncpg's UUIDs are written as text here."""
    found = {"reference": f"{kind}/{record_id}"}
    return found if display is None else {**found, "display": display}


def telecom(info: Mapping[str, Any]) -> list[Resource]:
    """Return contact points; addresses of devices are nobody's to see."""
    return [
        {
            "system": point["system"],
            "value": point["value"],
            "use": point["use"],
            "rank": point["rank"],
        }
        for point in info.get("telecom") or []
        if point["system"] in _SHOWN_SYSTEMS
    ]


def address(value: Mapping[str, Any] | None) -> Resource | None:
    """Return a postal address."""
    if not value:
        return None
    return said(
        {},
        line=value.get("line"),
        city=value.get("city"),
        state=value.get("state"),
        postalCode=value.get("postal_code"),
        country=value.get("country"),
    )


def addresses(value: Mapping[str, Any] | None) -> list[Resource]:
    """Return a list of the postal address, if there is one."""
    found = address(value)
    return [found] if found else []


def concept(
    text: str, *, system: str | None = None, code: str | None = None, display: str | None = None
) -> Resource:
    """Return a CodeableConcept."""
    if code is None:
        return {"text": text}
    coding = said({}, system=system, code=code, display=display)
    return {"coding": [coding], "text": text}


def target_of(one: Resource | None, kind: str) -> str | None:
    """Return the id of what is referred to, if it is of a type and not another server's."""
    before, _, name = (one or {}).get("reference", "").rpartition("/")
    return str(name) if before.rpartition("/")[2] == kind and "://" not in before else None


def relative(value: Any, base: str) -> Any:
    """Return a resource with references to this server, which is at `base`, as it tells them."""
    if isinstance(value, list):
        return [relative(one, base) for one in value]
    if isinstance(value, dict):
        return {
            name: one.removeprefix(f"{base}/")
            if name == "reference" and isinstance(one, str)
            else relative(one, base)
            for name, one in value.items()
        }
    return value


def words(one: Resource) -> str | None:
    """Return a CodeableConcept in words."""
    displays = [coding["display"] for coding in one.get("coding", []) if "display" in coding]
    text: str | None = one.get("text") or next(iter(displays), None)
    return text


def code_of(one: Resource, system: str) -> str | None:
    """Return the code that a CodeableConcept has in a system."""
    for coding in one.get("coding", []):
        if coding.get("system") == system and "code" in coding:
            return str(coding["code"])
    return None


def day(text: str | None) -> str | None:
    """Return the day of a dateTime as it was written; a month or a year alone stays as it is."""
    return None if text is None else text[:10]


def ids(texts: Iterable[str]) -> list[UUID]:
    """Return ids that stood in a document."""
    return [UUID(text) for text in texts]


def lines(document: Mapping[str, Any]) -> str:
    """Return a free-form document as text, one line an entry."""
    if document.keys() == {"text"}:  # as FHIR clients write it
        return str(document["text"])
    return "\n".join(f"{name}: {value}" for name, value in document.items())

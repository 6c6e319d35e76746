"""From a Consent to what a patient said about channels and kinds of messages.

What is not understood is refused and not kept: a rule that we do not follow must not seem to hold.
"""

from typing import Any
from uuid import UUID

from chroniccare.core.errors import FieldError
from chroniccare.fhir.resources.common import Resource, local, target_of
from chroniccare.fhir.resources.messages import MEDIA, MODES
from chroniccare.notifications.preferences.rules import CHANNELS
from chroniccare.notifications.rules_categories import CATEGORIES

PLACES = {
    "patient_id": "Consent.patient",
    "consents": "Consent.provision",
    "categories": "Consent.provision",
    "channels": "Consent.provision",
    "quiet_hours": "Consent.provision",
}
"""Where a client finds the fields that rules speak of."""
_KNOWN = frozenset(
    {"category", "dateTime", "id", "meta", "organization", "patient", "performer", "policy",
     "policyRule", "provision", "resourceType", "scope", "status", "text"}
)  # fmt: skip
Read = tuple[dict[str, bool], dict[str, bool], list[FieldError]]
"""What is said of channels, what of categories, and what is wrong."""


def from_fhir(said: Resource, tenant_id: UUID) -> Read:
    """Return what a Consent says; of a base rule that denies, each channel that is not excepted."""
    wrong = [
        FieldError(f"Consent.{name}", "is not known here, and would be lost", "not-supported")
        for name in said
        if name not in _KNOWN
    ]
    if said.get("status") != "active":
        wrong.append(FieldError("Consent.status", "must be active", "value"))
    codes = [one.get("code") for one in said.get("scope", {}).get("coding", [])]
    if "patient-privacy" not in codes:
        wrong.append(FieldError("Consent.scope", "must be patient-privacy", "value"))
    patient = target_of(said.get("patient"), "Patient")
    if any(target_of(one, "Patient") != patient for one in said.get("performer", [])):
        wrong.append(FieldError("Consent.performer", "must be the patient", "value"))
    provision = said.get("provision", {})
    wrong += _extra(provision, {"type", "provision"}, "Consent.provision")
    of_base = {} if provision.get("type", "permit") == "permit" else dict.fromkeys(CHANNELS, False)
    channels: dict[str, bool] = {}
    categories: dict[str, bool] = {}
    for number, one in enumerate(provision.get("provision", [])):
        place = f"Consent.provision.provision[{number}]"
        wrong += _extra(one, {"type", "code"}, place)
        names = [_named(code, tenant_id) for code in one.get("code", [])]
        if not names or None in names or "type" not in one:
            wrong.append(FieldError(place, "must permit or deny channels or categories", "value"))
            continue
        for name in names:
            found = channels if name in CHANNELS else categories
            if found.setdefault(str(name), one["type"] == "permit") != (one["type"] == "permit"):
                wrong.append(FieldError(place, "contradicts another", "value"))
    return of_base | channels, categories, wrong


def _extra(one: Resource, known: set[str], place: str) -> list[FieldError]:
    """Return what would narrow a rule in a way that nothing here goes by."""
    return [
        FieldError(f"{place}.{name}", "is not known here", "not-supported")
        for name in one
        if name not in known
    ]


def _named(concept: Resource, tenant_id: UUID) -> str | None:
    """Return the channel or category that a code is, or a text alone."""
    codings = concept.get("coding", [])
    modes = {code: own for own, code in MEDIA.items()}
    for one in codings:
        system, code = one.get("system"), one.get("code", "")
        if system == MODES and code in modes:
            return modes[code]
        if system == local(tenant_id, "channel") and code in CHANNELS:
            return str(code)
        if system == local(tenant_id, "message-category") and code in CATEGORIES:
            return str(code)
    text = concept.get("text")
    return text if not codings and text in {*CHANNELS, *CATEGORIES} else None


def preferences(
    consents: dict[str, bool], categories: dict[str, bool], stored: dict[str, Any],
    channels: list[str] | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the body of /api/v1; what a Consent does not speak of stays: order, quiet hours."""
    chosen: dict[str, Any] = stored.get("categories") or {}
    return {
        "channels": channels or [],
        "consents": consents,
        "categories": [
            {
                "category": name,
                "enabled": categories.get(name, True),
                "channels": chosen.get(name, {}).get("channels", []),
            }
            for name in CATEGORIES
            if name in chosen or name in categories
        ],
        "quiet_hours": stored.get("quiet_hours"),
        "drug_names": stored.get("drug_names", False),
    }

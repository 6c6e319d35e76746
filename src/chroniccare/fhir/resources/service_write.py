"""From HealthcareService to the fields of a kind of visit.

R4 has no element for how long the visit takes, so that is an extension of the clinic's own.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local

PLACES = {
    "code": "HealthcareService.type",
    "name": "HealthcareService.name",
    "description": "HealthcareService.comment",
    "duration_minutes": "HealthcareService.extension",
    "is_active": "HealthcareService.active",
}
"""Where a client finds the fields that rules speak of."""
_MINUTES = {"min": 1, "h": 60}
_NOT_GONE_BY = ("availableTime", "availabilityExceptions", "notAvailable")


def from_fhir(said: Resource, kept: Mapping[str, Any], tenant_id: UUID) -> dict[str, Any]:
    """Return the fields of a kind of visit; buffers, notice and what it requires are kept.

    Raises:
        Unprocessable: it has no length that we can hold, or says hours; each element is named.
    """
    wrong = [
        FieldError(
            f"HealthcareService.{name}",
            "is gone by nobody: hours are of providers",
            "not-supported",
        )
        for name in _NOT_GONE_BY
        if name in said
    ]
    url = local(tenant_id, "visit-length")
    minutes = _length(said, url, wrong) or kept.get("duration_minutes")
    if minutes is None and not wrong:
        reason = f"must have {url}, a valueDuration: how long such a visit takes"
        wrong.append(FieldError("HealthcareService.extension", reason, "required"))
    if wrong:
        raise Unprocessable(details=wrong)
    concepts = said.get("type", [])
    words = [one for one in map(common.words, concepts) if one]
    return {
        **kept,
        "code": _code(concepts, local(tenant_id, "visit-type"), kept.get("code")),
        "name": said.get("name") or next(iter(words), None),
        "description": said.get("comment"),
        "duration_minutes": minutes,
        "is_active": said.get("active", kept.get("is_active", True)),
    }


def _code(concepts: list[Resource], ours: str, kept: str | None) -> str | None:
    """Return the code of our own system, else the one it has: visits carry it.

    Of a new kind of visit it is the first word there is, as visits are read.
    """
    codings = [coding for one in concepts for coding in one.get("coding", []) if "code" in coding]
    codes = [one["code"] for one in codings if one.get("system") == ours]
    codes += [kept] if kept else []
    codes += [one["code"] for one in codings]
    codes += [one["text"] for one in concepts if "text" in one]
    return codes[0] if codes else None


def _length(said: Resource, url: str, wrong: list[FieldError]) -> int | None:
    """Return the minutes that a visit takes, or say what is wrong with them; None: not said."""
    found = [one for one in said.get("extension", []) if one["url"] == url]
    if not found:
        return None
    length = found[0].get("valueDuration", {})
    minutes = length.get("value", 0) * _MINUTES.get(length.get("code", ""), 0)
    if len(found) > 1 or "comparator" in length or minutes < 1 or minutes != int(minutes):
        reason = f"{url} must be one valueDuration of whole minutes (min) or hours (h)"
        wrong.append(FieldError("HealthcareService.extension", reason, "value"))
        return None
    return int(minutes)

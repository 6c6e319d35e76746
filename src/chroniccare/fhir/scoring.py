"""How much two Patients are the same one, on paper: points for what is equal and what differs.

Weights are of what tells people apart: a number of the clinic most, then the day of birth and the
names, then how to reach them. Nothing is learnt; the same two always come to the same.
"""

from collections.abc import Iterable
from typing import Any, Literal

from chroniccare.fhir.parameters import folded

Grade = Literal["certain", "probable", "possible", "certainly-not"]
_PROBABLE, _POSSIBLE = 60, 35
_NUMBER, _BIRTH, _FAMILY, _GIVEN, _CONTACT, _GENDER, _POSTCODE = 60, 25, 20, 15, 15, 5, 5
_OTHER_BIRTH, _OTHER_GENDER = -30, -15

Resource = dict[str, Any]


def compared(said: Resource, told: Resource) -> tuple[float, Grade]:
    """Return a score from 0 to 1 and a grade: `said` is what is looked for, `told` a record."""
    number = bool(_numbers(said) & _numbers(told))
    birth = _same(said.get("birthDate"), told.get("birthDate"))
    gender = _same(said.get("gender"), told.get("gender"), "unknown")
    family = bool(_names(said, "family") & _names(told, "family"))
    given = bool(_names(said, "given") & _names(told, "given"))
    contact = bool(_contacts(said) & _contacts(told))
    postcode = bool(_postcodes(said) & _postcodes(told))
    points = (
        _NUMBER * number + _FAMILY * family + _GIVEN * given + _CONTACT * contact
        + _POSTCODE * postcode + (0 if birth is None else _BIRTH if birth else _OTHER_BIRTH)
        + (0 if gender is None else _GENDER if gender else _OTHER_GENDER)
    )  # fmt: skip
    score = min(max(points, 0), 100) / 100
    agrees = bool(birth) and family and gender is not False
    if agrees and (number or (given and (contact or postcode))):
        return max(score, 0.95), "certain"
    grade: Grade = "probable" if points >= _PROBABLE else "possible"
    return min(score, 0.94), grade if points >= _POSSIBLE else "certainly-not"


def _same(one: Any, other: Any, nothing: str = "") -> bool | None:
    """Say whether two values are equal; None when one of them says nothing."""
    if not one or not other or nothing in {one, other}:
        return None
    return bool(one == other)


def _numbers(patient: Resource) -> set[tuple[str, str]]:
    return {
        (one.get("system", ""), one["value"])
        for one in patient.get("identifier", [])
        if "value" in one and "system" in one
    }


def _names(patient: Resource, part: str) -> set[str]:
    found: list[str] = []
    for one in patient.get("name", []):
        value = one.get(part, [])
        found += [value] if isinstance(value, str) else [each for each in value if each]
    return {folded(one) for one in found}


def _contacts(patient: Resource) -> set[str]:
    return {_plain(one) for one in patient.get("telecom", []) if "value" in one}


def _plain(point: Resource) -> str:
    """Return a number as its last ten digits, which is as it is dialled at home."""
    value = str(point["value"]).strip().lower()
    digits = "".join(each for each in value if each in "0123456789")
    return value if "@" in value else digits[-10:]


def _postcodes(patient: Resource) -> set[str]:
    values: Iterable[str] = (one.get("postalCode", "") for one in patient.get("address", []))
    return {folded(one) for one in values if one}

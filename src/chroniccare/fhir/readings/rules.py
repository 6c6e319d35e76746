"""What of an Observation is a reading: pure.

LOINC codes as home monitors and US Core's profiles have them. Glucose in mmol/L is turned into
mg/dL (a mole has 180.16 g, so 18.016), pounds into kilograms.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["blood_pressure", "glucose", "weight", "heart_rate"]

LOINC = "http://loinc.org"
CODES: dict[Kind, tuple[str, ...]] = {
    "blood_pressure": ("85354-9", "55284-4"),
    "glucose": ("15074-8", "2339-0", "2345-7", "41653-7", "1558-6"),
    "weight": ("29463-7", "3141-9"),
    "heart_rate": ("8867-4",),
}
UNITS: dict[Kind, str] = {
    "blood_pressure": "mmHg", "glucose": "mg/dL", "weight": "kg", "heart_rate": "/min",
}  # fmt: skip
_SYSTOLIC, _DIASTOLIC = ("8480-6",), ("8462-4",)
_FACTORS: dict[str, float] = {
    "mm[Hg]": 1, "mg/dL": 1, "mmol/L": 18.016, "kg": 1, "g": 0.001, "[lb_av]": 0.45359237,
    "/min": 1, "{beats}/min": 1,
}  # fmt: skip
_WRONG = frozenset({"entered-in-error", "cancelled"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured: `value` in `unit`; of a blood pressure the systolic, then `diastolic`."""

    kind: Kind
    value: float
    diastolic: float | None
    unit: str


def reading(resource: dict[str, Any]) -> Reading | None:
    """Return what an Observation says; None: nothing that we can show, or it was a mistake."""
    if resource.get("status") in _WRONG:
        return None
    for kind, codes in CODES.items():
        if _is(resource, codes):
            if kind != "blood_pressure":
                value = _amount(resource)
                return None if value is None else Reading(kind, value, None, UNITS[kind])
            parts = resource.get("component") or []
            upper, lower = _part(parts, _SYSTOLIC), _part(parts, _DIASTOLIC)
            if upper is None or lower is None:
                return None
            return Reading(kind, upper, lower, UNITS[kind])
    return None


def _is(element: dict[str, Any], codes: tuple[str, ...]) -> bool:
    given = element.get("code", {}).get("coding") or []
    return any(one.get("system") == LOINC and one.get("code") in codes for one in given)


def _part(parts: Iterable[dict[str, Any]], codes: tuple[str, ...]) -> float | None:
    return next((_amount(one) for one in parts if _is(one, codes)), None)


def _amount(element: dict[str, Any]) -> float | None:
    quantity = element.get("valueQuantity") or {}
    factor = _FACTORS.get(quantity.get("code") or quantity.get("unit") or "")
    value = quantity.get("value")
    if factor is None or value is None or quantity.get("comparator"):
        return None
    return round(float(value) * factor, 1)

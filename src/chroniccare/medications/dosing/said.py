"""One instruction as it is said, between FHIR Dosage, sig text and plain words."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chroniccare.medications.dosing import routes

CYCLE = "urn:chroniccare:dosage-cycle"
"""Our extension of Dosage: `daysOn` and `daysOff`, repeated from the first day."""
UCUM = "http://unitsofmeasure.org"
_MAX_UNIT = "{dose}"


def plain(number: Decimal | float) -> int | float:
    """Return a number as JSON shows it best: whole if it is whole."""
    return int(number) if number == int(number) else float(number)


@dataclass(frozen=True, slots=True)
class Said:
    """What one FHIR Dosage says; every field is None, empty or False where nothing was said.

    Attributes:
        route: one of `routes.ROUTES`.
        site: a part of the body, in words.
        length: of the instruction, in days.
        maximum: in 24 hours, in `maximum_unit`, or doses if that is None.
        food: how it goes with food, in words.
    """

    sequence: int = 1
    quantity: Decimal | None = None
    unit: str | None = None
    route: str | None = None
    site: str | None = None
    frequency: int | None = None
    period: Decimal | None = None
    period_max: Decimal | None = None
    period_unit: str | None = None
    days: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    offset: int | None = None
    count: int | None = None
    length: int | None = None
    cycle: tuple[int, int] | None = None
    as_needed: bool = False
    reason: str | None = None
    maximum: Decimal | None = None
    maximum_unit: str | None = None
    food: str | None = None


def to_fhir(said: Said) -> dict[str, Any]:
    """Return an instruction as FHIR R4 Dosage, without a text."""
    made: dict[str, Any] = {"sequence": said.sequence}
    if said.cycle is not None:
        made["extension"] = [_cycle(said.cycle)]
    if said.food is not None:
        made["additionalInstruction"] = [{"text": said.food}]
    if repeat := _repeat(said):
        made["timing"] = {"repeat": repeat}
    if said.reason is not None:
        made["asNeededCodeableConcept"] = {"text": said.reason}
    elif said.as_needed:
        made["asNeededBoolean"] = True
    if said.site is not None:
        made["site"] = {"text": said.site}
    if said.route is not None:
        made["route"] = routes.coded(said.route)
    if said.quantity is not None:
        made["doseAndRate"] = [{"doseQuantity": quantity(said.quantity, said.unit)}]
    if said.maximum is not None:
        made["maxDosePerPeriod"] = {
            "numerator": quantity(said.maximum, said.maximum_unit or _MAX_UNIT),
            "denominator": {"value": 24, "unit": "h", "system": UCUM, "code": "h"},
        }
    return made


def from_fhir(dosage: dict[str, Any]) -> Said:
    """Return what a FHIR Dosage says that `timing.steps` has found to be sound."""
    timing = dosage.get("timing", {})
    repeat = timing.get("repeat", {})
    dose = dosage.get("doseAndRate", [{}])[0].get("doseQuantity", {})
    most = dosage.get("maxDosePerPeriod", {}).get("numerator", {})
    most_unit = most.get("unit")
    reason = dosage.get("asNeededCodeableConcept", {})
    food = dosage.get("additionalInstruction", [])
    return Said(
        sequence=dosage.get("sequence", 1),
        quantity=_decimal(dose.get("value")),
        unit=dose.get("unit", dose.get("code")),
        route=routes.named(dosage.get("route", {})),
        site=_text(dosage.get("site")),
        frequency=repeat.get("frequency"),
        period=_decimal(repeat.get("period")),
        period_max=_decimal(repeat.get("periodMax")),
        period_unit=repeat.get("periodUnit"),
        days=tuple(repeat.get("dayOfWeek", ())),
        times=tuple(repeat.get("timeOfDay", ())),
        when=tuple(repeat.get("when", ())),
        offset=repeat.get("offset"),
        count=repeat.get("count"),
        length=days_of(repeat.get("boundsDuration", {})),
        cycle=cycle_of(dosage),
        as_needed=bool(dosage.get("asNeededBoolean")) or bool(reason),
        reason=_text(reason),
        maximum=_decimal(most.get("value")),
        maximum_unit=None if most_unit == _MAX_UNIT else most_unit,
        food="; ".join(filter(None, map(_text, food))) or None,
    )


def cycle_of(dosage: dict[str, Any]) -> tuple[int, int] | None:
    """Return days on and days off of a Dosage with our extension."""
    for extension in dosage.get("extension", ()):
        if extension.get("url") == CYCLE:
            parts = {one.get("url"): one.get("valuePositiveInt") for one in extension["extension"]}
            return parts["daysOn"], parts["daysOff"]
    return None


def days_of(duration: dict[str, Any]) -> int | None:
    """Return a FHIR Duration in whole days; None where it is none."""
    value, unit = duration.get("value"), duration.get("code", duration.get("unit"))
    days = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}.get(str(unit))
    if unit == "h" and value is not None and value % 24 == 0:
        return int(value // 24)
    return None if value is None or days is None or value != int(value) else int(value) * days


def _repeat(said: Said) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if said.length is not None:
        made["boundsDuration"] = {"value": said.length, "unit": "d", "system": UCUM, "code": "d"}
    given = {
        "count": said.count,
        "frequency": said.frequency,
        "period": None if said.period is None else plain(said.period),
        "periodMax": None if said.period_max is None else plain(said.period_max),
        "periodUnit": said.period_unit,
        "dayOfWeek": list(said.days) or None,
        "timeOfDay": list(said.times) or None,
        "when": list(said.when) or None,
        "offset": said.offset,
    }
    return made | {name: value for name, value in given.items() if value is not None}


def _cycle(cycle: tuple[int, int]) -> dict[str, Any]:
    parts = zip(("daysOn", "daysOff"), cycle, strict=True)
    return {
        "url": CYCLE,
        "extension": [{"url": name, "valuePositiveInt": days} for name, days in parts],
    }


def quantity(value: Decimal, unit: str | None) -> dict[str, Any]:
    """Return an amount as FHIR Quantity."""
    return {"value": plain(value)} | ({} if unit is None else {"unit": unit})


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _text(concept: dict[str, Any] | None) -> str | None:
    if not concept:
        return None
    shown = [coding.get("display") for coding in concept.get("coding", ())]
    text: str | None = concept.get("text") or next(filter(None, shown), None)
    return text

"""FHIR R4 Dosage, checked and read into what the planner plans.

Sources: FHIR R4 Dosage (https://hl7.org/fhir/R4/dosage.html) and Timing with its invariants tim-1
to tim-10 (https://hl7.org/fhir/R4/datatypes.html#Timing; there is no tim-3), and the abbreviations
of v3-GTSAbbreviation. What FHIR allows and nobody could plan without guessing is refused: ranges, a
frequency of the week without its days, bounds that do not come to whole days.

FHIR leaves open where the planner must not guess; `steps` returns one form only:

- An interval has frequency 1 and a period in whole minutes: 3 times every 24 h is every 8 h.
- Anchored doses have `frequency` doses on each day on which it is taken, at `times` or `when` if
  there are any. C, AC and PC, which name no meal, are the three meals.
- Weeks without days of the week are so many days from the first; each week with days of the week is
  unit d with those days; every n weeks is one Step for each day of the week. A year is 12 months.
- What is taken as needed has no Repeat: its timing gives the least time between two doses
  (every 6 hours) or the most in a day (3 times a day).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from typing import Any

from chroniccare.medications.dosing import routes, said
from chroniccare.medications.dosing.model import Repeat, Step
from chroniccare.medications.dosing.timing_checks import Faults, check_repeat, path

MAX_DOSES_A_DAY = 24
MAX_DAYS = 3650
MAX_INSTRUCTIONS = 20
_MEALS = {
    "C": ("CM", "CD", "CV"), "AC": ("ACM", "ACD", "ACV"), "PC": ("PCM", "PCD", "PCV")
}  # fmt: skip
_MINUTES = {"min": 1, "h": 60}
_SCALE = {
    "mcg": Decimal(1), "mg": Decimal(1000), "g": Decimal(1_000_000),
    "mL": Decimal(1), "L": Decimal(1000),
}  # fmt: skip
_KIND = {"mcg": "mass", "mg": "mass", "g": "mass", "mL": "volume", "L": "volume"}

# v3-GTSAbbreviation: what each code says of Timing.repeat. AM, PM and BED name a part of the day;
# how the others fall on it is for the institution, that is for the anchors of clinic and patient.
GTS: dict[str, dict[str, Any]] = {
    "QD": {"frequency": 1, "period": 1, "periodUnit": "d"},
    "QOD": {"frequency": 1, "period": 2, "periodUnit": "d"},
    "BID": {"frequency": 2, "period": 1, "periodUnit": "d"},
    "TID": {"frequency": 3, "period": 1, "periodUnit": "d"},
    "QID": {"frequency": 4, "period": 1, "periodUnit": "d"},
    "AM": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["MORN"]},
    "PM": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["AFT"]},
    "BED": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]},
    "WK": {"frequency": 1, "period": 1, "periodUnit": "wk"},
    "MO": {"frequency": 1, "period": 1, "periodUnit": "mo"},
    **{
        f"Q{hours}H": {"frequency": 1, "period": hours, "periodUnit": "h"}
        for hours in (1, 2, 3, 4, 6, 8)
    },
}


@dataclass(frozen=True, slots=True)
class _Read:
    """One Dosage on its way to be Steps."""

    steps: list[Step] = field(default_factory=list)
    doses_a_day: Decimal = Decimal(0)


def normal(
    dosages: Sequence[Mapping[str, Any]], *, starts_on: date, at: str = "dosage_instructions"
) -> list[dict[str, Any]]:
    """Return Dosages as they are stored: sequence said, codes expanded, bounds in days.

    A boundsPeriod becomes a boundsDuration from `starts_on`, or from the day after the sequence
    before, so that what is stored does not depend on when the regimen starts.

    Raises:
        Unprocessable: it cannot be stored so; each field is named by its path below `at`.
    """
    faults = Faults(at)
    if len(dosages) > 1 and any(one.get("sequence") is None for one in dosages):
        faults.add("", "say the sequence of each: the same is taken side by side", "sequence")
    made = [_normal(number, one, faults) for number, one in enumerate(dosages)]
    faults.check()
    first = starts_on.toordinal()
    for sequence in sorted({one["sequence"] for one in made}):
        lengths = []
        for number, one in enumerate(made):
            if one["sequence"] == sequence:
                lengths.append(_bounds_to_days(number, one, first, faults))
        first += max(lengths, default=0)
    faults.check()
    steps(made, at=at)
    return made


def steps(
    dosages: Sequence[Mapping[str, Any]], *, at: str = "dosage_instructions"
) -> tuple[Step, ...]:
    """Return the Steps of Dosages as `normal` returns them, in the order of their sequence.

    Raises:
        Unprocessable: they are against a rule; each field is named by its path below `at`.
    """
    faults = Faults(at)
    if not 1 <= len(dosages) <= MAX_INSTRUCTIONS:
        faults.add("", f"must be 1 to {MAX_INSTRUCTIONS} instructions", "count")
    read = [_read(number, dosage, faults) for number, dosage in enumerate(dosages)]
    _check_sequences(dosages, read, faults)
    faults.check()
    found = [step for one in read for step in one.steps]
    return tuple(sorted(found, key=lambda step: step.sequence))


def length(found: Sequence[Step]) -> int | None:
    """Return how many days Steps last together; None: to the end of the regimen."""
    total = 0
    for sequence in {step.sequence for step in found}:
        days = [step.days for step in found if step.sequence == sequence]
        if None in days:
            return None
        total += max(day for day in days if day is not None)
    return total


def _normal(number: int, dosage: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    made = {**dosage, "sequence": dosage.get("sequence") or 1}
    if "route" in made:
        route = routes.named(made["route"])
        if route is None:
            faults.add(f"{number}.route", "is not one of the routes known here", "route")
        else:
            made["route"] = routes.coded(route)
    if "timing" not in made:
        return made
    timing = {**made["timing"]}
    repeat = {**timing.get("repeat", {})}
    if (code := _code(timing)) is not None:
        if code not in GTS:
            faults.add(f"{number}.timing.code", "is no code of GTSAbbreviation known here", "code")
            code = "QD"
        differ = [name for name, value in GTS[code].items() if repeat.get(name, value) != value]
        differ += ["timeOfDay"] if "when" in GTS[code] and "timeOfDay" in repeat else []
        for name in differ:
            faults.add(f"{number}.timing.repeat.{name}", "disagrees with timing.code", "code")
        repeat = {**GTS[code], **repeat}
    if "timeOfDay" in repeat:
        repeat["timeOfDay"] = [f"{text}:00"[:8] for text in repeat["timeOfDay"]]
    return {**made, "timing": {**timing, "repeat": repeat}}


def _code(timing: Mapping[str, Any]) -> str | None:
    concept = timing.get("code")
    if concept is None:
        return None
    codes = [coding.get("code") for coding in concept.get("coding", ())]
    return str(next(filter(None, codes), concept.get("text", ""))).upper()


def _bounds_to_days(number: int, dosage: dict[str, Any], first: int, faults: Faults) -> int:
    """Replace boundsPeriod in `dosage`, which begins on ordinal day `first`; return its days."""
    repeat = dosage.get("timing", {}).get("repeat", {})
    period = repeat.pop("boundsPeriod", None)
    where = f"{number}.timing.repeat"
    if period is None:
        return said.days_of(repeat.get("boundsDuration", {})) or 0
    if "boundsDuration" in repeat:
        faults.add(f"{where}.boundsPeriod", "give boundsPeriod or boundsDuration", "choice")
        return 0
    start, end = (period.get(name) for name in ("start", "end"))
    if start is not None and date.fromisoformat(start).toordinal() > first:
        faults.add(f"{where}.boundsPeriod.start", "leaves days without an instruction", "gap")
    if end is None:
        return 0
    days = date.fromisoformat(end).toordinal() - first + 1
    if days < 1 or (start is not None and end < start):
        faults.add(f"{where}.boundsPeriod.end", "lies before the start", "order")
        return 0
    unit = {"unit": "d", "system": said.UCUM, "code": "d"}
    repeat["boundsDuration"] = {"value": days, **unit}
    return days


def _read(number: int, dosage: Mapping[str, Any], faults: Faults) -> _Read:
    """Read one Dosage; with faults what is returned is of no use."""
    before = len(faults.found)
    repeat = dict(dosage.get("timing", {}).get("repeat", {}))
    as_needed = _as_needed(number, dosage, faults)
    check_repeat(f"{number}.timing.repeat", repeat, as_needed=as_needed, faults=faults)
    quantity, unit = _dose(number, dosage, faults)
    cycle = _cycle(number, dosage, faults)
    if len(faults.found) > before:
        return _Read()
    days = said.days_of(repeat["boundsDuration"]) if "boundsDuration" in repeat else None
    if days is not None and days > MAX_DAYS:
        faults.add(f"{number}.timing.repeat.boundsDuration", "is more than ten years", "range")
    base = Step(
        sequence=dosage.get("sequence", 1), quantity=quantity, unit=unit, days=days, cycle=cycle,
        most_per_day=_most(number, dosage, quantity, unit, faults),
    )  # fmt: skip
    if as_needed:
        return _Read([_limited(base, repeat)])
    return _scheduled(base, repeat)


def _as_needed(number: int, dosage: Mapping[str, Any], faults: Faults) -> bool:
    both = {"asNeededBoolean", "asNeededCodeableConcept"} & set(dosage)
    if len(both) > 1:
        faults.add(f"{number}.asNeededBoolean", "give one of asNeeded[x]", "choice")
    return bool(dosage.get("asNeededBoolean")) or "asNeededCodeableConcept" in dosage


def _dose(
    number: int, dosage: Mapping[str, Any], faults: Faults
) -> tuple[Decimal | None, str | None]:
    rates = dosage.get("doseAndRate", [])
    if not rates:
        return None, None
    if len(rates) > 1:
        faults.add(f"{number}.doseAndRate", "give one dose", "count")
    quantity = rates[0].get("doseQuantity")
    if quantity is None:
        faults.add(f"{number}.doseAndRate.0", "give doseQuantity: one amount, no range", "range")
        return None, None
    if quantity["value"] <= 0:
        faults.add(f"{number}.doseAndRate.0.doseQuantity.value", "must be more than 0", "range")
    return Decimal(str(quantity["value"])), quantity.get("unit", quantity.get("code"))


def _cycle(number: int, dosage: Mapping[str, Any], faults: Faults) -> tuple[int, int] | None:
    for place, extension in enumerate(dosage.get("extension", ())):
        where = f"{number}.extension.{place}"
        if extension.get("url") != said.CYCLE:
            faults.add(where, f"is not known here; known is {said.CYCLE}", "extension")
            continue
        parts = {part.get("url"): part.get("valuePositiveInt") for part in extension["extension"]}
        if set(parts) != {"daysOn", "daysOff"} or None in parts.values():
            faults.add(where, "needs daysOn and daysOff, each a valuePositiveInt", "extension")
            continue
        return parts["daysOn"], parts["daysOff"]
    return None


def _most(
    number: int, dosage: Mapping[str, Any], quantity: Decimal | None, unit: str | None,
    faults: Faults,
) -> int | None:  # fmt: skip
    """Return maxDosePerPeriod as doses in 24 hours."""
    ratio = dosage.get("maxDosePerPeriod")
    if ratio is None:
        return None
    where = f"{number}.maxDosePerPeriod"
    top, bottom = ratio["numerator"], ratio["denominator"]
    if (bottom["value"], bottom.get("code", bottom.get("unit"))) not in {(24, "h"), (1, "d")}:
        faults.add(f"{where}.denominator", "must be 24 h or 1 d", "period")
        return None
    value, most_unit = Decimal(str(top["value"])), top.get("unit", top.get("code"))
    if most_unit in {None, "{dose}", "dose", "doses"}:
        most = value
    elif quantity is None:
        faults.add(where, "needs the amount of one dose", "unit")
        return None
    elif most_unit == unit:
        most = value / quantity
    elif _KIND.get(str(most_unit), "") == _KIND.get(str(unit)):
        most = value * _SCALE[str(most_unit)] / (quantity * _SCALE[str(unit)])
    else:
        faults.add(f"{where}.numerator.unit", "must be the unit of the dose", "unit")
        return None
    if most < 1:
        faults.add(f"{where}.numerator.value", "is less than one dose", "range")
        return None
    return int(most)


def _limited(step: Step, repeat: Mapping[str, Any]) -> Step:
    """Return what is taken as needed with the limits that its timing gives."""
    if "period" not in repeat and "when" not in repeat:
        return step
    frequency = int(repeat.get("frequency", 1))
    unit = repeat.get("periodUnit", "d")
    period = Decimal(str(repeat.get("period", 1)))
    least, most = step.least_minutes, step.most_per_day
    if unit in _MINUTES and frequency == 1:
        least = int(period * _MINUTES[unit])
    elif unit == "d" and period == 1:
        told = len(_events(repeat)) or frequency
        most = told if most is None else min(most, told)
    return _with(step, least_minutes=least, most_per_day=most)


def _scheduled(step: Step, repeat: Mapping[str, Any]) -> _Read:
    unit = repeat.get("periodUnit", "d")
    unit = "mo" if unit == "a" else unit
    period = Decimal(str(repeat.get("period", 1))) * (12 if repeat.get("periodUnit") == "a" else 1)
    if unit in _MINUTES:
        minutes = period * _MINUTES[unit] / int(repeat.get("frequency", 1))
        hours = minutes % 60 == 0
        made = Repeat(
            period=minutes / 60 if hours else minutes, unit="h" if hours else "min",
            count=repeat.get("count"),
        )  # fmt: skip
        return _Read([_with(step, repeat=made)], Decimal(1440) / minutes)
    times = tuple(time.fromisoformat(text) for text in repeat.get("timeOfDay", ()))
    when, days = _events(repeat), tuple(repeat.get("dayOfWeek", ()))
    named = len(times) or len(when)
    frequency = named or int(repeat.get("frequency", 1))
    if unit == "wk" and days and not named:
        frequency = 1
    split: list[tuple[Any, ...]] = [days]
    if unit == "wk" and (not days or period == 1):
        unit, period = "d", period if days else period * 7
    elif unit == "wk":
        split = [(day,) for day in days]
    repeats = [
        Repeat(
            frequency=frequency, period=period, unit=unit, days=some, times=times, when=when,
            offset_minutes=repeat.get("offset", 0), count=repeat.get("count"),
        )
        for some in split
    ]  # fmt: skip
    return _Read([_with(step, repeat=one) for one in repeats], Decimal(frequency))


def _events(repeat: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the events of `when`, meals that are not named being the three."""
    return tuple(one for event in repeat.get("when", ()) for one in _MEALS.get(event, (event,)))


def _with(step: Step, **changed: Any) -> Step:
    kept = {name: getattr(step, name) for name in Step.__dataclass_fields__}
    return Step(**{**kept, **changed})


def _check_sequences(
    dosages: Sequence[Mapping[str, Any]], read: Sequence[_Read], faults: Faults
) -> None:
    numbers = [int(dosage.get("sequence", 1)) for dosage in dosages]
    if sorted(set(numbers)) != list(range(1, len(set(numbers)) + 1)):
        faults.add("", "sequences must be 1, 2, 3, ... without a gap", "sequence")
    last = max(numbers, default=1)
    for number, (sequence, one) in enumerate(zip(numbers, read, strict=True)):
        if sequence < last and one.steps and one.steps[0].days is None:
            faults.add(
                path(number, "timing.repeat.boundsDuration"),
                "must say for how long, because another instruction follows", "missing",
            )  # fmt: skip
    for sequence in set(numbers):
        a_day = sum(
            (
                one.doses_a_day
                for place, one in zip(numbers, read, strict=True)
                if place == sequence
            ),
            Decimal(0),
        )
        if a_day > MAX_DOSES_A_DAY:
            number = numbers.index(sequence)
            faults.add(
                path(number, "timing.repeat"),
                f"comes to more than {MAX_DOSES_A_DAY} doses a day", "too_many",
            )  # fmt: skip

"""Invariants of the data types: Period, Quantity, Timing, Extension, Narrative ..."""

from collections.abc import Callable
from typing import Any

from chroniccare.fhir.invariants_view import (
    UNSAID,
    Rule,
    certainly_after,
    exactly_one,
    has_choice,
    needs,
    not_both,
    some,
)
from chroniccare.fhir.validation_narrative import has_content, is_safe

_UCUM = "http://unitsofmeasure.org"
_MONEY = "urn:iso:std:iso:4217"
_MEALS = frozenset({"C", "CM", "CD", "CV"})


def ext_1(extension: Any) -> bool:
    """Either extensions or a value, not both."""
    return (extension.extension is not None) != has_choice(extension, "value")


def per_1(period: Any) -> bool:
    """The start is not after the end; where precision leaves it open, it holds."""
    start, end = period.start, period.end
    return start is None or end is None or not certainly_after(start, end)


def _measured(system: str) -> Rule:
    """Return the rule that a value has a code, of this system if any is named."""

    def rule(quantity: Any) -> bool:
        coded = quantity.code is not None or quantity.value is None
        return coded and quantity.system in {None, system}

    return rule


def age_1(age: Any) -> bool:
    """As an expression of time, and positive."""
    return _measured(_UCUM)(age) and (age.value in {None, UNSAID} or age.value > 0)


def cnt_3(count: Any) -> bool:
    """A whole number of the unit 1."""
    whole = count.value is None or "." not in str(_plain(count.value))
    return _measured(_UCUM)(count) and count.code in {None, "1"} and whole


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def drt_1(duration: Any) -> bool:
    """A code needs UCUM as its system, and a value."""
    return duration.code is None or (duration.system == _UCUM and duration.value is not None)


def rat_1(ratio: Any) -> bool:
    """Both parts, or neither and an extension."""
    both = (ratio.numerator is None) == (ratio.denominator is None)
    return both and (ratio.numerator is not None or ratio.extension is not None)


def rng_2(span: Any) -> bool:
    """Low is not above high; amounts of different units are not compared."""
    low, high = span.low, span.high
    if low is None or high is None:
        return True
    if low.value in {None, UNSAID} or high.value in {None, UNSAID}:
        return True
    same = (low.code, low.system) == (high.code, high.system) and low.unit == high.unit
    return not same or bool(low.value <= high.value)


def drq(each: Any) -> bool:
    """drq-1 and drq-2: a path or a search parameter."""
    return exactly_one(each.path, each.searchParam)


def tim_9(repeat: Any) -> bool:
    """An offset needs an event that is not a meal itself."""
    if repeat.offset is None:
        return True
    return repeat.when is not None and not _MEALS.intersection(repeat.when)


def _not_negative(name: str) -> Rule:
    def rule(thing: Any) -> bool:
        value = getattr(thing, name)
        return value in {None, UNSAID} or value >= 0

    return rule


def trd_1(trigger: Any) -> bool:
    """Data or a timing."""
    return trigger.data is None or not has_choice(trigger, "timing")


def trd_3(trigger: Any) -> bool:
    """What each kind of trigger needs."""
    kind = trigger.type or ""
    return (
        (kind != "named-event" or trigger.name is not None)
        and (kind != "periodic" or has_choice(trigger, "timing"))
        and (not kind.startswith("data-") or trigger.data is not None)
    )


RULES: dict[str, Callable[[Any], bool]] = {
    "age-1": age_1,
    "att-1": needs("data", "contentType"),
    "cnt-3": cnt_3,
    "cpt-2": needs("value", "system"),
    "dis-1": _measured(_UCUM),
    "drq-1": drq,
    "drq-2": drq,
    "drt-1": drt_1,
    "exp-1": some("expression", "reference"),
    "ext-1": ext_1,
    "mqty-1": _measured(_MONEY),
    "per-1": per_1,
    "qty-3": needs("code", "system"),
    "rat-1": rat_1,
    "rng-2": rng_2,
    "tim-1": needs("duration", "durationUnit"),
    "tim-2": needs("period", "periodUnit"),
    "tim-4": _not_negative("duration"),
    "tim-5": _not_negative("period"),
    "tim-6": needs("periodMax", "period"),
    "tim-7": needs("durationMax", "duration"),
    "tim-8": needs("countMax", "count"),
    "tim-9": tim_9,
    "tim-10": not_both("timeOfDay", "when"),
    "trd-1": trd_1,
    "trd-2": needs("condition", "data"),
    "trd-3": trd_3,
    "txt-1": is_safe,
    "txt-2": has_content,
}

"""What a FHIR R4 Timing.repeat must hold: the standard's invariants, and what can be planned.

Source: https://hl7.org/fhir/R4/datatypes.html#Timing, tim-1 to tim-10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.medications.dosing.said import days_of

_CLOCK = ("min", "h")
_MEAL = frozenset({"C", "CM", "CD", "CV"})
_GENERAL = frozenset({"C", "AC", "PC"})
_LONGEST = {"min": 44_640, "h": 744, "d": 366, "wk": 52, "mo": 12, "a": 1}
MAX_OFFSET = 360


@dataclass(slots=True)
class Faults:
    """What is wrong so far; `at` is where the list of Dosages stands in the request."""

    at: str
    found: list[FieldError] = field(default_factory=list)

    def add(self, where: str, reason: str, code: str) -> None:
        """Note a fault of the field at `where` below `at`."""
        self.found.append(FieldError(f"{self.at}.{where}".rstrip("."), reason, code))

    def check(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            Unprocessable: with every fault.
        """
        if self.found:
            raise Unprocessable(details=self.found)


def path(number: int, below: str) -> str:
    """Return where a field of the instruction with this number stands."""
    return f"{number}.{below}"


def check_repeat(where: str, repeat: Mapping[str, Any], *, as_needed: bool, faults: Faults) -> None:
    """Note what is wrong with a Timing.repeat."""

    def fault(name: str, reason: str, code: str) -> None:
        faults.add(f"{where}.{name}", reason, code)

    _invariants(repeat, fault)
    _bounds(repeat, fault)
    _distinct(repeat, fault)
    if as_needed:
        _prn(repeat, fault)
        return
    if not {"frequency", "period", "timeOfDay", "when", "dayOfWeek"} & set(repeat):
        fault("frequency", "say how often, or that it is taken as needed", "missing")
        return
    for name in ("frequencyMax", "periodMax", "countMax"):
        if name in repeat:
            fault(name, "a range cannot be planned; say one number", "range")
    _period(repeat, fault)
    if repeat.get("periodUnit") in _CLOCK:
        _interval(repeat, fault)
    else:
        _anchored(repeat, fault)


def _invariants(repeat: Mapping[str, Any], fault: Any) -> None:
    needs = (
        ("duration", "durationUnit", "tim-1"), ("period", "periodUnit", "tim-2"),
        ("periodMax", "period", "tim-6"), ("durationMax", "duration", "tim-7"),
        ("countMax", "count", "tim-8"), ("offset", "when", "tim-9"),
        # Not an invariant, but the other half of tim-1 and tim-2.
        ("durationUnit", "duration", "tim-1"), ("periodUnit", "period", "tim-2"),
    )  # fmt: skip
    for name, needed, code in needs:
        if name in repeat and needed not in repeat:
            fault(needed, f"must be given with {name}", code)
    # The schema has numbers that are not negative only: tim-4 and tim-5 hold there already, and
    # are looked at for what comes another way.
    for name, code in (("duration", "tim-4"), ("period", "tim-5")):
        if repeat.get(name, 0) < 0:
            fault(name, "must not be negative", code)
    if repeat.get("offset") and _MEAL & set(repeat.get("when", ())):
        fault("offset", "does not go with C, CM, CD or CV", "tim-9")
    if "timeOfDay" in repeat and "when" in repeat:
        fault("timeOfDay", "does not go with when", "tim-10")


def _bounds(repeat: Mapping[str, Any], fault: Any) -> None:
    if "boundsDuration" in repeat:
        days = days_of(repeat["boundsDuration"])
        if days is None:
            fault("boundsDuration", "must come to whole days: d, wk, or h by 24", "days")
        elif days < 1:
            fault("boundsDuration.value", "must be at least a day", "range")


def _distinct(repeat: Mapping[str, Any], fault: Any) -> None:
    for name in ("dayOfWeek", "timeOfDay", "when"):
        values: Sequence[str] = repeat.get(name, ())
        if len(set(values)) != len(values):
            fault(name, "must not name the same twice", "distinct")
    events = set(repeat.get("when", ()))
    if events & _GENERAL and len(events) > 1:
        fault("when", "C, AC and PC are all meals; name the meals or one of these", "when")
    for number, text in enumerate(repeat.get("timeOfDay", ())):
        if not text.endswith(":00"):
            fault(f"timeOfDay.{number}", "must be on a whole minute", "minute")
    if repeat.get("offset", 0) > MAX_OFFSET:
        fault("offset", "must be at most six hours", "range")


def _prn(repeat: Mapping[str, Any], fault: Any) -> None:
    """What is taken as needed has no schedule; its timing can only say how close and how often."""
    for name in ("dayOfWeek", "timeOfDay", "count", "countMax"):
        if name in repeat:
            fault(name, "is a schedule; what is taken as needed has none", "as_needed")
    if repeat.get("periodUnit") not in {None, *_CLOCK, "d"}:
        fault("periodUnit", "as needed, a limit is by the minute, hour or day", "as_needed")
        return
    _period(repeat, fault)
    if repeat.get("periodUnit") == "d" and repeat.get("period", 1) != 1:
        fault("period", "as needed, say every so many hours, or times a day", "as_needed")
    elif repeat.get("periodUnit") in _CLOCK and repeat.get("frequency", 1) > 1:
        fault("frequency", "as needed, say every so many hours, or times a day", "as_needed")


def _period(repeat: Mapping[str, Any], fault: Any) -> None:
    if "period" not in repeat or "periodUnit" not in repeat:
        return
    unit, period = repeat["periodUnit"], repeat["period"]
    if unit not in _LONGEST:
        fault("periodUnit", "must be min, h, d, wk, mo or a", "unit")
    elif period >= 0 and not 0 < period <= _LONGEST[unit]:
        fault("period", f"must be more than 0 and at most {_LONGEST[unit]} {unit}", "range")
    elif unit not in _CLOCK and period != int(period):
        fault("period", f"must be whole in {unit}", "whole")


def _interval(repeat: Mapping[str, Any], fault: Any) -> None:
    for name in ("dayOfWeek", "timeOfDay", "when"):
        if name in repeat:
            fault(name, "does not go with a period of hours or minutes", "choice")
    minutes = Decimal(str(repeat.get("period", 0)))
    minutes *= {"min": 1, "h": 60}[repeat["periodUnit"]]
    if minutes / repeat.get("frequency", 1) % 1:
        fault("period", "must come to whole minutes between two doses", "whole")


def _anchored(repeat: Mapping[str, Any], fault: Any) -> None:
    """Check that how often agrees with when, and says when at all."""
    frequency, days = repeat.get("frequency"), len(repeat.get("dayOfWeek", ()))
    unit, period = repeat.get("periodUnit", "d"), repeat.get("period", 1)
    events = [1 if one not in _GENERAL else 3 for one in repeat.get("when", ())]
    a_day = len(repeat.get("timeOfDay", ())) or sum(events)
    if days and unit in {"mo", "a"}:
        fault("dayOfWeek", "does not go with months", "choice")
    if days and unit == "d" and period != 1:
        fault("dayOfWeek", "does not go with every so many days", "choice")
    if unit == "wk" and days > 1 and period != 1 and "count" in repeat:
        fault("count", "does not go with several days every so many weeks", "choice")
    if frequency is None:
        return
    per = max(1, days) if unit == "wk" else 1
    if a_day and frequency != a_day * per:
        named = "timeOfDay" if "timeOfDay" in repeat else "when"
        fault("frequency", f"disagrees with {named}", "frequency")
    elif unit == "wk" and days and not a_day and frequency != days:
        fault("frequency", "disagrees with dayOfWeek", "frequency")
    elif not a_day and frequency > 1 and (unit != "d" or period != 1) and not days:
        fault("frequency", "say on which days, or at what times", "days")

"""Search parameters that few types have: periods, who did something, and the time of a visit."""

from dataclasses import dataclass
from typing import Any, ClassVar

from chroniccare.fhir.parameters import Asked, Date, Parameter, any_of, uuids
from chroniccare.fhir.resources import slot

_COMPARE = {
    "eq": "({0} >= {2} AND {1} < {3})",
    "ne": "NOT ({0} >= {2} AND {1} < {3})",
    "gt": "{1} >= {3}",
    "lt": "{0} < {2}",
    "ge": "{1} >= {2}",
    "le": "{0} < {3}",
    "sa": "{0} >= {3}",
    "eb": "{1} < {2}",
}
"""R4, 3.1.1.4.11: {0} and {1} are the first and last day of the record, {2} and {3} the first day
that was asked for and the one after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period(Date):
    """Days from `expression` to `last`, both in it; neither is ever NULL."""

    last: str

    def _compared(self, asked: Asked, prefix: str, low: Any, high: Any) -> str:
        template = _COMPARE[prefix]
        first = asked.put(low, self.cast) if "{2}" in template else ""
        after = asked.put(high, self.cast) if "{3}" in template else ""
        return template.format(self.expression, self.last, first, after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who(Parameter):
    """Who did something: keys, staff and clients, who are no resources, by their number.

    Attributes:
        expression: of the number.
    """

    expression: str

    type: ClassVar[str] = "reference"
    modifiers: ClassVar[tuple[str, ...]] = ("identifier",)

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; what stands before the bar or the slash decides nothing."""
        del modifier
        ids = uuids([value.replace("/", "|").rpartition("|")[2] for value in values])
        return f"{self.expression} = {asked.among(ids, 'uuid')}" if ids else "false"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenSlot(Parameter):
    """The Slot that a visit takes: its id says with whom, where and when."""

    type: ClassVar[str] = "reference"

    def fault(self, values: list[str]) -> str | None:
        """Return that a value names another type."""
        kinds = {one.rpartition("/")[0].rpartition("/")[2] for one in values}
        return None if kinds <= {"", "Slot"} else "refers to Slot"

    def condition(self, asked: Asked, modifier: str | None, values: list[str]) -> str:
        """Return the condition; a visit that was cancelled or missed takes none."""
        del modifier
        found = []
        for value in values:
            time = slot.opened(value.rpartition("/")[2])
            if time is not None:
                found.append(
                    f"(a.provider_id = {asked.put(time.provider_id, 'uuid')}"
                    f" AND a.facility_id = {asked.put(time.facility_id, 'uuid')}"
                    f" AND a.scheduled_start = {asked.put(time.start, 'timestamptz')}"
                    f" AND a.duration_minutes = {asked.put(time.minutes, 'int')}"
                    f" AND NOT ({self.null}))"
                )
        return any_of(found)

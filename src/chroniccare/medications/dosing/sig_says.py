"""What each kind of phrase of sig text says: handlers that put it into a Clause."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from typing import Any

from chroniccare.medications.dosing.sig_forms import (
    DAY,
    DAY_FORMS,
    MEAL_FORMS,
    NOON,
    NUMBERS,
    ONE_MEAL,
    ONE_TIME,
    ORDER,
    UNIT_FORMS,
)


@dataclass(slots=True)
class Clause:
    """What one instruction has said so far; `clashes` are places where it said otherwise."""

    slots: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, int | None]] = field(default_factory=list)
    clashes: list[tuple[int, int]] = field(default_factory=list)
    asks: dict[str, str] = field(default_factory=dict)

    def put(self, found: re.Match[str], **said: Any) -> None:
        """Keep what a phrase says; to say it twice is no harm, to say otherwise is a clash."""
        for name, value in said.items():
            if self.slots.setdefault(name, value) != value:
                self.clashes.append(found.span())


_HALF_DAY = 12

Handler = Callable[[Clause, re.Match[str]], None]


def number(text: str) -> Decimal:
    """Return a number as `NUM` finds it.

    Raises:
        ValueError: it divides by nothing.
    """
    text = text.strip().replace(",", "")
    if text in NUMBERS:
        return Decimal(NUMBERS[text])
    if text.endswith("½"):
        return Decimal(text[:-1].strip() or 0) + Decimal("0.5")
    whole, _, fraction = text.rpartition(" ")
    if "/" in fraction:
        top, bottom = fraction.split("/")
        if int(bottom) == 0:
            raise ValueError("fraction")
        part = Decimal(top) / Decimal(bottom)
        if part != round(part, 4):
            raise ValueError("fraction")
        return Decimal(whole or 0) + part
    return Decimal(text)


def which(forms: dict[str, str], text: str) -> str:
    """Return the name whose forms a word is one of."""
    text = text.removesuffix("(s)").strip()
    return next(name for name, pattern in forms.items() if re.fullmatch(pattern, text))


def quantity(clause: Clause, found: re.Match[str]) -> None:
    """How much of what."""
    clause.put(found, quantity=number(found["n"]), unit=which(UNIT_FORMS, found["unit"]))


def bare(clause: Clause, found: re.Match[str]) -> None:
    """How much, of what is not said."""
    clause.put(found, quantity=number(found["n"]))


def amounts(clause: Clause, _found: re.Match[str]) -> None:
    """A range of amounts, which is asked about."""
    clause.asks["range"] = "a range of amounts: say one amount"


def scheme(clause: Clause, found: re.Match[str]) -> None:
    """1-0-1: how much in the morning, at noon, in the evening and, if there is a fourth, at bed."""
    amounts = [number(text) for text in found["scheme"].split("-")]
    clause.put(found, scheme=tuple(amounts))
    if found["unit"]:
        clause.put(found, unit=which(UNIT_FORMS, found["unit"]))


def rate(frequency: int | None, unit: str, period: int | str = 1) -> Handler:
    """Return the handler of so many times every so many units; `period` may name a group."""

    def handle(clause: Clause, found: re.Match[str]) -> None:
        often = frequency if frequency != 0 else int(number(found["n"]))
        every = number(found[period]) if isinstance(period, str) else Decimal(period)
        clause.put(found, rate=(often, every, unit))

    return handle


def hours(clause: Clause, found: re.Match[str]) -> None:
    """Every so many hours or minutes."""
    unit = "min" if found["unit"].startswith("m") else "h"
    clause.put(found, rate=(1, number(found["n"]), unit))
    if found["to"]:
        clause.put(found, rate_max=number(found["to"]))


def days(clause: Clause, found: re.Match[str]) -> None:
    """Days of the week."""
    named = {which(DAY_FORMS, text) for text in re.findall(DAY, found["days"])}
    clause.put(found, days=tuple(sorted(named, key=ORDER.index)))


def some_days(*days: str) -> Handler:
    """Return the handler of these days of the week."""
    return lambda clause, found: clause.put(found, days=days)


def every_other_day_of_week(clause: Clause, found: re.Match[str]) -> None:
    """A day of the week in every second week."""
    clause.put(found, rate=(None, Decimal(2), "wk"))
    days(clause, found)


def part(event: str) -> Handler:
    """Return the handler of a part of the day."""
    return lambda clause, _: clause.events.append((event, None))


def meals(clause: Clause, found: re.Match[str]) -> None:
    """Before, with or after meals."""
    how = {"b": "A", "a": "P", "d": "P"}.get(found["how"][0], "")
    if found["how"].startswith("antes"):
        how = "A"
    offset = None
    if found["offset"]:
        offset = int(number(found["offset"])) * (60 if found["unit"].startswith("h") else 1)
    named = [which(MEAL_FORMS, text) for text in re.findall(ONE_MEAL, found["meals"])] or [
        "M",
        "D",
        "V",
    ]
    if not how and offset is not None:
        clause.asks["meals"] = "with a meal there is no time before or after it"
    if not re.findall(ONE_MEAL, found["meals"]):
        clause.put(found, all_meals=(found["how"], offset))
    clause.events += [(f"{how}C{meal}", offset) for meal in named]


def meal_code(prefix: str) -> Handler:
    """Return the handler of ac (A) and pc (P)."""

    def handle(clause: Clause, found: re.Match[str]) -> None:
        clause.put(found, all_meals=("before" if prefix == "A" else "after", None))
        clause.events += [(f"{prefix}C{meal}", None) for meal in "MDV"]

    return handle


def times(clause: Clause, found: re.Match[str]) -> None:
    """Times of day."""
    made = [NOON.get(text) or clock(text) for text in re.findall(ONE_TIME, found["times"])]
    clause.put(found, times=tuple(sorted(made)))


def clock(text: str) -> str:
    """Return a time of day as hh:mm:ss.

    Raises:
        ValueError: no clock shows it.
    """
    digits = re.findall(r"\d+", text)
    hour, minute = int(digits[0]), int(digits[1]) if len(digits) > 1 else 0
    half = re.sub(r"[^ap]", "", text)
    if half and not 1 <= hour <= _HALF_DAY:
        raise ValueError("time")
    hour = hour % _HALF_DAY + (_HALF_DAY if half == "p" else 0) if half else hour
    return time(hour, minute).isoformat()  # a ValueError for what no clock shows


def prn(clause: Clause, found: re.Match[str]) -> None:
    """As needed, and for what."""
    clause.put(found, as_needed=True)
    if found["reason"]:
        clause.put(found, reason=found["reason"])


def maximum(clause: Clause, found: re.Match[str]) -> None:
    """The most in 24 hours."""
    unit = found["unit"]
    if unit is not None:
        unit = "dose" if unit.startswith(("dos", "time", "veces")) else which(UNIT_FORMS, unit)
    clause.put(found, maximum=(number(found["n"]), unit))


def length(clause: Clause, found: re.Match[str]) -> None:
    """For so many days or weeks."""
    weeks = found["unit"].startswith(("w", "s"))
    clause.put(found, length=int(number(found["n"])) * (7 if weeks else 1))


def months(clause: Clause, _found: re.Match[str]) -> None:
    """For months, which is asked about."""
    clause.asks["length"] = "months differ in length: say days or weeks"


def count(clause: Clause, found: re.Match[str]) -> None:
    """So many doses in all; one if no number is said."""
    clause.put(found, count=int(number(found["n"])) if found["n"] else 1)


def cycle(clause: Clause, found: re.Match[str]) -> None:
    """Days on and days off."""
    on, off = (
        int(number(found[f"n{place}"])) * (7 if found[f"unit{place}"].startswith(("w", "s")) else 1)
        for place in (1, 2)
    )
    clause.put(found, cycle=(on, off))


def site(clause: Clause, found: re.Match[str]) -> None:
    """An eye or ear, and which."""
    part = "eye" if found["part"].startswith("eye") else "ear"
    clause.put(found, route="ophthalmic" if part == "eye" else "otic")
    side = (found["side"] or "").strip()
    if side:
        both = side in {"both", "each"}
        clause.put(found, site=f"both {part}s" if both else f"{side} {part}")


def keeps(**said: Any) -> Handler:
    """Return the handler that keeps these slots."""
    return lambda clause, found: clause.put(found, **said)


def nothing(_clause: Clause, _found: re.Match[str]) -> None:
    """A word that says nothing by itself."""


def both_parts(clause: Clause, found: re.Match[str]) -> None:
    """Read "in the morning and evening": the article stands once for all."""
    events = {"morning": "MORN", "afternoon": "AFT", "noon": "NOON", "evening": "EVE",
              "bedtime": "HS", "night": "NIGHT"}  # fmt: skip
    for word in re.findall("|".join(events), found["parts"]):
        clause.events.append((events[word], None))

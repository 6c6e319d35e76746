"""FHIR Dosage in plain words, for staff and patients: English and Spanish, nothing abbreviated.

`sig.read` reads every sentence that `say` makes in English of what it has itself read: what is
shown is what is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

from chroniccare.medications.dosing import routes
from chroniccare.medications.dosing.said import Said, from_fhir
from chroniccare.medications.dosing.vocabulary import DAYS, EVENTS, FOOD, SITES, UNITS

Language = Literal["en", "es"]


@dataclass(frozen=True, slots=True)
class _Tongue:
    """How one language joins what is said."""

    lang: Language
    one: str
    many: str
    every: dict[str, tuple[str, str]]
    days: str
    at: str
    around: tuple[str, str]
    last: str
    doses: str
    cycle: str
    prn: str
    reason: str
    maximum: str
    dose: tuple[str, str]
    conj: str
    then: str


_EN = _Tongue(
    lang="en",
    one="once a day",
    many="{n} times a day",
    every={
        "min": ("every minute", "every {n} minutes"), "h": ("every hour", "every {n} hours"),
        "d": ("every day", "every {n} days"), "wk": ("every week", "every {n} weeks"),
        "mo": ("every month", "every {n} months"), "a": ("every 12 months", "every {n} years"),
    },
    days="on {days}",
    at="at {times}",
    around=("{n} minutes {event}", "{n} minutes {event}"),
    last="for {n} days",
    doses="for {n} doses",
    cycle="for {on} days on and {off} days off",
    prn="as needed",
    reason="as needed for {reason}",
    maximum="no more than {n} in 24 hours",
    dose=("dose", "doses"),
    conj="and",
    then="then",
)  # fmt: skip
_ES = _Tongue(
    lang="es",
    one="una vez al día",
    many="{n} veces al día",
    every={
        "min": ("cada minuto", "cada {n} minutos"), "h": ("cada hora", "cada {n} horas"),
        "d": ("cada día", "cada {n} días"), "wk": ("cada semana", "cada {n} semanas"),
        "mo": ("cada mes", "cada {n} meses"), "a": ("cada 12 meses", "cada {n} años"),
    },
    days="los {days}",
    at="a las {times}",
    around=("{n} minutos {event}", "{n} minutos {event}"),
    last="durante {n} días",
    doses="por {n} dosis",
    cycle="{on} días sí y {off} días no",
    prn="si es necesario",
    reason="si es necesario ({reason})",
    maximum="no más de {n} en 24 horas",
    dose=("dosis", "dosis"),
    conj="y",
    then="luego",
)  # fmt: skip
_TONGUES: dict[Language, _Tongue] = {"en": _EN, "es": _ES}


def say(dosages: Sequence[dict[str, Any]], language: Language = "en") -> str:
    """Return Dosages as one text; those of a taper follow each other with "then"."""
    tongue = _TONGUES[language]
    told = [from_fhir(dosage) for dosage in dosages]
    steps = [list(group) for _, group in groupby(told, key=lambda one: one.sequence)]
    parts = [f" {tongue.conj} ".join(_side_by_side(step, tongue)) for step in steps]
    return f"; {tongue.then} ".join(parts) + "."


def timing(dosages: Sequence[dict[str, Any]], language: Language = "en") -> str:
    """Return how often and when, without how much and where; of a taper its first step."""
    tongue = _TONGUES[language]
    told = from_fhir(dosages[0])
    return " ".join([*_often(told, tongue), *_when(told, tongue), *_needed(told, tongue)])


def amount(value: Decimal, unit: str | None, language: Language = "en") -> str:
    """Return an amount in words: `2 tablets`, `1,000 units`, `0.5 mL`."""
    shown = f"{value.normalize():,f}" if abs(value) >= 1 else f"{value.normalize():f}"
    if unit is None:
        return shown
    forms = UNITS[language].get(unit, (unit, unit))
    return f"{shown} {forms[0] if value <= 1 else forms[1]}"


def _side_by_side(step: list[Said], tongue: _Tongue) -> list[str]:
    first = _sentence(step[0], tongue, verb=step[0].sequence == 1)
    return [first, *(_sentence(one, tongue, verb=False) for one in step[1:])]


def _sentence(said: Said, tongue: _Tongue, *, verb: bool) -> str:
    route = routes.ROUTES.get(said.route or "", routes.NO_ROUTE)
    told = []
    if verb or said.quantity is None or said.unit is None:
        told.append(_lower(route.verb if tongue.lang == "en" else route.verb_es, keep=verb))
    if said.quantity is not None:
        told.append(amount(said.quantity, said.unit, tongue.lang))
    if said.site is not None:
        told.append(SITES[tongue.lang].get(said.site, said.site))
    elif said.route is not None:
        told.append(route.en if tongue.lang == "en" else route.es)
    told += _often(said, tongue)
    told += _when(said, tongue)
    if said.food is not None:
        told.append(FOOD[tongue.lang].get(said.food, said.food))
    if said.count is not None:
        told.append(tongue.doses.format(n=said.count))
    if said.cycle is not None:
        told.append(tongue.cycle.format(on=said.cycle[0], off=said.cycle[1]))
    if said.length is not None:
        told.append(tongue.last.format(n=said.length))
    return " ".join([*told, *_needed(said, tongue)])


def _lower(text: str, *, keep: bool) -> str:
    return text if keep else text.lower()


def _often(said: Said, tongue: _Tongue) -> list[str]:
    frequency, period, unit = said.frequency or 1, said.period, said.period_unit
    if period is None or unit is None:
        return []
    named = len(said.times) or len(said.when)
    if unit == "d" and period == 1:
        if named or (said.days and frequency == 1):
            return []
        if frequency == 1:
            return [tongue.one]
        return [tongue.many.format(n=frequency)]
    return [_every(said, tongue)]


def _every(said: Said, tongue: _Tongue) -> str:
    assert said.period is not None  # noqa: S101  asked for only when there is one
    assert said.period_unit is not None  # noqa: S101  as above
    one, many = tongue.every[said.period_unit]
    if said.period_max is not None:
        to = "to" if tongue.lang == "en" else "a"
        return many.format(n=f"{said.period.normalize():f} {to} {said.period_max.normalize():f}")
    return one if said.period == 1 else many.format(n=f"{said.period.normalize():f}")


def _when(said: Said, tongue: _Tongue) -> list[str]:
    told = []
    if said.days:
        told.append(tongue.days.format(days=_list([DAYS[tongue.lang][day] for day in said.days],
                                                  tongue)))  # fmt: skip
    if said.times:
        told.append(tongue.at.format(times=_list([text[:5] for text in said.times], tongue)))
    if said.when:
        events = [EVENTS[tongue.lang][event] for event in said.when]
        if said.offset:
            events = [tongue.around[0].format(n=said.offset, event=event) for event in events]
        told.append(_list(events, tongue))
    return told


def _needed(said: Said, tongue: _Tongue) -> list[str]:
    told = []
    if said.reason is not None:
        told.append(tongue.reason.format(reason=said.reason))
    elif said.as_needed:
        told.append(tongue.prn)
    if said.maximum is not None:
        if said.maximum_unit is None:
            number = f"{said.maximum.normalize():f}"
            most = f"{number} {tongue.dose[0 if said.maximum == 1 else 1]}"
        else:
            most = amount(said.maximum, said.maximum_unit, tongue.lang)
        told.append(tongue.maximum.format(n=most))
    return told


def _list(parts: Sequence[str], tongue: _Tongue) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} {tongue.conj} {parts[-1]}"

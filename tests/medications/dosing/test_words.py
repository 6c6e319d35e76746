"""What is stored in plain words, and read again from them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.errors import Unprocessable
from chroniccare.medications.dosing import sig, timing, words
from chroniccare.medications.dosing.routes import ROUTES, coded, named
from chroniccare.medications.dosing.said import Said, from_fhir, to_fhir
from chroniccare.medications.dosing.schemas import Route
from chroniccare.medications.dosing.vocabulary import DAYS, EVENTS, SITES, UNITS
from tests.medications.dosing.test_sig import READ


@pytest.mark.parametrize(
    ("text", "en", "es"),
    [
        ("1 tab po bid", "Take 1 tablet by mouth 2 times a day.",
         "Tome 1 tableta por la boca 2 veces al día."),
        ("10U sc qhs", "Inject 10 units under the skin at bedtime.",
         "Inyecte 10 unidades debajo de la piel al acostarse."),
        ("1.0 mg po qod", "Take 1 mg by mouth every 2 days.",
         "Tome 1 mg por la boca cada 2 días."),
        ("40 mg po daily for 5 days, then 20 mg for 5 days, then stop",
         "Take 40 mg by mouth once a day for 5 days; then 20 mg by mouth once a day for 5 days.",
         ("Tome 40 mg por la boca una vez al día durante 5 días; luego 20 mg por la boca una vez al"
         " día durante 5 días.")),
        ("2 tabs po q4-6h prn pain, max 8 tablets a day",
         ("Take 2 tablets by mouth every 4 to 6 hours as needed for pain no more than 8 tablets in"
         " 24 hours."),
         ("Tome 2 tabletas por la boca cada 4 a 6 horas si es necesario (pain) no más de 8 tabletas"
         " en 24 horas.")),
        ("1 drop in both eyes tid", "Instill 1 drop in both eyes 3 times a day.",
         "Aplique 1 gota en los dos ojos 3 veces al día."),
        ("1 cap po 30 minutes before breakfast",
         "Take 1 capsule by mouth 30 minutes before breakfast.",
         "Tome 1 cápsula por la boca 30 minutos antes del desayuno."),
        ("1,000 mcg im monthly", "Inject 1,000 mcg into the muscle every month.",
         "Inyecte 1,000 mcg en el músculo cada mes."),
        ("1 tab po every other Monday at 9:30", ("Take 1 tablet by mouth every 2 weeks on Mondays"
         " at 09:30."), "Tome 1 tableta por la boca cada 2 semanas los lunes a las 09:30."),
        ("1-0-2 tabs po", ("Take 1 tablet by mouth in the morning and 2 tablets by mouth in the"
         " evening."), ("Tome 1 tableta por la boca por la mañana y 2 tabletas por la boca al"
         " anochecer.")),
    ],
)  # fmt: skip
def test_it_is_said_in_plain_words(text: str, en: str, es: str) -> None:
    dosages = sig.read(text)
    assert words.say(dosages) == en
    assert words.say(dosages, "es") == es


@pytest.mark.parametrize("text", READ)
def test_what_is_read_is_read_again_from_its_words(text: str) -> None:
    dosages = sig.read(text)
    assert sig.read(words.say(dosages)) == dosages


REASONS = ("pain", "pain or fever", "shortness of breath", "nausea")
_TIMES = ("07:00:00", "08:00:00", "13:30:00", "20:00:00", "23:59:00")
_EVENTS = ("WAKE", "MORN", "NOON", "AFT", "EVE", "HS", "NIGHT", "CM", "CD", "CV")
_OFFSET = ("ACM", "ACD", "ACV", "PCM", "PCD", "PCV")


def subset(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    """Return some of `values`, in their order."""
    chosen = st.sets(st.sampled_from(values), min_size=least)
    return chosen.map(lambda one: tuple(value for value in values if value in one))


@st.composite
def rates(draw: st.DrawFn) -> dict[str, Any]:
    """Return how often, and when, in the form that the parser makes."""
    kind = draw(st.sampled_from(("day", "days", "every", "times", "when", "offset")))
    one = {"frequency": 1, "period": Decimal(1), "period_unit": "d"}
    week = tuple(DAYS["en"])
    if kind == "day":
        return {**one, "frequency": draw(st.integers(1, 24))}
    if kind == "days":
        return {**one, "days": draw(subset(week)), "frequency": draw(st.integers(1, 4))}
    if kind == "every":
        unit, least, most = draw(
            st.sampled_from(
                (("d", 2, 99), ("wk", 2, 52), ("mo", 2, 12), ("h", 1, 744), ("min", 60, 999))
            )
        )
        return {**one, "period": Decimal(draw(st.integers(least, most))), "period_unit": unit}
    days = draw(st.just(()) | subset(week))
    if kind == "times":
        times = draw(subset(_TIMES))
        return {**one, "frequency": len(times), "times": times, "days": days}
    if kind == "when":
        order = [event for event in sig.DAY_ORDER if event in draw(subset(_EVENTS))]
        return {**one, "frequency": len(order), "when": tuple(order), "days": days}
    chosen = draw(subset(_OFFSET))
    order = [event for event in sig.DAY_ORDER if event in chosen]
    offset = draw(st.none() | st.integers(1, 360))
    return {**one, "frequency": len(order), "when": tuple(order), "offset": offset, "days": days}


@st.composite
def instructions(draw: st.DrawFn) -> Said:
    """Return one instruction."""
    unit = draw(st.sampled_from(sorted(set(UNITS["en"]) - {"dose"} | {"mg", "mL", "mcg", "g"})))
    quantity = Decimal(draw(st.integers(1, 400_000))) / draw(st.sampled_from((1, 2, 4, 10, 100)))
    site = draw(st.none() | st.sampled_from(sorted(SITES["en"])))
    route = draw(st.none() | st.sampled_from(sorted(ROUTES)))
    if site is not None:
        route = "ophthalmic" if "eye" in site else "otic"
    told = Said(quantity=quantity, unit=unit, route=route, site=site, **draw(rates()))
    return replace(
        told,
        length=draw(st.none() | st.integers(1, 999)),
        count=draw(st.none() | st.integers(1, 999)),
        cycle=draw(st.none() | st.tuples(st.integers(1, 90), st.integers(1, 90))),
        food=draw(st.none() | st.sampled_from(("with food", "on an empty stomach", "with water"))),
    )  # fmt: skip


@st.composite
def needed(draw: st.DrawFn) -> Said:
    """Return something that is taken as needed."""
    told = draw(instructions())
    rate = draw(st.sampled_from(({}, {"frequency": 1, "period": Decimal(6), "period_unit": "h"},
                                 {"frequency": 1, "period": Decimal(4), "period_unit": "h",
                                  "period_max": Decimal(6)})))  # fmt: skip
    bare: dict[str, Any] = dict.fromkeys(("frequency", "period", "period_unit", "offset", "count"))
    most = draw(st.none() | st.integers(1, 12).map(Decimal))
    reason = draw(st.none() | st.sampled_from(REASONS))
    return replace(
        told, **{**bare, "times": (), "when": (), "days": (), **rate}, as_needed=True,
        reason=reason, maximum=most,
    )  # fmt: skip


@st.composite
def tapers(draw: st.DrawFn) -> list[Said]:
    """Return instructions that follow each other; the route is the first one's."""
    made = [draw(instructions()) for _ in range(draw(st.integers(1, 3)))]
    first = made[0]
    return [
        replace(
            one, sequence=number, route=first.route, site=first.site,
            length=one.length or (None if number == len(made) else 7),
        )
        for number, one in enumerate(made, 1)
    ]  # fmt: skip


@given(tapers() | needed().map(lambda one: [one]))
def test_whatever_the_parser_can_make_is_read_again_from_its_words(told: list[Said]) -> None:
    dosages = [to_fhir(one) for one in told]
    assert [from_fhir(one) for one in dosages] == told
    try:
        timing.steps(dosages)
    except Unprocessable:
        return  # more than 24 a day, or a cycle that does not go with it
    text = words.say(dosages)
    assert sig.read(text) == dosages, text
    assert words.say(dosages, "es")


def test_every_event_and_unit_has_words_in_both_languages() -> None:
    assert set(EVENTS["en"]) == set(EVENTS["es"])
    assert set(UNITS["en"]) == set(UNITS["es"])
    assert set(SITES["en"]) == set(SITES["es"])
    assert set(DAYS["en"]) == set(DAYS["es"])


def test_every_route_that_is_taken_has_words_and_a_code() -> None:
    assert set(get_args(Route)) == set(ROUTES)
    assert {named(coded(route)) for route in ROUTES} == set(ROUTES)


def test_how_often_is_said_without_how_much() -> None:
    assert words.timing(sig.read("1 tab po bid for 7 days")) == "2 times a day"
    assert words.timing(sig.read("1 tab q6h prn pain")) == "every 6 hours as needed for pain"
    assert words.timing(sig.read("1 tab prn")) == "as needed"

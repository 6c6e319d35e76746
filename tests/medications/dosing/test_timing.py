"""FHIR Dosage: what is planned of it, and what is against a rule."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.errors import Unprocessable
from chroniccare.medications.dosing import timing
from chroniccare.medications.dosing.model import Repeat, Step

START = date(2026, 12, 1)
BID = {"frequency": 2, "period": 1, "periodUnit": "d"}
CYCLE = "urn:chroniccare:dosage-cycle"


def dosage(repeat: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"timing": {"repeat": BID if repeat is None else repeat}, **more}


def days(value: float, unit: str = "d") -> dict[str, Any]:
    return {"boundsDuration": {"value": value, "unit": unit}}


def steps(*dosages: dict[str, Any]) -> tuple[Step, ...]:
    return timing.steps(timing.normal(dosages, starts_on=START))


def faults(*dosages: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Unprocessable) as refused:
        steps(*dosages)
    return {
        detail.field.removeprefix("dosage_instructions").removeprefix("."): detail.code
        for detail in refused.value.details
    }


def at(name: str) -> str:
    return f"0.timing.repeat.{name}"


@pytest.mark.parametrize(
    ("repeat", "expected"),
    [
        (BID, Repeat(frequency=2)),
        ({"frequency": 3, "period": 24, "periodUnit": "h"}, Repeat(period=Decimal(8), unit="h")),
        ({"period": 1.5, "periodUnit": "h"}, Repeat(period=Decimal(90), unit="min")),
        ({"period": 72, "periodUnit": "h"}, Repeat(period=Decimal(72), unit="h")),
        ({"period": 2, "periodUnit": "d"}, Repeat(period=Decimal(2))),
        ({"period": 2, "periodUnit": "wk"}, Repeat(period=Decimal(14))),
        ({"period": 1, "periodUnit": "a"}, Repeat(period=Decimal(12), unit="mo")),
        ({"period": 3, "periodUnit": "mo"}, Repeat(period=Decimal(3), unit="mo")),
        ({"timeOfDay": ["08:00", "20:00:00"]}, Repeat(frequency=2, times=(time(8), time(20)))),
        ({"dayOfWeek": ["mon", "thu"]}, Repeat(days=("mon", "thu"))),
        (
            {"frequency": 2, "period": 1, "periodUnit": "wk", "dayOfWeek": ["mon", "thu"]},
            Repeat(days=("mon", "thu")),
        ),
        (
            {"frequency": 1, "period": 2, "periodUnit": "wk", "dayOfWeek": ["mon"]},
            Repeat(period=Decimal(2), unit="wk", days=("mon",)),
        ),
        ({"when": ["ACM"], "offset": 30}, Repeat(when=("ACM",), offset_minutes=30)),
        ({"when": ["C"]}, Repeat(frequency=3, when=("CM", "CD", "CV"))),
        ({"when": ["AC"], "offset": 30}, Repeat(frequency=3, when=("ACM", "ACD", "ACV"),
                                                offset_minutes=30)),
        ({**BID, "count": 14}, Repeat(frequency=2, count=14)),
    ],
)  # fmt: skip
def test_a_timing_is_read_into_one_form(repeat: dict[str, Any], expected: Repeat) -> None:
    assert [step.repeat for step in steps(dosage(repeat))] == [expected]


def test_several_days_every_two_weeks_are_a_step_each() -> None:
    repeat = {"frequency": 2, "period": 2, "periodUnit": "wk", "dayOfWeek": ["mon", "thu"]}
    made = [step.repeat for step in steps(dosage(repeat))]
    assert made == [
        Repeat(period=Decimal(2), unit="wk", days=("mon",)),
        Repeat(period=Decimal(2), unit="wk", days=("thu",)),
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("BID", Repeat(frequency=2)), ("QD", Repeat()), ("QOD", Repeat(period=Decimal(2))),
        ("Q8H", Repeat(period=Decimal(8), unit="h")), ("AM", Repeat(when=("MORN",))),
        ("BED", Repeat(when=("HS",))), ("WK", Repeat(period=Decimal(7))),
        ("MO", Repeat(unit="mo")), ("bid", Repeat(frequency=2)),
    ],
)  # fmt: skip
def test_a_code_alone_is_expanded(code: str, expected: Repeat) -> None:
    coded = {"timing": {"code": {"coding": [{"code": code}]}}}
    assert [step.repeat for step in steps(coded)] == [expected]


def test_a_code_must_agree_with_what_stands_beside_it() -> None:
    code = {"coding": [{"code": "TID"}]}
    assert steps({"timing": {"code": code, "repeat": {"frequency": 3}}})
    both = {"timing": {"code": code, "repeat": BID}}
    assert faults(both) == {at("frequency"): "code"}
    assert faults({"timing": {"code": {"text": "STAT"}}})["0.timing.code"] == "code"


@pytest.mark.parametrize(
    ("repeat", "expected"),
    [
        # The invariants of FHIR R4.
        ({**BID, "duration": 30}, {"durationUnit": "tim-1"}),
        ({**BID, "durationUnit": "min"}, {"duration": "tim-1"}),
        ({"frequency": 1, "period": 1}, {"periodUnit": "tim-2"}),
        ({**BID, "duration": -1, "durationUnit": "min"}, {"duration": "tim-4"}),
        ({"frequency": 1, "period": -1, "periodUnit": "d"}, {"period": "tim-5"}),
        ({"when": ["CM"], "periodMax": 2}, {"period": "tim-6", "periodMax": "range"}),
        ({**BID, "durationMax": 30}, {"duration": "tim-7"}),
        ({**BID, "countMax": 30}, {"count": "tim-8", "countMax": "range"}),
        ({**BID, "offset": 30}, {"when": "tim-9"}),
        ({"when": ["CM"], "offset": 30}, {"offset": "tim-9"}),
        ({"when": ["CM"], "timeOfDay": ["08:00:00"]}, {"timeOfDay": "tim-10"}),
        # What could not be planned without guessing.
        ({}, {"frequency": "missing"}),
        ({**BID, "frequencyMax": 3}, {"frequencyMax": "range"}),
        ({"period": 4, "periodMax": 6, "periodUnit": "h"}, {"periodMax": "range"}),
        ({"frequency": 3, "period": 1, "periodUnit": "wk"}, {"frequency": "days"}),
        ({"frequency": 2, "period": 2, "periodUnit": "d"}, {"frequency": "days"}),
        ({"frequency": 2, "period": 1, "periodUnit": "wk", "dayOfWeek": ["mon"]},
         {"frequency": "frequency"}),
        ({**BID, "when": ["CM"]}, {"frequency": "frequency"}),
        ({**BID, "timeOfDay": ["08:00:00"]}, {"frequency": "frequency"}),
        ({"period": 8, "periodUnit": "h", "when": ["CM"]}, {"when": "choice"}),
        ({"period": 1, "periodUnit": "mo", "dayOfWeek": ["mon"]}, {"dayOfWeek": "choice"}),
        ({"period": 2, "periodUnit": "d", "dayOfWeek": ["mon"]}, {"dayOfWeek": "choice"}),
        ({"when": ["C", "HS"]}, {"when": "when"}),
        # What cannot be.
        ({"period": 0, "periodUnit": "h"}, {"period": "range"}),
        ({"period": 1000, "periodUnit": "h"}, {"period": "range"}),
        ({"period": 1, "periodUnit": "s"}, {"periodUnit": "unit"}),
        ({"period": 1.5, "periodUnit": "d"}, {"period": "whole"}),
        ({"frequency": 7, "period": 24, "periodUnit": "h"}, {"period": "whole"}),
        ({"timeOfDay": ["08:00:30"]}, {"timeOfDay.0": "minute"}),
        ({"timeOfDay": ["08:00", "08:00:00"]}, {"timeOfDay": "distinct"}),
        ({"dayOfWeek": ["mon", "mon"]}, {"dayOfWeek": "distinct"}),
        ({"when": ["ACM"], "offset": 400}, {"offset": "range"}),
        ({**BID, **days(1, "mo")}, {"boundsDuration": "days"}),
        ({**BID, **days(1.5)}, {"boundsDuration": "days"}),
        ({**BID, **days(30, "h")}, {"boundsDuration": "days"}),
        ({**BID, **days(4000)}, {"boundsDuration": "range"}),
    ],
)  # fmt: skip
def test_a_timing_against_a_rule_is_named(repeat: dict[str, Any], expected: dict[str, str]) -> None:
    assert faults(dosage(repeat)) == {at(name): code for name, code in expected.items()}


@pytest.mark.parametrize(
    "repeat",
    [
        {"frequency": 100, "period": 1, "periodUnit": "d"},
        {"frequency": 25, "period": 1, "periodUnit": "d"},
        {"period": 30, "periodUnit": "min"},
        {"frequency": 2, "period": 1, "periodUnit": "h"},
    ],
)
def test_more_than_24_doses_a_day_are_refused(repeat: dict[str, Any]) -> None:
    assert faults(dosage(repeat)) == {"0.timing.repeat": "too_many"}


def test_24_doses_a_day_are_the_most_side_by_side_as_well() -> None:
    often = {"frequency": 12, "period": 1, "periodUnit": "d"}
    assert len(steps(dosage(often, sequence=1), dosage(often, sequence=1))) == 2
    once = {"frequency": 1, "period": 1, "periodUnit": "d"}
    three = [dosage(often, sequence=1), dosage(often, sequence=1), dosage(once, sequence=1)]
    assert faults(*three) == {"0.timing.repeat": "too_many"}


def test_as_needed_is_no_schedule_but_has_limits() -> None:
    often = {"period": 4, "periodMax": 6, "periodUnit": "h"}
    assert steps(dosage(often, asNeededBoolean=True)) == (Step(least_minutes=240),)
    assert steps(dosage(BID, asNeededCodeableConcept={"text": "pain"})) == (Step(most_per_day=2),)
    assert steps({"asNeededBoolean": True}) == (Step(),)
    assert steps(dosage({"when": ["HS"]}, asNeededBoolean=True)) == (Step(most_per_day=1),)
    assert steps(dosage(asNeededBoolean=False))[0].repeat == Repeat(frequency=2)


@pytest.mark.parametrize(
    ("repeat", "name"),
    [
        ({"timeOfDay": ["08:00:00"]}, "timeOfDay"), ({"dayOfWeek": ["mon"]}, "dayOfWeek"),
        ({"count": 3}, "count"), ({"period": 1, "periodUnit": "wk"}, "periodUnit"),
        ({"period": 2, "periodUnit": "d"}, "period"),
        ({"frequency": 2, "period": 8, "periodUnit": "h"}, "frequency"),
    ],
)  # fmt: skip
def test_as_needed_with_a_schedule_is_refused(repeat: dict[str, Any], name: str) -> None:
    assert faults(dosage(repeat, asNeededBoolean=True)) == {at(name): "as_needed"}


def test_as_needed_is_said_once() -> None:
    both = dosage(asNeededBoolean=True, asNeededCodeableConcept={"text": "pain"})
    assert faults(both) == {"0.asNeededBoolean": "choice"}


def most(value: float, unit: str | None, per: float = 24, per_unit: str = "h") -> dict[str, Any]:
    top = {"value": value, **({} if unit is None else {"unit": unit})}
    ratio = {"numerator": top, "denominator": {"value": per, "unit": per_unit}}
    dose = [{"doseQuantity": {"value": 500, "unit": "mg"}}]
    return {"asNeededBoolean": True, "doseAndRate": dose, "maxDosePerPeriod": ratio}


@pytest.mark.parametrize(
    ("told", "doses"),
    [
        (most(4, "{dose}"), 4), (most(2000, "mg"), 4), (most(4, "g"), 8), (most(4, None), 4),
        (most(1900, "mg"), 3), (most(2, "{dose}", 1, "d"), 2),
    ],
)  # fmt: skip
def test_the_most_in_a_day_comes_to_doses(told: dict[str, Any], doses: int) -> None:
    assert steps(told)[0].most_per_day == doses


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (most(4, "tablet"), {"0.maxDosePerPeriod.numerator.unit": "unit"}),
        (most(4, "mL"), {"0.maxDosePerPeriod.numerator.unit": "unit"}),
        (most(100, "mg"), {"0.maxDosePerPeriod.numerator.value": "range"}),
        (most(4, "{dose}", 12), {"0.maxDosePerPeriod.denominator": "period"}),
        ({**most(4, "mg"), "doseAndRate": []}, {"0.maxDosePerPeriod": "unit"}),
    ],
)
def test_a_most_that_comes_to_no_doses_is_named(
    told: dict[str, Any], expected: dict[str, str]
) -> None:
    assert faults(told) == expected


def cycle(*parts: tuple[str, int]) -> dict[str, Any]:
    made = [{"url": name, "valuePositiveInt": value} for name, value in parts]
    return {"extension": [{"url": CYCLE, "extension": made}]}


def test_a_cycle_is_an_extension() -> None:
    assert steps(dosage(**cycle(("daysOn", 21), ("daysOff", 7))))[0].cycle == (21, 7)
    assert faults(dosage(**cycle(("daysOn", 21), ("daysOn", 7)))) == {"0.extension.0": "extension"}
    other = dosage(extension=[{"url": "urn:other", "extension": []}])
    assert faults(other) == {"0.extension.0": "extension"}


def test_a_dose_is_one_amount() -> None:
    two = [{"doseQuantity": {"value": 1}}, {"doseQuantity": {"value": 2}}]
    assert faults(dosage(doseAndRate=two)) == {"0.doseAndRate": "count"}
    assert faults(dosage(doseAndRate=[{}])) == {"0.doseAndRate.0": "range"}
    nothing = dosage(doseAndRate=[{"doseQuantity": {"value": 0}}])
    assert faults(nothing) == {"0.doseAndRate.0.doseQuantity.value": "range"}


def test_a_taper_needs_lengths_and_an_order() -> None:
    first, last = dosage({**BID, **days(5)}, sequence=1), dosage(sequence=2)
    assert [step.days for step in steps(first, last)] == [5, None]
    assert faults(dosage(sequence=1), last) == {at("boundsDuration"): "missing"}
    assert faults(first, dosage(sequence=3)) == {"": "sequence"}
    assert faults(dosage(), dosage()) == {"": "sequence"}
    assert timing.length(steps(first, last)) is None
    assert timing.length(steps(first, dosage({**BID, **days(1, "wk")}, sequence=2))) == 12
    assert timing.length(steps(first, {**first, "sequence": 1})) == 5


def bounds(start: str | None, end: str | None) -> dict[str, Any]:
    period = {name: day for name, day in (("start", start), ("end", end)) if day}
    return {**BID, "boundsPeriod": period}


def test_a_period_is_kept_as_days() -> None:
    made = timing.normal(
        [
            dosage(bounds("2026-12-01", "2026-12-05"), sequence=1),
            dosage(bounds("2026-12-06", "2026-12-07"), sequence=2),
        ],
        starts_on=START,
    )
    assert [step.days for step in timing.steps(made)] == [5, 2]
    assert all("boundsPeriod" not in one["timing"]["repeat"] for one in made)
    assert steps(dosage(bounds("2026-11-01", None)))[0].days is None


def test_a_period_that_leaves_a_gap_or_ends_before_it_starts_is_named() -> None:
    assert faults(dosage(bounds("2026-12-02", None))) == {at("boundsPeriod.start"): "gap"}
    assert faults(dosage(bounds(None, "2026-11-30"))) == {at("boundsPeriod.end"): "order"}
    both = {**bounds(None, "2026-12-05"), **days(5)}
    assert faults(dosage(both)) == {at("boundsPeriod"): "choice"}


def test_an_unknown_route_is_named() -> None:
    assert faults(dosage(route={"text": "osmosis"})) == {"0.route": "route"}
    snomed = {"coding": [{"system": "http://snomed.info/sct", "code": "34206005"}]}
    [made] = timing.normal([dosage(route=snomed)], starts_on=START)
    assert made["route"]["text"] == "subcutaneous"


def test_no_instruction_and_twenty_one_are_refused() -> None:
    assert faults() == {"": "count"}
    assert "" in faults(*[dosage({"period": 28, "periodUnit": "d"}, sequence=1)] * 21)


REPEATS = st.fixed_dictionaries(
    {},
    optional={
        "frequency": st.integers(1, 30), "period": st.sampled_from([0, 0.5, 1, 2, 7, 8, 24, 400]),
        "periodUnit": st.sampled_from(["s", "min", "h", "d", "wk", "mo", "a"]),
        "periodMax": st.integers(1, 30), "frequencyMax": st.integers(1, 30),
        "count": st.integers(1, 30), "countMax": st.integers(1, 30),
        "dayOfWeek": st.lists(st.sampled_from(["mon", "tue", "sun"]), min_size=1, max_size=3),
        "timeOfDay": st.lists(st.sampled_from(["08:00:00", "20:00", "09:00:30"]), min_size=1,
                              max_size=3),
        "when": st.lists(st.sampled_from(["C", "CM", "ACM", "HS", "PC"]), min_size=1, max_size=3),
        "offset": st.sampled_from([0, 30, 400]), "duration": st.integers(0, 60),
        "durationUnit": st.just("min"),
        "boundsDuration": st.fixed_dictionaries(
            {"value": st.sampled_from([0.5, 1, 7, 24, 5000]), "unit": st.sampled_from("dh")}
        ),
    },
)  # fmt: skip


@given(st.lists(st.tuples(REPEATS, st.booleans(), st.integers(1, 3)), min_size=1, max_size=3))
def test_whatever_is_told_is_planned_in_the_one_form_or_named(
    told: list[tuple[dict[str, Any], bool, int]],
) -> None:
    dosages = [
        dosage(repeat, sequence=sequence, **({"asNeededBoolean": True} if needed else {}))
        for repeat, needed, sequence in told
    ]
    try:
        made = steps(*dosages)
    except Unprocessable:
        return  # what is named is looked at above
    assert [step.sequence for step in made] == sorted(step.sequence for step in made)
    for step in made:
        repeat = step.repeat
        if repeat is None:
            continue
        assert repeat.frequency >= 1
        assert repeat.period > 0
        assert not repeat.is_interval or (repeat.frequency == 1 and not repeat.days)
        assert repeat.unit != "wk" or len(repeat.days) == 1
        assert not (repeat.times and repeat.when)
        named = len(repeat.times) or len(repeat.when)
        assert named in {0, repeat.frequency}
        assert not {"C", "AC", "PC"} & set(repeat.when)

"""The adherence report: each figure with what it is made of, and none where there is none."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.client import Clinic
from tests.medications.adherence.support import Taking, taking
from tests.notifications.support import NOON, Clock

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = date(2031, 3, 4)


async def report(made: Taking, **params: Any) -> dict[str, Any]:
    path = f"/patients/{made.patient_id}/medications/adherence"
    response = await made.clinic.get(path, params=params)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def figures(measures: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return [
        (one["value"], one["numerator"], one["denominator"], one["coverage"], one["reason"])
        for one in (measures[name] for name in names)
    ]


async def test_each_figure_says_what_it_is_made_of(clinic: Clinic, clock: Clock) -> None:
    made = await taking(clinic)
    await made.plan(*(NOON - n * DAY for n in range(9, -1, -1)))
    for number, (status, more) in enumerate(
        [
            ("taken", {"taken_at": (NOON - 9 * DAY).isoformat()}),
            ("taken", {"taken_at": (NOON - 8 * DAY + 2 * HOUR).isoformat()}),  # late
            ("skipped", {"reason": "side_effects"}),
            ("skipped", {"reason": "clinician_advice"}),  # counts neither way
            ("missed", {}),
            ("taken", {"taken_at": (NOON - 4 * DAY).isoformat()}),
        ]
    ):
        await made.report(number, status=status, **more)
    # Three more are past their time, whether or not the loop has come by; today's is still open.
    found = await report(made)
    assert (found["from_date"], found["to_date"]) == ("2031-02-03", "2031-03-04")
    [mine] = found["medications"]
    names = ("doses_taken", "doses_taken_at_least", "on_time", "missed_observed", "missed_inferred")
    assert figures(mine["measures"], *names) == [
        (60.0, 3, 5, 62.5, None),
        (37.5, 3, 8, 62.5, None),
        (40.0, 2, 5, 62.5, None),
        (12.5, 1, 8, 62.5, None),
        (37.5, 3, 8, 62.5, None),
    ]
    assert figures(mine["measures"], "streak_current", "streak_longest", "longest_gap") == [
        (0, 0, 8, 62.5, None),
        (2, 2, 8, 62.5, None),
        (3, 3, 8, 62.5, None),
    ]
    assert found["overall"] == mine["measures"]
    assert (mine["medication_name"], mine["threshold"], mine["low"]) == ("Metformin", 80, None)
    clock.forward(hours=5)
    assert figures((await report(made))["overall"], "missed_inferred") == [(44.4, 4, 9, 55.6, None)]


async def test_without_doses_and_fills_there_is_no_figure(clinic: Clinic, clock: Clock) -> None:
    del clock
    made = await taking(clinic)
    found = await report(made)
    reasons = {name: one["reason"] for name, one in found["overall"].items()}
    assert reasons == {
        "doses_taken": "nothing_observed",
        "doses_taken_at_least": "no_doses_due",
        "on_time": "nothing_observed",
        "missed_observed": "no_doses_due",
        "missed_inferred": "no_doses_due",
        "streak_current": "no_doses_due",
        "streak_longest": "no_doses_due",
        "longest_gap": "no_doses_due",
        "pdc": "no_fills",
        "mpr": "no_fills",
    }
    assert {one["value"] for one in found["overall"].values()} == {None}
    assert found["trend"] == found["classes"] == []


async def test_days_are_those_of_the_dose_where_the_patient_lives(
    clinic: Clinic, clock: Clock
) -> None:
    del clock
    patient = await clinic.patient(time_zone="Pacific/Auckland")
    made = await taking(clinic, patient["id"])
    # 5 March there; and a dose of 4 March whose instant is two days off the other way.
    await made.plan(NOON - 4 * HOUR, NOON - 30 * HOUR, days=[date(2031, 3, 5), date(2031, 3, 4)])
    await made.report(0, status="taken")
    found = await report(made)
    assert (found["time_zone"], found["to_date"]) == ("Pacific/Auckland", "2031-03-05")
    only = await report(made, **{"from": "2031-03-05", "to": "2031-03-05"})
    assert figures(only["overall"], "doses_taken") == [(100.0, 1, 1, 100.0, None)]
    assert [point["start"] for point in only["trend"]] == ["2031-03-05"]
    before = await report(made, **{"from": "2031-03-04", "to": "2031-03-04"})
    assert figures(before["overall"], "missed_inferred") == [(100.0, 1, 1, 0.0, None)]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "2031-03-05", "to": "2031-03-04"}, "to"),
        ({"from": "2030-01-01", "to": "2031-02-05"}, "to"),  # 401 days
        ({"from": "2029-01-01"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"interval": "month"}, "interval"),
        ({"until": "2031-03-04"}, "until"),
    ],
)
async def test_a_period_that_cannot_be_is_named(
    clinic: Clinic, clock: Clock, params: dict[str, str], field: str
) -> None:
    del clock
    patient = await clinic.patient()
    response = await clinic.get(f"/patients/{patient['id']}/medications/adherence", params=params)
    assert response.status_code == 400
    assert [one["field"] for one in response.json()["error"]["details"]] == [field]


async def test_four_hundred_days_are_the_most(clinic: Clinic, clock: Clock) -> None:
    del clock
    made = await taking(clinic)
    found = await report(made, **{"from": "2030-01-01", "to": "2031-02-04"})
    assert found["interval"] == "week"


async def test_the_trend_is_by_day_or_by_week(clinic: Clinic, clock: Clock) -> None:
    del clock
    made = await taking(clinic)
    await made.plan(*(NOON - n * DAY for n in range(9, -1, -1)))
    for number in range(10):
        late = {"taken_at": (made.due[number] + 2 * HOUR * (number == 3)).isoformat()}
        await made.report(
            number, **({"status": "taken", **late} if number else {"status": "missed"})
        )
    by_day = (await report(made))["trend"]
    assert [point["taken"] for point in by_day] == [0] + [1] * 9
    assert by_day[3]["late"] == 1
    assert (by_day[0]["missed_observed"], by_day[0]["percent"]) == (1, 0.0)
    by_week = (await report(made, interval="week"))["trend"]
    # The 4th of March 2031 is a Tuesday.
    assert [(point["start"], point["taken"]) for point in by_week] == [
        ("2031-02-17", 0), ("2031-02-24", 7), ("2031-03-03", 2),
    ]  # fmt: skip
    assert [point["percent"] for point in by_week] == [0.0, 100.0, 100.0]


async def test_days_covered_by_fills_as_pqa_counts_them(clinic: Clinic, clock: Clock) -> None:
    """PQA's example of an early refill, by its own dates: see test_measures.py."""
    clock.at = clock.at.replace(year=2019)
    made = await taking(clinic, start_date=date(2018, 1, 1), drug_class="rasa")
    await made.fill(date(2018, 3, 25), 90)
    await made.fill(date(2018, 7, 5), 90)
    await made.fill(date(2018, 9, 25), 90)
    year = {"from": "2018-01-01", "to": "2018-12-31"}
    found = await report(made, **year)
    [mine] = found["medications"]
    assert figures(mine["measures"], "pdc", "mpr") == [
        (95.7, 270, 282, None, None), (95.7, 270, 282, None, None),
    ]  # fmt: skip
    [of_class] = found["classes"]
    assert (of_class["drug_class"], of_class["pdc"]["numerator"]) == ("rasa", 270)
    # Another drug of the class overlaps: its days are not shifted, and not counted twice.
    other = await taking(
        clinic, made.patient_id, start_date=date(2018, 1, 1), drug_class="rasa", name="Losartan"
    )
    await other.fill(date(2018, 6, 20), 30)
    found = await report(made, **year)
    [of_class] = found["classes"]
    assert (of_class["pdc"]["numerator"], of_class["pdc"]["value"]) == (282, 100.0)
    # The same drug, prescribed anew, shares its supply.
    again = await taking(clinic, made.patient_id, start_date=date(2018, 1, 1), drug_class="rasa")
    await again.fill(date(2018, 3, 26), 10)
    [of_class] = (await report(again, **year, medication_id=str(again.id)))["classes"]
    assert (of_class["pdc"]["numerator"], of_class["pdc"]["reason"]) == (10, "one_fill")
    added = (await report(made, **year))["overall"]["pdc"]
    assert (added["numerator"], added["denominator"]) == (270, 282)


@pytest.mark.parametrize(
    ("days", "reason"), [([10], "too_short"), ([200], "one_fill"), ([200, 10], None)]
)
async def test_who_does_not_count_for_pqa_has_no_share(
    clinic: Clinic, clock: Clock, days: list[int], reason: str | None
) -> None:
    del clock
    made = await taking(clinic)
    for day in days:
        await made.fill(TODAY - day * DAY, 30)
    if days == [10]:
        await made.fill(TODAY - 9 * DAY, 30)
    whole = await report(made, **{"from": "2030-03-10"})
    assert whole["overall"]["pdc"]["reason"] == reason
    found = whole["medications"][0]["measures"]["pdc"]
    assert found["reason"] == reason
    assert (found["value"] is None) == (reason is not None)
    assert found["numerator"] > 0


async def test_a_stopped_medication_is_not_measured_beyond_its_end(
    clinic: Clinic, clock: Clock
) -> None:
    del clock
    made = await taking(
        clinic, status="stopped", stopped_at=NOON - 100 * DAY, start_date=date(2030, 1, 1)
    )
    await made.fill(TODAY - 200 * DAY, 30)
    await made.fill(TODAY - 170 * DAY, 30)
    found = (await report(made, **{"from": "2030-03-10"}))["overall"]["pdc"]
    assert (found["numerator"], found["denominator"]) == (60, 101)


async def test_one_medication_alone_and_a_patient_nobody_knows(
    clinic: Clinic, other_clinic: Clinic, clock: Clock
) -> None:
    del clock
    one = await taking(clinic)
    other = await taking(clinic, one.patient_id, name="Lisinopril")
    assert len((await report(one))["medications"]) == 2
    [mine] = (await report(one, medication_id=str(other.id)))["medications"]
    assert mine["medication_name"] == "Lisinopril"
    path = f"/patients/{one.patient_id}/medications/adherence"
    assert (await other_clinic.get(path)).status_code == 404
    await clinic.delete(f"/patients/{one.patient_id}")
    assert (await clinic.get(path)).status_code == 404


async def test_an_open_episode_is_shown(clinic: Clinic, clock: Clock) -> None:
    made = await taking(clinic)
    await made.plan(*(NOON - n * DAY for n in range(3)))
    for number in range(3):
        await made.report(number, status="missed")
    [mine] = (await report(made))["medications"]
    assert mine["low"] == {"since": "2031-03-04T17:00:00Z", "reason": "missed_doses"}
    assert clock.at == NOON

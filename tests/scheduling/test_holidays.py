"""Public holidays, and what a facility makes of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.client import Clinic
from tests.notifications.support import NOON, Clock
from tests.scheduling.hours import surgery

# The tests' clock stands on 4 March 2031.
YEAR = {"country": "US", "from_date": "2032-01-01", "to_date": "2032-12-31"}


def stored(answer: Any) -> list[tuple[str, str]]:
    return [(one["day"], one["reason"]) for one in answer.json()["data"]["written"]]


async def test_holidays_are_shown_with_the_days_on_which_they_are_observed(
    clinic: Clinic, clock: Clock
) -> None:
    assert clock.at == NOON
    answer = await clinic.get("/holidays", params={**YEAR, "subdivision": "NY"})
    days = {one["day"]: one["name"] for one in answer.json()["data"]["holidays"]}
    assert list(days) == sorted(days)
    assert days["2032-07-04"] == "Independence Day"
    assert days["2032-07-05"] == "Independence Day (observed)"  # the 4th is a Sunday
    assert days["2032-02-12"] == "Lincoln's Birthday"
    everywhere = await clinic.get("/holidays", params=YEAR)
    assert "2032-02-12" not in {one["day"] for one in everywhere.json()["data"]["holidays"]}
    one_day = {**YEAR, "from_date": "2032-12-25", "to_date": "2032-12-25"}
    only = await clinic.get("/holidays", params=one_day)
    assert [one["name"] for one in only.json()["data"]["holidays"]] == ["Christmas Day"]


async def test_a_day_observed_in_the_year_before_is_found_there(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = datetime(2027, 1, 1, 17, tzinfo=UTC)
    december = {"country": "US", "from_date": "2027-12-30", "to_date": "2027-12-31"}
    answer = await clinic.get("/holidays", params=december)
    [one] = answer.json()["data"]["holidays"]
    assert one == {"day": "2027-12-31", "name": "New Year's Day (observed)"}


@pytest.mark.parametrize(
    ("country", "language", "name"),
    [
        ("DE", None, "Neujahr"),
        ("DE", "en-US", "New Year's Day"),
        ("DE", "en", "New Year's Day"),
        ("CA", "fr", "Jour de l'an"),
        ("US", "en", "New Year's Day"),
    ],
)
async def test_names_come_in_a_language_of_the_country(
    clinic: Clinic, clock: Clock, country: str, language: str | None, name: str
) -> None:
    assert clock.at == NOON
    params = {**YEAR, "country": country, "to_date": "2032-01-01"}
    if language is not None:
        params["language"] = language
    answer = await clinic.get("/holidays", params=params)
    assert [one["name"] for one in answer.json()["data"]["holidays"]] == [name]


BAD: list[tuple[dict[str, str], int, str]] = [
    ({"country": "XX"}, 400, "country"),
    ({"country": "us"}, 400, "country"),
    ({"country": "USA"}, 400, "country"),
    ({"subdivision": "QQ"}, 400, "subdivision"),
    ({"subdivision": "New York"}, 400, "subdivision"),
    ({"language": "xx"}, 400, "language"),
    ({"language": "es"}, 400, "language"),  # not one that the United States' names are in
    ({"from_date": "2032-12-31", "to_date": "2032-01-01"}, 422, "to_date"),
    ({"to_date": "2034-04-01"}, 422, "to_date"),
    ({"from_date": "2027-01-01"}, 422, "from_date"),
    ({"from_date": "2032-02-30"}, 400, "from_date"),
]


@pytest.mark.parametrize(("fields", "status", "field"), BAD)
async def test_what_is_not_known_is_named_and_nothing_is_written(
    clinic: Clinic, clock: Clock, fields: dict[str, str], status: int, field: str
) -> None:
    assert clock.at == NOON
    place = (await clinic.facility())["id"]
    shown = await clinic.get("/holidays", params={**YEAR, **fields})
    taken = await clinic.post(f"/facilities/{place}/holidays", {**YEAR, **fields})
    for answer in (shown, taken):
        assert answer.status_code == status, answer.text
        assert [one["field"] for one in answer.json()["error"]["details"]] == [field]
    closed = await clinic.get(f"/facilities/{place}/exceptions")
    assert closed.json()["data"]["items"] == []


async def test_an_import_closes_each_day_once(clinic: Clinic, clock: Clock) -> None:
    assert clock.at == NOON
    place = (await clinic.facility())["id"]
    path = f"/facilities/{place}/exceptions"
    shown = await clinic.get("/holidays", params=YEAR)
    holidays = [(one["day"], one["name"]) for one in shown.json()["data"]["holidays"]]
    own = await clinic.make(path, {"day": "2032-12-25", "reason": "Christmas"})
    part = {"day": "2032-11-11", "start_time": "12:00", "end_time": "24:00"}
    await clinic.make(path, part)
    first = await clinic.post(f"/facilities/{place}/holidays", YEAR)
    assert first.status_code == 200
    assert stored(first) == [one for one in holidays if one[0] != "2032-12-25"]
    assert first.json()["data"]["skipped"] == [
        {"day": "2032-12-25", "name": "Christmas Day", "reason": "closed"}
    ]
    for made in first.json()["data"]["written"]:
        assert (made["start_time"], made["is_available"], made["facility_id"]) == (
            None,
            False,
            place,
        )
        assert (await clinic.get(f"{path}/{made['id']}")).json()["data"] == made
        logs = await clinic.get("/audit", params={"entity_id": made["id"]})
        assert [row["action"] for row in logs.json()["data"]["items"]] == ["create"]
    again = await clinic.post(f"/facilities/{place}/holidays", YEAR)
    assert stored(again) == []
    assert [one["day"] for one in again.json()["data"]["skipped"]] == [day for day, _ in holidays]
    listed = await clinic.get(path, params={"limit": 100})
    assert len(listed.json()["data"]["items"]) == len(holidays) + 1
    assert own in listed.json()["data"]["items"]


async def test_what_is_past_is_skipped(clinic: Clinic, clock: Clock) -> None:
    assert clock.at == NOON
    place = (await clinic.facility())["id"]
    body = {**YEAR, "from_date": "2031-01-01", "to_date": "2031-06-01"}
    answer = await clinic.post(f"/facilities/{place}/holidays", body)
    assert stored(answer) == [("2031-05-26", "Memorial Day")]
    assert [(one["day"], one["reason"]) for one in answer.json()["data"]["skipped"]] == [
        ("2031-01-01", "past"),
        ("2031-01-20", "past"),
        ("2031-02-17", "past"),
    ]


async def test_days_and_names_can_be_picked_and_left_out(clinic: Clinic, clock: Clock) -> None:
    assert clock.at == NOON
    place = (await clinic.facility())["id"]
    path = f"/facilities/{place}/holidays"
    some = {**YEAR, "only": ["2032-07-05", "labor day", "Christmas Day"]}
    answer = await clinic.post(path, {**some, "except": ["2032-12-25"]})
    assert stored(answer) == [
        ("2032-07-05", "Independence Day (observed)"),
        ("2032-09-06", "Labor Day"),
    ]
    assert stored(await clinic.post(path, {**YEAR, "only": []})) == []
    wrong = {**YEAR, "only": ["Labor Day", "Labour Day"], "except": ["2032-07-06"]}
    refused = await clinic.post(path, wrong)
    assert refused.status_code == 422
    named = [one["field"] for one in refused.json()["error"]["details"]]
    assert named == ["only.1", "except.0"]


async def test_a_day_with_two_holidays_goes_by_either_name(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime(2027, 1, 1, 17, tzinfo=UTC)
    place = (await clinic.facility())["id"]
    body = {
        "country": "US", "subdivision": "NY", "from_date": "2027-02-15", "to_date": "2027-02-15",
        "except": ["washington's birthday"],
    }  # fmt: skip
    shown = await clinic.get("/holidays", params={k: v for k, v in body.items() if k != "except"})
    [one] = shown.json()["data"]["holidays"]
    assert one["name"] == "Susan B. Anthony Day; Washington's Birthday"
    assert stored(await clinic.post(f"/facilities/{place}/holidays", body)) == []


async def test_a_repeated_key_answers_the_same(clinic: Clinic, clock: Clock) -> None:
    assert clock.at == NOON
    place = (await clinic.facility())["id"]
    headers = {"Idempotency-Key": "holidays-2032"}
    answers = [
        await clinic.post(f"/facilities/{place}/holidays", YEAR, headers=headers) for _ in range(2)
    ]
    assert stored(answers[0]) == stored(answers[1]) != []


async def test_an_import_asks_about_visits_on_the_days(clinic: Clinic) -> None:
    week = [{"day_of_week": day, "start_time": "00:00", "end_time": "24:00"} for day in range(7)]
    doctor = await surgery(clinic, *week)
    today = datetime.now(UTC).date()
    body = {
        "country": "US",
        "from_date": today.isoformat(),
        "to_date": (today + timedelta(days=500)).isoformat(),
        "only": ["Christmas Day"],
    }
    shown = await clinic.get(
        "/holidays", params={name: body[name] for name in ("country", "from_date", "to_date")}
    )
    christmas = [one for one in shown.json()["data"]["holidays"] if one["name"] == "Christmas Day"]
    noon = [datetime.combine(date.fromisoformat(one["day"]), NOON.timetz()) for one in christmas]
    visits = await doctor.write(*noon, *(at + timedelta(days=1) for at in noon))
    path = f"{doctor.facility}/holidays"
    refused = await clinic.post(path, body)
    assert refused.json()["error"]["code"] == "STRANDED_VISITS"
    tried = await clinic.post(path, body, params={"dry_run": "true"})
    stranded = [one["appointment_id"] for one in tried.json()["data"]["stranded"]]
    assert stranded == visits[: len(noon)] != []
    assert (await clinic.get(f"{doctor.facility}/exceptions")).json()["data"]["items"] == []
    kept = await clinic.post(path, body, params={"stranded": "keep"})
    assert [one["outcome"] for one in kept.json()["data"]["stranded"]] == ["kept"] * len(noon)
    assert len(kept.json()["data"]["written"]) == len(noon)

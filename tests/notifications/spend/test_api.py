"""Limits are set and read; figures are shown by month, day and country."""

from datetime import timedelta

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.notifications.spend.support import FREE, by_phone, limit, spend
from tests.notifications.support import NOON, Bench

_CHANGES = Command(
    "SELECT changes -> 'after' FROM audit_logs WHERE entity_type = 'spend_limits' ORDER BY id"
)


async def test_without_any_limit_set_there_is_none(clinic: Clinic) -> None:
    response = await clinic.get("/spend/limits")
    assert response.headers["etag"] == '"0"'
    found = response.json()["data"]
    assert (found["monthly_segments"], found["monthly_amount"]) == (None, None)
    assert (found["alert_percent"], found["currency"], found["version"]) == (80, "USD", 0)
    assert (found["countries"], found["allowed_countries"], found["updated_at"]) == (None,) * 3
    await clinic.facility()
    found = (await clinic.get("/spend/limits")).json()["data"]
    assert found["allowed_countries"] == ["US"]
    shown = (await clinic.get("/spend")).json()["data"]
    assert (shown["percent"], shown["limit_segments"]) == (None, None)
    assert len(shown["months"]) == 3


async def test_limits_are_kept_as_they_were_set(bench: Bench) -> None:
    body = {
        "monthly_segments": 20000,
        "monthly_amount": 150.0,
        "currency": "CAD",
        "alert_percent": 70,
        "daily_segments": 5000,
        "countries": [
            {"country": "CA", "daily_segments": 2000, "segment_price": 0.0079},
            {"country": "US", "daily_segments": None, "segment_price": None},
        ],
        "segment_price": 0.01,
    }
    made = await limit(bench, **body)
    assert {name: made[name] for name in body} == body
    assert (made["version"], made["allowed_countries"]) == (1, ["CA", "US"])
    response = await bench.clinic.get("/spend/limits")
    assert response.json()["data"] == made
    assert response.headers["etag"] == '"1"'
    again = await bench.clinic.get("/spend/limits", headers={"If-None-Match": '"1"'})
    assert again.status_code == 304
    async with begin(bench.clinic.caller) as tx:
        [audited] = await tx.values(_CHANGES)
    assert (audited["monthly_segments"], audited["version"]) == (20000, 1)


async def test_limits_of_another_version_are_left(clinic: Clinic) -> None:
    first = await clinic.put("/spend/limits", FREE, headers={"If-Match": '"0"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    late = await clinic.put(
        "/spend/limits", FREE | {"monthly_segments": 1}, headers={"If-Match": '"0"'}
    )
    assert late.status_code == 412
    found = (await clinic.get("/spend/limits")).json()["data"]
    assert (found["version"], found["monthly_segments"]) == (1, None)


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"countries": [{"country": "QQ"}]}, 422, "countries.0.country"),
        ({"countries": [{"country": "us"}]}, 400, "countries.0.country"),
        ({"countries": [{"country": "US"}, {"country": "US"}]}, 400, "countries"),
        ({"monthly_amount": 10}, 422, "monthly_amount"),
        (
            {"monthly_amount": 10, "countries": [{"country": "US"}]},
            422, "monthly_amount",
        ),
        ({"monthly_segments": -1}, 400, "monthly_segments"),
        ({"alert_percent": 100}, 400, "alert_percent"),
        ({"currency": "dollars"}, 400, "currency"),
        ({"segment_price": 100.5}, 400, "segment_price"),
    ],
)  # fmt: skip
async def test_limits_that_could_not_be_kept_are_refused(
    clinic: Clinic, fields: dict[str, object], status: int, field: str
) -> None:
    response = await clinic.put("/spend/limits", FREE | fields)
    assert response.status_code == status
    assert response.json()["error"]["details"][0]["field"] == field
    assert (await clinic.get("/spend/limits")).json()["data"]["version"] == 0


async def test_money_needs_a_price_somewhere(clinic: Clinic) -> None:
    own = {"country": "US", "segment_price": 0.01}
    for fields in ({"segment_price": 0.01}, {"countries": [own]}):
        response = await clinic.put("/spend/limits", FREE | {"monthly_amount": 1.5} | fields)
        assert response.status_code == 200, response.text


async def test_what_was_spent_is_counted_by_day_and_by_country(bench: Bench) -> None:
    await limit(bench, countries=[{"country": "US"}, {"country": "CA", "segment_price": 0.02}])
    americans, canadian = await by_phone(bench, 2), await by_phone(bench, 1, "+1416555")
    await bench.plan(await bench.visits(americans, NOON + timedelta(days=40)))
    await bench.drain()
    bench.clock.forward(days=1)
    await bench.plan(await bench.visits(canadian, NOON + timedelta(days=40)))
    await bench.drain()

    async def lines(**params: str) -> list[tuple[str, int, int, float]]:
        data = (await bench.clinic.get("/spend/entries", params=params)).json()["data"]
        return [(g["key"], g["messages"], g["segments"], g["amount"]) for g in data["groups"]]

    monday = [("2031-03-04", 2, 2, 0.0)]
    assert await lines() == [*monday, ("2031-03-05", 1, 1, 0.02)]
    assert await lines(group_by="country") == [("CA", 1, 1, 0.02), ("US", 2, 2, 0.0)]
    assert await lines(country="US") == monday
    assert await lines(**{"from": "2031-03-04", "to": "2031-03-05"}) == monday
    assert await lines(**{"from": "2031-03-06"}) == []
    assert await lines(to="2031-03-04") == []


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2031-03-04", "to": "2031-03-04"},
        {"from": "2031-03-04", "to": "2032-03-05"},
    ],
)
async def test_a_range_must_be_one(clinic: Clinic, params: dict[str, str]) -> None:
    response = await clinic.get("/spend/entries", params=params)
    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"] == "to"


async def test_the_month_is_forecast_from_what_is_planned_and_what_is_usual(bench: Bench) -> None:
    await limit(bench, segment_price=0.01, monthly_segments=100)
    patients = await by_phone(bench, 1)
    await bench.plan(await bench.visits(patients, NOON + timedelta(days=4)))  # and 3 reminders
    await bench.plan(await bench.visits(patients, NOON + timedelta(days=60)))  # in May
    messages = (await bench.clinic.get("/notifications/forecast?days=10")).json()["data"]
    assert (messages["count"], messages["segments"], messages["cost"]) == (5, 5, 0.05)
    forecast = (await spend(bench))["forecast"]
    assert forecast == {"messages": 5, "segments": 5, "amount": 0.05}
    await bench.drain()
    await bench.sql("UPDATE spend_days SET segments = segments * 3, micros = micros * 3")
    messages = (await bench.clinic.get("/notifications/forecast?days=10")).json()["data"]
    assert (messages["count"], messages["segments"], messages["cost"]) == (3, 9, 0.09)
    assert [day["segments"] for day in messages["by_day"]] == [3, 3, 3]
    found = await spend(bench)
    assert found["months"][0]["segments"] == 6
    assert found["forecast"] == {"messages": 3, "segments": 15, "amount": 0.15}
    assert found["percent"] == 6.0
    assert found["resets_at"] == "2031-04-01T00:00:00Z"

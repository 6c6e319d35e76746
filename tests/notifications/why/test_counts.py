"""Rates by channel, type and local hour, and what is to come."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.why import rules
from tests.notifications.provider import Provider, by_sms
from tests.notifications.support import Bench

_DAY = {"from": "2031-03-04T05:00:00Z", "to": "2031-03-05T05:00:00Z"}


async def counted(bench: Bench, **params: Any) -> dict[str, Any]:
    response = await bench.clinic.get("/notifications/delivery-status", params={**_DAY, **params})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["data"]
    return found


async def test_rates_count_everybody_who_was_to_be_reached(bench: Bench) -> None:
    """One arrives by SMS, one by email after SMS, one is accepted, one cannot be reached."""
    outcomes = [Outcome("delivered"), Outcome("rejected", "smpp_11"), Outcome("accepted")]
    for _ in range(3):
        await bench.planned()
    await bench.planned(patient_id=await bench.patient(contact_info={"telecom": []}))
    await dispatch.drain(by_sms(bench, Provider(list(outcomes)).calls()))
    found = await counted(bench, group_by="notification_type")
    [group] = found["groups"]
    assert (group["key"], group["total"]) == ("appointment_confirmation", 4)
    assert group["delivered"] == {"numerator": 2, "denominator": 4, "rate": 0.5}
    assert group["accepted"] == {"numerator": 1, "denominator": 4, "rate": 0.25}
    assert group["failed"] == {"numerator": 1, "denominator": 4, "rate": 0.25}
    assert group["fallback_used"] == {"numerator": 1, "denominator": 4, "rate": 0.25}
    channels = {g["key"]: g["total"] for g in (await counted(bench, group_by="channel"))["groups"]}
    assert channels == {"sms": 3, "email": 1}
    assert (await counted(bench))["groups"] == []


async def test_hours_are_those_of_the_zone(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    for name, hour in ((None, "12:00"), ("Asia/Kolkata", "22:00"), ("UTC", "17:00")):
        params = {"group_by": "hour", **({"time_zone": name} if name else {})}
        found = await counted(bench, **params)
        assert found["time_zone"] == (name or "America/New_York")
        assert [group["key"] for group in found["groups"]] == [hour]


async def test_a_zone_without_hours_is_refused(bench: Bench) -> None:
    for params in ({"time_zone": "UTC"}, {"time_zone": "UTC", "group_by": "channel"}):
        response = await bench.clinic.get("/notifications/delivery-status", params=params)
        assert response.json()["error"]["details"][0]["field"] == "time_zone"


async def test_a_forecast_shows_what_is_planned_and_moved(bench: Bench) -> None:
    # 08:00 in New York in four days: two reminders fall on 08:00, the last one on 06:00.
    await bench.planned(datetime(2031, 3, 8, 13, tzinfo=UTC))
    found = (await bench.clinic.get("/notifications/forecast")).json()["data"]
    assert (found["time_zone"], found["days"]) == ("America/New_York", 30)
    assert (found["count"], found["cost_at_least"]) == (4, None)
    assert (found["segments"], found["cost"]) == (4, None)
    days = {day["day"]: (day["count"], day["moved"]) for day in found["by_day"]}
    assert days == {
        "2031-03-04": (1, 0), "2031-03-05": (1, 0), "2031-03-07": (2, 1),
    }  # fmt: skip
    lines = found["by_day"][0]["planned"]
    assert lines == [
        {"channel": "sms", "notification_type": "appointment_confirmation", "count": 1, "moved": 0}
    ]
    await bench.drain()
    short = (await bench.clinic.get("/notifications/forecast?days=2")).json()["data"]
    assert (short["count"], [day["day"] for day in short["by_day"]]) == (1, ["2031-03-05"])
    tokyo = await bench.clinic.get("/notifications/forecast?time_zone=Asia/Tokyo")
    there = [day["day"] for day in tokyo.json()["data"]["by_day"]]
    assert there == ["2031-03-05", "2031-03-07", "2031-03-08"]


_INSTANTS = st.integers(0, 400 * 86_400).map(
    lambda s: datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
)
_ZONES = st.sampled_from(
    ["America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Africa/Cairo"]
)


@given(_INSTANTS, st.integers(1, 80 * 3600), _ZONES, st.data())
def test_every_instant_falls_into_the_hour_on_its_wall(
    start: datetime, seconds: int, name: str, data: st.DataObject
) -> None:
    home, end = ZoneInfo(name), start + timedelta(seconds=seconds)
    begins, names = rules.hours(start, end, home)
    assert begins[0] == start
    assert begins == sorted(set(begins))
    at = start + timedelta(seconds=data.draw(st.integers(0, seconds - 1)))
    place = sum(begin <= at for begin in begins) - 1
    assert names[place] == f"{at.astimezone(home):%H}:00"


@given(
    st.dictionaries(
        st.sampled_from([
            "pending", "held", "queued", "sending", "unknown", "accepted", "undelivered",
            "delivered", "unconfirmed", "failed", "suppressed", "expired", "cancelled",
            "superseded",
        ]),
        st.integers(1, 50),
    )
)  # fmt: skip
def test_every_message_is_counted_once(counts: dict[str, int]) -> None:
    found = rules.tally("sms", counts, 0)
    parts = (found.delivered, found.accepted, found.failed)
    over = sum(part.numerator for part in parts) + found.in_doubt
    assert found.waiting + found.given_up + over == found.total == sum(counts.values())
    assert {part.denominator for part in parts} == {over}
    assert all((part.rate is None) == (over == 0) for part in parts)


async def test_the_queue_says_what_is_due_and_since_when(bench: Bench) -> None:
    assert (await bench.clinic.get("/notifications/queue")).json()["data"]["waiting"] == []
    await bench.planned()
    bench.clock.forward(minutes=3)
    found = (await bench.clinic.get("/notifications/queue")).json()["data"]
    assert (found["count"], found["age_seconds"]) == (1, 180.0)
    [line] = found["waiting"]
    assert (line["channel"], line["count"]) == ("sms", 1)
    await bench.drain()
    assert (await bench.clinic.get("/notifications/queue")).json()["data"]["count"] == 0

"""The day's appointments, taken from the platform's own API over loopback."""

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from chroniccare.notifications.daily import visits
from chroniccare.notifications.daily.entry import Place, SetupError
from chroniccare.notifications.daily.source import SourceError
from chroniccare.platform import reader
from chroniccare.platform.postgres import begin
from chroniccare.tenancy import actions
from tests.client import Clinic
from tests.notifications.daily.conftest import Bench
from tests.notifications.daily.loopback import SECRET, Served, serving
from tests.scheduling.support import asked as body_of

ZONE = ZoneInfo("America/Los_Angeles")
DAY = (datetime.now(ZONE) + timedelta(days=9)).date()
MORNING = datetime(DAY.year, DAY.month, DAY.day, 6, 0, tzinfo=ZONE)
TICK = {"schedule": MORNING.astimezone(UTC).isoformat()}
PLACE = ("log", "lists", "dev", "America/Los_Angeles", "US")


@pytest.fixture
async def served(
    clinic: Clinic, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """The API, read with a key that may do what the function needs and no more."""
    pepper = clinic.app.state.authority.pepper
    async with begin(clinic.caller) as tx:
        key = await actions.create_key(
            tx, pepper=pepper, name="function", scopes=frozenset(visits.SCOPES)
        )
    async with serving(clinic.app, key) as made:
        place = dataclasses.replace(bench.function.place, api_url=made.url, api_secret=SECRET)
        bench.function = dataclasses.replace(bench.function, place=place)
        bench.now = MORNING.astimezone(UTC)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", made.url)
        monkeypatch.setattr(reader, "_PAUSES_S", (0.0, 0.0))
        yield made


async def visit(
    clinic: Clinic, provider: dict[str, Any], hours: float, **patient: Any
) -> dict[str, Any]:
    """Book a visit `hours` after the morning, for a new patient."""
    who = await clinic.patient(**patient)
    at = (MORNING + timedelta(hours=hours)).isoformat()
    body = await body_of(clinic, provider, patient_id=who["id"], scheduled_start=at)
    return await clinic.make("/appointments", body)


def telecom(*points: tuple[str, str, str, int]) -> dict[str, Any]:
    """Return contact points: system, value, use and rank."""
    names = ("system", "value", "use", "rank")
    return {"telecom": [dict(zip(names, one, strict=True)) for one in points]}


async def test_a_tick_takes_the_days_visits_and_no_request_is_made_for_each(
    clinic: Clinic, bench: Bench, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "_PAGE", 3)
    monkeypatch.setattr(visits, "_IDS_AT_ONCE", 3)
    provider = await clinic.provider()
    made = [await visit(clinic, provider, 1 + number / 2) for number in range(7)]
    confirmed = await clinic.post(f"/appointments/{made[3]['id']}/confirm", {})
    assert confirmed.status_code == 200
    gone = await clinic.delete(
        f"/appointments/{made[4]['id']}", json={"cancellation_reason": "moved"}
    )
    assert gone.status_code == 200, gone.text
    await visit(clinic, provider, -1)  # has begun
    await visit(clinic, provider, 18.5)  # the next day on the clinic's clock, the same in UTC
    found = await bench.run(TICK)
    assert found["results"] == {"success": 6, "failed": 0, "fallback": 0}
    expected = [f"+1415555{number:04d}" for number in (1, 2, 3, 4, 6, 7)]
    assert sorted(bench.reached()) == expected
    assert "Riverside Clinic 001" in bench.simulator.ledger.reached[0].text
    assert Counter(served.asked) == {
        "/api/v1/appointments": 3, "/api/v1/patients": 2, "/api/v1/providers": 1,
        "/api/v1/facilities": 1,
    }  # fmt: skip
    assert {one["patientId"]["S"] for one in bench.logged()} == {
        made[number]["patient_id"] for number in (0, 1, 2, 3, 5, 6)
    }
    again = await bench.run(TICK, request="request-2")
    assert again["alreadySent"] == 6


@pytest.mark.parametrize(
    ("patient", "reached"),
    [
        ({"contact_info": telecom(
            ("phone", "+14155550190", "old", 1), ("phone", "+14155550192", "home", 3),
            ("phone", "+14155550191", "mobile", 2))}, ["+14155550191"]),
        ({"consent_settings": {"sms": False}}, ["maria1@example.com"]),
        ({"communication_preferences": {"channels": ["email"]}}, ["maria1@example.com"]),
        ({"consent_settings": {"sms": False, "email": False}}, []),
        ({"communication_preferences": {"channels": ["push"]}}, []),
    ],
)  # fmt: skip
async def test_a_patient_is_reached_where_they_let_us(
    clinic: Clinic, bench: Bench, served: Served, patient: dict[str, Any], reached: list[str]
) -> None:
    assert served.key
    await visit(clinic, await clinic.provider(), 1, **patient)
    found = await bench.run(TICK)
    assert bench.reached() == reached
    if reached == ["maria1@example.com"]:  # a text by SMS names nobody
        assert "Aisha Rahman" in bench.simulator.ledger.reached[0].text
    assert (found["processed"], found["results"]["failed"]) == (len(reached), 0)


async def test_who_cannot_be_reached_is_counted_and_a_closed_record_is_not(
    clinic: Clinic, bench: Bench, served: Served
) -> None:
    assert served.key
    provider = await clinic.provider()
    await visit(clinic, provider, 1, contact_info={})
    closed: list[dict[str, Any]] = [{"is_active": False}, {"treatment_status": "deceased"}]
    for number, change in enumerate(closed):
        made = await visit(clinic, provider, 2 + number)
        read = await clinic.get(f"/patients/{made['patient_id']}")
        kept = {name: value for name, value in read.json()["data"].items()
                if name not in {"id", "version", "created_at", "updated_at"}}  # fmt: skip
        done = await clinic.put(
            f"/patients/{made['patient_id']}", kept | change,
            headers={"If-Match": read.headers["etag"]},
        )  # fmt: skip
        assert done.status_code == 200, done.text
    found = await bench.run(TICK)
    assert found["results"] == {"success": 0, "failed": 1, "fallback": 0}
    assert [one["reason"] for one in found["problems"]] == ["no_contact_point"]


async def test_a_day_without_visits_and_one_that_is_over_are_empty(
    bench: Bench, served: Served
) -> None:
    assert (await bench.run(TICK))["processed"] == 0
    yesterday = (DAY - timedelta(days=1)).isoformat()
    before = len(served.asked)
    assert (await bench.run({"date": yesterday}))["processed"] == 0
    assert len(served.asked) == before


async def test_what_the_api_cannot_answer_now_is_asked_again(
    clinic: Clinic, bench: Bench, served: Served
) -> None:
    await visit(clinic, await clinic.provider(), 1)
    busy = iter([web.Response(status=503), web.Response(status=429, headers={"Retry-After": "0"})])
    served.answer = lambda _: next(busy, None)
    assert (await bench.run(TICK))["results"]["success"] == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(status=503, text="Maria"), "appointments: 503"),
        (web.Response(status=403), "appointments: 403"),
        (web.Response(status=302, headers={"Location": "/elsewhere"}), "appointments: 302"),
        (web.Response(text="<html>"), "appointments: no_json"),
        (web.Response(text="[]"), "appointments: no_object"),
        (web.Response(text='{"data": {"items": [1], "next_cursor": null}}'), "another shape"),
    ],
)
async def test_an_api_that_answers_otherwise_is_an_error_as_a_broken_file_is(
    bench: Bench, served: Served, answer: web.Response, said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    served.answer = lambda _: web.Response(
        status=answer.status, body=answer.body, headers=answer.headers
    )
    with pytest.raises(SourceError, match=said) as failed:
        await bench.run(TICK)
    assert bench.reached() == []
    told = f"{failed.value}{caplog.text}"
    assert served.key not in told
    assert "Maria" not in told
    assert "/elsewhere" not in served.asked


async def test_an_answer_without_end_and_an_api_that_is_away_are_errors(
    bench: Bench, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_MOST_ANSWER", 3)
    with pytest.raises(SourceError, match="appointments: too_large"):
        await bench.run(TICK)
    assert len(served.asked) == 1
    place = dataclasses.replace(bench.function.place, api_url="http://127.0.0.1:9")
    bench.function = dataclasses.replace(bench.function, place=place)
    with pytest.raises(SourceError, match="appointments: ClientConnectorError"):
        await bench.run(TICK)


async def test_a_wrong_key_and_a_secret_that_is_away_are_errors(
    bench: Bench, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.key = "cck_live_wrong"
    with pytest.raises(SourceError, match="appointments: 401"):
        await bench.run(TICK)
    served.key = ""
    served.asked.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="PLATFORM_KEY_SECRET: no answer"):
        await bench.run(TICK)
    assert served.asked == []


async def test_the_api_has_no_longer_than_the_run(bench: Bench, served: Served) -> None:
    bench.left = lambda: 29.0  # below the reserve
    with pytest.raises(SourceError, match="took more than 0 s"):
        await bench.run(TICK)
    assert served.asked == []


async def test_what_does_not_fit_into_the_time_is_gone_on_with_by_the_day(
    clinic: Clinic, bench: Bench, served: Served
) -> None:
    provider = await clinic.provider()
    for number in range(6):
        await visit(clinic, provider, 1 + number)
    times = iter([300.0] * 4)
    bench.left = lambda: next(times, 0.0)
    assert 0 < (await bench.run(TICK))["processed"] < 6
    bench.left = lambda: 300.0
    [event] = bench.stack.invoked
    assert event == {"date": DAY.isoformat(), "batchId": "request-1", "round": 1}
    assert (await bench.run(event))["processed"] == 6
    assert len(bench.reached()) == len(set(bench.reached())) == 6
    assert len(served.asked) == 10


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://api.clinic.example", True),
        ("https://api.clinic.example/base/", True),
        ("http://127.0.0.1:8000", True),
        ("http://api.clinic.example", False),
        ("ftp://api.clinic.example", False),
        ("https://", False),
        ("https://[", False),
        ("https://api.clinic.example?key=1", False),
    ],
)
def test_a_key_is_sent_over_tls_alone(url: str, *, fine: bool) -> None:
    environ = {"NOTIFICATION_TABLE": "a", "APPOINTMENTS_BUCKET": "b", "PLATFORM_URL": url}
    with pytest.raises(SetupError, match="PLATFORM_KEY_SECRET" if fine else "PLATFORM_URL"):
        Place.of(environ)
    environ["PLATFORM_KEY_SECRET"] = SECRET
    if fine:
        assert Place.of(environ).api_url == url.rstrip("/")

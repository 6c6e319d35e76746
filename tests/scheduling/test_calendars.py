"""Calendar feeds through the public API, read as a calendar client reads them."""

import base64
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
import recurring_ical_events  # type: ignore[import-untyped]  # it has no stubs
from icalendar import Calendar

from chroniccare.core.ids import new_id
from chroniccare.core.time import to_instant, zone
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.platform.postgres import Command, begin
from chroniccare.platform.telemetry import JsonFormatter
from chroniccare.scheduling.calendars import rules
from chroniccare.settings import Settings
from tests.client import Clinic, kept_answers, kept_messages
from tests.conftest import PEPPER
from tests.notifications.support import NOON, Clock, clear_the_desk

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALWAYS = {day: [{"open": "00:00", "close": "24:00"}] for day in DAYS}
CLINICAL = ("dialysis", "ulcer", "telehealth", "video.example", "room-42", "MRN", "Maria", "Gonz")
"""Words of the visits below that say why somebody comes, or who it is."""
AUTUMN = datetime(2031, 11, 2, 5, 30, tzinfo=UTC)
"""01:30 in New York for the first time; an hour later it is 01:30 once more."""


@dataclass(frozen=True, slots=True)
class Place:
    """A provider with a facility of their own that never closes."""

    provider_id: str
    facility_id: str
    name: str


async def open_in(clinic: Clinic, zone_name: str) -> Place:
    facility = await clinic.facility(timezone=zone_name, operating_hours=ALWAYS)
    provider = await clinic.provider(facilities=[{"facility_id": facility["id"]}])
    week = [
        {"facility_id": facility["id"], "day_of_week": day, "start_time": "00:00",
         "end_time": "24:00", "effective_from": "2031-01-01"}
        for day in range(7)
    ]  # fmt: skip
    set_ = await clinic.put(f"/providers/{provider['id']}/availability", {"rules": week})
    assert set_.status_code == 200, set_.text
    return Place(provider["id"], facility["id"], facility["name"])


def visit_body(patient_id: str, place: Place, start: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "patient_id": patient_id,
        "provider_id": place.provider_id,
        "facility_id": place.facility_id,
        "appointment_type": "dialysis_review",
        "reason": "Foot ulcer",
        "scheduled_start": start.isoformat(),
        "duration_minutes": 45,
        **fields,
    }


async def book(clinic: Clinic, patient_id: str, place: Place, start: datetime) -> dict[str, Any]:
    """Book a visit whose every clinical field has something to say."""
    visit = await clinic.make("/appointments", visit_body(patient_id, place, start))
    link = {"link": "https://video.example/room-42", "kind": "telehealth"}
    await sql(
        clinic,
        "UPDATE appointments SET telehealth_details = $2::jsonb,"
        " pre_appointment_instructions = $2 WHERE id = $1",
        UUID(visit["id"]),
        link,
    )
    return visit


async def move(clinic: Clinic, visit: dict[str, Any], start: datetime) -> dict[str, Any]:
    place = Place(visit["provider_id"], visit["facility_id"], "")
    body = visit_body(visit["patient_id"], place, start)
    moved = await clinic.put(f"/appointments/{visit['id']}", body)
    assert moved.status_code == 200, moved.text
    data: dict[str, Any] = moved.json()["data"]
    return data


async def cancel(clinic: Clinic, visit: dict[str, Any]) -> None:
    reason = {"cancellation_reason": "Foot ulcer has healed"}
    response = await clinic.delete(f"/appointments/{visit['id']}", json=reason)
    assert response.status_code == 200, response.text


async def sql(clinic: Clinic, text: str, *args: Any) -> int:
    """Change something behind the API's back."""
    async with begin(clinic.caller) as tx:
        return await tx.run(Command(text), *args)


async def value(clinic: Clinic, text: str, *args: Any) -> Any:
    async with begin(clinic.caller) as tx:
        return await tx.value(Command(text), *args)


async def subscribe(clinic: Clinic, path: str) -> str:
    """Make a feed of `/patients/{id}` or `/providers/{id}` and return the path of its address."""
    feed = await clinic.make(f"{path}/calendar-feeds", {})
    return str(urlsplit(feed["url"]).path)


async def read(client: httpx.AsyncClient, path: str, **options: Any) -> list[Any]:
    response = await client.get(path, **options)
    assert response.status_code == 200, response.text
    return events_in(response.content)


def events_in(data: bytes | str) -> list[Any]:
    return list(Calendar.from_ical(data).events)


@pytest.fixture
async def patient_id(clinic: Clinic) -> str:
    return str((await clinic.patient())["id"])


Times = dict[str, tuple[datetime, datetime]]


async def times_of(clinic: Clinic, path: str) -> Times:
    """Return start and end of each visit, as the API tells them."""
    listed = await clinic.get(f"{path}/appointments?limit=200")
    return {
        visit["id"]: (
            datetime.fromisoformat(visit["scheduled_start"]),
            datetime.fromisoformat(visit["scheduled_end"]),
        )
        for visit in listed.json()["data"]["items"]
    }


def told(events: list[Any]) -> Times:
    return {
        str(event["UID"]).removesuffix("@chroniccare"): (
            event.start.astimezone(UTC),
            event.end.astimezone(UTC),
        )
        for event in events
    }


# Around each change of clocks of 2031, at nine in the morning and early in the day.
CHANGES = {
    "America/New_York": ("2031-03-09", "2031-11-02"),
    "Europe/Madrid": ("2031-03-30", "2031-10-26"),
    "Australia/Lord_Howe": ("2031-04-06", "2031-10-05"),
    "Asia/Kolkata": ("2031-05-05",),
}


async def booked_around_changes(clinic: Clinic, patient_id: str) -> list[dict[str, Any]]:
    visits = []
    for name, days in CHANGES.items():
        place = await open_in(clinic, name)
        for day in days:
            for offset in (-1, 0, 1):
                for hour in (3, 9):
                    local = datetime.fromisoformat(day) + timedelta(days=offset, hours=hour)
                    start = to_instant(local.date(), local.time(), zone(name))
                    visits.append(await book(clinic, patient_id, place, start))
    autumn = await open_in(clinic, "America/New_York")
    again = AUTUMN + timedelta(hours=1)
    nights = [await book(clinic, patient_id, autumn, start) for start in (AUTUMN, again)]
    return visits + nights


async def test_a_feed_gives_back_the_visits_to_other_peoples_parsers(
    clinic: Clinic, clock: Clock, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    visits = await booked_around_changes(clinic, patient_id)
    await move(clinic, visits[0], datetime(2031, 6, 3, 14, 0, tzinfo=UTC))
    await cancel(clinic, visits[1])
    url = await subscribe(clinic, f"/patients/{patient_id}")
    expected = await times_of(clinic, f"/patients/{patient_id}")
    assert len(expected) == len(visits) == 44

    response = await anonymous.get(url)
    calendar: Any = Calendar.from_ical(response.content)
    assert told(list(calendar.events)) == expected
    query = recurring_ical_events.of(calendar, skip_bad_series=False)
    assert told(query.between(clock.at, clock.at + timedelta(days=400))) == expected
    for start, _ in expected.values():  # day by day, as a client draws them
        shown = told(query.at(start.date()))
        assert shown.items() <= expected.items()
    statuses = {event["UID"]: event["STATUS"] for event in calendar.events}
    assert statuses.pop(f"{visits[1]['id']}@chroniccare") == "CANCELLED"
    assert set(statuses.values()) == {"CONFIRMED"}

    own = await times_of(clinic, f"/providers/{visits[0]['provider_id']}")
    path = await subscribe(clinic, f"/providers/{visits[0]['provider_id']}")
    assert told(await read(anonymous, path)) == own
    assert len(own) == 12


async def sequence(client: httpx.AsyncClient, url: str, visit: dict[str, Any]) -> int:
    """Return the SEQUENCE of the only event, which is `visit` as the API answered it."""
    [event] = await read(client, url)
    assert event["UID"] == f"{visit['id']}@chroniccare"
    assert event["SEQUENCE"] == visit["sequence"]
    assert event.start == datetime.fromisoformat(visit["scheduled_start"])
    assert event.end == datetime.fromisoformat(visit["scheduled_end"])
    return int(event["SEQUENCE"])


@pytest.mark.usefixtures("clock")
async def test_time_place_provider_and_cancelling_raise_the_sequence_and_nothing_else(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    elsewhere = await open_in(clinic, "Europe/Madrid")
    start = NOON + timedelta(days=3)
    visit = await book(clinic, patient_id, place, start)
    url = await subscribe(clinic, f"/patients/{patient_id}")
    assert await sequence(anonymous, url, visit) == 0
    path = f"/appointments/{visit['id']}"

    said = await clinic.put(path, visit_body(patient_id, place, start, reason="Other ulcer"))
    assert await sequence(anonymous, url, said.json()["data"]) == 0
    confirmed = await clinic.post(f"{path}/confirm")
    assert await sequence(anonymous, url, confirmed.json()["data"]) == 0
    moved = await move(clinic, visit, start + timedelta(days=40))
    assert await sequence(anonymous, url, moved) == 1
    longer = visit_body(patient_id, place, start + timedelta(days=40), duration_minutes=60)
    response = await clinic.put(path, longer)
    assert await sequence(anonymous, url, response.json()["data"]) == 2
    other = {
        "scheduled_start": start.isoformat(),
        "provider_id": elsewhere.provider_id,
        "facility_id": elsewhere.facility_id,
    }
    response = await clinic.post(f"{path}/reschedule", other)
    assert response.status_code == 200, response.text
    assert await sequence(anonymous, url, response.json()["data"]) == 3
    [event] = await read(anonymous, url)
    assert event["DTSTART"].params["TZID"] == "Europe/Madrid"
    assert event["LOCATION"].startswith(f"{elsewhere.name}, ")
    await cancel(clinic, visit)
    cancelled = (await clinic.get(path)).json()["data"]
    assert await sequence(anonymous, url, cancelled) == 4
    [event] = await read(anonymous, url)
    assert event["STATUS"] == "CANCELLED"


async def test_what_is_mailed_follows_the_visit_to_its_end(
    clinic: Clinic, clock: Clock, settings: Settings
) -> None:
    await clear_the_desk()
    patient = await clinic.patient(communication_preferences={"channels": ["email"]})
    place = await open_in(clinic, "America/New_York")
    start = NOON + timedelta(days=30)
    async with choice.opened(settings) as channels:
        visit = await book(clinic, patient["id"], place, start)
        await dispatch.drain(channels)
        clock.forward(minutes=1)
        await move(clinic, visit, start + timedelta(hours=2))
        await dispatch.drain(channels)
        clock.forward(minutes=1)
        longer = visit_body(patient["id"], place, start + timedelta(hours=2), duration_minutes=90)
        assert (await clinic.put(f"/appointments/{visit['id']}", longer)).status_code == 200
        await dispatch.drain(channels)
        clock.forward(minutes=1)
        await cancel(clinic, visit)
        await dispatch.drain(channels)
    mailed = [message.calendar or "" for message in await kept_messages(clinic)]
    sealed = "SELECT bool_and(left(body, 1) = chr(1) AND left(calendar, 1) = chr(1))"
    assert await value(clinic, f"{sealed} FROM outbox_messages")
    told_, ends = [], []
    for text in mailed:
        calendar: Any = Calendar.from_ical(text)
        [event] = calendar.events
        assert event["UID"] == f"{visit['id']}@chroniccare"
        told_.append((calendar["METHOD"], event["SEQUENCE"], event["STATUS"], event.start))
        ends.append(event.end)
        for word in (*CLINICAL, "Aisha"):
            assert word.lower() not in text.replace("\r\n ", "").lower(), word
    later = start + timedelta(hours=2)
    assert told_ == [
        ("PUBLISH", 0, "CONFIRMED", start),
        ("PUBLISH", 1, "CONFIRMED", later),
        ("PUBLISH", 2, "CONFIRMED", later),
        ("CANCEL", 3, "CANCELLED", later),
    ]
    assert ends[1:] == [later + timedelta(minutes=minutes) for minutes in (45, 90, 90)]


@pytest.mark.usefixtures("clock")
async def test_no_clinical_word_and_no_name_leaves_unless_the_clinic_says_so(
    clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    patient = await clinic.patient(language="es-US", first_name="María")
    place = await open_in(clinic, "America/New_York")
    await book(clinic, patient["id"], place, NOON + timedelta(days=3))
    mine = await subscribe(clinic, f"/patients/{patient['id']}")
    theirs = await subscribe(clinic, f"/providers/{place.provider_id}")
    for url, summary in ((mine, "Cita"), (theirs, "Appointment")):
        response = await anonymous.get(url)
        # Folding must not hide a word from the search.
        text = response.text.replace("\r\n ", "")
        for word in (*CLINICAL, "María", "Aisha", "Rahman", patient["mrn"], patient["id"]):
            assert word.lower() not in text.lower(), word
        [event] = events_in(text)
        assert event["SUMMARY"] == summary
        assert event["LOCATION"].startswith(f"{place.name}, ")

    policy = (await clinic.get("/scheduling-policy")).json()["data"]
    rest = {name: policy[name] for name in policy if name not in {"version", "updated_at"}}
    await clinic.put("/scheduling-policy", {**rest, "calendar_details": True})
    [event] = await read(anonymous, mine)
    assert event["SUMMARY"].startswith("Dialysis review, Aisha Rahman")
    [event] = await read(anonymous, theirs)
    assert event["SUMMARY"] == "Dialysis review, M.G."
    kind = {"code": "dialysis_review", "name": "Review; dialysis", "duration_minutes": 30}
    await clinic.make("/visit-types", kind)
    for url in (mine, theirs):
        text = (await anonymous.get(url)).text.replace("\r\n ", "")
        [event] = events_in(text)
        assert event["SUMMARY"].startswith("Review; dialysis, ")
        for word in ("ulcer", "telehealth", "video.example", "room-42", patient["mrn"], "María"):
            assert word.lower() not in text.lower(), word


# --- whose visits ------------------------------------------------------------------------------


@pytest.mark.usefixtures("clock")
async def test_a_feed_holds_one_partys_visits_and_no_others(
    clinic: Clinic, other_clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    elsewhere = await open_in(clinic, "America/New_York")
    at = NOON + timedelta(days=3)
    mine = await book(clinic, patient_id, place, at)
    away = await book(clinic, patient_id, elsewhere, at + timedelta(hours=2))
    stranger = (await clinic.patient())["id"]
    hers = await book(clinic, stranger, place, at + timedelta(hours=2))
    foreign = await open_in(other_clinic, "America/New_York")
    await book(other_clinic, (await other_clinic.patient())["id"], foreign, at)
    found = await read(anonymous, await subscribe(clinic, f"/patients/{patient_id}"))
    assert set(told(found)) == {mine["id"], away["id"]}
    found = await read(anonymous, await subscribe(clinic, f"/providers/{place.provider_id}"))
    assert set(told(found)) == {mine["id"], hers["id"]}


@pytest.mark.usefixtures("clock")
async def test_a_provider_sees_where_they_assist_and_a_group_once(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    assistant = await open_in(clinic, "America/New_York")
    at = NOON + timedelta(days=3)
    visit = await book(clinic, patient_id, place, at)
    seats = [
        await book(clinic, (await clinic.patient())["id"], place, at + timedelta(hours=hours))
        for hours in (2, 3)
    ]
    visit_id, session_id = UUID(visit["id"]), new_id()
    await sql(
        clinic,
        "INSERT INTO occupancy (tenant_id, resource_id, starts_at, ends_at, appointment_id)"
        " SELECT tenant_id, $2, scheduled_start - interval '30 minutes', scheduled_end, id"
        " FROM appointments WHERE id = $1",
        visit_id,
        UUID(assistant.provider_id),
    )
    await sql(
        clinic,
        "INSERT INTO group_sessions (id, tenant_id, title, provider_id, facility_id,"
        " appointment_type, scheduled_start, scheduled_end, duration_minutes, seats,"
        " additional_provider_ids, created_at, updated_at) SELECT $1, tenant_id, 'Foot care',"
        " provider_id, facility_id, 'class', scheduled_start, scheduled_end, duration_minutes, 9,"
        " ARRAY[$3::uuid], created_at, updated_at FROM appointments WHERE id = $2",
        session_id,
        UUID(seats[0]["id"]),
        UUID(assistant.provider_id),
    )
    for seat in seats:
        await sql(
            clinic,
            "UPDATE appointments SET group_session_id = $2 WHERE id = $1",
            UUID(seat["id"]),
            session_id,
        )
    for provider_id in (place.provider_id, assistant.provider_id):
        found = await read(anonymous, await subscribe(clinic, f"/providers/{provider_id}"))
        assert sorted(told(found)) == sorted([visit["id"], str(session_id)])
        assert {event["SUMMARY"] for event in found} == {"Appointment"}


async def test_a_hold_is_tentative_until_it_ends(
    clinic: Clinic, clock: Clock, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    await book(clinic, patient_id, place, NOON + timedelta(days=3))
    await sql(
        clinic,
        "UPDATE appointments SET status = 'held', held_until = $1",
        clock.at + timedelta(minutes=10),
    )
    url = await subscribe(clinic, f"/patients/{patient_id}")
    assert [event["STATUS"] for event in await read(anonymous, url)] == ["TENTATIVE"]
    clock.forward(minutes=10)
    assert [event["STATUS"] for event in await read(anonymous, url)] == ["CANCELLED"]


async def many(clinic: Clinic, patient_id: str, place: Place, days: list[float]) -> None:
    """Write a visit for each of these days from now, behind the API's back."""
    starts = [NOON + timedelta(days=day) for day in days]
    await sql(
        clinic,
        "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
        " appointment_type, scheduled_start, scheduled_end, duration_minutes, created_at,"
        " updated_at) SELECT gen_random_uuid(), $1, $2, $3, $4, 'follow_up', s,"
        " s + interval '30 minutes', 30, $6, $6 FROM unnest($5::timestamptz[]) AS s",
        clinic.tenant_id,
        UUID(patient_id),
        UUID(place.provider_id),
        UUID(place.facility_id),
        starts,
        NOON,
    )


@pytest.mark.usefixtures("clock")
async def test_a_feed_reaches_a_month_back_and_a_year_ahead(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    await many(clinic, patient_id, place, [-30.01, -30, 0, 399.99, 400])
    for path in (f"/patients/{patient_id}", f"/providers/{place.provider_id}"):
        events = await read(anonymous, await subscribe(clinic, path))
        starts = sorted((event.start.astimezone(UTC) - NOON).days for event in events)
        assert starts == [-30, 0, 399]


@pytest.mark.usefixtures("clock")
async def test_of_too_many_visits_the_first_two_thousand_are_told(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    await many(clinic, patient_id, place, [step / 6 for step in range(2100)])
    for path in (f"/patients/{patient_id}", f"/providers/{place.provider_id}"):
        events = await read(anonymous, await subscribe(clinic, path))
        assert len(events) == 2000
        latest = max(event.start.astimezone(UTC) for event in events)
        assert latest == NOON + timedelta(days=1999 / 6)


# --- who may read ------------------------------------------------------------------------------


def secret(path: str) -> str:
    return path.removeprefix("/calendars/").removesuffix(".ics")


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture
async def url(clinic: Clinic, patient_id: str) -> str:
    return await subscribe(clinic, f"/patients/{patient_id}")


def body_of(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    del body["meta"]
    return body


async def refused(client: httpx.AsyncClient, path: str) -> None:
    """Expect the one answer that everybody gets who may not read."""
    response = await client.get(path)
    assert response.status_code == 404
    assert body_of(response) == {
        "success": False,
        "error": {"code": "NOT_FOUND", "message": "No such calendar.", "details": []},
    }
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_one_wrong_bit_opens_nothing(anonymous: httpx.AsyncClient, url: str) -> None:
    raw = base64.urlsafe_b64decode(secret(url) + "==")
    assert len(raw) == 64
    assert (await anonymous.get(url)).status_code == 200
    for bit in range(512):
        forged = bytearray(raw)
        forged[bit // 8] ^= 1 << bit % 8
        await refused(anonymous, f"/calendars/{encoded(bytes(forged))}.ics")


async def test_an_address_has_one_spelling(anonymous: httpx.AsyncClient, url: str) -> None:
    text = secret(url)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [text[:-1] + letters[letters.index(text[-1]) + more] for more in (1, 2, 3)]
    assert len({base64.urlsafe_b64decode(one + "==") for one in (text, *twins)}) == 1
    wrong = ["", "x", text[:-1], text + "A", text + "==", text.swapcase(), "é" * 86, "0" * 4000]
    for one in (*twins, *wrong, "%00" * 86, "+" * 86, "~" * 86):
        response = await anonymous.get(f"/calendars/{one}.ics")
        assert response.status_code == 404, one


async def test_only_our_secret_signs_and_for_calendars_alone(
    clinic: Clinic, other_clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    feed = await clinic.make(f"/patients/{patient_id}/calendar-feeds", {})
    named = rules.Address(clinic.tenant_id, UUID(feed["id"]))
    path = urlsplit(feed["url"]).path
    assert path == f"/calendars/{rules.token(named, PEPPER)}.ics"
    # Signed by another installation; signed by us, but for another tenant, or for no feed.
    for address, pepper in (
        (named, "another pepper, of another installation"),
        (rules.Address(other_clinic.tenant_id, UUID(feed["id"])), PEPPER),
        (rules.Address(clinic.tenant_id, new_id()), PEPPER),
        (rules.Address(new_id(), UUID(feed["id"])), PEPPER),
        (rules.Address(UUID(feed["id"]), clinic.tenant_id), PEPPER),
    ):
        await refused(anonymous, f"/calendars/{rules.token(address, pepper)}.ics")


async def test_a_revoked_feed_is_gone_and_stays_gone(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    feed = await clinic.make(f"/patients/{patient_id}/calendar-feeds", {})
    other = await subscribe(clinic, f"/patients/{patient_id}")
    path = urlsplit(feed["url"]).path
    await read(anonymous, path)
    stale = await clinic.delete(f"/calendar-feeds/{feed['id']}", headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    await read(anonymous, path)
    response = await clinic.delete(f"/calendar-feeds/{feed['id']}", headers={"If-Match": '"1"'})
    revoked = response.json()["data"]
    assert revoked["revoked_at"] is not None
    assert response.headers["etag"] == '"2"'
    await refused(anonymous, path)
    again = await clinic.delete(f"/calendar-feeds/{feed['id']}")
    assert again.json()["data"] == revoked
    await read(anonymous, other)


@pytest.mark.parametrize(
    "gone",
    [
        "UPDATE patients SET is_active = false",
        "UPDATE patients SET deleted_at = now()",
        "UPDATE tenants SET is_active = false",
    ],
)
async def test_a_patient_or_clinic_that_is_gone_takes_its_calendar_along(
    clinic: Clinic, anonymous: httpx.AsyncClient, url: str, gone: str
) -> None:
    await read(anonymous, url)
    await sql(clinic, gone)
    await refused(anonymous, url)


async def test_a_removed_patients_calendar_is_gone(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str, url: str
) -> None:
    assert (await clinic.delete(f"/patients/{patient_id}")).status_code == 200
    await refused(anonymous, url)


async def test_a_provider_who_left_reads_no_more(
    clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    provider = await clinic.provider()
    url = await subscribe(clinic, f"/providers/{provider['id']}")
    await read(anonymous, url)
    await sql(clinic, "UPDATE providers SET is_active = false")
    await refused(anonymous, url)


async def test_a_feed_may_be_read_thirty_times_at_once(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str, url: str
) -> None:
    other = await subscribe(clinic, f"/patients/{patient_id}")
    answers = [await anonymous.get(url) for _ in range(40)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(answer.status_code == 200 for answer in answers[:30])
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[0].headers["ratelimit-limit"] == "30"
    assert answers[-1].headers["cache-control"] == "no-store"
    await read(anonymous, other)


# --- how it is answered ------------------------------------------------------------------------


@pytest.mark.usefixtures("clock")
async def test_a_client_that_has_it_already_is_told_so(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str, url: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    first = await anonymous.get(url)
    etag = first.headers["etag"]
    for sent in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        same = await anonymous.get(url, headers={"If-None-Match": sent})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["etag"] == etag
        assert same.headers["cache-control"] == "private, max-age=300"
    visit = await book(clinic, patient_id, place, NOON + timedelta(days=3))
    for change in (None, cancel):
        if change is not None:
            await change(clinic, visit)
        new = await anonymous.get(url, headers={"If-None-Match": etag})
        assert new.status_code == 200
        assert new.headers["etag"] != etag
        etag = new.headers["etag"]


async def test_nothing_changes_by_itself_from_hour_to_hour(
    clinic: Clinic, clock: Clock, anonymous: httpx.AsyncClient, patient_id: str, url: str
) -> None:
    place = await open_in(clinic, "America/New_York")
    await book(clinic, patient_id, place, NOON + timedelta(days=3))
    before = await anonymous.get(url)
    clock.forward(days=5)
    after = await anonymous.get(url)
    assert after.content == before.content
    assert after.headers["etag"] == before.headers["etag"]


async def test_an_answer_is_for_nobody_else(anonymous: httpx.AsyncClient, url: str) -> None:
    response = await anonymous.get(url)
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    assert response.headers["cache-control"] == "private, max-age=300"
    assert response.headers["x-robots-tag"] == "noindex, nofollow, noarchive"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    head = await anonymous.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == response.headers["etag"]
    assert (await anonymous.post(url)).status_code == 405
    # Some clients add a parameter against caches of their own.
    assert (await anonymous.get(f"{url}?nocache=1")).status_code == 200


async def test_no_log_line_holds_an_address(
    anonymous: httpx.AsyncClient, url: str, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    forged = url.replace(secret(url)[:5], "AAAAA")
    for path in (url, forged, url + "x", url.removesuffix(".ics")):
        await anonymous.get(path)

    async def fails(_caller: object) -> None:
        raise ZeroDivisionError(url)

    monkeypatch.setattr("chroniccare.scheduling.calendars.actions.read", fails)
    assert (await anonymous.get(url)).status_code == 500
    ours = [record for record in caplog.records if record.name.startswith("chroniccare")]
    lines = [JsonFormatter().format(record) for record in ours]
    routes = [json.loads(line).get("route") for line in lines if '"message":"request"' in line]
    assert routes == ["/calendars/{token}.ics"] * 2 + [None] * 2 + ["/calendars/{token}.ics"]
    assert any('"ZeroDivisionError"' in line for line in lines)
    for line in lines:
        assert secret(url)[5:] not in line


async def test_each_read_is_audited_as_the_feeds(
    clinic: Clinic, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    feed = await clinic.make(f"/patients/{patient_id}/calendar-feeds", {})
    url = urlsplit(feed["url"]).path
    etag = (await anonymous.get(url)).headers["etag"]
    await anonymous.get(url, headers={"If-None-Match": etag})
    await anonymous.get(url[:-9] + "AAAAA.ics")
    found = await clinic.get(f"/audit?user_id={feed['id']}")
    seen = [
        (entry["action"], entry["entity_type"], entry["entity_id"], entry["user_type"])
        for entry in found.json()["data"]["items"]
    ]
    assert seen == [("read", "calendar_feed", feed["id"], "calendar_feed")] * 2
    assert found.json()["data"]["items"][0]["ip_address"] == "127.0.0.1"
    await clinic.delete(f"/calendar-feeds/{feed['id']}")
    found = await clinic.get(f"/audit?entity_id={feed['id']}&limit=10")
    actions = [entry["action"] for entry in found.json()["data"]["items"]]
    assert actions == ["revoke", "read", "read", "create"]
    assert secret(url) not in found.text


async def test_the_hour_of_the_last_read_is_kept_and_polling_writes_nothing(
    clinic: Clinic, clock: Clock, anonymous: httpx.AsyncClient, patient_id: str
) -> None:
    feed = await clinic.make(f"/patients/{patient_id}/calendar-feeds", {})
    url = urlsplit(feed["url"]).path

    async def row() -> tuple[Any, Any]:
        kept = await clinic.get(f"/calendar-feeds/{feed['id']}")
        xmin = await value(
            clinic, "SELECT xmin::text FROM calendar_feeds WHERE id = $1", UUID(feed["id"])
        )
        return kept.json()["data"]["last_read_at"], xmin

    assert (await row())[0] is None
    clock.forward(minutes=10)
    await read(anonymous, url)
    first = await row()
    assert first[0] == "2031-03-04T17:00:00Z"
    clock.forward(minutes=49)
    await read(anonymous, url)
    assert await row() == first
    clock.forward(minutes=1)
    await read(anonymous, url)
    assert (await row())[0] == "2031-03-04T18:00:00Z"


# --- the feeds themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("party", ["patients", "providers"])
async def test_feeds_are_listed_without_their_addresses(clinic: Clinic, party: str) -> None:
    make = clinic.patient if party == "patients" else clinic.provider
    path = f"/{party}/{(await make())['id']}"
    made = [await clinic.make(f"{path}/calendar-feeds", {}) for _ in range(3)]
    await clinic.make(f"/{party}/{(await make())['id']}/calendar-feeds", {})
    assert len({feed["url"] for feed in made}) == 3
    await clinic.delete(f"/calendar-feeds/{made[0]['id']}")
    first = (await clinic.get(f"{path}/calendar-feeds?limit=2")).json()["data"]
    rest = await clinic.get(f"{path}/calendar-feeds?limit=2&cursor={first['next_cursor']}")
    listed = [*first["items"], *rest.json()["data"]["items"]]
    assert [feed["id"] for feed in listed] == [feed["id"] for feed in made]
    assert [feed["revoked_at"] is None for feed in listed] == [False, True, True]
    assert all("url" not in feed for feed in listed)
    one = await clinic.get(f"/calendar-feeds/{made[1]['id']}")
    assert {**one.json()["data"], "url": made[1]["url"]} == made[1]
    assert made[1]["url"].startswith("http://127.0.0.1:8000/calendars/")


async def test_a_repeated_post_answers_the_same_address_which_is_kept_nowhere(
    clinic: Clinic, patient_id: str
) -> None:
    path, key = f"/patients/{patient_id}/calendar-feeds", {"Idempotency-Key": "a-feed-please"}
    first = await clinic.post(path, headers=key)
    again = await clinic.post(path, headers=key)
    assert first.json()["data"] == again.json()["data"]
    assert again.headers["idempotent-replayed"] == "true"
    made = first.json()["data"]
    assert first.headers["location"] == f"/api/v1/calendar-feeds/{made['id']}"
    assert (await clinic.get(f"/calendar-feeds/{made['id']}")).headers["etag"] == '"1"'
    kept = await kept_answers(clinic)
    assert made["id"] in kept
    assert secret(urlsplit(made["url"]).path) not in kept
    assert "url" not in kept


@pytest.mark.parametrize("party", ["patients", "providers"])
async def test_nobody_has_no_calendar(clinic: Clinic, party: str) -> None:
    path = f"/{party}/{new_id()}/calendar-feeds"
    assert (await clinic.post(path)).status_code == 404
    assert (await clinic.get(path)).status_code == 404
    assert await value(clinic, "SELECT count(*) FROM calendar_feeds") == 0

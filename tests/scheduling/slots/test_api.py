"""The search for free times through the public API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.scheduling.support import (
    ALWAYS,
    MONDAY,
    NEW_YORK,
    TODAY,
    ask,
    book,
    day,
    found,
    staffed,
    walls,
)

_FACILITY_EXCEPTION = Command(
    "INSERT INTO availability_exceptions (id, tenant_id, facility_id, day, is_available,"
    " created_at, updated_at) VALUES ($1, $2, $3, $4, false, $5, $5)"
)


async def test_a_slot_says_when_where_and_with_whom(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    slots = await found(clinic, provider)
    assert [slot["local_start"][11:16] for slot in slots] == ["09:00", "09:30", "10:00", "10:30"]
    first = slots[0]
    assert first["provider_id"] == provider["id"]
    assert first["facility_id"] == provider["facilities"][0]["facility_id"]
    assert (first["time_zone"], first["duration_minutes"]) == ("America/New_York", 30)
    start = datetime(MONDAY.year, MONDAY.month, MONDAY.day, 9, tzinfo=NEW_YORK)
    assert datetime.fromisoformat(first["start"]) == start
    assert datetime.fromisoformat(first["local_start"]).utcoffset() == start.utcoffset()
    assert datetime.fromisoformat(first["end"]) == start + timedelta(minutes=30)
    assert first["start"].endswith("Z")
    asked = await found(clinic, provider_id=[provider["id"]])
    assert asked == slots == await found(clinic)


async def test_every_slot_can_be_booked_and_is_gone_then(clinic: Clinic) -> None:
    day_shift = {"start_time": "13:00", "end_time": "17:00"}
    night = {"day_of_week": 5, "start_time": "22:00", "end_time": "02:00", "slot_duration": 45}
    provider = await staffed(clinic, {}, day_shift, night)
    slots = await found(clinic, duration_minutes=30)
    assert len(slots) == 4 + 8 + 5
    for slot in slots:
        booked = await book(clinic, slot, await clinic.patient())
        assert booked.status_code == 201, booked.text
    assert await found(clinic, provider) == []
    visits = await clinic.get(f"/providers/{provider['id']}/appointments")
    first = visits.json()["data"]["items"][0]
    await clinic.delete(f"/appointments/{first['id']}", json={"cancellation_reason": "Ill"})
    assert await found(clinic, provider) == slots[:1]


async def test_the_patients_own_visits_are_kept_clear_of(clinic: Clinic) -> None:
    one, two = await staffed(clinic), await staffed(clinic)
    patient, other = await clinic.patient(), await clinic.patient()
    first = (await found(clinic, one))[0]
    assert (await book(clinic, first, patient)).status_code == 201
    nine = ["Mon 09:00", "Mon 09:30", "Mon 10:00", "Mon 10:30"]
    assert await walls(clinic, two) == nine
    assert await walls(clinic, two, patient_id=other["id"]) == nine
    assert await walls(clinic, two, patient_id=patient["id"]) == nine[1:]
    reads = await clinic.get("/audit", params={"entity_id": patient["id"]})
    assert "availability" in {row["action"] for row in reads.json()["data"]["items"]}


async def test_a_visit_takes_what_it_is_told_or_what_the_provider_needs(clinic: Clinic) -> None:
    provider = await staffed(clinic, default_appointment_durations={"intake": 90})
    assert await walls(clinic, provider, appointment_type="intake") == ["Mon 09:00", "Mon 09:30"]
    assert len(await walls(clinic, provider, appointment_type="follow_up")) == 4
    told = {"appointment_type": "intake", "duration_minutes": 120}
    assert await walls(clinic, provider, **told) == ["Mon 09:00"]


async def test_rules_of_nights_midnights_and_dates(clinic: Clinic) -> None:
    provider = await staffed(
        clinic,
        {"day_of_week": 0, "start_time": "23:00", "end_time": "01:00", "slot_duration": 60},
        {"day_of_week": 2, "start_time": "23:00", "end_time": "24:00"},
        {"day_of_week": 3, "start_time": "00:00", "end_time": "00:30"},
        {"day_of_week": 4, "effective_from": day(4)},
        {"day_of_week": 5, "end_time": "09:30", "effective_until": day(4)},
        {"day_of_week": 6, "end_time": "09:30", "effective_until": day(4)},
    )
    assert await walls(clinic, provider) == [
        "Mon 00:00",  # last night's, whose first slot was before from_date
        "Tue 23:00",
        "Tue 23:30",
        "Wed 00:00",
        "Fri 09:00",
        "Sun 23:00",
    ]
    # One range ends at 24:00, the next day's begins at 00:00: a visit may span midnight.
    long = await walls(clinic, provider, duration_minutes=60, to_date=day(2))
    assert long == ["Mon 00:00", "Tue 23:00", "Tue 23:30"]


async def test_the_facility_must_be_open(clinic: Clinic) -> None:
    hours = {"monday": [{"open": "09:30", "close": "10:00"}, {"open": "10:30", "close": "24:00"}]}
    place = await clinic.facility(operating_hours=hours)
    provider = await staffed(clinic, facilities=[{"facility_id": place["id"]}])
    assert await walls(clinic, provider) == ["Mon 09:30", "Mon 10:30"]
    async with begin(clinic.caller) as tx:
        await tx.run(_FACILITY_EXCEPTION, new_id(), clinic.tenant_id, place["id"], MONDAY, tx.now)
    assert await walls(clinic, provider) == []
    assert await walls(clinic, provider, to_date=day(7)) == ["Mon 09:30", "Mon 10:30"]
    await clinic.put(
        f"/facilities/{place['id']}",
        clinic.facility_body(operating_hours=ALWAYS, is_active=False),
    )
    assert await found(clinic, provider, to_date=day(7)) == []


async def test_two_facilities_in_two_zones(clinic: Clinic) -> None:
    east = await clinic.facility(operating_hours=ALWAYS)
    west = await clinic.facility(operating_hours=ALWAYS, timezone="America/Los_Angeles")
    provider = await staffed(
        clinic,
        {"end_time": "10:00"},
        {"facility_id": west["id"], "day_of_week": 2, "end_time": "10:00"},
        facilities=[{"facility_id": east["id"]}, {"facility_id": west["id"]}],
    )
    slots = await found(clinic, provider)
    assert [(slot["time_zone"], slot["local_start"][11:16]) for slot in slots] == [
        ("America/New_York", "09:00"),
        ("America/New_York", "09:30"),
        ("America/Los_Angeles", "09:00"),
        ("America/Los_Angeles", "09:30"),
    ]
    assert await found(clinic, provider, facility_id=west["id"]) == slots[2:]
    assert await found(clinic, facility_id=west["id"]) == slots[2:]


async def test_anybody_by_start_and_no_more_than_asked_for(clinic: Clinic) -> None:
    one, two = await staffed(clinic), await staffed(clinic, {"start_time": "09:15"})
    gone = await staffed(clinic)
    body = clinic.provider_body(npi=gone["npi"], facilities=gone["facilities"], is_active=False)
    await clinic.put(f"/providers/{gone['id']}", body)
    slots = await found(clinic, to_date=day(27), first=12)
    assert len(slots) == 12
    assert [slot["start"] for slot in slots] == sorted(slot["start"] for slot in slots)
    assert {slot["provider_id"] for slot in slots} == {one["id"], two["id"]}
    assert slots[:5] == await found(clinic, first=5)
    assert slots == (await found(clinic, to_date=day(27), first=200))[:12]
    mine = await found(clinic, provider_id=[one["id"], two["id"]], to_date=day(27), first=12)
    assert mine == slots


async def test_only_the_future_is_offered(clinic: Clinic) -> None:
    every = [
        {"day_of_week": number, "start_time": "00:00", "end_time": "24:00", "slot_duration": 5}
        for number in range(7)
    ]
    provider = await staffed(clinic, *every)
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    for dates in ({"from_date": None, "to_date": None}, {"from_date": yesterday}):
        slots = await found(clinic, provider, first=1, duration_minutes=5, **dates)
        start = datetime.fromisoformat(slots[0]["start"])
        assert timedelta() < start - datetime.now(UTC) < timedelta(minutes=6)


async def test_time_off_and_extra_hours(clinic: Clinic) -> None:
    provider = await staffed(clinic, {}, {"day_of_week": 3})
    place = provider["facilities"][0]["facility_id"]
    path = f"/providers/{provider['id']}/exceptions"
    holiday = await clinic.make(path, {"day": day(2), "reason": "Conference"})
    noon = {"day": day(0), "start_time": "09:30", "end_time": "10:00"}
    await clinic.make(path, {**noon, "facility_id": place})
    extra = {"day": day(4), "start_time": "18:00", "end_time": "19:00", "is_available": True}
    await clinic.make(path, {**extra, "facility_id": place})
    assert await walls(clinic, provider, duration_minutes=20) == [
        "Mon 09:00",
        "Mon 10:00",
        "Mon 10:30",
        "Fri 18:00",
        "Fri 18:20",
        "Fri 18:40",
    ]
    assert holiday["start_time"] is None
    read = await clinic.get(f"{path}/{holiday['id']}")
    assert read.json()["data"] == holiday
    assert (await clinic.delete(f"{path}/{holiday['id']}")).status_code == 200
    assert (await clinic.delete(f"{path}/{holiday['id']}")).status_code == 404
    assert len([at for at in await walls(clinic, provider) if at.startswith("Wed")]) == 4


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"from_date": "2026-02-30"}, 400, "from_date"),
    ({"from_date": "tomorrow"}, 400, "from_date"),
    ({"to_date": "9999-12-31"}, 400, "to_date"),
    ({"duration_minutes": 4}, 400, "duration_minutes"),
    ({"duration_minutes": 1441}, 400, "duration_minutes"),
    ({"first": 0}, 400, "first"),
    ({"first": 201}, 400, "first"),
    ({"facility_id": "x"}, 400, "facility_id"),
    ({"appointment_type": ""}, 400, "appointment_type"),
    ({"from_date": day(1), "to_date": day(0)}, 422, "to_date"),
    ({"to_date": day(92)}, 422, "to_date"),
    ({"from_date": "2020-01-01", "to_date": "2020-01-31"}, 422, "to_date"),
    ({"from_date": day(800), "to_date": day(801)}, 422, "from_date"),
    ({"facility_id": str(new_id())}, 422, "facility_id"),
    ({"patient_id": str(new_id())}, 422, "patient_id"),
]


@pytest.mark.parametrize(("params", "status", "field"), BAD)
async def test_bad_input_is_named(
    clinic: Clinic, params: dict[str, Any], status: int, field: str
) -> None:
    provider = await staffed(clinic)
    for path in (None, provider):
        refused = await ask(clinic, path, **params)
        assert refused.status_code == status
        assert [d["field"] for d in refused.json()["error"]["details"]] == [field]


async def test_providers_who_cannot_be_asked_for_are_named(clinic: Clinic) -> None:
    provider, elsewhere = await staffed(clinic), await clinic.facility()
    unknown = str(new_id())
    refused = await ask(clinic, provider_id=[provider["id"], unknown])
    assert (refused.status_code, refused.json()["error"]["details"][0]["code"]) == (422, "unknown")
    assert (await ask(clinic, {"id": unknown})).status_code == 404
    refused = await ask(clinic, provider, facility_id=elsewhere["id"])
    assert refused.json()["error"]["details"][0]["code"] == "affiliation"
    many = await ask(clinic, provider_id=[str(new_id()) for _ in range(201)])
    assert many.json()["error"]["details"][0]["field"] == "provider_id"
    not_one = await ask(clinic, provider_id=[provider["id"], "x"])
    assert not_one.json()["error"]["details"][0]["field"] == "provider_id.1"


async def test_another_clinic_is_neither_asked_nor_seen(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    provider = await staffed(clinic)
    patient = await clinic.patient()
    assert await found(other_clinic) == []
    assert (await ask(other_clinic, provider)).status_code == 404
    for wish in ({"provider_id": provider["id"]}, {"patient_id": patient["id"]}):
        refused = await ask(other_clinic, **wish)
        assert refused.json()["error"]["details"][0]["code"] == "unknown"


async def test_a_providers_availability_shows_free_times_for_dates(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    path = f"/providers/{provider['id']}/availability"
    plain = await clinic.get(path)
    assert plain.json()["data"]["slots"] is None
    dates = {"from_date": day(0), "to_date": day(6)}
    dated = await clinic.get(path, params=dates)
    assert dated.json()["data"]["rules"] == plain.json()["data"]["rules"]
    assert dated.json()["data"]["slots"] == await found(clinic, provider)
    assert "etag" not in dated.headers
    short = await clinic.get(path, params={**dates, "duration_minutes": 60, "first": 1})
    [slot] = short.json()["data"]["slots"]
    assert slot["duration_minutes"] == 60
    late = await clinic.get(path, params={"from_date": day(6), "to_date": day(0)})
    assert late.status_code == 422

"""Providers with hours, searches and bookings, for the tests of scheduling."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from tests.client import Clinic

NEW_YORK = ZoneInfo("America/New_York")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALWAYS = {day: [{"open": "00:00", "close": "24:00"}] for day in DAYS}
TODAY = datetime.now(NEW_YORK).date()
MONDAY = TODAY + timedelta(days=7 - TODAY.weekday() + 7)  # the one after next


def day(number: int) -> str:
    """Return a date: 0 is the Monday that all tests use."""
    return (MONDAY + timedelta(days=number)).isoformat()


async def staffed(clinic: Clinic, *rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Register a provider with these weekly rules, Monday 9 to 11 unless told, always open."""
    if "facilities" not in fields:
        place = await clinic.facility(operating_hours=ALWAYS)
        fields["facilities"] = [{"facility_id": place["id"]}]
    provider = await clinic.provider(**fields)
    week = [
        {
            "facility_id": provider["facilities"][0]["facility_id"],
            "day_of_week": 1,
            "start_time": "09:00",
            "end_time": "11:00",
            "effective_from": "2026-01-01",
            **rule,
        }
        for rule in rules or ({},)
    ]
    response = await clinic.put(f"/providers/{provider['id']}/availability", {"rules": week})
    assert response.status_code == 200, response.text
    return provider


async def ask(clinic: Clinic, provider: dict[str, Any] | None = None, **params: Any) -> Any:
    """Search from Monday to Sunday unless told; return the answer."""
    params = {"from_date": day(0), "to_date": day(6), **params}
    params = {name: value for name, value in params.items() if value is not None}
    path = f"/providers/{provider['id']}/slots" if provider else "/appointments/availability"
    return await clinic.get(path, params=params)


async def found(clinic: Clinic, provider: dict[str, Any] | None = None, **params: Any) -> list[Any]:
    response = await ask(clinic, provider, **params)
    assert response.status_code == 200, response.text
    slots: list[Any] = response.json()["data"]["slots"]
    return slots


async def walls(clinic: Clinic, provider: dict[str, Any], **params: Any) -> list[str]:
    """Return weekday and wall time of each slot."""
    slots = await found(clinic, provider, **params)
    local = [datetime.fromisoformat(slot["local_start"]) for slot in slots]
    return [f"{at:%a %H:%M}" for at in local]


async def book(clinic: Clinic, slot: dict[str, Any], patient: dict[str, Any]) -> httpx.Response:
    return await clinic.post(
        "/appointments",
        {
            "patient_id": patient["id"],
            "provider_id": slot["provider_id"],
            "facility_id": slot["facility_id"],
            "appointment_type": "follow_up",
            "scheduled_start": slot["start"],
            "duration_minutes": slot["duration_minutes"],
        },
    )


def local(number: int, clock: str) -> str:
    """Return the instant at which New York's clocks show `clock` on that day."""
    return datetime.fromisoformat(f"{day(number)}T{clock}").replace(tzinfo=NEW_YORK).isoformat()


async def asked(
    clinic: Clinic, provider: dict[str, Any], clock: str = "09:00", **fields: Any
) -> dict[str, Any]:
    """Return a booking with `provider` on Monday, for a new patient unless told."""
    if "patient_id" not in fields:
        fields["patient_id"] = (await clinic.patient())["id"]
    return {
        "provider_id": provider["id"],
        "facility_id": provider["facilities"][0]["facility_id"],
        "appointment_type": "follow_up",
        "scheduled_start": local(0, clock),
        "duration_minutes": 30,
        **fields,
    }


async def booked(
    clinic: Clinic, provider: dict[str, Any], clock: str = "09:00", **fields: Any
) -> dict[str, Any]:
    """Book with `provider` on Monday."""
    return await clinic.make("/appointments", await asked(clinic, provider, clock, **fields))


async def kind(clinic: Clinic, code: str = "follow_up", **fields: Any) -> dict[str, Any]:
    """Make a type of visit."""
    body = {"code": code, "name": code, "duration_minutes": 30, **fields}
    return await clinic.make("/visit-types", body)


async def room(
    clinic: Clinic, provider: dict[str, Any], category: str = "exam", **fields: Any
) -> dict[str, Any]:
    """Make a room where `provider` works."""
    body = {
        "kind": "room",
        "facility_id": provider["facilities"][0]["facility_id"],
        "name": f"Room {clinic.number('room')}",
        "category": category,
        **fields,
    }
    return await clinic.make("/resources", body)


def faults(response: httpx.Response) -> list[tuple[str, str]]:
    """Return field and code of each detail of a refusal."""
    return [(one["field"], one["code"]) for one in response.json()["error"]["details"]]


def setting_aside(*rules: str) -> dict[str, Any]:
    """Return an override."""
    return {"allow": list(rules), "reason": "Squeezed in after a fall"}

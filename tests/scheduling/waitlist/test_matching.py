"""What is free already when a patient is put on the waitlist: shown to staff, offered by hand."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.notifications.support import NOON
from tests.scheduling.waitlist.desk import HOUR, START, Desk, at

DAY = f"{START:%Y-%m-%d}"
NOONISH: dict[str, Any] = {"starts_from": "12:00", "starts_before": "13:00"}


def walls(slots: list[dict[str, Any]]) -> list[str]:
    """Return day and wall time of each slot."""
    return [f"{datetime.fromisoformat(one['local_start']):%m-%d %H:%M}" for one in slots]


async def times(desk: Desk, entry: dict[str, Any]) -> list[str]:
    response = await desk.clinic.get(f"/waitlist/{entry['id']}/times")
    assert response.status_code == 200, response.text
    return walls(response.json()["data"]["slots"])


async def test_a_new_entry_is_shown_what_is_free_already_and_is_not_offered_it(desk: Desk) -> None:
    await desk.visit(START)
    entry = await desk.waiting(**desk.where, appointment_type="follow_up", earliest=DAY, **NOONISH)
    [first, *_] = entry["free_times"]
    days = [f"{START + timedelta(days=days):%m-%d}" for days in (0, 1, 2)]
    assert walls(entry["free_times"]) == [
        f"{days[0]} 12:30", f"{days[1]} 12:00", f"{days[1]} 12:30",
    ]  # fmt: skip
    assert await desk.sweep() == 0
    assert await desk.offers(entry) == []
    assert await desk.status(entry) == "waiting"
    # Staff offer it, and nobody is shown it any more.
    offered = await desk.by_hand(entry, scheduled_start=first["start"])
    assert offered.status_code == 201, offered.text
    other = await desk.waiting(**desk.where, earliest=DAY, latest=DAY, **NOONISH)
    assert other["free_times"] == []
    assert await times(desk, entry) == [f"{days[1]} 12:00", f"{days[1]} 12:30", f"{days[2]} 12:00"]
    audit = await desk.clinic.get("/audit", params={"entity_id": entry["patient_id"]})
    actions = [one["action"] for one in audit.json()["data"]["items"]]
    assert actions.count("availability") == 2


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"latest": DAY, "starts_from": "12:00", "starts_before": "12:30"}, ["12:00"]),
        ({"latest": DAY, "starts_from": "22:45", "starts_before": "24:00"}, ["23:00", "23:30"]),
        ({"latest": DAY, "duration_minutes": 60, **NOONISH}, ["12:00", "12:30"]),
        ({"days": [f"{START + timedelta(days=30):%A}".lower()], **NOONISH}, None),
    ],
)
async def test_what_is_shown_fits(
    desk: Desk, fields: dict[str, Any], wanted: list[str] | None
) -> None:
    entry = await desk.waiting(earliest=DAY, **fields)
    shown = walls(entry["free_times"])
    if wanted is not None:
        assert shown == [f"{DAY[5:]} {clock}" for clock in wanted]
    else:  # the first such weekday, and the next one a week later
        first, second = (START + timedelta(days=days) for days in (2, 9))
        assert shown == [
            f"{first:%m-%d} 12:00", f"{first:%m-%d} 12:30", f"{second:%m-%d} 12:00",
        ]  # fmt: skip
    assert await times(desk, entry) == shown


async def test_a_later_visit_is_moved_up_only(desk: Desk) -> None:
    visit = await desk.visit(START + HOUR)
    entry = await desk.waiting(
        patient_id=visit["patient_id"], appointment_id=visit["id"], earliest=DAY, **NOONISH
    )
    assert walls(entry["free_times"]) == [f"{DAY[5:]} 12:00", f"{DAY[5:]} 12:30"]
    far = await desk.waiting(earliest=f"{NOON + timedelta(days=1500):%Y-%m-%d}")
    assert far["free_times"] == []
    nobody = await desk.clinic.get(f"/waitlist/{visit['id']}/times")
    assert nobody.status_code == 404


async def test_the_patients_own_visits_are_kept_clear(desk: Desk) -> None:
    visit = await desk.visit(START, duration_minutes=60)
    answer = await desk.clinic.delete(f"/appointments/{visit['id']}", json={
        "cancellation_reason": "Patient asked for it",
    })  # fmt: skip
    assert answer.status_code == 200
    other = await desk.clinic.provider(facilities=[{"facility_id": desk.where["facility_id"]}])
    week = {
        "facility_id": desk.where["facility_id"], "day_of_week": (START.weekday() + 1) % 7,
        "start_time": "12:00", "end_time": "13:00", "effective_from": "2026-01-01",
    }  # fmt: skip
    await desk.clinic.put(f"/providers/{other['id']}/availability", {"rules": [week]})
    own = await desk.visit(START, provider_id=other["id"])
    entry = await desk.waiting(
        patient_id=own["patient_id"], earliest=DAY, latest=DAY, **desk.where, **NOONISH
    )
    assert walls(entry["free_times"]) == [f"{DAY[5:]} 12:30"]
    assert at(entry["free_times"][0]["end"]) == START + HOUR

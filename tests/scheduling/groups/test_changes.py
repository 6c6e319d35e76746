"""Group sessions that are moved, grow, shrink or are cancelled, and the seats in them."""

from typing import Any

import pytest

from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.groups.support import (
    NOON,
    REASON,
    assert_sound,
    at,
    refused,
    seated,
    session_body,
    session_of,
    take_seat,
    taken,
    visit_of,
)
from tests.scheduling.groups.test_api import colleague, room, visit_body

POLICY = {
    "cancel_notice_minutes": 0,
    "reschedule_notice_minutes": 0,
    "max_reschedules": None,
    "overbooking_lanes": 1,
    "waitlist_offer_minutes": 60,
    "recall_return_days": 15,
    "calendar_details": False,
}
NOTICE = 43_200  # minutes, 30 days: the tests' day is nearer


async def messages(clinic: Clinic, visit: dict[str, Any]) -> list[tuple[str, str]]:
    """Return kind and status of what a patient was or will be told of a visit."""
    listed = await clinic.get(f"/patients/{visit['patient_id']}/notifications")
    found = {
        (one["notification_type"].removeprefix("appointment_"), one["delivery_status"])
        for one in listed.json()["data"]["items"]
    }
    return sorted(found)


async def put(clinic: Clinic, session: dict[str, Any], body: dict[str, Any], **fields: Any) -> Any:
    return await clinic.put(f"/group-sessions/{session['id']}", {**body, **fields})


async def test_a_new_time_moves_every_seat_and_tells_the_patients(clinic: Clinic) -> None:
    body = await session_body(clinic)
    hall = await room(clinic, body)
    body |= {"resource_ids": [hall["id"]]}
    made = await clinic.make("/group-sessions", body)
    one, two, gone = [await seated(clinic, made) for _ in range(3)]
    await clinic.post(f"/appointments/{one['id']}/confirm")
    await clinic.delete(f"/appointments/{gone['id']}", json=REASON)
    changed = await put(clinic, made, body, scheduled_start=at(24))
    assert changed.status_code == 200
    assert changed.json()["data"]["seats_taken"] == 2
    for resource in (made["provider_id"], hall["id"], one["patient_id"], two["patient_id"]):
        assert (await taken(clinic, resource), await taken(clinic, resource, 24)) == (0, 1)
    assert await taken(clinic, gone["patient_id"], 24) == 0
    for visit in (one, two):
        seen = await visit_of(clinic, visit)
        assert seen["scheduled_start"] == changed.json()["data"]["scheduled_start"]
        assert (seen["status"], seen["reschedule_count"], seen["sequence"]) == ("scheduled", 1, 1)
        assert await messages(clinic, visit) == [
            ("confirmation", "superseded"), ("reminder", "pending"), ("reminder", "superseded"),
            ("rescheduled", "pending"),
        ]  # fmt: skip
    assert (await visit_of(clinic, gone))["scheduled_start"] == gone["scheduled_start"]
    entries = (await clinic.get("/audit", params={"entity_id": two["id"]})).json()["data"]["items"]
    assert [entry["action"] for entry in entries] == ["read", "reschedule", "create"]
    await assert_sound(clinic)


async def test_a_session_can_move_by_less_than_its_length(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    visit = await seated(clinic, made)
    assert (await put(clinic, made, body, scheduled_start=at(0.5))).status_code == 200
    assert (await taken(clinic, visit["patient_id"]), await taken(clinic, body["provider_id"])) == (
        0,
        0,
    )
    assert await taken(clinic, visit["patient_id"], 1.4) == 1
    await assert_sound(clinic)


async def test_another_provider_takes_over_and_the_patients_know(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    visit, other = await seated(clinic, made), await colleague(clinic, body)
    assert (await put(clinic, made, body, provider_id=other["id"])).status_code == 200
    assert (await visit_of(clinic, visit))["provider_id"] == other["id"]
    assert (await taken(clinic, made["provider_id"]), await taken(clinic, other["id"])) == (0, 1)
    assert ("rescheduled", "pending") in await messages(clinic, visit)
    await assert_sound(clinic)


async def test_a_move_onto_a_patients_other_visit_moves_nothing(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    one, busy = await seated(clinic, made), await seated(clinic, made)
    other = await session_body(clinic, scheduled_start=at(3.5))
    await clinic.make(
        "/appointments", await visit_body(clinic, other, patient_id=busy["patient_id"])
    )
    answer = await put(clinic, made, body, scheduled_start=at(3))
    refused(answer, "SLOT_TAKEN", "appointments")
    assert answer.json()["error"]["data"]["appointment_ids"] == [busy["id"]]
    assert await session_of(clinic, made) == {**made, "seats_taken": 2}
    for visit in (one, busy):
        assert await visit_of(clinic, visit) == visit
        assert await taken(clinic, visit["patient_id"]) == 1
    assert await taken(clinic, made["provider_id"]) == 1
    await assert_sound(clinic)


async def test_a_move_onto_the_providers_other_visit_moves_nothing(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    visit = await seated(clinic, made)
    await clinic.make("/appointments", await visit_body(clinic, body, scheduled_start=at(3.5)))
    answer = await put(clinic, made, body, scheduled_start=at(3))
    refused(answer, "SLOT_TAKEN", "provider_id")
    assert answer.json()["error"]["data"]["alternatives"]
    assert await visit_of(clinic, visit) == visit
    assert await taken(clinic, made["provider_id"]) == 1


async def test_title_and_seats_change_without_the_patients_hearing_of_it(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    visit = await seated(clinic, made)
    await seated(clinic, made)
    refused(await put(clinic, made, body, seats=1), "SEATS_TAKEN", "seats")
    changed = (await put(clinic, made, body, seats=2, title="Feet")).json()["data"]
    assert (changed["seats"], changed["title"], changed["version"]) == (2, "Feet", 2)
    refused(await take_seat(clinic, made), "GROUP_FULL")
    assert await visit_of(clinic, visit) == visit
    assert await messages(clinic, visit) == [("confirmation", "pending"), ("reminder", "pending")]
    assert (await put(clinic, made, body, seats=3)).status_code == 200
    await seated(clinic, made)


async def test_another_room_leaves_the_visits_as_they_are(clinic: Clinic) -> None:
    body = await session_body(clinic)
    one, two = await room(clinic, body), await room(clinic, body)
    made = await clinic.make("/group-sessions", {**body, "resource_ids": [one["id"]]})
    visit = await seated(clinic, made)
    assert (await put(clinic, made, body, resource_ids=[two["id"]])).status_code == 200
    assert (await taken(clinic, one["id"]), await taken(clinic, two["id"])) == (0, 1)
    assert await visit_of(clinic, visit) == visit
    await assert_sound(clinic)


async def test_cancelling_a_session_cancels_every_seat_and_frees_everybody(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    one, gone = await seated(clinic, made), await seated(clinic, made)
    await clinic.delete(f"/appointments/{gone['id']}", json={"cancellation_reason": "Moved away"})
    path = f"/group-sessions/{made['id']}"
    cancelled = (await clinic.delete(path, json=REASON)).json()["data"]
    assert (cancelled["status"], cancelled["seats_taken"], cancelled["version"]) == (
        "cancelled", 0, 2,
    )  # fmt: skip
    assert cancelled["cancellation_reason"] == REASON["cancellation_reason"]
    assert (await clinic.delete(path, json=REASON)).json()["data"] == cancelled
    seen = await visit_of(clinic, one)
    assert (seen["status"], seen["cancellation_reason"]) == (
        "cancelled",
        REASON["cancellation_reason"],
    )
    assert (await visit_of(clinic, gone))["cancellation_reason"] == "Moved away"
    assert await messages(clinic, one) == [
        ("cancelled", "pending"), ("confirmation", "cancelled"), ("reminder", "cancelled"),
    ]  # fmt: skip
    for resource in (made["provider_id"], one["patient_id"]):
        assert await taken(clinic, resource) == 0
    refused(await take_seat(clinic, made), "GROUP_NOT_OPEN")
    refused(await put(clinic, made, body), "GROUP_NOT_OPEN")
    await clinic.make("/group-sessions", body)
    await assert_sound(clinic)


async def test_patients_need_not_be_told(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic))
    visit = await seated(clinic, made)
    body = {**REASON, "notify_patient": False}
    await clinic.delete(f"/group-sessions/{made['id']}", json=body)
    assert ("cancelled", "pending") not in await messages(clinic, visit)


async def test_a_session_without_seats_is_cancelled_like_any(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic))
    await clinic.put("/scheduling-policy", {**POLICY, "cancel_notice_minutes": NOTICE})
    answer = await clinic.delete(f"/group-sessions/{made['id']}", json=REASON)
    assert answer.json()["data"]["status"] == "cancelled"
    assert await taken(clinic, made["provider_id"]) == 0


@pytest.mark.parametrize("rule", ["cancel_notice_minutes", "reschedule_notice_minutes"])
async def test_the_clinics_notice_holds_for_sessions_with_patients(
    clinic: Clinic, rule: str
) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    await seated(clinic, made)
    await clinic.put("/scheduling-policy", {**POLICY, rule: NOTICE})
    override = {"allow": ["late_change"], "reason": "Snow"}
    path = f"/group-sessions/{made['id']}"
    if rule == "cancel_notice_minutes":
        refused(await clinic.delete(path, json=REASON), "LATE_CHANGE", "scheduled_start")
        done = await clinic.delete(path, json={**REASON, "override": override})
    else:
        refused(await put(clinic, made, body, scheduled_start=at(5)), "LATE_CHANGE",
                "scheduled_start")  # fmt: skip
        assert (await put(clinic, made, body, title="Feet")).status_code == 200
        done = await put(clinic, made, body, scheduled_start=at(5), override=override)
    assert done.status_code == 200


async def test_a_seat_goes_through_the_life_of_any_visit(clinic: Clinic, clock: Clock) -> None:
    clock.at = NOON
    clock.forward(hours=-1)
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    here, missed, late = [await seated(clinic, made) for _ in range(3)]
    assert (await clinic.post(f"/appointments/{here['id']}/checkin")).status_code == 200
    # Somebody is there already: the session stays where it is, its name does not matter.
    refused(await put(clinic, made, body, scheduled_start=at(5)), "GROUP_NOT_OPEN")
    refused(await clinic.delete(f"/group-sessions/{made['id']}", json=REASON), "GROUP_NOT_OPEN")
    assert (await put(clinic, made, body, title="Feet")).status_code == 200
    clock.forward(hours=1.25)
    for visit, step in ((here, "start"), (here, "complete"), (missed, "no-show")):
        assert (await clinic.post(f"/appointments/{visit['id']}/{step}")).status_code == 200
    assert await taken(clinic, missed["patient_id"], 0.5) == 0
    undone = await clinic.post(f"/appointments/{missed['id']}/undo")
    assert undone.json()["data"]["status"] == "scheduled"
    assert await taken(clinic, missed["patient_id"], 0.5) == 1
    assert await taken(clinic, made["provider_id"], 0.5) == 1
    assert (await clinic.delete(f"/appointments/{late['id']}", json=REASON)).status_code == 200
    assert (await session_of(clinic, made))["seats_taken"] == 2
    refused(await take_seat(clinic, made), "GROUP_NOT_OPEN")
    refused(await put(clinic, made, body, title="Eyes"), "GROUP_NOT_OPEN")
    refused(await clinic.delete(f"/group-sessions/{made['id']}", json=REASON), "GROUP_NOT_OPEN")
    await assert_sound(clinic)

"""Group sessions through the public API."""

from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.scheduling.groups.support import (
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


async def colleague(clinic: Clinic, body: dict[str, Any]) -> dict[str, Any]:
    """Register another provider at the session's facility."""
    return await clinic.provider(facilities=[{"facility_id": body["facility_id"]}])


async def room(clinic: Clinic, body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Add a room at the session's facility."""
    said = {"kind": "room", "name": "Hall", "category": "hall", **fields}
    return await clinic.make("/resources", {"facility_id": body["facility_id"], **said})


async def visit_body(clinic: Clinic, body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a booking of half an hour at noon with the session's provider."""
    names = ("provider_id", "facility_id", "appointment_type", "scheduled_start")
    said = {"duration_minutes": 30, **{name: body[name] for name in names}, **fields}
    if "patient_id" not in said:
        said["patient_id"] = (await clinic.patient())["id"]
    return said


async def test_a_session_is_planned_and_read_back(clinic: Clinic) -> None:
    response = await clinic.post("/group-sessions", await session_body(clinic))
    made = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/group-sessions/{made['id']}"
    assert (made["status"], made["seats"], made["seats_taken"]) == ("scheduled", 3, 0)
    read = await clinic.get(f"/group-sessions/{made['id']}")
    assert read.json()["data"] == made
    assert read.headers["etag"] == '"1"'


async def test_a_session_takes_everybody_like_one_visit(clinic: Clinic) -> None:
    body = await session_body(clinic)
    nurse, hall = await colleague(clinic, body), await room(clinic, body)
    body |= {"additional_provider_ids": [nurse["id"]], "resource_ids": [hall["id"]]}
    made = await clinic.make("/group-sessions", body)
    assert made["resource_ids"] == [hall["id"]]
    for one in (body["provider_id"], nurse["id"], hall["id"]):
        assert await taken(clinic, one) == 1
    rivals = {
        "provider_id": await visit_body(clinic, body),
        "additional_provider_ids.0": await session_body(
            clinic, provider_id=(await colleague(clinic, body))["id"],
            facility_id=body["facility_id"], additional_provider_ids=[nurse["id"]],
        ),
        "resource_ids.0": await session_body(
            clinic, provider_id=(await colleague(clinic, body))["id"],
            facility_id=body["facility_id"], resource_ids=[hall["id"]],
        ),
    }  # fmt: skip
    for field, rival in rivals.items():
        path = "/appointments" if "patient_id" in rival else "/group-sessions"
        answer = await clinic.post(path, rival)
        refused(answer, "SLOT_TAKEN", field)
        assert answer.json()["error"]["data"]["alternatives"]
    await assert_sound(clinic)


async def test_a_room_that_the_type_needs_is_chosen(clinic: Clinic) -> None:
    body = await session_body(clinic)
    hall = await room(clinic, body)
    needs = [{"kind": "room", "category": "hall"}]
    said = {"code": "education", "name": "Education", "duration_minutes": 90, "requirements": needs}
    await clinic.make("/visit-types", {**said, "buffer_before_minutes": 15})
    made = await clinic.make("/group-sessions", {**body, "duration_minutes": None})
    assert (made["resource_ids"], made["duration_minutes"]) == ([hall["id"]], 90)
    assert (await taken(clinic, hall["id"], -0.25), await taken(clinic, hall["id"], -0.3)) == (1, 0)
    visit = await seated(clinic, made)
    assert await taken(clinic, visit["patient_id"], -0.25) == 0
    other = await colleague(clinic, body)
    refused(
        await clinic.post("/group-sessions", {**body, "provider_id": other["id"]}),
        "SLOT_TAKEN",
        "resource_ids",
    )


async def test_the_rules_of_booking_hold_for_a_session(clinic: Clinic) -> None:
    body = await session_body(clinic)
    stranger = await clinic.provider()
    for fields, field in (
        ({"scheduled_start": "2020-01-01T09:00:00Z"}, "scheduled_start"),
        ({"facility_id": stranger["facilities"][0]["facility_id"]}, "facility_id"),
        ({"provider_id": "01900000-0000-7000-8000-000000000000"}, "provider_id"),
        ({"additional_provider_ids": [body["provider_id"]]}, "additional_provider_ids.0"),
        ({"additional_provider_ids": [stranger["id"]]}, "additional_provider_ids"),
        ({"resource_ids": ["01900000-0000-7000-8000-000000000000"]}, "resource_ids.0"),
    ):
        answer = await clinic.post("/group-sessions", {**body, **fields})
        refused(answer, "UNPROCESSABLE", field, status=422)
    for name, value in (("seats", 0), ("seats", 501), ("duration_minutes", 4), ("title", "")):
        answer = await clinic.post("/group-sessions", {**body, name: value})
        refused(answer, "VALIDATION_ERROR", name, status=400)
    async with begin(clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM group_sessions")) == 0
        assert await tx.value(Command("SELECT count(*) FROM occupancy")) == 0


async def test_rules_are_set_aside_by_who_may(clinic: Clinic, running: Running) -> None:
    body = await session_body(clinic)
    rules: dict[str, Any] = {"rules": []}
    await clinic.put(f"/providers/{body['provider_id']}/availability", rules)
    refused(
        await clinic.post("/group-sessions", body), "UNPROCESSABLE", "scheduled_start", status=422
    )
    override = {"allow": ["outside_availability"], "reason": "Evening class"}
    made = await clinic.make("/group-sessions", {**body, "override": override})
    assert made["override"] == override
    scopes = frozenset({"appointments:write"})
    async with new_clinic(running.app, running.contract, scopes=scopes) as weak:
        answer = await weak.post("/group-sessions", {**body, "override": override})
        assert answer.status_code == 403


async def test_a_seat_is_a_visit_that_takes_its_patient_alone(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic))
    patient = await clinic.patient()
    response = await take_seat(clinic, made, patient_id=patient["id"], reason="New diagnosis")
    visit = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/appointments/{visit['id']}"
    assert visit["group_session_id"] == made["id"]
    for name in ("provider_id", "facility_id", "scheduled_start", "scheduled_end"):
        assert visit[name] == made[name]
    assert (visit["status"], visit["reason"]) == ("scheduled", "New diagnosis")
    assert await visit_of(clinic, visit) == visit
    assert (await session_of(clinic, made))["seats_taken"] == 1
    assert (await taken(clinic, patient["id"]), await taken(clinic, made["provider_id"])) == (1, 1)
    messages = await clinic.get(f"/patients/{patient['id']}/notifications")
    kinds = {one["notification_type"] for one in messages.json()["data"]["items"]}
    assert kinds == {"appointment_confirmation", "appointment_reminder"}
    listed = await clinic.get(f"/group-sessions/{made['id']}/appointments")
    assert listed.json()["data"]["items"] == [visit]
    await assert_sound(clinic)


async def test_no_more_seats_are_given_than_there_are(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic, seats=2))
    first, _ = await seated(clinic, made), await seated(clinic, made)
    refused(await take_seat(clinic, made), "GROUP_FULL")
    await clinic.delete(f"/appointments/{first['id']}", json=REASON)
    assert (await session_of(clinic, made))["seats_taken"] == 1
    await seated(clinic, made)
    refused(await take_seat(clinic, made), "GROUP_FULL")


async def test_a_patient_has_one_seat_and_no_other_visit_then(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    visit = await seated(clinic, made)
    patient_id = visit["patient_id"]
    refused(await take_seat(clinic, made, patient_id=patient_id), "ALREADY_SEATED", "patient_id")
    other = await session_body(clinic)
    rival = await visit_body(clinic, other, patient_id=patient_id, scheduled_start=at(0.5))
    refused(await clinic.post("/appointments", rival), "SLOT_TAKEN", "patient_id")
    busy = await clinic.make("/appointments", await visit_body(clinic, other))
    answer = await take_seat(clinic, made, patient_id=busy["patient_id"])
    refused(answer, "SLOT_TAKEN", "patient_id")
    await clinic.delete(f"/appointments/{visit['id']}", json=REASON)
    again = await seated(clinic, made, patient_id=patient_id)
    assert again["id"] != visit["id"]
    await assert_sound(clinic)


@pytest.mark.parametrize("whose", ["nobody", "other", "inactive"])
async def test_a_seat_is_for_a_patient_of_the_clinic(
    clinic: Clinic, other_clinic: Clinic, whose: str
) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic))
    patient_id = "01900000-0000-7000-8000-000000000000"
    if whose == "other":
        patient_id = (await other_clinic.patient())["id"]
    if whose == "inactive":
        patient_id = (await clinic.patient(is_active=False))["id"]
    answer = await take_seat(clinic, made, patient_id=patient_id)
    refused(answer, "UNPROCESSABLE", "patient_id", status=422)
    assert (await session_of(clinic, made))["seats_taken"] == 0


async def test_the_same_key_takes_one_seat(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic))
    body, headers = {"patient_id": (await clinic.patient())["id"]}, {"Idempotency-Key": "seat"}
    path = f"/group-sessions/{made['id']}/appointments"
    first, second = [await clinic.post(path, body, headers=headers) for _ in range(2)]
    assert first.json()["data"] == second.json()["data"]
    entries = await clinic.get("/audit", params={"entity_id": first.json()["data"]["id"]})
    assert [one["action"] for one in entries.json()["data"]["items"]] == ["replay", "create"]


async def test_a_seat_moves_with_its_session_only(clinic: Clinic) -> None:
    body = await session_body(clinic)
    nurse, hall = await colleague(clinic, body), await room(clinic, body)
    visit = await seated(clinic, await clinic.make("/group-sessions", body))
    path = f"/appointments/{visit['id']}"
    names = ("patient_id", "provider_id", "facility_id", "appointment_type", "duration_minutes",
             "scheduled_start")  # fmt: skip
    same = {name: visit[name] for name in names}
    for change in (
        {"scheduled_start": at(3)},
        {"duration_minutes": 30},
        {"provider_id": nurse["id"]},
        {"additional_provider_ids": [nurse["id"]]},
        {"resource_ids": [hall["id"]]},
    ):
        answer = await clinic.put(path, {**same, **change})
        refused(answer, "UNPROCESSABLE", "scheduled_start", status=422)
    answer = await clinic.post(f"{path}/reschedule", {"scheduled_start": at(3)})
    refused(answer, "UNPROCESSABLE", "scheduled_start", status=422)
    assert await visit_of(clinic, visit) == visit
    assert (await taken(clinic, nurse["id"])) == 0
    changed = await clinic.put(path, {**same, "reason": "Changed"})
    assert changed.json()["data"]["reason"] == "Changed"
    await assert_sound(clinic)


async def test_lists_are_filtered_and_paged(clinic: Clinic) -> None:
    body = await session_body(clinic)
    first = await clinic.make("/group-sessions", body)
    second = await clinic.make("/group-sessions", {**body, "scheduled_start": at(2)})
    elsewhere = await session_body(clinic)
    nurse = await colleague(clinic, elsewhere)
    elsewhere["additional_provider_ids"] = [nurse["id"]]
    strange = await clinic.make("/group-sessions", elsewhere)
    await clinic.delete(f"/group-sessions/{second['id']}", json=REASON)

    async def ids(**params: Any) -> set[str]:
        listed = await clinic.get("/group-sessions", params=params)
        return {one["id"] for one in listed.json()["data"]["items"]}

    assert await ids() == {first["id"], second["id"], strange["id"]}
    assert await ids(provider_id=body["provider_id"]) == {first["id"], second["id"]}
    assert await ids(provider_id=nurse["id"]) == {strange["id"]}
    assert await ids(facility_id=strange["facility_id"]) == {strange["id"]}
    assert await ids(status="cancelled") == {second["id"]}
    assert await ids(**{"from": at(1)}) == {second["id"]}
    assert await ids(to=at(1)) == {first["id"], strange["id"]}
    page = await clinic.get("/group-sessions", params={"limit": 2})
    cursor = page.json()["data"]["next_cursor"]
    assert await ids(limit=2, cursor=cursor) == {second["id"]}


async def test_seats_are_listed_by_page_and_the_reading_is_audited(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic))
    visits = [await seated(clinic, made) for _ in range(3)]
    path, seen = f"/group-sessions/{made['id']}/appointments", []
    params: dict[str, Any] = {"limit": 2}
    while True:
        data = (await clinic.get(path, params=params)).json()["data"]
        seen += [one["id"] for one in data["items"]]
        if data["next_cursor"] is None:
            break
        params = {"limit": 2, "cursor": data["next_cursor"]}
    assert seen == [one["id"] for one in visits]
    entries = await clinic.get("/audit", params={"entity_id": visits[2]["id"]})
    assert [one["action"] for one in entries.json()["data"]["items"]] == ["list", "create"]


async def test_every_change_of_a_session_is_audited_and_emitted(clinic: Clinic) -> None:
    body = await session_body(clinic)
    made = await clinic.make("/group-sessions", body)
    path = f"/group-sessions/{made['id']}"
    await clinic.put(path, {**body, "title": "Feet"}, headers={"If-Match": '"1"'})
    stale = await clinic.delete(path, json=REASON, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    await clinic.delete(path, json=REASON, headers={"If-Match": '"2"'})
    entries = (await clinic.get("/audit", params={"entity_id": made["id"]})).json()["data"]["items"]
    assert [entry["action"] for entry in entries] == ["cancel", "update", "create"]
    assert entries[1]["changes"]["after"]["title"] == "Feet"
    async with begin(clinic.caller) as tx:
        events = await tx.values(
            Command("SELECT event_type FROM outbox WHERE entity_type = 'group_session' ORDER BY id")
        )
    assert events == ["group_session.created", "group_session.updated", "group_session.cancelled"]


async def test_who_has_a_session_to_come_is_not_removed(clinic: Clinic) -> None:
    body = await session_body(clinic)
    nurse = await colleague(clinic, body)
    made = await clinic.make("/group-sessions", {**body, "additional_provider_ids": [nurse["id"]]})
    refused(await clinic.delete(f"/providers/{nurse['id']}"), "PROVIDER_IN_USE", "appointments")
    refused(
        await clinic.delete(f"/providers/{body['provider_id']}"), "PROVIDER_IN_USE", "appointments"
    )
    answer = await clinic.delete(f"/facilities/{body['facility_id']}")
    refused(answer, "FACILITY_IN_USE", "appointments", "providers")
    await clinic.delete(f"/group-sessions/{made['id']}", json=REASON)
    for path in (
        f"/providers/{nurse['id']}",
        f"/providers/{body['provider_id']}",
        f"/facilities/{body['facility_id']}",
    ):
        assert (await clinic.delete(path)).status_code == 200


async def test_who_joins_a_visit_to_come_is_not_removed(clinic: Clinic) -> None:
    body = await session_body(clinic)
    nurse = await colleague(clinic, body)
    visit = await clinic.make(
        "/appointments", await visit_body(clinic, body, additional_provider_ids=[nurse["id"]])
    )
    refused(await clinic.delete(f"/providers/{nurse['id']}"), "PROVIDER_IN_USE", "appointments")
    await clinic.delete(f"/appointments/{visit['id']}", json=REASON)
    assert (await clinic.delete(f"/providers/{nurse['id']}")).status_code == 200


async def test_a_session_is_one_of_a_days_visits(clinic: Clinic) -> None:
    facility = await clinic.facility()
    provider = await clinic.provider(
        facilities=[{"facility_id": facility["id"]}], max_daily_capacity=1
    )
    body = await session_body(clinic, provider_id=provider["id"], facility_id=facility["id"])
    made = await clinic.make("/group-sessions", body)
    for _ in range(2):
        await seated(clinic, made)
    refused(
        await clinic.post("/appointments", await visit_body(clinic, body, scheduled_start=at(3))),
        "DAY_FULL",
        "provider_id",
    )
    await clinic.delete(f"/group-sessions/{made['id']}", json=REASON)
    await clinic.make("/appointments", await visit_body(clinic, body, scheduled_start=at(3)))
    answer = await clinic.post("/group-sessions", body)
    refused(answer, "DAY_FULL", "provider_id")

"""Visits that take several providers, rooms and equipment."""

from typing import Any
from uuid import uuid4

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.scheduling.support import (
    ask,
    asked,
    booked,
    faults,
    found,
    kind,
    local,
    room,
    staffed,
    walls,
)

_TAKEN = Command(
    "SELECT count(*) FROM occupancy o JOIN resource r ON r.id = o.resource_id WHERE r.kind = $1"
)


async def taken(clinic: Clinic, what: str) -> int:
    async with begin(clinic.caller) as tx:
        count: int = await tx.value(_TAKEN, what)
    return count


async def test_a_visit_takes_everybody_at_once_or_nobody(clinic: Clinic) -> None:
    doctor = await staffed(clinic)
    place = doctor["facilities"]
    nurse, other = await staffed(clinic, facilities=place), await staffed(clinic, facilities=place)
    bay = await room(clinic, doctor)
    scope = await room(clinic, doctor, "ultrasound", kind="equipment")
    together: Any = {
        "additional_provider_ids": [nurse["id"]],
        "resource_ids": [bay["id"], scope["id"]],
    }
    made = await booked(clinic, doctor, **together)
    assert made["additional_provider_ids"] == [nurse["id"]]
    assert made["resource_ids"] == [bay["id"], scope["id"]]
    cases: Any = (
        ({"additional_provider_ids": [nurse["id"]]}, "additional_provider_ids.0"),
        ({"resource_ids": [bay["id"]]}, "resource_ids.0"),
        ({"resource_ids": [scope["id"]]}, "resource_ids.0"),
    )
    for fields, field in cases:
        refused = await clinic.post("/appointments", await asked(clinic, other, "09:15", **fields))
        assert faults(refused) == [(field, "taken")]
    assert (await clinic.post("/appointments", await asked(clinic, nurse))).status_code == 409
    assert [await taken(clinic, what) for what in ("provider", "room", "equipment")] == [2, 1, 1]
    reason = {"cancellation_reason": "Patient asked for it"}
    await clinic.delete(f"/appointments/{made['id']}", json=reason)
    assert [await taken(clinic, what) for what in ("provider", "room", "equipment")] == [0, 0, 0]


async def test_the_others_must_work_then_and_there(clinic: Clinic) -> None:
    doctor = await staffed(clinic)
    nurse = await staffed(clinic, {"end_time": "10:00"}, facilities=doctor["facilities"])
    stranger = await staffed(clinic)
    late = await asked(clinic, doctor, "10:00", additional_provider_ids=[nurse["id"]])
    assert faults(await clinic.post("/appointments", late)) == [
        ("additional_provider_ids", "availability")
    ]
    away = await asked(clinic, doctor, additional_provider_ids=[stranger["id"]])
    assert faults(await clinic.post("/appointments", away)) == [
        ("additional_provider_ids", "affiliation")
    ]
    for wrong, code in ((str(uuid4()), "unknown"), (doctor["id"], "distinct")):
        body = await asked(clinic, doctor, additional_provider_ids=[wrong])
        assert faults(await clinic.post("/appointments", body))[0][1] == code


async def test_a_provider_is_shown_what_they_join(clinic: Clinic) -> None:
    doctor = await staffed(clinic)
    place = doctor["facilities"]
    nurse, other = await staffed(clinic, facilities=place), await staffed(clinic, facilities=place)
    path = f"/providers/{nurse['id']}/appointments"

    async def listed(path: str = path, **params: Any) -> list[str]:
        ids: list[str] = []
        cursor = None
        while True:
            response = await clinic.get(path, params={"limit": 1, **params} | (
                {"cursor": cursor} if cursor else {}
            ))  # fmt: skip
            assert response.status_code == 200, response.text
            data = response.json()["data"]
            ids += [one["id"] for one in data["items"]]
            cursor = data["next_cursor"]
            if cursor is None:
                return ids

    assert await listed() == []
    first = await booked(clinic, doctor, "09:00", additional_provider_ids=[nurse["id"]])
    own = await booked(clinic, nurse, "09:30")
    last = await booked(clinic, other, "10:00", additional_provider_ids=[nurse["id"]])
    alone = await booked(clinic, doctor, "10:30")
    assert await listed() == [first["id"], own["id"], last["id"]]
    assert await listed(role="own") == [own["id"]]
    assert await listed(role="joined") == [first["id"], last["id"]]
    assert await listed("/appointments", provider_id=nurse["id"]) == await listed()
    assert await listed("/appointments") == [one["id"] for one in (first, own, last, alone)]
    # A visit that was cancelled takes nobody's time and is listed all the same.
    reason = {"cancellation_reason": "Patient asked for it"}
    await clinic.delete(f"/appointments/{last['id']}", json=reason)
    assert await listed(status="cancelled") == [last["id"]]
    # Who joins no more is shown it no more, and whoever joins now is.
    body = await asked(clinic, doctor, patient_id=first["patient_id"])
    await clinic.put(
        f"/appointments/{first['id']}", {**body, "additional_provider_ids": [other["id"]]}
    )
    assert await listed() == [own["id"], last["id"]]
    assert await listed(f"/providers/{other['id']}/appointments") == [first["id"], last["id"]]
    assert (await clinic.get(path, params={"role": "both"})).status_code == 400


async def test_a_room_is_listed_with_its_visits(clinic: Clinic) -> None:
    doctor = await staffed(clinic)
    first, second = await room(clinic, doctor), await room(clinic, doctor)
    both = await booked(clinic, doctor, "09:00", resource_ids=[first["id"], second["id"]])
    one = await booked(clinic, doctor, "09:30", resource_ids=[first["id"]])
    await booked(clinic, doctor, "10:30")
    for wanted, visits in ((first, [both["id"], one["id"]]), (second, [both["id"]])):
        for besides in ({}, {"provider_id": doctor["id"]}):
            params = {"resource_id": wanted["id"], **besides}
            items = (await clinic.get("/appointments", params=params)).json()["data"]["items"]
            assert [visit["id"] for visit in items] == visits


async def test_rooms_must_exist_be_active_and_stand_there(clinic: Clinic) -> None:
    doctor, elsewhere = await staffed(clinic), await staffed(clinic)
    far, shut = await room(clinic, elsewhere), await room(clinic, doctor, is_active=False)
    cases = (
        (str(uuid4()), "unknown"),
        (far["id"], "affiliation"),
        (shut["id"], "inactive"),
        (doctor["id"], "unknown"),  # a provider is no room
    )
    for wrong, code in cases:
        refused = await clinic.post(
            "/appointments", await asked(clinic, doctor, resource_ids=[wrong])
        )
        assert faults(refused) == [("resource_ids.0", code)]


async def test_what_a_type_needs_is_chosen(clinic: Clinic) -> None:
    needs = [{"kind": "room", "category": "exam", "count": 1}]
    await kind(clinic, requirements=needs, buffer_after_minutes=15)
    doctors = [await staffed(clinic)]
    place = doctors[0]["facilities"]
    doctors += [await staffed(clinic, facilities=place) for _ in range(2)]
    rooms = [await room(clinic, doctors[0]) for _ in range(2)]
    await room(clinic, doctors[0], "store")  # another category
    made = [await booked(clinic, doctor) for doctor in doctors[:2]]
    chosen = [one for visit in made for one in visit["resource_ids"]]
    assert sorted(chosen) == sorted(one["id"] for one in rooms)
    # Both rooms are taken until 9:45, for each visit keeps its room a quarter of an hour longer.
    refused = await clinic.post("/appointments", await asked(clinic, doctors[2], "09:30"))
    assert faults(refused) == [("resource_ids", "taken")]
    assert "exam" in refused.json()["error"]["details"][0]["reason"]
    assert await walls(clinic, doctors[2], appointment_type="follow_up") == [
        "Mon 10:00", "Mon 10:30",
    ]  # fmt: skip
    assert (await booked(clinic, doctors[2], "09:45"))["resource_ids"]


async def test_a_named_room_counts_towards_what_the_type_needs(clinic: Clinic) -> None:
    needs = [{"kind": "room", "category": "exam", "count": 2}]
    await kind(clinic, requirements=needs)
    doctor = await staffed(clinic)
    rooms = [await room(clinic, doctor) for _ in range(3)]
    made = await booked(clinic, doctor, resource_ids=[rooms[2]["id"]])
    assert made["resource_ids"][0] == rooms[2]["id"]
    assert len(made["resource_ids"]) == 2


async def test_a_moved_visit_may_have_another_room_of_its_category(clinic: Clinic) -> None:
    await kind(clinic, requirements=[{"kind": "room", "category": "exam", "count": 1}])
    doctor = await staffed(clinic)
    nurse = await staffed(clinic, facilities=doctor["facilities"])
    rooms = [await room(clinic, doctor) for _ in range(2)]
    made = await booked(clinic, doctor)
    [own] = made["resource_ids"]
    await booked(clinic, nurse, "10:00", resource_ids=[own])
    path = f"/appointments/{made['id']}"
    to = await asked(clinic, doctor, "09:30", patient_id=made["patient_id"])
    moved = await clinic.post(f"{path}/reschedule", {"scheduled_start": to["scheduled_start"]})
    assert moved.json()["data"]["resource_ids"] == [own]  # the same while it is free
    to = await asked(clinic, doctor, "10:00", patient_id=made["patient_id"])
    moved = await clinic.post(f"{path}/reschedule", {"scheduled_start": to["scheduled_start"]})
    [now] = moved.json()["data"]["resource_ids"]
    assert now in {one["id"] for one in rooms} - {own}


async def test_a_moved_visit_keeps_the_room_that_was_named(clinic: Clinic) -> None:
    await kind(clinic, requirements=[{"kind": "room", "category": "exam", "count": 2}])
    doctor = await staffed(clinic)
    nurse = await staffed(clinic, facilities=doctor["facilities"])
    own, *others = [await room(clinic, doctor) for _ in range(4)]
    made = await booked(clinic, doctor, resource_ids=[own["id"]])
    assert made["named_resource_ids"] == [own["id"]]
    chosen = made["resource_ids"][1]
    await booked(clinic, nurse, "10:00", resource_ids=[own["id"], chosen])
    path = f"/appointments/{made['id']}"
    body: dict[str, Any] = {"scheduled_start": local(0, "10:00")}
    refused = await clinic.post(f"{path}/reschedule", body)
    assert (refused.status_code, faults(refused)) == (409, [("resource_ids.0", "taken")])
    # What is offered instead has the room free.
    offered = [one["local_start"][11:16] for one in refused.json()["error"]["data"]["alternatives"]]
    assert offered[0] == "09:30"
    assert "10:00" not in offered
    # The room that was chosen is exchanged, and whoever writes it back has not named it.
    written = await asked(
        clinic, doctor, patient_id=made["patient_id"], resource_ids=made["resource_ids"]
    )
    same = (await clinic.put(path, written)).json()["data"]
    assert same["named_resource_ids"] == [own["id"]]
    free = await clinic.post(f"{path}/reschedule", {**body, "resource_ids": []})
    now = free.json()["data"]
    assert (free.status_code, now["named_resource_ids"]) == (200, [])
    assert set(now["resource_ids"]) <= {one["id"] for one in others} - {chosen}
    named = [now["resource_ids"][0]]
    body = {"scheduled_start": local(0, "09:30"), "resource_ids": named}
    back = (await clinic.post(f"{path}/reschedule", body)).json()["data"]
    assert back["named_resource_ids"] == named
    assert back["resource_ids"][0] == named[0]


async def test_a_named_room_that_was_retired_is_exchanged(clinic: Clinic) -> None:
    await kind(clinic, requirements=[{"kind": "room", "category": "exam", "count": 1}])
    doctor = await staffed(clinic)
    own, other = [await room(clinic, doctor) for _ in range(2)]
    made = await booked(clinic, doctor, resource_ids=[own["id"]])
    fields = {name: own[name] for name in ("kind", "facility_id", "name", "category", "capacity")}
    retired = await clinic.put(
        f"/resources/{own['id']}", {**fields, "is_active": False, "keep_visits": True}
    )
    assert retired.status_code == 200, retired.text
    path = f"/appointments/{made['id']}/reschedule"
    now = (await clinic.post(path, {"scheduled_start": local(0, "10:00")})).json()["data"]
    assert (now["resource_ids"], now["named_resource_ids"]) == ([other["id"]], [])


async def test_a_bay_takes_as_many_as_it_has_chairs(clinic: Clinic) -> None:
    doctors = [await staffed(clinic)]
    doctors += [await staffed(clinic, facilities=doctors[0]["facilities"]) for _ in range(3)]
    bay = await room(clinic, doctors[0], "infusion", capacity=3)
    fields: Any = {"resource_ids": [bay["id"]]}
    first, *_ = [await booked(clinic, doctor, **fields) for doctor in doctors[:3]]
    full = await clinic.post("/appointments", await asked(clinic, doctors[3], **fields))
    assert faults(full) == [("resource_ids.0", "taken")]
    slots = await found(clinic, doctors[3], resource_id=bay["id"])
    assert slots[0]["local_start"][11:16] == "09:30"
    reason = {"cancellation_reason": "Patient asked for it"}
    await clinic.delete(f"/appointments/{first['id']}", json=reason)
    await booked(clinic, doctors[3], **fields)


async def test_the_search_keeps_the_others_and_the_rooms_free(clinic: Clinic) -> None:
    doctor = await staffed(clinic)
    nurse = await staffed(clinic, {"start_time": "09:30"}, facilities=doctor["facilities"])
    bay = await room(clinic, doctor)
    await booked(clinic, nurse, "10:00", resource_ids=[bay["id"]])
    both = {"additional_provider_id": nurse["id"], "resource_id": bay["id"]}
    assert await walls(clinic, doctor, **both) == ["Mon 09:30", "Mon 10:30"]
    anybody = await found(clinic, facility_id=doctor["facilities"][0]["facility_id"], **both)
    assert {slot["provider_id"] for slot in anybody} == {doctor["id"]}
    unknown = await ask(clinic, doctor, resource_id=str(uuid4()))
    assert faults(unknown) == [("resource_ids.0", "unknown")]


async def test_rooms_that_take_turns_are_no_room(clinic: Clinic) -> None:
    await kind(clinic, requirements=[{"kind": "room", "category": "exam", "count": 1}])
    doctors = [await staffed(clinic)]
    place = doctors[0]["facilities"]
    doctors += [await staffed(clinic, facilities=place) for _ in range(2)]
    one, two = [await room(clinic, doctors[0]) for _ in range(2)]
    await booked(clinic, doctors[0], "09:00", resource_ids=[one["id"]], duration_minutes=60)
    await booked(clinic, doctors[1], "10:00", resource_ids=[two["id"]], duration_minutes=60)
    # At each minute one room is free, and none of them for an hour from 9:30.
    body = await asked(clinic, doctors[2], "09:30", duration_minutes=60)
    assert faults(await clinic.post("/appointments", body)) == [("resource_ids", "taken")]
    assert await walls(
        clinic, doctors[2], appointment_type="follow_up", duration_minutes=60
    ) == ["Mon 09:00", "Mon 10:00"]  # fmt: skip

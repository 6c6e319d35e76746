"""Rooms and equipment through the public API."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import queries, rules
from tests.client import Clinic

WAITING = Command("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
_VISIT = Command(
    "WITH visit AS (INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, resource_ids, status,"
    " held_until, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'infusion', $6::timestamptz,"
    " $6 + $7 * interval '1 minute', $7::int, ARRAY[$8::uuid],"
    " CASE WHEN $10::timestamptz IS NULL THEN 'scheduled' ELSE 'held' END, $10, $6, $6)"
    " RETURNING tenant_id, id, scheduled_start, scheduled_end)"
    " INSERT INTO occupancy (tenant_id, resource_id, lane, starts_at, ends_at, appointment_id,"
    " held_until) SELECT tenant_id, $8, $9, scheduled_start, scheduled_end, id, $10 FROM visit"
)
_LANES = Command(
    "SELECT lane FROM occupancy WHERE resource_id = $1 ORDER BY starts_at, appointment_id"
)


async def room_body(clinic: Clinic, **fields: Any) -> dict[str, Any]:
    if "facility_id" not in fields:
        fields["facility_id"] = (await clinic.facility())["id"]
    return {"kind": "room", "name": "Bay 1", "category": "infusion", **fields}


class Visits:
    """Writes visits behind the API that have a place of one room, hours from now."""

    def __init__(self, clinic: Clinic, room: dict[str, Any], provider: dict[str, Any]) -> None:
        self.clinic, self.room, self.provider = clinic, room, provider

    async def add(
        self, hours: float, *, minutes: int = 60, lane: int = 0, held: float | None = None
    ) -> UUID:
        """Add a visit; `held` is in how many hours its hold expires."""
        patient, visit_id = await self.clinic.patient(), new_id()
        async with begin(self.clinic.caller) as tx:
            until = None if held is None else tx.now + timedelta(hours=held)
            await tx.run(
                _VISIT, visit_id, self.clinic.tenant_id, UUID(patient["id"]),
                UUID(self.provider["id"]), UUID(self.room["facility_id"]),
                tx.now + timedelta(hours=hours), minutes, UUID(self.room["id"]), lane, until,
            )  # fmt: skip
        return visit_id

    async def lanes(self) -> list[int]:
        """Return the places of all of them, by start."""
        async with begin(self.clinic.caller) as tx:
            return await tx.values(_LANES, UUID(self.room["id"]))


async def with_visits(clinic: Clinic, **fields: Any) -> Visits:
    provider = await clinic.provider()
    facility_id = provider["facilities"][0]["facility_id"]
    room = await clinic.make(
        "/resources", await room_body(clinic, facility_id=facility_id, **fields)
    )
    return Visits(clinic, room, provider)


def write_of(room: dict[str, Any], **fields: Any) -> dict[str, Any]:
    names = ("kind", "facility_id", "name", "category", "capacity", "is_active")
    return {**{name: room[name] for name in names}, **fields}


async def put(clinic: Clinic, room: dict[str, Any], **fields: Any) -> Any:
    return await clinic.put(f"/resources/{room['id']}", write_of(room, **fields))


def fields_of(refused: Any) -> list[str]:
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "RESOURCE_IN_USE"
    return [detail["field"] for detail in refused.json()["error"]["details"]]


async def test_a_room_is_added_changed_and_read_back(clinic: Clinic) -> None:
    body = await room_body(clinic, capacity=4)
    response = await clinic.post("/resources", body)
    made = response.json()["data"]
    assert response.status_code == 201
    assert {name: made[name] for name in body} == body
    path = f"/resources/{made['id']}"
    assert (await clinic.get(path)).json()["data"] == made
    assert (await clinic.get(path, headers={"If-None-Match": '"1"'})).status_code == 304
    elsewhere = (await clinic.facility())["id"]
    new = write_of(
        made, kind="equipment", name="Pump", category="pump", capacity=2, is_active=False,
        facility_id=elsewhere,
    )  # fmt: skip
    changed = (await clinic.put(path, new, headers={"If-Match": '"1"'})).json()["data"]
    assert {name: changed[name] for name in new} == new
    assert changed["version"] == 2
    assert (await clinic.get(path)).json()["data"] == changed
    for method, json in (("PUT", new), ("DELETE", None)):
        stale = await clinic.send(method, path, json=json, headers={"If-Match": '"1"'})
        assert stale.status_code == 412


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"facility_id": "01900000-0000-7000-8000-000000000000"}, 422, "facility_id"),
        ({"kind": "provider"}, 400, "kind"),
        ({"kind": "patient"}, 400, "kind"),
        ({"capacity": 0}, 400, "capacity"),
        ({"capacity": 101}, 400, "capacity"),
        ({"category": ""}, 400, "category"),
        ({"name": " "}, 400, "name"),
    ],
    ids=str,
)
async def test_a_bad_room_names_the_field_and_writes_nothing(
    clinic: Clinic, fields: dict[str, Any], status: int, named: str
) -> None:
    made = await clinic.make("/resources", await room_body(clinic))
    for refused in (
        await clinic.post("/resources", write_of(made, **fields)),
        await put(clinic, made, **fields),
    ):
        assert refused.status_code == status
        assert [d["field"] for d in refused.json()["error"]["details"]] == [named]
    assert (await clinic.get("/resources")).json()["data"]["items"] == [made]


async def test_a_facility_of_another_clinic_or_a_removed_one_is_unknown(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    theirs, gone = await other_clinic.facility(), await clinic.facility()
    await clinic.delete(f"/facilities/{gone['id']}")
    for facility in (theirs, gone):
        refused = await clinic.post(
            "/resources", await room_body(clinic, facility_id=facility["id"])
        )
        assert refused.json()["error"]["details"][0]["code"] == "unknown"


async def test_a_room_of_a_removed_facility_can_still_be_put_out_of_service(
    clinic: Clinic,
) -> None:
    made = await clinic.make("/resources", await room_body(clinic))
    await clinic.delete(f"/facilities/{made['facility_id']}")
    assert (await put(clinic, made, is_active=False)).status_code == 200


async def test_providers_and_patients_are_no_resources_here(clinic: Clinic) -> None:
    provider, patient = await clinic.provider(), await clinic.patient()
    body = await room_body(clinic, facility_id=provider["facilities"][0]["facility_id"])
    for party in (provider, patient):
        path = f"/resources/{party['id']}"
        assert (await clinic.get(path)).status_code == 404
        assert (await clinic.put(path, body)).status_code == 404
        assert (await clinic.delete(path)).status_code == 404
    assert (await clinic.get("/resources")).json()["data"]["items"] == []
    async with begin(clinic.caller) as tx:
        kinds = await tx.values(Command("SELECT kind FROM resource ORDER BY kind"))
    assert kinds == ["patient", "provider"]


async def test_lists_are_filtered_and_paged_by_name(clinic: Clinic) -> None:
    one, two = (await clinic.facility())["id"], (await clinic.facility())["id"]
    bodies = [
        {"name": "B", "facility_id": one},
        {"name": "A", "facility_id": two, "kind": "equipment"},
        {"name": "A", "facility_id": one, "category": "eye"},
        {"name": "C", "facility_id": one, "is_active": False},
    ]
    for body in bodies:
        await clinic.make("/resources", await room_body(clinic, **body))
    seen, params = [], {"limit": 1}
    while True:
        data = (await clinic.get("/resources", params=params)).json()["data"]
        seen += [item["name"] for item in data["items"]]
        if data["next_cursor"] is None:
            break
        params = {"limit": 1, "cursor": data["next_cursor"]}
    assert seen == ["A", "A", "B", "C"]

    async def names(**filters: str) -> list[str]:
        listed = await clinic.get("/resources", params=filters)
        return [item["name"] for item in listed.json()["data"]["items"]]

    assert await names(kind="equipment") == ["A"]
    assert await names(kind="room") == ["A", "B", "C"]
    assert await names(facility_id=two) == ["A"]
    assert await names(category="infusion", facility_id=one) == ["B", "C"]
    assert await names(is_active="false") == ["C"]


async def test_kind_and_place_stay_while_visits_are_to_come(clinic: Clinic) -> None:
    visits = await with_visits(clinic)
    elsewhere = (await clinic.facility())["id"]
    await visits.add(-30)  # over
    await visits.add(2, held=-1)  # a hold that has expired
    moved = await put(clinic, visits.room, kind="equipment")
    assert moved.status_code == 200
    visits.room = (await put(clinic, visits.room)).json()["data"]
    await visits.add(-0.25)  # under way
    changes = {"kind": "equipment", "facility_id": elsewhere}
    assert fields_of(await put(clinic, visits.room, **changes)) == ["kind", "facility_id"]
    for name, value in changes.items():
        assert fields_of(await put(clinic, visits.room, **{name: value})) == [name]
    assert (await put(clinic, visits.room, name="New", category="other")).status_code == 200


async def test_a_hold_that_stands_counts_as_a_visit(clinic: Clinic) -> None:
    visits = await with_visits(clinic)
    await visits.add(24, held=1)
    assert fields_of(await put(clinic, visits.room, kind="equipment")) == ["kind"]


async def test_out_of_service_needs_an_explicit_choice_while_visits_are_to_come(
    clinic: Clinic,
) -> None:
    visits = await with_visits(clinic)
    await visits.add(24)
    assert fields_of(await put(clinic, visits.room, is_active=False)) == ["is_active"]
    changed = await put(clinic, visits.room, is_active=False, keep_visits=True)
    assert changed.json()["data"]["is_active"] is False
    assert await visits.lanes() == [0]
    # It is out of service already, so other changes are not asked again.
    assert (await put(clinic, visits.room, is_active=False, name="Old")).status_code == 200
    kind = await put(clinic, visits.room, is_active=False, keep_visits=True, kind="equipment")
    assert fields_of(kind) == ["kind"]


async def test_the_capacity_is_not_lowered_below_what_is_booked_at_once(clinic: Clinic) -> None:
    visits = await with_visits(clinic, capacity=4)
    for lane in range(3):
        await visits.add(24 + lane / 10, lane=lane)
    assert fields_of(await put(clinic, visits.room, capacity=2)) == ["capacity"]
    assert await visits.lanes() == [0, 1, 2]
    assert (await put(clinic, visits.room, capacity=3)).status_code == 200


async def test_visits_move_together_when_a_lower_capacity_suffices(clinic: Clinic) -> None:
    visits = await with_visits(clinic, capacity=4)
    await visits.add(24, lane=3)
    await visits.add(24.5, lane=2)
    await visits.add(25, lane=0)  # follows the first at once
    await visits.add(25.5, lane=1)
    await visits.add(26, lane=2, held=1)
    await visits.add(24, lane=1, held=-1)  # expired: in nobody's way
    changed = await put(clinic, visits.room, capacity=2)
    assert changed.json()["data"]["capacity"] == 2
    assert await visits.lanes() == [0, 1, 0, 1, 0]
    assert fields_of(await put(clinic, visits.room, capacity=1)) == ["capacity"]


async def test_visits_that_overlap_exchange_their_places(clinic: Clinic) -> None:
    visits = await with_visits(clinic, capacity=3)
    await visits.add(24, lane=1)
    await visits.add(24.5, lane=0)
    await visits.add(30, lane=2)
    assert (await put(clinic, visits.room, capacity=2)).status_code == 200
    assert await visits.lanes() == [0, 1, 0]


async def test_a_visit_under_way_keeps_its_place(clinic: Clinic) -> None:
    visits = await with_visits(clinic, capacity=2)
    await visits.add(-0.25, lane=1)
    assert fields_of(await put(clinic, visits.room, capacity=1)) == ["capacity"]
    assert await visits.lanes() == [1]


async def test_what_is_over_does_not_hold_the_capacity(clinic: Clinic) -> None:
    visits = await with_visits(clinic, capacity=2)
    await visits.add(-2, lane=1)
    await visits.add(24, lane=0)
    assert (await put(clinic, visits.room, capacity=1)).status_code == 200
    assert await visits.lanes() == [1, 0]


async def test_a_change_waits_for_a_booking_and_then_sees_it(clinic: Clinic) -> None:
    visits = await with_visits(clinic)
    keys = rules.lock_keys(clinic.tenant_id, [UUID(visits.room["id"])])
    async with begin(clinic.caller) as tx:  # a booking that has its locks
        await tx.values(queries.LOCK, keys)
        racing = [
            asyncio.create_task(put(clinic, visits.room, is_active=False)),
            asyncio.create_task(clinic.delete(f"/resources/{visits.room['id']}")),
        ]
        async with asyncio.timeout(1.5):
            while await tx.value(WAITING) < len(racing):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
        await visits.add(24)  # what the booking writes
    changed, deleted = await asyncio.gather(*racing)
    assert fields_of(changed) == ["is_active"]
    assert fields_of(deleted) == ["id"]


async def test_a_cancellation_in_between_leaves_no_place_taken(clinic: Clinic) -> None:
    visits = await with_visits(clinic, capacity=2)
    cancelled = await visits.add(24, lane=1)
    async with begin(clinic.caller) as tx:  # a cancellation that is not committed yet
        await tx.run(queries.RELEASE, cancelled)
        busy = await put(clinic, visits.room, capacity=1)
        assert (busy.status_code, busy.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await put(clinic, visits.room, capacity=1)).status_code == 200
    assert await visits.lanes() == []


async def test_only_what_was_never_used_is_removed(clinic: Clinic) -> None:
    unused = await clinic.make("/resources", await room_body(clinic))
    path = f"/resources/{unused['id']}"
    assert (await clinic.delete(path)).json()["data"] is None
    assert (await clinic.get(path)).status_code == 404
    assert (await clinic.delete(path)).status_code == 404

    visits = await with_visits(clinic)
    visit_id = await visits.add(-100)
    path = f"/resources/{visits.room['id']}"
    assert fields_of(await clinic.delete(path)) == ["id"]
    async with begin(clinic.caller) as tx:  # cancelled: the visit names the room all the same
        await tx.run(queries.RELEASE, visit_id)
    assert fields_of(await clinic.delete(path)) == ["id"]
    assert (await put(clinic, visits.room, is_active=False)).status_code == 200


async def test_a_room_that_is_being_booked_is_not_removed(clinic: Clinic) -> None:
    room = await clinic.make("/resources", await room_body(clinic))
    async with begin(clinic.caller) as tx:
        held = Command("SELECT id FROM resource WHERE id = $1 FOR KEY SHARE")
        await tx.value(held, UUID(room["id"]))
        async with asyncio.timeout(1):  # at once: the booking may wait for the lock we have
            refused = await clinic.delete(f"/resources/{room['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await clinic.delete(f"/resources/{room['id']}")).status_code == 200


async def test_every_write_of_a_room_is_audited(clinic: Clinic) -> None:
    made = await clinic.make("/resources", await room_body(clinic))
    await put(clinic, made, name="New")
    await clinic.delete(f"/resources/{made['id']}")
    entries = (await clinic.get("/audit", params={"entity_id": made["id"]})).json()["data"]["items"]
    assert [entry["action"] for entry in entries] == ["delete", "update", "create"]
    assert {entry["entity_type"] for entry in entries} == {"resource"}
    assert entries[1]["changes"]["after"]["name"] == "New"


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("change", ["removed", "is_active", "facility_id", "category"])
async def test_a_room_that_changes_while_it_is_being_booked_is_not_taken(
    clinic: Clinic, change: str, named: bool
) -> None:
    visits = await with_visits(clinic)
    room = visits.room
    needs = [{"kind": "room", "category": "infusion"}]
    said = {"code": "infusion", "name": "Infusion", "duration_minutes": 30, "requirements": needs}
    await clinic.make("/visit-types", said)
    to = {"is_active": False, "facility_id": (await clinic.facility())["id"], "category": "other"}
    start = (datetime.now(UTC) + timedelta(days=9)).replace(second=0, microsecond=0)
    body = {
        "patient_id": (await clinic.patient())["id"],
        "provider_id": visits.provider["id"],
        "facility_id": room["facility_id"],
        "appointment_type": "infusion",
        "scheduled_start": start.isoformat(),
        "resource_ids": [room["id"]] if named else [],
    }
    async with begin(clinic.caller) as tx:
        await tx.values(queries.LOCK, rules.lock_keys(clinic.tenant_id, [UUID(room["id"])]))
        first = (
            clinic.delete(f"/resources/{room['id']}")
            if change == "removed"
            else put(clinic, room, **{change: to[change]})
        )
        racing = []
        for number, rival in enumerate((first, clinic.post("/appointments", body)), 1):
            racing.append(asyncio.ensure_future(rival))
            async with asyncio.timeout(0.9):
                while await tx.value(WAITING) < number:  # noqa: ASYNC110  PostgreSQL tells nobody
                    await asyncio.sleep(0.01)
    changed, booked = await asyncio.gather(*racing)
    assert changed.status_code == 200
    assert (booked.status_code, booked.json()["error"]["code"]) == (409, "CONFLICT")
    async with begin(clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM occupancy")) == 0

"""A facility's closed days and extra opening hours through the public API."""

from typing import Any

import pytest

from tests.client import Clinic
from tests.scheduling.hours import on, surgery


async def test_they_are_listed_by_day_and_apart_from_the_providers(clinic: Clinic) -> None:
    doctor = await surgery(clinic)
    path = f"{doctor.facility}/exceptions"
    place = doctor.place["id"]
    await clinic.make(doctor.exceptions, {"day": on(3), "facility_id": place})
    made = [await clinic.make(path, {"day": on(number)}) for number in (5, 3, 9, 3)]
    wanted = sorted(made, key=lambda one: (one["day"], one["id"]))
    first = (await clinic.get(path, params={"limit": 3})).json()["data"]
    cursor = first["next_cursor"]
    rest = (await clinic.get(path, params={"limit": 3, "cursor": cursor})).json()["data"]
    assert first["items"] + rest["items"] == wanted
    some = await clinic.get(path, params={"from_date": on(4), "to_date": on(5)})
    assert some.json()["data"]["items"] == [wanted[2]]
    [own] = (await clinic.get(doctor.exceptions)).json()["data"]["items"]
    assert (await clinic.get(f"{path}/{own['id']}")).status_code == 404
    assert (await clinic.delete(f"{path}/{own['id']}")).status_code == 404


async def test_they_decide_what_can_be_booked(clinic: Clinic) -> None:
    hours = {"monday": [{"open": "09:00", "close": "11:00"}]}
    doctor = await surgery(clinic, {"end_time": "24:00"}, operating_hours=hours)
    path = f"{doctor.facility}/exceptions"

    async def walls() -> list[str]:
        answer = await clinic.get(
            f"/providers/{doctor.provider['id']}/slots",
            params={"from_date": on(0), "to_date": on(0)},
        )
        return [slot["local_start"][11:16] for slot in answer.json()["data"]["slots"]]

    usual = ["09:00", "09:30", "10:00", "10:30"]
    assert await walls() == usual
    late = {"day": on(0), "start_time": "20:00", "end_time": "21:00", "is_available": True}
    await clinic.make(path, late)
    assert await walls() == [*usual, "20:00", "20:30"]
    part = await clinic.make(path, {"day": on(0), "start_time": "09:30", "end_time": "10:30"})
    assert await walls() == ["09:00", "10:30", "20:00", "20:30"]
    closed = await clinic.make(path, {"day": on(0), "reason": "Founders' Day"})
    assert await walls() == []
    for one in (part, closed):
        await clinic.delete(f"{path}/{one['id']}")
    assert await walls() == [*usual, "20:00", "20:30"]
    logs = await clinic.get("/audit", params={"entity_id": closed["id"]})
    assert {row["action"] for row in logs.json()["data"]["items"]} == {"create", "delete"}


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"day": on(-30)}, 422, "day"),
        ({"start_time": "09:00"}, 422, "end_time"),
        ({"end_time": "09:00"}, 422, "start_time"),
        ({"end_time": "24:01", "start_time": "09:00"}, 400, "end_time"),
        ({"facility_id": None}, 400, "facility_id"),
    ],
)
async def test_bad_input_is_named_and_nothing_is_written(
    clinic: Clinic, fields: dict[str, Any], status: int, field: str
) -> None:
    path = f"/facilities/{(await clinic.facility())['id']}/exceptions"
    refused = await clinic.post(path, {"day": on(0), **fields})
    assert refused.status_code == status
    assert [one["field"] for one in refused.json()["error"]["details"]] == [field]
    assert (await clinic.get(path)).json()["data"]["items"] == []

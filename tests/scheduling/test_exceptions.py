"""Time off and extra hours through the public API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client import Clinic


def day(number: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=number)).isoformat()


async def test_exceptions_are_listed_by_day_a_page_at_a_time(clinic: Clinic) -> None:
    provider = await clinic.provider()
    path = f"/providers/{provider['id']}/exceptions"
    made = [await clinic.make(path, {"day": day(number)}) for number in (5, 3, 9, 3)]
    wanted = sorted(made, key=lambda one: (one["day"], one["id"]))
    first = (await clinic.get(path, params={"limit": 3})).json()["data"]
    cursor = first["next_cursor"]
    rest = (await clinic.get(path, params={"limit": 3, "cursor": cursor})).json()["data"]
    assert first["items"] + rest["items"] == wanted
    days = {"from_date": day(4), "to_date": day(5)}
    some = (await clinic.get(path, params=days)).json()["data"]
    assert some["items"] == [wanted[2]]
    refused = await clinic.get(path, params={"cursor": cursor, **days})
    assert refused.json()["error"]["details"][0]["field"] == "cursor"


async def test_making_and_removing_are_audited(clinic: Clinic) -> None:
    provider = await clinic.provider()
    path = f"/providers/{provider['id']}/exceptions"
    place = provider["facilities"][0]["facility_id"]
    body = {
        "day": day(2), "facility_id": place, "start_time": "22:00", "end_time": "02:00",
        "is_available": True, "reason": "Night clinic",
    }  # fmt: skip
    made = await clinic.make(path, body)
    assert {name: made[name] for name in body} == body
    await clinic.delete(f"{path}/{made['id']}")
    logs = await clinic.get("/audit", params={"entity_id": made["id"]})
    assert {row["action"] for row in logs.json()["data"]["items"]} == {"create", "delete"}


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"day": None}, 400, "day"),
    ({"day": "2026-02-30"}, 400, "day"),
    ({"start_time": "9:00", "end_time": "10:00"}, 400, "start_time"),
    ({"start_time": "09:00", "end_time": "24:01"}, 400, "end_time"),
    ({"is_available": "yes"}, 400, "is_available"),
    ({"provider_id": "x"}, 400, "provider_id"),
    ({"day": day(-3)}, 422, "day"),
    ({"start_time": "09:00"}, 422, "end_time"),
    ({"end_time": "09:00"}, 422, "start_time"),
    ({"is_available": True}, 422, "facility_id"),
    ({"facility_id": "5f0c1c3e-0000-7000-8000-000000000000"}, 422, "facility_id"),
]


@pytest.mark.parametrize(("fields", "status", "field"), BAD)
async def test_bad_input_is_named_and_nothing_is_written(
    clinic: Clinic, fields: dict[str, Any], status: int, field: str
) -> None:
    provider = await clinic.provider()
    path = f"/providers/{provider['id']}/exceptions"
    refused = await clinic.post(path, {"day": day(2), **fields})
    assert refused.status_code == status
    assert [d["field"] for d in refused.json()["error"]["details"]] == [field]
    assert (await clinic.get(path)).json()["data"]["items"] == []

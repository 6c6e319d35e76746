"""Visit types through the public API."""

import asyncio
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic

ROOM = {"kind": "room", "category": "infusion", "count": 2}


def type_body(**fields: Any) -> dict[str, Any]:
    return {"code": "infusion", "name": "Infusion", "duration_minutes": 180, **fields}


async def test_a_visit_type_is_added_and_read_back(clinic: Clinic) -> None:
    body = type_body(
        description="Day 1", buffer_before_minutes=10, buffer_after_minutes=15,
        min_notice_minutes=1440, horizon_days=365, requirements=[ROOM], is_active=False,
    )  # fmt: skip
    response = await clinic.post("/visit-types", body)
    made = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/visit-types/{made['id']}"
    assert {name: made[name] for name in body} == body
    read = await clinic.get(f"/visit-types/{made['id']}")
    assert read.json()["data"] == made
    assert read.headers["etag"] == '"1"'
    again = await clinic.get(f"/visit-types/{made['id']}", headers={"If-None-Match": '"1"'})
    assert again.status_code == 304


async def test_what_is_not_told_has_a_default(clinic: Clinic) -> None:
    made = await clinic.make("/visit-types", type_body())
    defaults: dict[str, Any] = {
        "description": None, "buffer_before_minutes": 0, "buffer_after_minutes": 0,
        "min_notice_minutes": 0, "horizon_days": 731, "requirements": [], "is_active": True,
    }  # fmt: skip
    assert {name: made[name] for name in defaults} == defaults


async def test_a_change_replaces_every_field(clinic: Clinic) -> None:
    made = await clinic.make("/visit-types", type_body(requirements=[ROOM], description="x"))
    path, body = f"/visit-types/{made['id']}", type_body(code="check", duration_minutes=20)
    changed = (await clinic.put(path, body, headers={"If-Match": '"1"'})).json()["data"]
    assert (changed["code"], changed["duration_minutes"], changed["version"]) == ("check", 20, 2)
    assert (changed["requirements"], changed["description"]) == ([], None)
    assert (await clinic.get(path)).json()["data"] == changed
    for method, json in (("PUT", body), ("DELETE", None)):
        stale = await clinic.send(method, path, json=json, headers={"If-Match": '"1"'})
        assert stale.status_code == 412


async def test_a_code_is_one_types_only(clinic: Clinic, other_clinic: Clinic) -> None:
    await clinic.make("/visit-types", type_body())
    other = await clinic.make("/visit-types", type_body(code="Infusion"))  # capitals count
    for refused in (
        await clinic.post("/visit-types", type_body()),
        await clinic.put(f"/visit-types/{other['id']}", type_body()),
    ):
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "CODE_TAKEN"
        assert [d["field"] for d in refused.json()["error"]["details"]] == ["code"]
    await other_clinic.make("/visit-types", type_body())
    kept = await clinic.put(f"/visit-types/{other['id']}", type_body(code="Infusion", name="B"))
    assert kept.json()["data"]["name"] == "B"


async def test_of_many_who_add_one_code_one_wins(clinic: Clinic) -> None:
    answers = await asyncio.gather(*(clinic.post("/visit-types", type_body()) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    codes = {answer.json().get("error", {}).get("code") for answer in answers}
    assert codes == {None, "CODE_TAKEN"}


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"duration_minutes": 1440, "buffer_after_minutes": 1}, 422, "duration_minutes"),
        ({"duration_minutes": 961, "buffer_before_minutes": 240, "buffer_after_minutes": 240}, 422,
         "duration_minutes"),
        ({"requirements": [ROOM, {**ROOM, "count": 1}]}, 422, "requirements.1"),
        ({"duration_minutes": 4}, 400, "duration_minutes"),
        ({"duration_minutes": 1441}, 400, "duration_minutes"),
        ({"buffer_before_minutes": 241}, 400, "buffer_before_minutes"),
        ({"buffer_after_minutes": -1}, 400, "buffer_after_minutes"),
        ({"min_notice_minutes": 525_601}, 400, "min_notice_minutes"),
        ({"horizon_days": 732}, 400, "horizon_days"),
        ({"horizon_days": 0}, 400, "horizon_days"),
        ({"code": ""}, 400, "code"),
        ({"code": "x" * 51}, 400, "code"),
        ({"requirements": [{**ROOM, "kind": "provider"}]}, 400, "requirements.0.kind"),
        ({"requirements": [{**ROOM, "count": 11}]}, 400, "requirements.0.count"),
        ({"requirements": [{**ROOM, "count": 0}]}, 400, "requirements.0.count"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_bad_visit_type_names_the_field_and_writes_nothing(
    clinic: Clinic, fields: dict[str, Any], status: int, named: str
) -> None:
    made = await clinic.make("/visit-types", type_body(code="good"))
    for refused in (
        await clinic.post("/visit-types", type_body(**fields)),
        await clinic.put(f"/visit-types/{made['id']}", type_body(**fields)),
    ):
        assert refused.status_code == status
        assert [d["field"] for d in refused.json()["error"]["details"]] == [named]
    listed = (await clinic.get("/visit-types")).json()["data"]["items"]
    assert listed == [made]


async def test_the_longest_visits_with_buffers_are_a_day(clinic: Clinic) -> None:
    fields = {"buffer_before_minutes": 240, "buffer_after_minutes": 240}
    await clinic.make("/visit-types", type_body(duration_minutes=960, **fields))
    await clinic.make("/visit-types", type_body(code="day", duration_minutes=1440))


async def test_a_removed_type_is_gone_and_its_code_is_free(clinic: Clinic) -> None:
    made = await clinic.make("/visit-types", type_body())
    path = f"/visit-types/{made['id']}"
    assert (await clinic.delete(path)).json()["data"] is None
    assert (await clinic.get(path)).status_code == 404
    assert (await clinic.put(path, type_body())).status_code == 404
    assert (await clinic.delete(path)).status_code == 404
    await clinic.make("/visit-types", type_body())


async def test_lists_are_filtered_and_paged_by_code(clinic: Clinic) -> None:
    for code in ("b", "a", "C"):
        await clinic.make("/visit-types", type_body(code=code, is_active=code != "b"))
    seen, params = [], {"limit": 1}
    while True:
        data = (await clinic.get("/visit-types", params=params)).json()["data"]
        seen += [one["code"] for one in data["items"]]
        if data["next_cursor"] is None:
            break
        params = {"limit": 1, "cursor": data["next_cursor"]}
    assert seen == ["C", "a", "b"]

    async def codes(**filters: str) -> list[str]:
        listed = await clinic.get("/visit-types", params=filters)
        return [one["code"] for one in listed.json()["data"]["items"]]

    assert await codes(is_active="false") == ["b"]
    assert await codes(code="a") == ["a"]
    assert await codes(code="a", is_active="false") == []


async def test_every_write_of_a_type_is_audited(clinic: Clinic) -> None:
    made = await clinic.make("/visit-types", type_body())
    await clinic.put(f"/visit-types/{made['id']}", type_body(name="New"))
    await clinic.delete(f"/visit-types/{made['id']}")
    entries = (await clinic.get("/audit", params={"entity_id": made["id"]})).json()["data"]["items"]
    assert [entry["action"] for entry in entries] == ["delete", "update", "create"]
    assert {entry["entity_type"] for entry in entries} == {"visit_type"}
    assert entries[1]["changes"]["before"]["name"] == "Infusion"
    assert entries[1]["changes"]["after"]["name"] == "New"


async def test_the_same_key_adds_one_type(clinic: Clinic) -> None:
    headers = {"Idempotency-Key": "type"}
    answers = [await clinic.post("/visit-types", type_body(), headers=headers) for _ in range(2)]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    async with begin(clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM visit_types")) == 1

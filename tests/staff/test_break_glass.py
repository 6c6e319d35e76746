"""Break-glass access (SEC-18): a reason, one hour, an alert, a mark in the audit."""

import time
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin, database
from tests.client import Clinic
from tests.staff.conftest import Person

BODY = {"reason": "Unconscious at the desk."}
EVENTS = Command("SELECT event_type FROM outbox WHERE entity_type = 'break_glass' ORDER BY id")


async def broken(who: Clinic) -> dict[str, Any]:
    """Break the glass and wait until it holds: a second at most."""
    glass = await who.make("/break-glass", BODY)
    await until(who, 200)
    return glass


async def until(who: Clinic, status: int) -> None:
    started = time.monotonic()
    while (await who.get("/dosing-times")).status_code != status:
        assert time.monotonic() - started < 1.5


async def review(clinic: Clinic) -> str:
    """Return the id of the one review that waits for somebody."""
    listed = await clinic.get("/tasks", params={"code": "review_break_glass"})
    [task] = listed.json()["data"]["items"]
    return str(task["id"])


async def test_sec_18_it_shows_what_a_clinician_sees_and_is_marked(
    clinic: Clinic, person: Person
) -> None:
    patient = await clinic.patient(insurance_info={"payer": "Acme"})
    path, who = f"/patients/{patient['id']}", await person("front_desk")
    assert (await who.get(f"{path}/medications")).status_code == 403
    glass = await broken(who)
    assert (await who.get(f"{path}/medications")).status_code == 200
    read = (await who.get(path)).json()["data"]
    assert read["insurance_info"] == {"payer": "Acme"}
    # It is a view: what they may write stays as it was.
    assert (await who.put("/dosing-times", {})).status_code == 403
    body = {**clinic.patient_body(), "insurance_info": {}}
    assert (await who.post("/patients", body)).status_code == 400
    await who.post("/patients", clinic.patient_body())
    told = {"user_id": glass["staff_id"], "outcome": "success"}
    rows = (await clinic.get("/audit", params=told)).json()["data"]
    marked = [one for one in rows["items"] if one["metadata"].get("breakGlass") == glass["id"]]
    assert {(one["entity_type"], one["action"]) for one in marked} >= {
        ("patient", "read"), ("patient", "create"), ("medication", "list"),
    }  # fmt: skip
    assert {one["metadata"]["purpose"] for one in marked} == {"break_glass"}
    before = {one["entity_type"] for one in rows["items"] if one not in marked}
    assert before == {"break_glass", "task"}  # what breaking it wrote


async def test_sec_18_what_was_hidden_shows_although_the_version_is_known(
    clinic: Clinic, person: Person
) -> None:
    patient = await clinic.patient(insurance_info={"payer": "Acme"})
    path, who = f"/patients/{patient['id']}", await person("front_desk")
    known = {"If-None-Match": (await who.get(path)).headers["etag"]}
    assert (await who.get(path, headers=known)).status_code == 304
    await broken(who)
    assert (await who.get(path, headers=known)).json()["data"]["insurance_info"]


async def test_sec_18_colleagues_are_told(clinic: Clinic, person: Person) -> None:
    who = await person("front_desk")
    glass = await who.make("/break-glass", BODY)
    [task] = (await clinic.get("/tasks")).json()["data"]["items"]
    assert (task["code"], task["priority"], task["focus_id"]) == (
        "review_break_glass", "urgent", glass["id"],
    )  # fmt: skip
    administrator = await person("administrator")
    listed = await administrator.get("/break-glass", params={"staff_id": glass["staff_id"]})
    assert listed.json()["data"]["items"] == [glass]
    assert (await administrator.get(f"/break-glass/{glass['id']}")).json()["data"] == glass
    assert (await who.get("/break-glass")).status_code == 403
    async with begin(clinic.caller) as tx:
        assert await tx.values(EVENTS) == ["break_glass.started"]


async def test_sec_18_who_broke_it_does_not_deal_with_the_review(
    clinic: Clinic, person: Person
) -> None:
    who, colleague = await person("front_desk"), await person("front_desk")
    await broken(who)
    path = f"/tasks/{await review(clinic)}"
    bodies: dict[str, dict[str, Any]] = {
        "claim": {"worker": "Dana Lee"}, "release": {}, "complete": {"outcome": "reviewed"},
        "cancel": {"reason": "mistake"},
    }  # fmt: skip
    for step in ("claim", "complete", "cancel"):
        refused = await who.post(f"{path}/{step}", bodies[step])
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "OWN_REVIEW")
    assert (await clinic.get(path)).json()["data"]["version"] == 1
    # A colleague takes it up; what that one holds is not taken from them or put back either.
    assert (await colleague.post(f"{path}/claim", bodies["claim"])).status_code == 200
    for step, body in bodies.items():
        assert (await who.post(f"{path}/{step}", body)).status_code == 403
    assert (await colleague.post(f"{path}/complete", bodies["complete"])).status_code == 200
    # Neither an administrator's own: the role is no way round it.
    chief = await person("administrator")
    await chief.make("/break-glass", BODY)
    mine = f"/tasks/{await review(clinic)}"
    assert (await chief.post(f"{mine}/cancel", bodies["cancel"])).status_code == 403
    assert (await colleague.post(f"{mine}/cancel", bodies["cancel"])).status_code == 200


async def test_sec_18_it_ends_after_an_hour_although_it_is_remembered(
    clinic: Clinic, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await person("front_desk")
    glass = await broken(who)
    held, now = who.app.state.authority.people, database().clock()
    token = who.http.headers["authorization"].removeprefix("Bearer ")
    for minutes, seen in ((59, True), (60, False)):
        for person_, _ in held.proved.values():
            object.__setattr__(person_, "until", time.time() + 9999)
        at = now + timedelta(minutes=minutes)
        caller = await held.authenticate(token, now=at, clinic=None)
        assert ("medications:read" in caller.scopes) is seen
        assert (caller.emergency_id is not None) is seen
    # After that another hour needs another reason.
    assert (await who.post("/break-glass", BODY)).json()["error"]["code"] == "GLASS_BROKEN"
    later = now + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(database(), "clock", lambda: later)
    again = await who.post("/break-glass", BODY)
    assert again.status_code == 201
    old = (await clinic.get(f"/break-glass/{glass['id']}")).json()["data"]
    assert old["ended_at"] == old["expires_at"]


async def test_sec_18_it_is_ended_by_oneself_or_an_administrator(
    clinic: Clinic, person: Person
) -> None:
    who, colleague = await person("front_desk"), await person("front_desk")
    glass = await broken(who)
    path = f"/break-glass/{glass['id']}"
    assert (await colleague.delete(path)).status_code == 403
    assert (await who.delete(path, headers={"If-Match": '"7"'})).status_code == 412
    ended = await who.delete(path)
    assert ended.json()["data"]["ended_at"] is not None
    await until(who, 403)
    assert (await who.delete(path)).json()["error"]["code"] == "GLASS_ENDED"
    second = await broken(who)
    administrator = await person("administrator")
    assert (await administrator.delete(f"/break-glass/{second['id']}")).status_code == 200
    await until(who, 403)
    async with begin(clinic.caller) as tx:
        assert await tx.values(EVENTS) == ["break_glass.started", "break_glass.ended"] * 2


async def test_sec_18_a_reason_and_a_person_are_needed(clinic: Clinic, person: Person) -> None:
    who = await person("front_desk")
    for body in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 1001}):
        answer = await who.post("/break-glass", body)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == "reason"
    assert (await clinic.post("/break-glass", BODY)).status_code == 403  # a key is nobody
    for role in ("auditor", "clinician"):
        assert (await (await person(role)).post("/break-glass", BODY)).status_code == 403
    assert (await clinic.get("/break-glass")).json()["data"]["items"] == []

"""Plans through the API."""

from typing import Any
from uuid import uuid4

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic

SMS = {"channel": "sms", "timeout_minutes": 30, "evidence": "delivered"}
EMAIL = {"channel": "email", "timeout_minutes": 60, "evidence": "accepted"}
_AUDITED = Command(
    "SELECT action FROM audit_logs WHERE entity_type = 'notification_plan' ORDER BY id"
)


async def made(clinic: Clinic, kind: str = "appointment_reminder") -> dict[str, Any]:
    return await clinic.make(
        "/notification-plans", {"notification_type": kind, "steps": [EMAIL, SMS]}
    )


async def in_force(clinic: Clinic) -> dict[str, dict[str, Any]]:
    answer = await clinic.get("/notification-plans/in-force")
    return {one["notification_type"]: one for one in answer.json()["data"]["plans"]}


async def test_a_plan_is_made_read_changed_and_removed(clinic: Clinic) -> None:
    plan = await made(clinic)
    assert plan["steps"] == [EMAIL, SMS]
    path = f"/notification-plans/{plan['id']}"
    answer = await clinic.get(path)
    assert answer.json()["data"] == plan
    assert answer.headers["etag"] == '"1"'
    changed = await clinic.put(
        path, json={"steps": [{"channel": "push"}]}, headers={"If-Match": '"1"'}
    )
    assert changed.json()["data"]["steps"] == [
        {"channel": "push", "timeout_minutes": 60, "evidence": "delivered"}
    ]
    stale = await clinic.put(path, json={"steps": [SMS]}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await clinic.delete(path)).status_code == 200
    assert (await clinic.get(path)).status_code == 404
    async with begin(clinic.caller) as tx:
        assert await tx.values(_AUDITED) == ["create", "update", "delete"]


async def test_there_is_one_plan_for_each_kind(clinic: Clinic, other_clinic: Clinic) -> None:
    await made(clinic)
    body = {"notification_type": "appointment_reminder", "steps": [SMS]}
    again = await clinic.post("/notification-plans", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "PLAN_EXISTS")
    await made(other_clinic)
    await made(clinic, "recall")
    listed = (await clinic.get("/notification-plans", params={"limit": "1"})).json()["data"]
    assert [one["notification_type"] for one in listed["items"]] == ["appointment_reminder"]
    rest = await clinic.get("/notification-plans", params={"cursor": listed["next_cursor"]})
    assert [one["notification_type"] for one in rest.json()["data"]["items"]] == ["recall"]


async def test_what_is_in_force_is_shown_for_every_kind(clinic: Clinic) -> None:
    plan = await made(clinic)
    found = await in_force(clinic)
    own, default = found["appointment_reminder"], found["appointment_confirmation"]
    assert (own["plan_id"], own["steps"]) == (plan["id"], [EMAIL, SMS])
    assert default["plan_id"] is None
    assert [one["channel"] for one in default["steps"]] == ["sms", "email"]
    assert {one["evidence"] for one in default["steps"]} == {"delivered"}


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("steps", {"steps": []}),
        ("steps", {"steps": [SMS, SMS]}),
        ("steps", {"steps": [SMS, EMAIL, {"channel": "push"}, SMS]}),
        ("steps.0.channel", {"steps": [{"channel": "pigeon"}]}),
        ("steps.0.timeout_minutes", {"steps": [{**SMS, "timeout_minutes": 4}]}),
        ("steps.0.timeout_minutes", {"steps": [{**SMS, "timeout_minutes": 4321}]}),
        ("steps.0.evidence", {"steps": [{**SMS, "evidence": "hoped"}]}),
        ("steps.0.fee", {"steps": [{**SMS, "fee": 1}]}),
        ("notification_type", {"notification_type": "birthday"}),
    ],
)
async def test_a_plan_that_cannot_be_followed_is_refused(
    clinic: Clinic, field: str, body: dict[str, Any]
) -> None:
    plan = {"notification_type": "recall", "steps": [SMS], **body}
    answer = await clinic.post("/notification-plans", json=plan)
    assert answer.status_code == 400
    assert field in {one["field"] for one in answer.json()["error"]["details"]}
    listed = await clinic.get("/notification-plans")
    assert listed.json()["data"]["items"] == []


async def test_another_clinics_plan_is_none(clinic: Clinic, other_clinic: Clinic) -> None:
    plan = await made(other_clinic)
    for plan_id in (plan["id"], str(uuid4())):
        assert (await clinic.get(f"/notification-plans/{plan_id}")).status_code == 404
        assert (await clinic.delete(f"/notification-plans/{plan_id}")).status_code == 404

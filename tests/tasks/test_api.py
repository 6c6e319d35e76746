"""The worklist of staff, through the API."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.tasks.actions import New, close, open_tasks
from chroniccare.tasks.queries import Task
from tests.client import Clinic

_EVENTS = Command(
    "SELECT event_type || ' ' || (payload ->> 'status') FROM outbox"
    " WHERE entity_type = 'task' ORDER BY id"
)


async def opened(clinic: Clinic, *keys: str, **fields: Any) -> list[Task]:
    """Open one task for each key."""
    async with begin(clinic.caller) as tx:
        news = [New("call_patient", "patient_asked", key, **fields) for key in keys]
        return await open_tasks(tx, news)


async def step(clinic: Clinic, task: Task, name: str, body: Any = None, **headers: str) -> Any:
    return await clinic.post(f"/tasks/{task.id}/{name}", body, headers=headers)


async def events(clinic: Clinic) -> list[str]:
    async with begin(clinic.caller) as tx:
        return await tx.values(_EVENTS)


async def listed(clinic: Clinic, **filters: Any) -> list[str]:
    answer = await clinic.get("/tasks", params=filters)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]["items"]]


async def test_the_same_cause_opens_one_until_it_is_closed(clinic: Clinic) -> None:
    [first] = await opened(clinic, "a")
    assert await opened(clinic, "a") == []
    [second] = await opened(clinic, "a", "b")
    assert await listed(clinic) == [str(first.id), str(second.id)]
    assert (await step(clinic, first, "complete", {"outcome": "done"})).status_code == 200
    [third] = await opened(clinic, "a")
    assert await listed(clinic) == [str(second.id), str(third.id)]
    assert await events(clinic) == [
        "task.opened requested", "task.opened requested", "task.completed completed",
        "task.opened requested",
    ]  # fmt: skip


async def test_two_at_once_open_one(clinic: Clinic) -> None:
    made = await asyncio.gather(*(opened(clinic, "race") for _ in range(6)))
    assert sum(len(one) for one in made) == 1
    assert len(await listed(clinic)) == 1


async def test_a_task_is_claimed_taken_over_released_and_closed(clinic: Clinic) -> None:
    [task] = await opened(clinic, "a")
    for worker in ("Dana Lee", "Sam Ortiz"):
        answer = await step(clinic, task, "claim", {"worker": worker})
        data = answer.json()["data"]
        assert (data["status"], data["assigned_to"]) == ("in-progress", worker)
    assert await listed(clinic, assigned_to="Sam Ortiz") == [str(task.id)]
    assert await listed(clinic, assigned_to="Dana Lee") == []
    released = (await step(clinic, task, "release")).json()["data"]
    assert (released["status"], released["assigned_to"]) == ("requested", None)
    assert (await step(clinic, task, "release")).status_code == 409
    await step(clinic, task, "claim", {"worker": "Dana Lee"})
    done = await step(clinic, task, "complete", {"outcome": "rebooked", "note": "Tuesday."})
    data = done.json()["data"]
    assert (data["outcome"], data["note"], data["assigned_to"]) == (
        "rebooked", "Tuesday.", "Dana Lee",
    )  # fmt: skip
    assert data["closed_at"] is not None
    assert done.headers["etag"] == f'"{data["version"]}"' == '"6"'
    for name, body in (
        ("claim", {"worker": "Dana Lee"}), ("release", None), ("complete", {"outcome": "x"}),
        ("cancel", {"reason": "x"}),
    ):  # fmt: skip
        refused = await step(clinic, task, name, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "TASK_STATE")
    assert await listed(clinic) == []
    assert await listed(clinic, status="completed") == [str(task.id)]


async def test_what_need_not_be_done_is_cancelled(clinic: Clinic) -> None:
    [task] = await opened(clinic, "a")
    answer = await step(clinic, task, "cancel", {"reason": "duplicate"})
    data = answer.json()["data"]
    assert (data["status"], data["outcome"]) == ("cancelled", "duplicate")
    assert (await events(clinic))[-1] == "task.cancelled cancelled"


async def test_an_older_version_changes_nothing_and_a_key_acts_once(clinic: Clinic) -> None:
    [task] = await opened(clinic, "a")
    stale = await step(clinic, task, "complete", {"outcome": "x"}, **{"If-Match": '"7"'})
    assert stale.status_code == 412
    key = {"Idempotency-Key": "claim-1"}
    for _ in range(2):
        answer = await step(clinic, task, "claim", {"worker": "Dana Lee"}, **key)
        assert (answer.status_code, answer.json()["data"]["version"]) == (200, 2)
    read = await clinic.get(f"/tasks/{task.id}")
    assert (read.headers["etag"], read.json()["data"]["status"]) == ('"2"', "in-progress")


async def test_a_list_is_filtered_and_paged(clinic: Clinic) -> None:
    patient = await clinic.patient()
    others = await opened(clinic, "a", "b", "c")
    [own] = await opened(clinic, "d", patient_id=UUID(patient["id"]), priority="urgent")
    assert await listed(clinic, patient_id=patient["id"]) == [str(own.id)]
    assert await listed(clinic, priority="urgent") == [str(own.id)]
    assert await listed(clinic, code="other") == []
    first = (await clinic.get("/tasks", params={"limit": 3})).json()["data"]
    assert [one["id"] for one in first["items"]] == [str(one.id) for one in others]
    rest = await listed(clinic, limit=3, cursor=first["next_cursor"])
    assert rest == [str(own.id)]


async def test_what_needs_nobody_any_more_is_completed_by_its_cause(clinic: Clinic) -> None:
    [mine, _] = await opened(clinic, "a", "b")
    async with begin(clinic.caller) as tx:
        early = mine.created_at - timedelta(seconds=1)
        assert await close(tx, ["a"], outcome="x", opened_by_then=early) == []
        [done] = await close(tx, ["a", "c"], outcome="withdrawn")
    assert (done.id, done.status, done.outcome) == (mine.id, "completed", "withdrawn")
    assert len(await listed(clinic)) == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [("claim", {}), ("claim", {"worker": ""}), ("complete", {"outcome": "x" * 51}),
     ("complete", {"outcome": "x", "more": 1}), ("cancel", {"reason": "a\nb"})],
)  # fmt: skip
async def test_a_mistake_is_named_and_changes_nothing(clinic: Clinic, name: str, body: Any) -> None:
    [task] = await opened(clinic, "a")
    answer = await step(clinic, task, name, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]
    assert (await clinic.get(f"/tasks/{task.id}")).json()["data"]["version"] == 1

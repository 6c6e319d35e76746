"""A sensitive message in doubt is a task, until staff or a receipt decide."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare.core.caller import system
from chroniccare.notifications.receipts import actions, applying, rules
from chroniccare.platform.postgres import Command, begin
from tests.notifications.support import Bench

_ATTEMPT = Command("SELECT id FROM notification_attempts WHERE notification_id = $1")


async def in_doubt(bench: Bench) -> UUID:
    """Return a sensitive message whose provider never answered, after the wait."""
    await bench.planned()
    await bench.drain()
    row = next(one for one in await bench.rows() if one.delivery_status != "pending")
    await bench.forge("UPDATE notification_attempts SET status = 'unknown', driver = 'aws'")
    await bench.forge(
        "UPDATE notifications SET delivery_status = 'unknown', notification_type = 'low_adherence',"
        " updated_at = $2 WHERE id = $1", row.id, bench.clock.at,
    )  # fmt: skip
    bench.clock.forward(seconds=121)
    await applying.reconcile(bench.clinic.tenant_id)
    return row.id


async def tasks(bench: Bench, **filters: Any) -> list[dict[str, Any]]:
    listed = await bench.clinic.get("/tasks", params=filters)
    found: list[dict[str, Any]] = listed.json()["data"]["items"]
    return found


async def resolve(bench: Bench, message: UUID, decision: str) -> httpx.Response:
    return await bench.clinic.post(f"/notifications/{message}/resolve", {"decision": decision})


async def test_it_waits_for_staff_as_one_task(bench: Bench) -> None:
    message = await in_doubt(bench)
    await applying.reconcile(bench.clinic.tenant_id)
    [task] = await tasks(bench)
    assert (task["code"], task["focus_type"], task["focus_id"], task["opened_by"]) == (
        "message_in_doubt", "notification", str(message), "system",
    )  # fmt: skip
    assert task["patient_id"] == str(bench.patients[0])


@pytest.mark.parametrize(
    ("decision", "status", "outcome"),
    [("send_again", "pending", "sent_again"), ("leave", "unconfirmed", "left")],
)
async def test_staff_decide_and_the_task_is_done(
    bench: Bench, decision: str, status: str, outcome: str
) -> None:
    message = await in_doubt(bench)
    answer = await resolve(bench, message, decision)
    assert (answer.status_code, answer.json()["data"]["delivery_status"]) == (200, status)
    assert await tasks(bench) == []
    [task] = await tasks(bench, status="completed")
    assert task["outcome"] == outcome
    listed = await bench.clinic.get("/audit", params={"action": "resolve"})
    [entry] = listed.json()["data"]["items"]
    assert entry["entity_id"] == str(message)
    again = await resolve(bench, message, decision)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NOT_IN_DOUBT")


async def test_two_who_decide_at_once_decide_once(bench: Bench) -> None:
    message = await in_doubt(bench)
    answers = await asyncio.gather(
        *(resolve(bench, message, one) for one in ("leave", "send_again", "leave"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert len(await tasks(bench, status="completed")) == 1


async def test_a_receipt_that_comes_after_all_ends_the_task(bench: Bench) -> None:
    message = await in_doubt(bench)
    async with begin(system(bench.clinic.tenant_id, job="test")) as tx:
        [attempt] = await tx.values(_ATTEMPT, message)
    await actions.store([rules.Receipt("aws", "delivered", "e-1", attempt, None, None, None)])
    await applying.apply_due()
    assert await tasks(bench) == []
    [task] = await tasks(bench, status="completed")
    assert task["outcome"] == "delivered"


async def test_what_waits_for_nobody_cannot_be_decided_about(bench: Bench) -> None:
    await bench.planned()
    [first, *_] = await bench.rows()
    refused = await resolve(bench, first.id, "leave")
    assert refused.status_code == 409
    assert (await resolve(bench, first.id, "perhaps")).status_code == 400

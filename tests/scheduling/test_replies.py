"""What replies ask for, done with visits and offers; and who wins a race."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare.core.errors import Unavailable
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.notifications.inbound import receiving
from chroniccare.platform.postgres import Command, Database, Tx, begin
from chroniccare.scheduling import lifecycle, replies
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.inbound.phone import Phone, clear_the_inbox, own_number, phone_of
from tests.notifications.receipts.amazon import SECRET
from tests.notifications.support import Clock, clear_the_desk, eventually
from tests.scheduling.waitlist.desk import START, Desk

_BLOCKED = Command(
    "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
    " AND locktype IN ('transactionid', 'tuple')"
)


@pytest.fixture(autouse=True)
async def taking(running: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Settings.model_validate(settings.model_dump() | {"receipts_secret": SECRET})
    monkeypatch.setattr(running.platform.database, "settings", made)
    await clear_the_inbox()
    await clear_the_desk()
    return running.platform.database


@pytest.fixture
async def desk(clinic: Clinic, clock: Clock) -> Desk:
    return Desk(clinic, clock, await clinic.provider())


async def send(settings: Settings) -> None:
    """Send what is due."""
    async with choice.opened(settings) as channels:
        await dispatch.drain(channels)


async def booked(desk: Desk, settings: Settings, http: httpx.AsyncClient) -> tuple[Any, Phone]:
    """Book a visit whose patient is told by text."""
    patient = await desk.clinic.patient(contact_info=own_number())
    visit = await desk.visit(patient_id=patient["id"])
    await send(settings)
    return visit, await phone_of(desk.clinic, desk.clock, http, patient["id"])


async def offered(desk: Desk, settings: Settings, http: httpx.AsyncClient) -> tuple[Any, Phone]:
    """Offer a free time to a patient, who is told by text."""
    patient = await desk.clinic.patient(contact_info=own_number())
    entry = await desk.waiting(patient_id=patient["id"])
    await desk.free()
    assert await desk.sweep() == 1
    await send(settings)
    return entry, await phone_of(desk.clinic, desk.clock, http, patient["id"])


async def test_a_yes_takes_the_offer(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, phone = await offered(desk, settings, anonymous)
    reply = await phone.says("YES")
    assert (reply["outcome"], reply["action"], reply["action_status"]) == (
        "accepting", "accept", "done",
    )  # fmt: skip
    assert await desk.status(entry) == "booked"
    listed = await desk.clinic.get("/audit", params={"action": "accepted"})
    actors = {(one["user_type"], one["user_id"]) for one in listed.json()["data"]["items"]}
    assert actors == {("patient", entry["patient_id"])}
    # Once more, before the visit's own message is out: it is theirs, and so it is confirmed.
    again = await phone.says("yes")
    assert (again["outcome"], again["action_status"]) == ("confirming", "done")


async def test_a_no_gives_it_to_the_next(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, phone = await offered(desk, settings, anonymous)
    assert (await phone.says("2"))["outcome"] == "declining"
    assert await desk.status(entry) == "waiting"
    assert (await desk.offer(entry))["outcome"] == "declined"
    kinds = [one["notification_type"] for one in await _messages(desk, entry["patient_id"])]
    assert "reply_offer_declined" in kinds


async def test_an_offer_that_is_over_is_not_taken(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, phone = await offered(desk, settings, anonymous)
    await phone.post("yes")
    await receiving.receive_due()
    desk.clock.forward(hours=2)
    await replies.sweep(desk.clinic.tenant_id)
    [reply] = await phone.replies()
    assert (reply["action_status"], reply["action_reason"]) == ("refused", "OFFER_EXPIRED")
    assert await desk.status(entry) != "booked"
    kinds = [one["notification_type"] for one in await _messages(desk, entry["patient_id"])]
    assert "reply_offer_over" in kinds
    assert await phone.tasks() == []


async def test_an_offer_and_a_visit_are_told_apart(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    entry, phone = await offered(desk, settings, anonymous)
    visit = await desk.visit(START + timedelta(days=3), patient_id=entry["patient_id"])
    await send(settings)
    assert (await phone.says("ok"))["outcome"] == "asked"
    assert (await phone.says("1B"))["appointment_id"] == visit["id"]
    assert (await desk.appointment(visit["id"]))["status"] == "confirmed"
    assert await desk.status(entry) == "offered"
    assert (await phone.says("1A"))["outcome"] == "accepting"
    assert await desk.status(entry) == "booked"


async def _messages(desk: Desk, patient_id: str) -> list[dict[str, Any]]:
    listed = await desk.clinic.get(f"/patients/{patient_id}/notifications")
    found: list[dict[str, Any]] = listed.json()["data"]["items"]
    return found


# --- races ---------------------------------------------------------------------------------------


async def test_two_workers_follow_a_reply_once(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient
) -> None:
    visit, phone = await booked(desk, settings, anonymous)
    await phone.post("1")
    await receiving.receive_due()
    await asyncio.gather(*(replies.sweep(desk.clinic.tenant_id) for _ in range(5)))
    shown = await desk.appointment(visit["id"])
    assert (shown["status"], shown["version"]) == ("confirmed", 2)
    kinds = [one["notification_type"] for one in await _messages(desk, visit["patient_id"])]
    assert kinds.count("reply_confirmed") == 1


async def behind(tx: Tx, count: int) -> None:
    """Wait until so many wait for what `tx` holds."""

    async def are() -> bool:
        return int(await tx.value(_BLOCKED)) >= count

    await eventually(are, within=1.5)


@pytest.mark.parametrize("first", ["staff", "patient"])
async def test_a_yes_and_a_cancellation_by_staff_meet(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient, first: str
) -> None:
    visit, phone = await booked(desk, settings, anonymous)
    await phone.post("1")
    await receiving.receive_due()

    async def patient() -> None:
        await replies.sweep(desk.clinic.tenant_id)

    async def staff() -> None:
        await desk.cancel(visit)

    rivals = [staff, patient] if first == "staff" else [patient, staff]
    async with begin(desk.clinic.caller) as tx:
        await tx.run(
            Command("SELECT FROM appointments WHERE id = $1 FOR UPDATE"), UUID(visit["id"])
        )
        waiting = []
        for count, rival in enumerate(rivals, start=1):
            waiting.append(asyncio.create_task(rival()))
            await behind(tx, count)  # both stand before the row, in this order
    await asyncio.gather(*waiting)
    assert (await desk.appointment(visit["id"]))["status"] == "cancelled"
    [reply] = await phone.replies()
    if first == "staff":
        assert (reply["action_status"], reply["action_reason"]) == ("refused", "OUTDATED")
        assert await phone.tasks() == [("answer_not_followed", "outdated")]
    else:
        assert reply["action_status"] == "done"
        assert await phone.tasks() == []


async def test_an_outage_is_waited_out_and_a_fault_of_ours_is_for_staff(
    desk: Desk, settings: Settings, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, phone = await booked(desk, settings, anonymous)
    errors: list[Exception] = [Unavailable(), ZeroDivisionError()]
    advance = lifecycle.advance

    async def failing(*args: Any) -> Any:
        if errors:
            raise errors.pop(0)
        return await advance(*args)

    monkeypatch.setattr(lifecycle, "advance", failing)
    assert (await phone.says("1"))["action_status"] == "waiting"
    await replies.sweep(desk.clinic.tenant_id)
    [reply] = await phone.replies()
    assert (reply["action_status"], reply["action_reason"]) == ("refused", "INTERNAL_ERROR")
    assert await phone.tasks() == [("answer_not_followed", "internal_error")]
    assert (await desk.appointment(visit["id"]))["status"] == "scheduled"

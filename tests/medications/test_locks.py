"""Locks are taken in one order: the patient, medications, doses, messages. Nobody deadlocks."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare.medications import lifecycle
from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.medications.doses import rounds as doses
from chroniccare.medications.reminders import replies
from chroniccare.medications.reminders import rounds as reminders
from chroniccare.notifications.inbound import receiving
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.medications.prescribing import Prescribing
from tests.medications.support import Ward
from tests.notifications.inbound.phone import clear_the_inbox, own_number, phone_of
from tests.notifications.receipts.amazon import SECRET

_PATIENT = Command("SELECT FROM patients WHERE id = $1 FOR NO KEY UPDATE")
_MEDICATION = Command("SELECT FROM medications WHERE id = $1 FOR NO KEY UPDATE")
_WAITING = Command("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
_DEADLOCKS = Command("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
DAY = timedelta(days=1)

Rival = Callable[["Taken"], Awaitable[Any]]


class Taken:
    """A medication that a patient takes twice a day, made through the API."""

    def __init__(self, ward: Ward, prescribing: Prescribing, made: dict[str, Any]) -> None:
        self.ward, self.clinic, self.prescribing = ward, ward.clinic, prescribing
        self.path, self.id = f"/medications/{made['id']}", UUID(made["id"])
        self.patient_id, self.tenant_id = UUID(prescribing.patient_id), ward.clinic.tenant_id

    async def doses(self) -> list[dict[str, Any]]:
        found = await self.clinic.get(f"{self.path}/doses")
        items: list[dict[str, Any]] = found.json()["data"]["items"]
        return items


@pytest.fixture
async def taken(
    ward: Ward, running: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Taken:
    made = Settings.model_validate(settings.model_dump() | {"receipts_secret": SECRET})
    monkeypatch.setattr(running.platform.database, "settings", made)
    await clear_the_inbox()
    return await take(ward)


async def take(ward: Ward) -> Taken:
    patient = await ward.bench.patient(contact_info=own_number())
    prescribing = Prescribing(ward.clinic, str(patient), str(ward.bench.provider_id))
    made = await prescribing.make(start_date=str(ward.clock.at.date() - DAY))
    return Taken(ward, prescribing, made)


async def report(one: Taken) -> Any:
    due = (await one.doses())[0]["due_at"]
    return await one.clinic.post(
        f"{one.path}/adherence", {"scheduled_time": due, "was_taken": True, "source": "patient"}
    )


async def infer(one: Taken) -> None:
    await infer_missed(one.tenant_id)


async def plan_anew(one: Taken) -> None:
    await doses.run(one.tenant_id)


async def remind(one: Taken) -> None:
    await reminders.run(one.tenant_id)


async def reply(one: Taken) -> None:
    await replies.sweep(one.tenant_id)


async def sweep(one: Taken) -> None:
    await lifecycle.sweep(one.tenant_id)


async def hold(one: Taken) -> Any:
    return await one.clinic.post(f"{one.path}/hold", {"hold_until": None})


async def fill(one: Taken) -> Any:
    body = {"filled_on": str(one.ward.clock.at.date()), "days_supply": 30, "kind": "first_fill",
            "source": "pharmacy"}  # fmt: skip
    return await one.clinic.post(f"{one.path}/fills", body)


async def _ready(one: Taken, http: httpx.AsyncClient, rival: Rival) -> None:
    """Give the rival something to do."""
    clock = one.ward.clock
    if rival is plan_anew:
        path = f"/patients/{one.patient_id}"
        patient = (await one.clinic.get(path)).json()["data"]
        body = one.clinic.patient_body(
            mrn=patient["mrn"], contact_info=patient["contact_info"], time_zone="Asia/Tokyo"
        )
        assert (await one.clinic.put(path, body)).status_code == 200
    if rival is reply:
        clock.at = one.ward.clock.at.replace(hour=23)  # 18:00 in New York: a dose is due
        await reminders.run(one.tenant_id)
        await one.ward.bench.drain()
        phone = await phone_of(one.clinic, clock, http, one.patient_id)
        assert (await phone.post("TAKEN")).status_code == 200
        await receiving.receive_due()
    if rival is infer:
        clock.forward(days=1)
    if rival is sweep:
        until = str(clock.at.date() + DAY)
        held = await one.clinic.post(f"{one.path}/hold", {"hold_until": until})
        assert held.status_code == 200
        clock.forward(days=2)


@pytest.mark.parametrize(
    "rival",
    [report, infer, plan_anew, remind, reply, sweep, hold, fill],
    ids=lambda one: one.__name__,
)
async def test_who_holds_the_patient_gets_the_medication_whoever_else_is_at_work(
    taken: Taken, anonymous: httpx.AsyncClient, rival: Rival
) -> None:
    await _ready(taken, anonymous, rival)
    await taken.doses()
    async with begin(taken.clinic.caller) as tx:
        await tx.run(_PATIENT, taken.patient_id)
        at_work = asyncio.ensure_future(rival(taken))
        while not at_work.done() and not await tx.value(_WAITING):  # noqa: ASYNC110  as elsewhere
            await asyncio.sleep(0.01)
        await tx.run(_MEDICATION, taken.id)
    answer = await at_work
    assert answer is None or answer.status_code in {200, 201}, answer.text


async def test_changes_reports_and_loops_at_once_end_without_a_deadlock(
    taken: Taken, clinic: Clinic
) -> None:
    others = [taken, await take(taken.ward), await take(taken.ward)]
    taken.ward.clock.forward(days=1)
    before = await _deadlocks(clinic)

    async def change(one: Taken) -> list[httpx.Response]:
        found = []
        for number in range(6):
            sig = ["1 tablet by mouth once a day", "1 tablet by mouth three times a day"][
                number % 2
            ]
            body = one.prescribing.body(
                sig=sig,
                start_date=str(one.ward.clock.at.date() - 2 * DAY),
                medication_name="Metformin",
            )
            found.append(await clinic.put(one.path, body))
        return found

    async def say(one: Taken) -> list[httpx.Response]:
        dose = (await one.doses())[0]["id"]
        return [
            await clinic.post(
                f"{one.path}/adherence", {"dose_id": dose, "status": status, "source": "staff"}
            )
            for status in ["taken", "missed"] * 4
        ]  # fmt: skip

    async def loops() -> list[httpx.Response]:
        for _ in range(6):
            for work in (infer_missed, doses.run, reminders.run, lifecycle.sweep):
                await work(clinic.tenant_id)
        return []

    answers = await asyncio.gather(
        *(work(one) for one in others for work in (change, say)), loops(), loops()
    )
    assert {one.status_code for some in answers for one in some} <= {200, 201}
    assert await _deadlocks(clinic) == before


async def _deadlocks(clinic: Clinic) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(_DEADLOCKS))

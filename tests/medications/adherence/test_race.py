"""Many at once: one dose is reported on twice, and one alert goes out."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.platform.postgres import Command, begin
from tests.audit.test_writes import log_locked
from tests.client import Clinic
from tests.medications.adherence.support import Taking, events, sql, taking
from tests.notifications.support import NOON, Clock

DAY = timedelta(days=1)
WAITING = Command("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")


async def race(made: Taking, *bodies: dict[str, Any]) -> list[httpx.Response]:
    """Send reports at once, and let go of the medication when every one of them waits for it."""
    clinic = made.clinic
    await asyncio.gather(*(made.reports() for _ in bodies))  # their connections are open by now
    async with begin(clinic.caller) as tx:
        await tx.connection.execute("SELECT FROM medications WHERE id = $1 FOR UPDATE", made.id)
        rivals = [asyncio.ensure_future(made.post(**body)) for body in bodies]
        async with asyncio.timeout(1.5):  # within the lock's own limit
            while await tx.value(WAITING) < len(rivals):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    return await asyncio.gather(*rivals)


async def test_two_reports_of_one_dose_at_once_are_one_and_its_correction(
    clinic: Clinic, clock: Clock
) -> None:
    del clock
    made = await taking(clinic)
    await made.plan(NOON)
    answers = await race(made, *({"dose": 0, "status": one} for one in ("taken", "missed")))
    assert [one.status_code for one in answers] == [201, 201]
    first, second = sorted(
        (one.json()["data"] for one in answers), key=lambda one: one["corrects_id"] is not None
    )
    assert (first["corrects_id"], second["corrects_id"]) == (None, first["id"])
    [dose] = await made.states()
    assert dose.state == second["status"]


async def test_the_same_report_from_two_connections_at_once_is_one(
    clinic: Clinic, clock: Clock
) -> None:
    del clock
    made = await taking(clinic)
    await made.plan(NOON)
    answers = await race(made, *[{"dose": 0, "status": "taken"}] * 2)
    assert sorted(one.status_code for one in answers) == [200, 201]
    assert len({one.json()["data"]["id"] for one in answers}) == 1
    assert len(await made.reports()) == 1


async def test_reports_that_together_make_adherence_low_make_one_alert(
    clinic: Clinic, clock: Clock, database_url: str
) -> None:
    """Each alone sees nine doses, which are too few to tell; together they are ten."""
    made = await taking(clinic)
    await made.plan(*(NOON + n * DAY for n in range(10)))
    clock.at = made.due[-1]
    for number, letter in enumerate("ttmttmtt"):
        await made.report(number, status="taken" if letter == "t" else "missed")
    await asyncio.gather(made.reports(), made.reports())
    async with log_locked(database_url) as owner:  # a report is written by then, not judged yet
        rivals = [asyncio.ensure_future(made.post(n, status="missed")) for n in (8, 9)]
        async with asyncio.timeout(1.5):  # within the lock's own limit
            while await owner.fetchval(WAITING.sql) < len(rivals):  # noqa: ASYNC110  as above
                await asyncio.sleep(0.01)
    answers = await asyncio.gather(*rivals)
    assert [one.status_code for one in answers] == [201] * 2
    assert await events(clinic) == ["medication.adherence.low"]
    assert [one.reason for one in await made.episodes()] == ["rate"]
    assert await sql(clinic, "SELECT count(*) FROM tasks WHERE code = 'low_adherence'") == 1


async def test_a_report_and_the_inference_at_once_leave_the_report(
    clinic: Clinic, clock: Clock
) -> None:
    made = await taking(clinic)
    await made.plan(*(NOON + n * DAY for n in range(8)))
    clock.at = made.due[-1] + DAY
    await asyncio.gather(
        infer_missed(clinic.tenant_id),
        *(made.post(n, status="taken", taken_at=made.due[n].isoformat()) for n in range(8)),
    )
    await infer_missed(clinic.tenant_id)
    assert {(one.state, one.source) for one in await made.states()} == {("taken", "patient")}

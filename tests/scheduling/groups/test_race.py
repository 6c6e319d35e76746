"""Many at once: no seat too many, nobody in two places, whatever is asked at the same moment."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any
from uuid import UUID

import httpx

from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import queries, rules
from tests.client import Clinic
from tests.scheduling.groups.support import (
    REASON,
    assert_sound,
    at,
    seated,
    session_body,
    session_of,
    take_seat,
    taken,
)
from tests.scheduling.groups.test_api import visit_body

WAITING = Command(
    "SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
)
BEHIND_A_ROW = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
CONNECTIONS = 9  # the pool's ten without the one that keeps the lock


async def race(
    clinic: Clinic, lock: str, rivals: Sequence[Awaitable[httpx.Response]]
) -> list[httpx.Response]:
    """Start `rivals` while somebody has the lock of `lock`; let go once all connections wait."""
    keys = rules.lock_keys(clinic.tenant_id, [UUID(lock)])
    async with begin(clinic.caller) as tx:
        await tx.values(queries.LOCK, keys)
        racing = [asyncio.ensure_future(rival) for rival in rivals]
        async with asyncio.timeout(1.5):  # within the lock's own limit
            while await tx.value(WAITING) < min(len(rivals), CONNECTIONS):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    return await asyncio.gather(*racing)


def codes(answers: list[httpx.Response]) -> dict[str, int]:
    """Return how often each outcome came."""
    found = [answer.json().get("error", {}).get("code", "booked") for answer in answers]
    return {code: found.count(code) for code in sorted(set(found))}


async def test_fifty_patients_take_twelve_seats(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic, seats=12))
    patients = [(await clinic.patient())["id"] for _ in range(50)]
    rivals = [take_seat(clinic, made, patient_id=one) for one in patients]
    answers = await race(clinic, made["id"], rivals)
    assert codes(answers) == {"GROUP_FULL": 38, "booked": 12}
    assert (await session_of(clinic, made))["seats_taken"] == 12
    won = [one.json()["data"]["patient_id"] for one in answers if one.status_code == 201]
    assert [await taken(clinic, one) for one in won] == [1] * 12
    await assert_sound(clinic)


async def test_one_patient_gets_one_seat_of_many_asked_for(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic, seats=12))
    patient = (await clinic.patient())["id"]
    rivals = [take_seat(clinic, made, patient_id=patient) for _ in range(8)]
    assert codes(await race(clinic, made["id"], rivals)) == {"ALREADY_SEATED": 7, "booked": 1}
    assert await taken(clinic, patient) == 1


async def test_a_seat_waits_for_the_providers_row_before_it_locks_its_patient(
    clinic: Clinic, database_url: str
) -> None:
    """Whoever changes hours takes the row first and the locks then, and would wait in a circle."""
    made = await clinic.make("/group-sessions", await session_body(clinic))
    patient = (await clinic.patient())["id"]
    async with owner_connection(database_url) as owner:
        async with owner.transaction():
            lock_row = "SELECT FROM providers WHERE id = $1 FOR UPDATE"
            await owner.execute(lock_row, UUID(made["provider_id"]))
            seat = asyncio.ensure_future(take_seat(clinic, made, patient_id=patient))
            async with asyncio.timeout(1.5):
                while not await owner.fetchval(BEHIND_A_ROW):  # noqa: ASYNC110  PostgreSQL tells nobody
                    await asyncio.sleep(0.01)
            await owner.execute("SET LOCAL lock_timeout = '300ms'")
            await owner.execute(
                queries.LOCK.sql, rules.lock_keys(clinic.tenant_id, [UUID(patient)])
            )
        assert (await seat).status_code == 201


async def test_one_patient_is_not_seated_in_two_sessions_at_once(clinic: Clinic) -> None:
    patient = (await clinic.patient())["id"]
    sessions = [await clinic.make("/group-sessions", await session_body(clinic)) for _ in range(4)]
    other = await visit_body(clinic, await session_body(clinic), patient_id=patient)
    rivals: list[Any] = [take_seat(clinic, one, patient_id=patient) for one in sessions]
    rivals.append(clinic.post("/appointments", other))
    assert codes(await race(clinic, patient, rivals)) == {"SLOT_TAKEN": 4, "booked": 1}
    await assert_sound(clinic)


async def test_sessions_and_visits_race_for_one_provider(clinic: Clinic) -> None:
    body = await session_body(clinic)
    rivals = [clinic.post("/group-sessions", body) for _ in range(4)]
    rivals += [clinic.post("/appointments", await visit_body(clinic, body)) for _ in range(4)]
    answers = await race(clinic, body["provider_id"], rivals)
    assert codes(answers) == {"SLOT_TAKEN": 7, "booked": 1}
    await assert_sound(clinic)


async def test_seats_taken_while_the_session_moves_are_where_it_is(clinic: Clinic) -> None:
    body = await session_body(clinic, seats=12)
    made = await clinic.make("/group-sessions", body)
    path = f"/group-sessions/{made['id']}"
    first = await seated(clinic, made)
    patients = [(await clinic.patient())["id"] for _ in range(4)]
    rivals: list[Any] = [take_seat(clinic, made, patient_id=one) for one in patients]
    rivals.insert(2, clinic.put(path, {**body, "scheduled_start": at(24)}))
    rivals.insert(3, clinic.delete(f"/appointments/{first['id']}", json=REASON))
    answers = await race_in_order(clinic, made["id"], rivals)
    assert codes(answers) == {"booked": 6}
    assert (await session_of(clinic, made))["seats_taken"] == 4
    assert [await taken(clinic, one, 24) for one in patients] == [1] * 4
    await assert_sound(clinic)


async def race_in_order(
    clinic: Clinic, lock: str, rivals: Sequence[Awaitable[httpx.Response]]
) -> list[httpx.Response]:
    """Like `race`, each waiting in turn, but for those that need no lock."""
    keys = rules.lock_keys(clinic.tenant_id, [UUID(lock)])
    racing = []
    async with begin(clinic.caller) as tx:
        await tx.values(queries.LOCK, keys)
        for rival in rivals:
            racing.append(asyncio.ensure_future(rival))
            await asyncio.sleep(0.05)
        assert await tx.value(WAITING) >= len(rivals) - 1
    return await asyncio.gather(*racing)


async def test_a_session_that_is_cancelled_meanwhile_gives_no_seat(clinic: Clinic) -> None:
    made = await clinic.make("/group-sessions", await session_body(clinic, seats=12))
    patients = [(await clinic.patient())["id"] for _ in range(5)]
    rivals: list[Any] = [take_seat(clinic, made, patient_id=one) for one in patients]
    rivals.insert(2, clinic.delete(f"/group-sessions/{made['id']}", json=REASON))
    answers = await race_in_order(clinic, made["id"], rivals)
    assert codes(answers) == {"GROUP_NOT_OPEN": 3, "booked": 3}  # two seats, and the cancellation
    assert [await taken(clinic, one) for one in patients] == [0] * 5
    await assert_sound(clinic)


async def test_seats_do_not_shrink_below_those_taken_meanwhile(clinic: Clinic) -> None:
    body = await session_body(clinic, seats=12)
    made = await clinic.make("/group-sessions", body)
    patients = [(await clinic.patient())["id"] for _ in range(4)]
    rivals: list[Any] = [take_seat(clinic, made, patient_id=one) for one in patients]
    shrink = clinic.put(f"/group-sessions/{made['id']}", {**body, "seats": 3})
    answers = await race_in_order(clinic, made["id"], [*rivals, shrink])
    assert codes(answers) == {"SEATS_TAKEN": 1, "booked": 4}
    await assert_sound(clinic)

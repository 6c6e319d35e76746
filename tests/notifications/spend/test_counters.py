"""Counters that several transactions change, in whatever order their attempts are."""

import asyncio
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from tests.notifications.spend.support import check_ledger
from tests.notifications.support import Bench

_ATTEMPT = Command(
    "INSERT INTO notification_attempts (id, tenant_id, notification_id, number, channel, driver,"
    " recipient, status, started_at, segments, micros, country, spend_day)"
    " SELECT $1, n.tenant_id, n.id, $2, 'sms', 'provider', '+1', 'in_flight', now(), 1, 5, $3,"
    " current_date FROM notifications n ORDER BY n.id LIMIT 1"
)
_REJECT = Command("UPDATE notification_attempts SET status = 'rejected' WHERE id = $1")


async def attempts(bench: Bench) -> dict[str, list[UUID]]:
    """Write four attempts, two of each of two countries."""
    made: dict[str, list[UUID]] = {"US": [], "CA": []}
    await bench.planned()
    async with begin(bench.clinic.caller) as tx:
        for number in range(4):
            country = ("US", "CA")[number % 2]
            made[country].append(new_id())
            await tx.run(_ATTEMPT, made[country][-1], number + 1, country)
    return made


async def test_two_workers_give_back_in_opposite_orders(bench: Bench) -> None:
    made = await attempts(bench)
    begun, go = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        async with begin(bench.clinic.caller) as tx:
            await tx.run(_REJECT, made["US"][0])
            begun.set()
            await go.wait()
            await tx.run(_REJECT, made["CA"][0])

    async def other() -> None:
        await begun.wait()
        async with begin(bench.clinic.caller) as tx:
            go_on = asyncio.get_running_loop().call_later(0.1, go.set)
            await tx.run(_REJECT, made["CA"][1])
            await tx.run(_REJECT, made["US"][1])
            go_on.cancel()

    await asyncio.gather(one(), other())
    assert (await check_ledger(bench)).messages == 0

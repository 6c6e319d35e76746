"""SEC-06: connections that pass from clinic to clinic, and callers that go away, mix nothing up."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from uuid import UUID

import pytest

from chroniccare.core.caller import Caller, system
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import Settings
from chroniccare.tenancy import actions as tenancy
from tests.platform.test_postgres import insert, small_pool

TENANTS, REQUESTS, AT_ONCE, CONNECTIONS = 50, 10_000, 64, 8
OWN = Command("SELECT count(*) FROM suppressions WHERE tenant_id = $1")
FOREIGN = Command("SELECT count(*) FROM suppressions WHERE tenant_id <> $1")
LEFT = Command(
    "SELECT concat_ws('/', nullif(current_setting('app.tenant_id', true), ''),"
    " nullif(current_user::text, session_user::text))"
)


@pytest.mark.usefixtures("running")
async def test_sec_06_interleaved_and_cancelled_requests_see_no_foreign_row(
    settings: Settings,
) -> None:
    dice = random.Random(6)  # noqa: S311  chances of a test
    callers = [system(await _tenant(number), job="pool") for number in range(TENANTS)]
    seen: Counter[str] = Counter()
    rows: Counter[UUID] = Counter()

    async def request(caller: Caller, patience: float | None, writes: bool) -> None:
        if patience is None:
            await work(caller, writes)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(work(caller, writes), patience)
            return
        seen["cancelled"] += 1

    async def work(caller: Caller, writes: bool) -> None:
        least = rows[caller.tenant_id]
        async with begin(caller) as tx:
            if writes:
                await insert(tx, str(new_id()))
            own = await tx.value(OWN, caller.tenant_id)
            seen["foreign"] += await tx.value(FOREIGN, caller.tenant_id)
            seen["lost"] += own < least
        rows[caller.tenant_id] += writes
        seen["done"] += 1

    async def client(number: int) -> None:
        for _ in range(number, REQUESTS, AT_ONCE):
            patience = dice.expovariate(200) if dice.random() < 0.3 else None
            await request(dice.choice(callers), patience, dice.random() < 0.1)

    async with small_pool(settings, CONNECTIONS) as pool:
        await asyncio.gather(*map(client, range(AT_ONCE)))
        held = [await pool.acquire() for _ in range(CONNECTIONS)]
        left = [await one.fetchval(LEFT.sql) for one in held]
        for one in held:
            await pool.release(one)
    assert left == [""] * CONNECTIONS
    assert (seen["foreign"], seen["lost"]) == (0, 0)
    assert seen["done"] + seen["cancelled"] == REQUESTS
    assert seen["cancelled"] > REQUESTS / 100, seen


async def _tenant(number: int) -> UUID:
    return await tenancy.create_tenant(name="Pool", subdomain=f"pool-{number}-{new_id()}"[:60])

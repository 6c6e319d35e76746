"""Sealed addresses are found by an index, also behind row-level security."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chroniccare.migrations.runner import migrate
from chroniccare.notifications import queries_due
from chroniccare.notifications.inbound import queries as inbound
from chroniccare.notifications.preferences import queries as preferences
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import APP_ROLE, utc_now
from tests.contracts.databases import new_database

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def fresh(
    database_url: str,
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A database without rows: what other tests left would lead the planner elsewhere."""
    async with new_database(database_url) as url:
        await migrate(url)
        async with owner_connection(url) as connection:
            yield connection


@pytest.mark.parametrize(
    ("statement", "more"),
    [
        (inbound.PEOPLE, ()), (inbound.LAST_WRITTEN, ()), (inbound.WRITTEN, (HOUR,)),
        (inbound.QUESTION, (HOUR,)), (inbound.ANSWERED, (HOUR, "asked")),
        (queries_due.SUPPRESSED, ()), (preferences.OPT_OUTS, ()), (preferences.LOCK_PATIENTS, ()),
        (preferences.LOCK_RELATED, ()),
    ],
)  # fmt: skip
async def test_an_address_is_looked_up_and_not_searched_for(
    fresh: "asyncpg.Connection[asyncpg.Record]", statement: Any, more: tuple[Any, ...]
) -> None:
    found_by = ["+14155550123", "maria@example.com", "the hash of one", "the hash of the other"]
    arguments = [utc_now() - one if one is HOUR else one for one in more]
    async with fresh.transaction():
        await fresh.execute(f"SET LOCAL ROLE {APP_ROLE}; SET LOCAL app.tenant_id = '{uuid4()}'")
        await fresh.execute("SET LOCAL enable_seqscan = off")
        plan = await fresh.fetch("EXPLAIN " + statement.sql, found_by, *arguments)
    used = [line for (line,) in map(tuple, plan) if "Index Cond" in line and "CASE" in line]
    assert used, "\n".join(map(str, plan))

"""Searches that many clients make use an index for each of their conditions."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from chroniccare.core import caller
from chroniccare.fhir import actions, asking, composing, composing_versions, conditions
from chroniccare.fhir.parameters import Asked
from chroniccare.fhir.registry import KINDS
from chroniccare.migrations.runner import migrate
from chroniccare.platform import sealing
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import APP_ROLE, utc_now
from chroniccare.tenancy.rules import SCOPES
from tests.contracts.databases import new_database


@pytest.fixture(scope="module")
async def fresh(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A database without rows: what other tests left would lead the planner elsewhere."""
    async with new_database(database_url) as url:
        await migrate(url)
        async with owner_connection(url) as connection:
            yield connection


async def planned(
    fresh: "asyncpg.Connection[asyncpg.Record]", sql: str, *arguments: Any
) -> list[str]:
    """Return the lines of a plan that neither reads a table as a whole nor sorts, if it can."""
    async with fresh.transaction():
        await fresh.execute(f"SET LOCAL ROLE {APP_ROLE}; SET LOCAL app.tenant_id = '{uuid4()}'")
        await fresh.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        return [line for (line,) in map(tuple, await fresh.fetch("EXPLAIN " + sql, *arguments))]


@pytest.mark.parametrize(
    ("type_name", "query"),
    [
        ("Patient", "identifier=A-1"),
        ("Patient", "identifier=A-1,A-2"),
        ("Patient", "identifier=urn:x|1"),
        ("Appointment", "identifier=0196f0e0-0000-7000-8000-000000000000"),
        ("Appointment", "patient.identifier=A-1"),
    ],
)
async def test_a_number_is_looked_up_and_not_searched_for(
    fresh: "asyncpg.Connection[asyncpg.Record]", type_name: str, query: str
) -> None:
    tenant, kind = uuid4(), KINDS[type_name]
    ask = asking.read(kind, KINDS, asking.pairs_of(query), strict=True)
    keys = sealing.unlocked(tenant, [])
    asked = Asked(tenant, utc_now(), [ZoneInfo("UTC")], "https://x.example/fhir", keys)
    who = replace(caller.system(tenant, job="test"), scopes=SCOPES)
    met = conditions.conditions(who, kind, ask.filters, asked)
    order = actions.ordered(kind, ask)
    statement = composing.stamps(kind, asked, met, order, after=None, limit=21)
    lines = await planned(fresh, statement.sql, *asked.arguments)
    assert any("Index Cond" in one and "number_index =" in one for one in lines), lines
    # Records that are filtered by what is found beside them are all read.
    assert not any("Filter" in one and "SubPlan" in one for one in lines), lines


async def test_what_was_changed_last_is_not_sorted(
    fresh: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    for type_name in ("Patient", "Appointment", "MedicationRequest"):
        kind = KINDS[type_name]
        assert kind.versions is not None
        for is_first in (True, False):
            behind = (None,) * 3 if is_first else (utc_now(), uuid4(), 1)
            statement = composing_versions.page([kind], of_one=False, is_first=is_first)
            lines = await planned(fresh, statement.sql, None, None, None, *behind, 21, None)
            used = f"using idx_{kind.versions.table}_updated"
            assert any(used in one for one in lines), lines


async def test_changes_are_not_looked_for_among_reads(
    fresh: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    kind = KINDS["Provenance"]
    asked = Asked(uuid4(), utc_now(), [ZoneInfo("UTC")], "", sealing.unlocked(uuid4(), []))
    order = actions.ordered(kind, asking.Ask(sort=[("recorded", True)]))
    statement = composing.page(kind, asked, [], order, after=None, limit=21)
    lines = await planned(fresh, statement.sql, *asked.arguments)
    assert any("using idx_audit_logs_changes" in one for one in lines), lines

"""Claim: row-level security costs less than half of a point read again, and no search its index.

The same statements on one connection, by turns: as the role that requests run as, in a transaction
with the tenant set; as the owner, whom no policy holds, in the same transaction with the tenant in
the statement; and as the owner alone, a statement without a transaction.
"""

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import asyncpg

from chroniccare.core.caller import system
from chroniccare.migrations.runner import migrate
from chroniccare.patients.queries import GET
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import APP_ROLE, begin
from chroniccare.settings import load as load_settings
from chroniccare.tenancy import actions as tenancy

from .clinic import new_clinic, new_patients
from .stage import Stage, settings_of, stage

OTHERS = 49
PATIENTS = 400
ROUNDS = 21
EACH = 200
MOST = 1.5


@dataclass(frozen=True, slots=True)
class Case:
    """A statement as requests run it, and with the tenant in it, for who is held by no policy."""

    name: str
    held: str
    named: str
    arguments: tuple[Any, ...]


async def _copied(owner: "asyncpg.Connection[asyncpg.Record]", tenants: list[Any]) -> None:
    """Give each of `tenants` a copy of the clinic's patients and of the words of their names."""
    for table, key in (("patients", "id"), ("patient_name_tokens", None)):
        rows = await owner.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' AND attname <> 'tenant_id'",
            table,
        )
        names = [f'"{row[0]}"' for row in rows]
        # A copy's id follows from its original and its tenant, so that the words find it.
        made = "md5(t.id::text || {}::text)::uuid"
        changed = {'"id"' if key else '"patient_id"': made.format(f"s.{key or 'patient_id'}")}
        await owner.execute(
            f"INSERT INTO {table} (tenant_id, {', '.join(names)}) SELECT t.id,"  # noqa: S608
            f" {', '.join(changed.get(name, f's.{name}') for name in names)}"
            f" FROM {table} s CROSS JOIN unnest($1::uuid[]) AS t (id)",
            tenants,
        )


async def _timed(connection: Any, case: Case, sql: str, opening: str | None) -> float:
    """Return the ms of one statement, of `EACH` one after the other."""
    started = time.perf_counter()
    for _ in range(EACH):
        if opening is None:
            await connection.fetch(sql, *case.arguments)
            continue
        await connection.execute(opening)
        await connection.fetch(sql, *case.arguments)
        await connection.execute("COMMIT")
    return 1000 * (time.perf_counter() - started) / EACH


async def _measure(where: Stage) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        patients = await new_patients(caller, PATIENTS)
        others = [
            await tenancy.create_tenant(name="Other", subdomain=f"other-{number}")
            for number in range(OTHERS)
        ]
        async with begin(system(others[0], job="bench")) as tx:
            assert await tx.one(GET, patients[0]) is None
    tenant = caller.tenant_id
    words = (
        "SELECT t.patient_id FROM patient_name_tokens t WHERE {}t.kind = 'word'"
        " AND t.token >= $1 AND t.token < $2"
    )
    cases = [
        Case("a patient by id", GET.sql, GET.sql.replace(
            "WHERE ", f"WHERE p.tenant_id = '{tenant}' AND "), (patients[7],)),
        Case("patients by the first letters of a word", words.format(""),
             words.format(f"t.tenant_id = '{tenant}' AND "), ("gonzalez", "gonzalez~")),
    ]  # fmt: skip
    async with owner_connection(where.database_url) as owner:
        await _copied(owner, others)
        await owner.execute("VACUUM ANALYZE")
        count = await owner.fetchval("SELECT count(*) FROM patients")
        print(f"{count:,} patients of {OTHERS + 1} clinics")
        for case in cases:
            await _compare(owner, case, tenant)


async def _compare(owner: Any, case: Case, tenant: Any) -> None:
    opening = f"BEGIN; SET LOCAL ROLE {APP_ROLE}; SET LOCAL app.tenant_id = '{tenant}'"
    ways: dict[str, tuple[str, str | None]] = {
        "held": (case.held, opening),
        "named": (case.named, "BEGIN"),
        "alone": (case.named, None),
    }  # fmt: skip
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (sql, begins) in ways.items():
            seen[name].append(await _timed(owner, case, sql, begins))
    ms = {name: median(found) for name, found in seen.items()}
    ratio = median(held / named for held, named in zip(seen["held"], seen["named"], strict=True))
    print(
        f"{case.name:40} held {ms['held']:.3f} ms, named {ms['named']:.3f} ms,"
        f" alone {ms['alone']:.3f} ms: {ratio:.2f} times as long for the policy"
    )
    assert ratio <= MOST, f"row-level security costs more than {MOST} times"


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_measure(where))

"""Claim: a write with its audit takes at most 1.35 times the CPU; a million rows verify in 5 min.

The same patients are registered in turn with the audit's row and without it, one transaction each,
durable: CPU of this process and of PostgreSQL, the median of the rounds' ratios. Then a million
rows are written, sealed and verified, and the verifier finds one that was changed.
"""

import asyncio
import time
from statistics import median
from typing import Any
from unittest.mock import patch
from uuid import UUID

from chroniccare.audit import actions, sealing
from chroniccare.audit.verifying import verify
from chroniccare.core.caller import Caller, system
from chroniccare.migrations.runner import migrate
from chroniccare.patients import actions as patients
from chroniccare.patients.schemas import PatientWrite
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import load as load_settings
from chroniccare.tenancy.actions import create_tenant

from .clinic import new_clinic
from .meter import cpu_seconds
from .stage import Stage, settings_of, stage

WRITES = 300
ROUNDS = 9
ROWS = 1_000_000
_FILL = Command(
    "INSERT INTO audit_logs (id, tenant_id, entity_type, entity_id, action, user_id, user_type,"
    " changes, metadata, ip_address, created_at) SELECT gen_random_uuid(), $1, 'patient',"
    " gen_random_uuid(), 'read', gen_random_uuid(), 'api_key', '{}',"
    """ '{"requestId": "01a22b91-080f-7038-a931-0723c8c9d270"}', '192.0.2.7', $2::timestamptz"""
    " + n * interval '1 millisecond' FROM generate_series($3::int, $3::int + 9999) AS n"
)


async def _nothing(*_args: Any, **_more: Any) -> None: ...


async def _writes(caller: Caller, label: str) -> float:
    """Return the CPU ms that one registered patient takes."""
    before = cpu_seconds()
    for number in range(WRITES):
        body = PatientWrite.model_validate(
            {
                "mrn": f"{label}-{number}", "first_name": "Maria", "last_name": "Gonzalez",
                "date_of_birth": "1961-04-12", "time_zone": "America/New_York",
            }
        )  # fmt: skip
        async with begin(caller) as tx:
            await patients.create(tx, body)
    after = cpu_seconds()
    spent = sum(after[kind] - before.get(kind, 0.0) for kind in ("here", "PostgreSQL"))
    return 1000 * spent / WRITES


async def _ratios(caller: Caller) -> list[float]:
    ratios = []
    await _writes(caller, "warm")
    for number in range(ROUNDS):
        cost = {}
        for audit in (False, True) if number % 2 else (True, False):
            with patch.object(patients, "record", actions.record if audit else _nothing):
                cost[audit] = await _writes(caller, f"{number}-{audit}")
        ratios.append(cost[True] / cost[False])
        print(f"round {number + 1}: {cost[False]:.2f} ms without, {cost[True]:.2f} ms with")
    return ratios


async def _million(caller: Caller, url: str) -> None:
    for first in range(0, ROWS, 10_000):
        async with begin(caller) as tx:
            await tx.run(_FILL, caller.tenant_id, tx.now, first)
    began = time.perf_counter()
    await sealing.seal(caller.tenant_id)
    took = time.perf_counter() - began
    print(f"sealed {ROWS:,} rows in {took:.1f} s, {ROWS / took:,.0f} a second")
    await _verify(caller.tenant_id, 0)
    async with owner_connection(url) as owner:
        await owner.execute(
            "UPDATE audit_logs SET action = 'list' WHERE id ="
            " (SELECT audit_id FROM audit_seals WHERE tenant_id = $1 AND seq = 654321)",
            caller.tenant_id,
        )
    assert await _verify(caller.tenant_id, 1) == [("changed", 654_321)]


async def _verify(tenant_id: UUID, wrong: int) -> list[tuple[str, int | None]]:
    began = time.perf_counter()
    report = await verify(tenant_id)
    took = time.perf_counter() - began
    found: list[tuple[str, int | None]] = [(one.kind, one.first) for one in report.findings]
    print(f"verified {report.sealed:,} rows in {took:.1f} s: {found or 'sound'}")
    assert (report.wrong, report.waiting) == (wrong, 0)
    assert took <= 300, "verifying takes more than five minutes"
    return found


async def _measure(where: Stage) -> list[float]:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        ratios = await _ratios(caller)
        tenant_id = await create_tenant(name="Million", subdomain="million")
        other = system(tenant_id, job="bench")
        async with owner_connection(where.database_url) as owner:
            await owner.execute("ANALYZE")
        await _million(other, where.database_url)
    return ratios


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        ratio = median(asyncio.run(_measure(where)))
    print(f"a write with its audit takes {ratio:.2f} times the CPU")
    assert ratio <= 1.35, "the audit costs more than a third of a write"


if __name__ == "__main__":
    main()

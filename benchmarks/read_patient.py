"""Claim: an authorised, rate-limited, audited read costs little more than its own bare SQL.

Requests for each CPU second of the server's worker process, against `bare.py` in the same run:
at least 0.6 when the record must be read from PostgreSQL, at least 0.9 when it is cached. The
stricter ratio, against one SELECT without tenant, is printed beside it.
"""

import asyncio
from collections.abc import Sequence
from itertools import cycle, islice
from statistics import median
from uuid import UUID

from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_patients
from .stage import Server, Stage, server, settings_of, stage

CLIENTS = 32
REQUESTS = 8_000
ROUNDS = 3


async def _prepare(where: Stage) -> tuple[str, str, list[UUID]]:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))) as platform:
        caller, key = await new_clinic()
        patients = await new_patients(caller, REQUESTS * ROUNDS + 1)
        await platform.database.pool.execute("ANALYZE")
    return str(caller.tenant_id), key, patients


async def _measure(where: Server, key: str, prefix: str, ids: Sequence[UUID]) -> float:
    """Read each patient once; return requests for each CPU second of the worker."""
    turns = iter(ids)

    def make(_client: int, _number: int) -> bytes | None:
        turn = next(turns, None)
        return None if turn is None else load.request("GET", f"{prefix}/patients/{turn}", key)

    before = where.cpu()
    seen = await load.run(where.port, make, clients=CLIENTS)
    assert set(seen.statuses) == {200}, seen.statuses
    return len(seen.latencies) / (where.cpu() - before)


async def _rounds(bare: Server, ours: Server, key: str, patients: list[UUID]) -> None:
    warm, fresh = patients[0], patients[1:]
    hot = list(islice(cycle([warm]), REQUESTS))
    for where in (bare, ours):
        await _measure(where, key, "/api/v1", hot[:2000])
    ratios = []
    for number in range(ROUNDS):
        # Nobody has read these before, so none of them is cached.
        share = fresh[number * REQUESTS :][:REQUESTS]
        same = await _measure(bare, key, "/api/v1", share)
        select = await _measure(bare, key, "/select", share)
        miss = await _measure(ours, key, "/api/v1", share)
        hit = await _measure(ours, key, "/api/v1", hot)
        ratios.append((miss / same, hit / same, miss / select, hit / select))
        print(
            f"round {number + 1}, requests/CPU s: bare {same:.0f}, bare SELECT {select:.0f},"
            f" miss {miss:.0f}, hit {hit:.0f}"
        )
    for name, values in zip(
        ("miss / bare", "hit / bare", "miss / SELECT", "hit / SELECT"),
        zip(*ratios, strict=True),
        strict=True,
    ):
        print(f"{name:14} {median(values):.2f}")


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        tenant, key, patients = asyncio.run(_prepare(where))
        environment = {**where.environment, "BENCH_TENANT": tenant}
        with (
            server("benchmarks.bare:app", environment) as bare,
            server("chroniccare.app:application", where.environment, factory=True) as ours,
        ):
            print(f"resident memory of one API worker: {ours.resident_mb():.0f} MB")
            asyncio.run(_rounds(bare, ours, key, patients))
            print(f"resident memory after the load: {ours.resident_mb():.0f} MB")


if __name__ == "__main__":
    main()

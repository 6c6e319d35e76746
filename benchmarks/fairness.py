"""Claim: beside a clinic that floods the API, another one's p95 grows by a bounded factor.

One clinic's 200 clients, in a process of their own, ask for a short page of their audit as fast as
they are answered, and pay no heed to Retry-After. Another clinic reads its list of staff, which no
cache holds, one request at a time: alone, beside the flood with the limit that ships, and beside
the flood without one; by turns, on two servers over the same engines.
"""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.settings import Settings
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_patients
from .stage import Server, Stage, server, settings_of, stage

FLOOD = 200
ROUNDS = 5
SECONDS = 4.0


_others = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def _flood(port: int, key: str) -> load.Load:
    page = load.request("GET", "/api/v1/audit?limit=5", key)
    return asyncio.run(load.run(port, lambda _c, _n: page, clients=FLOOD, seconds=SECONDS + 2))


async def _prepare(where: Stage) -> tuple[str, str]:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))) as platform:
        loud, loud_key = await new_clinic("loud")
        _, quiet_key = await new_clinic("quiet")
        await new_patients(loud, 500)
        await platform.database.pool.execute("ANALYZE")
    return loud_key, quiet_key


async def _quiet(where: Server, key: str) -> load.Load:
    message = load.request("GET", "/api/v1/staff", key)
    seen = await load.run(where.port, lambda _c, _n: message, clients=1, seconds=SECONDS)
    assert set(seen.statuses) == {200}, seen.statuses
    return seen


async def _beside(where: Server, loud: str, quiet: str) -> tuple[load.Load, load.Load]:
    flood = asyncio.get_running_loop().run_in_executor(_others, _flood, where.port, loud)
    await asyncio.sleep(1)
    seen = await _quiet(where, quiet)
    return seen, await flood


async def _rounds(ours: Server, unlimited: Server, loud: str, quiet: str) -> None:
    found: dict[str, list[float]] = {"alone": [], "limited": [], "unlimited": []}
    for number in range(ROUNDS):
        alone = await _quiet(ours, quiet)
        limited, flood = await _beside(ours, loud, quiet)
        without, other = await _beside(unlimited, loud, quiet)
        for name, seen in (("alone", alone), ("limited", limited), ("unlimited", without)):
            found[name].append(seen.quantile_ms(0.95))
        print(
            f"round {number + 1}: p95 of the quiet clinic, ms: alone {found['alone'][-1]:.1f},"
            f" limited {found['limited'][-1]:.1f}, unlimited {found['unlimited'][-1]:.1f};"
            f" the flood: {flood.statuses} at {flood.per_second:.0f}/s,"
            f" {other.statuses} at {other.per_second:.0f}/s"
        )
    alone_ms, limited_ms, unlimited_ms = (median(values) for values in found.values())
    print(f"p95 beside the flood / alone: limited {limited_ms / alone_ms:.1f}")
    print(f"p95 beside the flood / alone: unlimited {unlimited_ms / alone_ms:.1f}")


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        loud, quiet = asyncio.run(_prepare(where))
        shipped = str(Settings().requests_at_once)
        limited = {**where.environment, "CHRONICCARE_REQUESTS_AT_ONCE": shipped}
        app = "chroniccare.app:application"
        with (
            server(app, limited, factory=True) as ours,
            server(app, where.environment, factory=True) as unlimited,
        ):
            asyncio.run(_rounds(ours, unlimited, loud, quiet))


if __name__ == "__main__":
    main()

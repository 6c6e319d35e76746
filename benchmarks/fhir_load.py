"""Claim: 10,000 synthetic patients, each with a visit, load by transaction Bundles, none refused.

400 Bundles of 25 patients and 25 visits, one after another from each of two clients, through the
API: validation, rules, locks, messages, audit and events of each record. Aimed at: three minutes.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

import orjson
from tests.fhir.synthetic import Place, bundle

from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_staff
from .stage import Server, Stage, server, settings_of, stage

PATIENTS = int(os.environ.get("BENCH_PATIENTS", "10000"))
AT_ONCE = 25
CLIENTS = 2
STAFF = 10
_FOREVER_S = 3600.0


async def _prepare(where: Stage) -> tuple[str, list[Place]]:
    """Make a place for each client, so that no two wait for one provider's locks."""
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, key = await new_clinic()
        facility, staff = await new_staff(caller, CLIENTS * STAFF)
    first = (datetime.now(UTC) + timedelta(days=2)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    return key, [Place(facility, staff[client::CLIENTS], first) for client in range(CLIENTS)]


async def _load(where: Server, key: str, places: list[Place]) -> None:
    each = PATIENTS // CLIENTS

    def make(client: int, number: int) -> bytes | None:
        first = number * AT_ONCE
        if first >= each:
            return None
        # A client's patients are numbered behind the other's; its visits begin with its first day.
        place = places[client]
        start = place.first - timedelta(minutes=30 * (client * each // len(place.providers)))
        shifted = Place(place.facility, place.providers, start)
        body = bundle(shifted, client * each + first, min(AT_ONCE, each - first))
        return load.request("POST", "/fhir", key, orjson.dumps(body))

    before = where.cpu()
    seen = await load.run(where.port, make, clients=CLIENTS, seconds=_FOREVER_S)
    cpu = where.cpu() - before
    refused = {status: count for status, count in seen.statuses.items() if status != 200}
    print(
        f"{PATIENTS} patients with a visit each in {seen.seconds:.0f} s: "
        f"{2 * PATIENTS / seen.seconds:.0f} resources/s, {2 * PATIENTS / cpu:.0f} per CPU s;"
        f" Bundles of {2 * AT_ONCE}: p50 {seen.quantile_ms(0.5):.0f} ms,"
        f" p99 {seen.quantile_ms(0.99):.0f} ms; refused: {refused or 'none'}"
    )
    print(f"resident memory of the API worker: {where.resident_mb():.0f} MB")
    if refused:
        sys.exit("Bundles were refused")


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        key, places = asyncio.run(_prepare(where))
        with server("chroniccare.app:application", where.environment, factory=True) as ours:
            asyncio.run(_load(ours, key, places))


if __name__ == "__main__":
    main()

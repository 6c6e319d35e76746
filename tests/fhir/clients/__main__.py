"""`python -m tests.fhir.clients`: the story with 10,000 patients, by each client that is here.

Prints what came and the seconds it took; ends with 1 when anything else than expected came.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict

from chroniccare.core.caller import system
from chroniccare.platform import wiring
from chroniccare.platform.postgres import begin
from chroniccare.settings import load
from chroniccare.tenancy import actions as tenancy
from tests.chaos.servers import Servers, running
from tests.fhir.clients import story
from tests.fhir.clients.conftest import has_node

COUNT, PAGE = 10_000, 250


async def _key(servers: Servers, name: str) -> str:
    """Return a key of a new clinic."""
    async with wiring.opened(load(servers.settings)):
        tenant = await tenancy.create_tenant(name=name, subdomain=name)
        async with begin(system(tenant, job="clients")) as tx:
            scopes = frozenset({"patients:read", "patients:write"})
            return await tenancy.create_key(tx, pepper=servers.pepper, name=name, scopes=scopes)


def main() -> int:
    """Run them one after the other, each with a clinic of its own."""
    clients = [story.with_fhirpy, story.with_fhirclient, *([story.with_kit] if has_node else [])]
    status = 0
    with running(workers=2, loops=False, durable=False) as servers:
        for client in clients:
            key = asyncio.run(_key(servers, client.__name__.replace("_", "-")))
            begun = time.monotonic()
            came = client(story.Live(f"http://127.0.0.1:{servers.port}/fhir", key), COUNT, PAGE)
            seconds = round(time.monotonic() - begun, 1)
            print(json.dumps({"client": client.__name__, **asdict(came), "seconds": seconds}))
            status |= int(came != story.expected(COUNT, PAGE))
    return status


if __name__ == "__main__":
    sys.exit(main())

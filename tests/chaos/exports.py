"""`python -m tests.chaos.exports`: kill -9 of the worker amid an export; another ends it, whole.

Prints JSON: how many files and resources came, and whether the export was over before the kill.
"""

import asyncio
import json
import sys
import tempfile
import time
from typing import Any

import httpx
import orjson

from chroniccare.core.caller import system
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.settings import load
from chroniccare.tenancy import actions as tenancy
from tests.chaos.servers import Servers, running

_MOST_S = 90.0
_PATIENTS = 500
_SCOPES = frozenset({"patients:read", "patients:write", "privacy:read"})
# The lease of the dead: nobody waits a minute for it here.
_EXPIRED = "UPDATE fhir_exports SET lease_until = now() WHERE state = 'running'"


async def _key(servers: Servers) -> str:
    async with wiring.opened(load(servers.settings)):
        tenant = await tenancy.create_tenant(name="Exports", subdomain="exports")
        async with begin(system(tenant, job="chaos")) as tx:
            return await tenancy.create_key(tx, pepper=servers.pepper, name="chaos", scopes=_SCOPES)


def _bundle() -> dict[str, Any]:
    entries = [
        {
            "resource": {"resourceType": "Patient", "birthDate": "1961-04-12", "gender": "female",
                         "name": [{"family": f"Quist{number}", "given": ["Ada"]}]},
            "request": {"method": "POST", "url": "Patient"},
        }
        for number in range(_PATIENTS)
    ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _far(http: httpx.Client, where: str, count: int) -> dict[str, Any] | None:
    """Wait until so many resources are exported, or all; then return the manifest."""
    deadline = time.monotonic() + _MOST_S
    while time.monotonic() < deadline:
        response = http.get(where)
        if response.status_code == 200:
            manifest: dict[str, Any] = response.json()
            return manifest
        if int(response.headers["x-progress"].split()[0]) >= count:
            return None
        time.sleep(0.002)
    raise AssertionError("not within its time")


def _until(servers: Servers, http: httpx.Client, where: str, count: int) -> dict[str, Any] | None:
    """Let a worker live until so many resources are exported, then kill it; see `_far`."""
    worker = servers.start("work")
    try:
        return _far(http, where, count)
    finally:
        worker.kill()  # SIGKILL
        worker.wait()


async def _expire(servers: Servers) -> None:
    async with owner_connection(servers.database_url) as owner:
        await owner.execute(_EXPIRED)


def run(servers: Servers) -> dict[str, Any]:
    """Export, kill, let another go on, and fetch what came of it."""
    headers = {"X-API-Key": asyncio.run(_key(servers)), "Prefer": "respond-async"}
    base = f"http://127.0.0.1:{servers.port}"
    with httpx.Client(base_url=base, headers=headers, timeout=60) as http:
        assert http.post("/fhir", json=_bundle()).status_code == 200
        where = http.get("/fhir/$export?_type=Patient").headers["content-location"]
        early = _until(servers, http, where, 1)
        asyncio.run(_expire(servers))
        manifest = _until(servers, http, where, _PATIENTS + 1)
        assert manifest is not None
        files = [http.get(one["url"]).content for one in manifest["output"]]
    ids = [orjson.loads(line)["id"] for lines in files for line in lines.splitlines()]
    return {
        "early": early is not None, "files": len(files), "resources": len(ids),
        "different": len(set(ids)),
    }  # fmt: skip


def main() -> int:
    """Run; 1 when anything is missing or came twice."""
    with tempfile.TemporaryDirectory() as folder:
        more = {"CHRONICCARE_FHIR_EXPORT_DIR": folder}
        with running(workers=1, loops=False, durable=False, more=more) as servers:
            came = run(servers)
    sys.stdout.write(json.dumps(came) + "\n")
    return int(not came["resources"] == came["different"] == _PATIENTS)


if __name__ == "__main__":
    sys.exit(main())

"""Claim: an API function on Lambda answers 800 ms after its cold start, and within 5 ms when warm.

Under AWS's runtime interface emulator, which `make test-aws` installs. Time counts from the first
invocation, which starts Python, imports the slice, and connects to PostgreSQL.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import Any

from tests.aws import rie
from tests.aws.environments import program
from tools import lambda_package

from chroniccare.core.caller import system
from chroniccare.migrations.runner import migrate
from chroniccare.platform import masterkey_file, wiring
from chroniccare.platform.embedded import EngineUrls, engines
from chroniccare.platform.postgres import begin
from chroniccare.settings import load
from chroniccare.tenancy import actions

COLD, WARM = 5, 200
PEPPER = "a pepper of the benchmark, 32 or more"
FUNCTIONS = {
    "patients": "/api/v1/patients", "providers": "/api/v1/providers",
    "appointments": "/api/v1/appointments", "medications": "/api/v1/dosing-times",
    "notifications": "/api/v1/notifications/delivery-status",
    "fhir": "/fhir/Patient", "authorizer": "/api/v1/patients",
    "clinic: work": "/api/v1/tasks", "clinic: staff": "/api/v1/staff",
    "clinic: visits": "/api/v1/recalls", "clinic: records": "/api/v1/audit-logs",
    "clinic: links": "/visits/none",
}  # fmt: skip
"""By function, and part of it: what a cold one is asked first."""
_IMPORT = "import time; t = time.perf_counter(); import fastapi; print(time.perf_counter() - t)"


async def _prepared(given: dict[str, str]) -> str:
    """Return the key of a new clinic."""
    await migrate(given["DATABASE_URL"])
    async with wiring.opened(load(given)):
        tenant = await actions.create_tenant(name="A clinic", subdomain="clinic")
        async with begin(system(tenant, job="benchmark")) as tx:
            return await actions.create_key(
                tx, pepper=PEPPER, name="benchmark",
                scopes=frozenset({"patients:read", "providers:read", "appointments:read",
                                  "medications:read", "notifications:read", "tasks:read",
                                  "staff:read", "recalls:read", "audit:read"}),
            )  # fmt: skip


def _event(path: str, key: str) -> dict[str, Any]:
    headers = {"X-API-Key": key, "Host": "api.clinic.example"}
    return {
        "type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1/live/GET/",
        "resource": "/{proxy+}", "path": path, "httpMethod": "GET", "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None, "body": None,
        "isBase64Encoded": False, "requestContext": {"identity": {"sourceIp": "203.0.113.9"}},
    }  # fmt: skip


def _bare(code: Path) -> float:
    """Return the milliseconds that FastAPI alone takes to be imported from the package."""
    said = subprocess.run(
        [program("rie", "python"), "-c", _IMPORT], check=True, capture_output=True, text=True,
        env={"PYTHONPATH": str(code)},
    )  # fmt: skip
    return float(said.stdout) * 1000


def _measured(urls: EngineUrls, code: Path, base: Path) -> None:
    masterkey_file.make(base / "master.key")
    given = {
        "DATABASE_URL": urls.database_url, "REDIS_URL": urls.cache_url,
        "CHRONICCARE_KEY_PEPPER": PEPPER, "CHRONICCARE_LOG_LEVEL": "WARNING",
        "CHRONICCARE_MASTER_KEY_FILE": str(base / "master.key"),
        "CHRONICCARE_RATE_LIMIT_PER_MINUTE": "1000000",
    }  # fmt: skip
    key = asyncio.run(_prepared(given))
    for name, path in FUNCTIONS.items():
        cold, warm, bare = [], [], []
        for _ in range(COLD):
            bare.append(_bare(code))
            handler = f"chroniccare.lambdas.{name.partition(':')[0]}.handler"
            with rie.running(code, handler, given, base / "log") as function:
                answer, taken = function.timed(_event(path, key))
                assert answer.get("statusCode", 200) in {200, 400, 404}, answer
                assert "errorType" not in answer, answer
                cold.append(taken)
                warm += [function.timed(_event(path, key))[1] for _ in range(WARM)]
        print(
            f"{name:15} cold {median(cold):5.0f} ms (best {min(cold):4.0f}), warm"
            f" {median(warm):4.1f} ms; FastAPI alone {median(bare):4.0f} ms (best {min(bare):4.0f})"
        )


def main() -> None:
    """Run the benchmark; cold starts alternate with bare imports, so that noise meets both."""
    base = Path(tempfile.mkdtemp(prefix="ccf-"))
    base.chmod(0o755)
    try:
        lambda_package.build(base / "made.zip", installed=True, kind=lambda_package.PLATFORM)
        code = rie.unpacked(base / "made.zip", base / "task")
        started = time.perf_counter()
        with engines(base / "data", durable=False) as urls:
            _measured(urls, code, base)
        sys.stderr.write(f"{time.perf_counter() - started:.0f} s\n")
    finally:
        rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()

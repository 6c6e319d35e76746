"""The PostgreSQL versions that this machine's packages installed, beside the embedded one.

The login is what managed servers give: it owns its database and may create roles, no more.
"""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import httpx
import pytest

from tests.e2e.process import curl, data_dir, up, wait_for

PASSWORD = "only-this-test-knows-it"
INSTALLED = sorted(
    path.parent
    for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")
    if path.parents[1].name.isdigit() and int(path.parents[1].name) >= 15
)


def _as_account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def cluster(binaries: Path) -> Iterator[str]:
    """Run a cluster of this version on a unix socket; yield the owner's address."""
    account = _as_account()
    base = Path(tempfile.mkdtemp(prefix="ccs-", dir="/tmp"))
    if account:
        os.chown(base, account["user"], account["group"])
    secret = base / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data = base / "data"

    def call(*command: str, text: str | None = None) -> None:
        subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            check=True, cwd="/", input=text, text=True, capture_output=True,
            env={"PATH": "/usr/bin:/bin", "PGPASSWORD": PASSWORD}, **account,
        )  # fmt: skip

    try:
        call(
            "initdb", "-D", str(data), "-U", "admin", "-A", "scram-sha-256", "-E", "UTF8",
            "--no-locale", "--no-sync", f"--pwfile={secret}",
        )  # fmt: skip
        options = f"-c listen_addresses='' -c fsync=off -k {base}"
        call("pg_ctl", "-D", str(data), "-w", "-o", options, "-l", str(base / "log"), "start")
        try:
            call(
                "psql", "-h", str(base), "-U", "admin", "-d", "postgres", "-q",
                "-v", "ON_ERROR_STOP=1",
                text=f"CREATE ROLE owner LOGIN CREATEROLE PASSWORD '{PASSWORD}';"
                "\nCREATE DATABASE clinic OWNER owner ENCODING 'UTF8';",
            )  # fmt: skip
            yield f"postgresql://owner:{PASSWORD}@/clinic?host={base}&port=5432"
        finally:
            call("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        rmtree(base, ignore_errors=True)


if INSTALLED:  # not a skip: where there is none there is nothing to prove

    @pytest.mark.parametrize("binaries", INSTALLED, ids=lambda path: path.parent.name)
    def test_an_installed_postgresql_serves_as_well(binaries: Path) -> None:
        with cluster(binaries) as url, data_dir() as directory:
            with up(directory, "--demo", DATABASE_URL=url) as started:
                patients, booked, _ = (curl(line) for line in started.curl_lines())
                assert len(patients.json()["data"]["items"]) == 3
                assert booked.status_code == 201, booked.text
                visit = booked.json()["data"]
                path = f"{started.address}/api/v1/patients/{visit['patient_id']}/notifications"

                def confirmed() -> bool:
                    items = httpx.get(path, headers={"X-API-Key": started.key}).json()["data"]
                    return any(
                        item["appointment_id"] == visit["id"]
                        and item["delivery_status"] == "delivered"
                        for item in items["items"]
                    )

                wait_for(confirmed, "the confirmation")
                started.interrupt()
            assert not (directory / "postgres").exists()

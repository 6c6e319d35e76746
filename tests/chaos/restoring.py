"""`python -m tests.chaos.restoring`: a machine is lost, its clinic made anew from backups (R16).

A clinic with many patients writes on after a base backup; PostgreSQL is killed with -9 and its
directory is gone. What is left is the folder of backups, the master key and the store of tenants'
keys. Prints JSON: what was lost (RPO) and how long it took until a clinic with the right number of
rows, a sound audit and fields that open stood again (RTO). Then it is made once more, as it was
when one of the writes that are left was acknowledged: that one is its last. Ends with 1 when either
was too much, or something was wrong.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from chroniccare.audit import sealing
from chroniccare.audit.actions import record
from chroniccare.audit.verifying import verify
from chroniccare.core.caller import system
from chroniccare.migrations.runner import migrate
from chroniccare.patients import actions as patients
from chroniccare.patients.schemas import PatientWrite
from chroniccare.platform import embedded_backup, masterkey_file, wiring
from chroniccare.platform.embedded import engines, restored
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import Settings, load
from chroniccare.tenancy.actions import create_tenant
from tests.chaos.servers import PEPPER
from tests.chaos.world import patient_body
from tests.e2e.process import data_dir

PATIENTS, SMALL = 1_000_000, 2_000
_WRITES_S, _SMALL_S = 90.0, 5.0
RPO_S, RTO_S = 60.0, 900.0
_SEALED = 25
_COLUMNS = (
    "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'patients'::regclass"
    " AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname NOT IN ('id', 'mrn')"
)
_TOUCH = Command("UPDATE patients SET updated_at = $2 WHERE id = $1")
_COUNT = "SELECT count(*) FROM patients"


@dataclass(slots=True)
class Told:
    """What came of it; seconds."""

    patients: int = 0
    acknowledged: int = 0
    backup_s: float = 0.0
    rpo_s: float = 0.0
    rto_s: float = 0.0
    restored_s: float = 0.0
    chosen_s: float | None = None
    audit_rows: int = 0
    violations: list[str] = field(default_factory=list)


def _settings(url: str, base: Path) -> Settings:
    return load(
        {
            "DATABASE_URL": url, "CHRONICCARE_KEY_PEPPER": PEPPER,
            "CHRONICCARE_MASTER_KEY_FILE": str(base / "master.key"),
            "CHRONICCARE_TENANT_KEY_DIRS": str(base / "tenant-keys"),
        }
    )  # fmt: skip


async def _filled(settings: Settings, count: int) -> tuple[UUID, list[UUID]]:
    """Make a clinic; return it and its patients with sealed fields: the others are bare rows."""
    async with wiring.opened(settings):
        tenant = await create_tenant(name="Lost", subdomain="lost")
        made = []
        for number in range(_SEALED):
            async with begin(system(tenant, job="chaos")) as tx:
                body = PatientWrite.model_validate(patient_body(number))
                made.append((await patients.create(tx, body)).id)
                await record(tx, action="create", entity_type="patient", entity_id=made[-1])
        await sealing.seal(tenant)
    async with owner_connection(settings.database_url) as owner:
        columns = await owner.fetchval(_COLUMNS)
        await owner.execute(
            f"INSERT INTO patients (id, mrn, {columns}) SELECT gen_random_uuid(), 'L-' || n,"  # noqa: S608  names of columns
            f" {columns} FROM patients, generate_series(1, {count - _SEALED}) n WHERE id = $1",
            made[0],
        )
    return tenant, made


async def _write(settings: Settings, tenant: UUID, patient: UUID, seconds: float) -> list[datetime]:
    """Commit a change and its audit row again and again; return when each was acknowledged."""
    acknowledged, until = [], time.monotonic() + seconds
    async with wiring.opened(settings):
        while time.monotonic() < until:
            async with begin(system(tenant, job="chaos")) as tx:
                await tx.run(_TOUCH, patient, tx.now)
                await record(tx, action="update", entity_type="patient", entity_id=patient)
            acknowledged.append(datetime.now(UTC))
            await sealing.seal(tenant)
            await asyncio.sleep(0.02)
    return acknowledged


async def _judge(settings: Settings, tenant: UUID, made: list[UUID], told: Told) -> datetime:
    """Look at the clinic that was made anew; return when its last change was."""
    async with wiring.opened(settings):
        report = await verify(tenant)
        told.audit_rows = report.sealed
        told.violations += [f"audit: {one.kind} at {one.first}" for one in report.findings]
        last = datetime.min.replace(tzinfo=UTC)
        for number, patient in enumerate(made):
            async with begin(system(tenant, job="chaos")) as tx:
                found = await patients.get(tx, patient)
            last = max(last, found.updated_at)
            told.violations += [
                f"patient {number}: the number does not open"
                for point in found.contact_info["telecom"]
                if point["value"] != f"+1415555{number:04d}"
            ]
    async with owner_connection(settings.database_url) as owner:
        count = await owner.fetchval(_COUNT)
    if told.audit_rows < _SEALED:
        told.violations.append(f"{told.audit_rows} sealed rows of the audit")
    if count != told.patients:
        told.violations.append(f"{count} patients, {told.patients} acknowledged")
    return last


def run(base: Path, told: Told, seconds: float) -> None:
    """Lose a clinic and make it anew."""
    masterkey_file.make(base / "master.key")
    (base / "tenant-keys").mkdir(mode=0o700)
    old, new, kept = base / "clinic", base / "new", base / "kept"
    with engines(old, valkey=False, backup=kept) as urls:
        asyncio.run(migrate(urls.database_url))
        settings = _settings(urls.database_url, base)
        tenant, made = asyncio.run(_filled(settings, told.patients))
        began = time.monotonic()
        line = embedded_backup.line_of(kept, old)
        embedded_backup.take(urls.database_url, line, now=datetime.now(UTC))
        told.backup_s = round(time.monotonic() - began, 1)
        acknowledged = asyncio.run(_write(settings, tenant, made[0], seconds))
        pid = int((old / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
    told.acknowledged = len(acknowledged)
    old.rename(base / "lost")
    began = time.monotonic()
    restored(new, kept, to=None)
    told.restored_s = round(time.monotonic() - began, 1)
    with engines(new, valkey=False) as urls:
        last = asyncio.run(_judge(_settings(urls.database_url, base), tenant, made, told))
    told.rto_s = round(time.monotonic() - began, 1)
    told.rpo_s = round(max((acknowledged[-1] - last).total_seconds(), 0.0), 1)
    left = [moment for moment in acknowledged if moment <= last]
    if len(left) > 2:
        before, chosen = left[len(left) // 2 - 1 :][:2]
        began = time.monotonic()
        restored(base / "chosen", kept, to=chosen)
        with engines(base / "chosen", valkey=False) as urls:
            then = asyncio.run(_judge(_settings(urls.database_url, base), tenant, made, told))
        told.chosen_s = round(time.monotonic() - began, 1)
        if not before < then <= chosen:
            told.violations.append(f"the last is of {then}, not between {before} and {chosen}")
    if told.rpo_s > RPO_S:
        told.violations.append(f"{told.rpo_s} s were lost")
    if told.rto_s > RTO_S:
        told.violations.append(f"it took {told.rto_s} s")


def main(arguments: list[str]) -> int:
    """Run; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.restoring")
    parser.add_argument("--small", action="store_true", help="few patients, for a few seconds")
    parser.add_argument("--patients", type=int)
    given = parser.parse_args(arguments)
    told = Told(given.patients or (SMALL if given.small else PATIENTS))
    with data_dir() as place:
        run(place.parent, told, _SMALL_S if given.small else _WRITES_S)
    sys.stdout.write(json.dumps(asdict(told)) + "\n")
    return int(bool(told.violations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

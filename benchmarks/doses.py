"""Claim: 14 days of doses for 10,000 patients with 5 medications are written at 20,000 a second.

Durable PostgreSQL with row-level security, by the worker's own round: read, worked out, written,
bookmarked, 200 medications a transaction. Messages are the loop of reminders' (`bundles`). Beside
it the same statement for one dose at a time (executemany, and a round trip each) on a sample. The
machine is shared, so CPU seconds of both sides stand beside the clock's.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import psutil

from chroniccare.core.caller import Caller
from chroniccare.medications.doses import queries_plan, rounds
from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.settings import load as load_settings

from .clinic import new_clinic, new_staff
from .stage import Stage, settings_of, stage

PATIENTS = 10_000
EACH = 5
SAMPLE = 3_000
CLAIM = 20_000
ZONES = ["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
         "Europe/Madrid", "Asia/Kolkata"]  # fmt: skip
# Ten doses a day in all: once, twice, at meals, twice at set times, and every 12 hours.
REPEATS: list[dict[str, Any]] = [
    {"frequency": 1, "period": 1, "periodUnit": "d"},
    {"frequency": 2, "period": 1, "periodUnit": "d"},
    {"when": ["ACM", "ACD", "ACV"], "offset": 30},
    {"period": 1, "periodUnit": "d", "timeOfDay": ["07:30:00", "19:30:00"]},
    {"frequency": 1, "period": 12, "periodUnit": "h"},
]
_PATIENTS = (
    "INSERT INTO patients (id, tenant_id, mrn, first_name, last_name, date_of_birth, time_zone,"
    " created_at, updated_at) SELECT uuidv7(), $1, 'B-' || n, 'Maria', 'Gonzalez ' || n,"
    " '1961-04-12', ($3::text[])[1 + n % cardinality($3::text[])], $4, $4"
    " FROM generate_series(1, $2::int) AS n"
)
_MEDICATIONS = (
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " dosage, route, frequency, start_date, created_at, updated_at) SELECT uuidv7(), $1,"
    " p.id, $2, 'Drug ' || k, '1 tablet', 'oral', k, $3, $4, $4 FROM patients p"
    " CROSS JOIN generate_series(1, $5::int) AS k WHERE p.tenant_id = $1 ORDER BY p.id, k"
)
_REGIMENS = (
    "INSERT INTO medication_regimens (tenant_id, medication_id, version, dosage, starts_on,"
    " effective_from, created_at) SELECT tenant_id, id, 1, $2::jsonb -> (frequency::int - 1),"
    " start_date, $3, $3 FROM medications WHERE tenant_id = $1"
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock, and of CPU: this process's and PostgreSQL's."""

    wall: float
    ours: float
    theirs: float

    def __str__(self) -> str:
        return f"{self.wall:6.1f} s, CPU {self.ours:5.1f} s ours + {self.theirs:5.1f} s PostgreSQL"


class Watch:
    """Reads the clocks; PostgreSQL's is that of every process of it that lives till the end."""

    def __init__(self) -> None:
        self.wall, self.ours, self.theirs = time.monotonic(), time.process_time(), _postgres()

    def spent(self) -> Spent:
        """Return what was spent since the watch was made."""
        used = {pid: used - self.theirs.get(pid, 0) for pid, used in _postgres().items()}
        return Spent(
            time.monotonic() - self.wall, time.process_time() - self.ours, sum(used.values())
        )


def _postgres() -> dict[int, float]:
    """Return the CPU seconds of each process of PostgreSQL below this one."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        if "postgres" in child.name():
            used = child.cpu_times()
            found[child.pid] = float(used.user + used.system)
    return found


async def _fill(where: Stage, caller: Caller) -> None:
    """Register patients and prescribe to them, five medications each."""
    _, staff = await new_staff(caller, 1)
    now = datetime.now(UTC)
    document = [[_dosage(repeat)] for repeat in REPEATS]
    async with owner_connection(where.database_url) as owner:
        await owner.set_type_codec(
            "jsonb", schema="pg_catalog", encoder=lambda value: value, decoder=lambda raw: raw
        )
        tenant = caller.tenant_id
        await owner.execute(_PATIENTS, tenant, PATIENTS, ZONES, now)
        await owner.execute(_MEDICATIONS, tenant, staff[0], now.date(), now, EACH)
        await owner.execute(_REGIMENS, tenant, orjson.dumps(document).decode(), now)
        await owner.execute("VACUUM ANALYZE")


def _dosage(repeat: dict[str, Any]) -> dict[str, Any]:
    quantity = {"value": 1, "unit": "tablet"}
    return {
        "sequence": 1, "timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": quantity}],
    }  # fmt: skip


async def _count(where: Stage) -> int:
    async with owner_connection(where.database_url) as owner:
        return int(await owner.fetchval("SELECT count(*) FROM medication_doses"))


async def _baseline(where: Stage, caller: Caller, *, many: bool) -> Spent:
    """Write the sample's doses one at a time with the same statement, in one transaction."""
    rows = await _taken_out(where)
    watch = Watch()
    async with begin(caller) as tx:
        calls = [
            (tx.now, *([value] for value in list(row.values())[:4]), [1],
             *([value] for value in list(row.values())[4:]))
            for row in rows
        ]  # fmt: skip
        if many:
            await tx.connection.executemany(queries_plan.WRITE.sql, calls)
        else:
            for call in calls:
                await tx.run(queries_plan.WRITE, *call)
    return watch.spent()


async def _taken_out(where: Stage) -> "list[asyncpg.Record]":
    """Delete the sample and return it, to be written anew."""
    async with owner_connection(where.database_url) as owner:
        return list(
            await owner.fetch(
                "DELETE FROM medication_doses WHERE id IN (SELECT id FROM medication_doses"
                " ORDER BY due_at, id LIMIT $1) RETURNING medication_id, regimen_version,"
                " quantity, unit, id, local_date, ordinal, due_at, late_at, missed_at",
                SAMPLE,
            )
        )


async def _run(where: Stage) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        await _fill(where, caller)
        watch = Watch()
        seen = await rounds.run(caller.tenant_id)
        spent = watch.spent()
        count = await _count(where)
        print(f"planned {seen.extended:,} medications, {count:,} doses: {spent}")
        watch = Watch()
        again = await rounds.run(caller.tenant_id)
        print(f"another round, nothing to do ({again.extended}): {watch.spent()}")
        rate, each = count / spent.wall, (spent.ours + spent.theirs) / count
        print(f"{rate:,.0f} doses/s by the clock, {1e6 * each:.0f} us of CPU a dose")
        for name, many in (("executemany", True), ("a round trip each", False)):
            taken = await _baseline(where, caller, many=many)
            theirs = (taken.ours + taken.theirs) / SAMPLE
            print(
                f"baseline, {name}, {SAMPLE:,} doses: {taken}; {SAMPLE / taken.wall:,.0f} doses/s,"
                f" {theirs / each:.1f} times the CPU; {count:,} would take"
                f" {count * taken.wall / SAMPLE:,.0f} s"
            )
    on_two = count / max(spent.ours, spent.theirs)
    print(f"with a core for each side: {on_two:,.0f} doses/s")
    assert max(rate, on_two) >= CLAIM, f"less than {CLAIM:,} doses/s"


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_run(where))


if __name__ == "__main__":
    main()

"""Claim: the adherence report of a year within 30 ms at the 95th percentile, 2 million doses.

Over HTTP, key, audit and JSON included: 548 patients with five medications twice a day, whose doses
were written two weeks at a time, as they are planned. Beside it, in one process, what the figures
take when the rows are fetched one by one, and when SQL counts them.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psutil

from chroniccare.core.caller import Caller
from chroniccare.medications.adherence import measures, reporting
from chroniccare.medications.adherence.queries import CODE
from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Tx, begin
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_patients, new_staff
from .stage import Server, Stage, server, settings_of, stage

PATIENTS, DRUGS, DAILY, DAYS, CHUNK = 548, 5, 2, 365, 14
ROUNDS = 200
CLAIM_MS = 30
_MEDICATIONS = (
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " dosage, route, frequency, start_date, drug_class, created_at, updated_at)"
    " SELECT gen_random_uuid(), $1, p, $2, 'Drug ' || n, '1 tablet', 'oral', 'twice a day',"
    " $4::date, 'class ' || n, now(), now() FROM unnest($3::uuid[]) AS p,"
    " generate_series(1, $5) AS n"
)
# Seven in eight are taken, one of these late; the rest is missed, seen or not, or skipped.
_DOSES = (
    "INSERT INTO medication_doses (id, tenant_id, patient_id, medication_id, regimen_version,"
    " local_date, ordinal, due_at, late_at, missed_at, state, source, taken_at, reason, updated_at)"
    " SELECT gen_random_uuid(), m.tenant_id, m.patient_id, m.id, 1, day, o, due,"
    " due + interval '1 hour', due + interval '4 hours',"
    " CASE WHEN r < 14 THEN 'taken' WHEN r = 14 THEN 'missed' ELSE 'skipped' END,"
    " CASE WHEN r = 14 AND o = 0 THEN 'inference' ELSE 'patient' END,"
    " CASE WHEN r < 14 THEN due + CASE r WHEN 0 THEN interval '2 hours' ELSE interval '0' END END,"
    " CASE WHEN r = 15 THEN 'other' END, due"
    " FROM medications m, generate_series($1::int, $1 + $2 - 1) AS d,"
    " generate_series(0, $3::int - 1) AS o, LATERAL (SELECT $4::date + d AS day,"
    " ($4::date + d + interval '13 hours'"
    " + o * interval '12 hours') AT TIME ZONE 'UTC' AS due, (random() * 15.99)::int AS r) x"
)
_FILLS = (
    "INSERT INTO medication_fills (id, tenant_id, patient_id, medication_id, filled_on,"
    " days_supply, source, created_at) SELECT gen_random_uuid(), m.tenant_id, m.patient_id, m.id,"
    " $1::date + d,"
    " 30, 'pharmacy', now() FROM medications m, generate_series(0, 360, 31) AS d"
)
_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'medication_doses'"
    " AND indexname LIKE 'idx_%'"
)
_ROWS = (
    f"SELECT d.medication_id, d.local_date, {CODE} AS code FROM medication_doses d"
    " WHERE d.patient_id = $2 AND d.due_at >= $3 AND d.due_at < $4"
    " AND d.outcome IS NOT NULL ORDER BY d.medication_id, d.due_at"
)
# The same figures by SQL alone: counts by day, and streaks as islands of days.
_COUNTED = (
    f"WITH d AS (SELECT d.medication_id, d.local_date, {CODE} AS code FROM medication_doses d"
    " WHERE d.patient_id = $2 AND d.due_at >= $3 AND d.due_at < $4"
    " AND d.outcome IS NOT NULL),"
    " days AS (SELECT medication_id, local_date,"
    " count(*) FILTER (WHERE code IN ('t', 'l')) AS good,"
    " count(*) FILTER (WHERE code = 'l') AS late, count(*) FILTER (WHERE code = 's') AS skipped,"
    " count(*) FILTER (WHERE code = 'm') AS missed, count(*) FILTER (WHERE code = 'i') AS inferred,"
    " count(*) FILTER (WHERE code IN ('t', 'l', 's', 'm', 'i')) AS due FROM d"
    " GROUP BY GROUPING SETS ((medication_id, local_date), (local_date))),"
    " runs AS (SELECT *, row_number() OVER w - row_number() OVER (PARTITION BY medication_id,"
    " good = due ORDER BY local_date) AS full_run, row_number() OVER w - row_number() OVER"
    " (PARTITION BY medication_id, good = 0 ORDER BY local_date) AS gap_run FROM days WHERE due > 0"
    " WINDOW w AS (PARTITION BY medication_id ORDER BY local_date)),"
    " lengths AS (SELECT medication_id, max(n) FILTER (WHERE kind = 'full') AS streak,"
    " max(n) FILTER (WHERE kind = 'gap') AS gap FROM (SELECT medication_id, 'full' AS kind,"
    " count(*) AS n FROM runs WHERE good = due GROUP BY medication_id, full_run UNION ALL"
    " SELECT medication_id, 'gap', count(*) FROM runs WHERE good = 0"
    " GROUP BY medication_id, gap_run) x GROUP BY medication_id)"
    " SELECT r.medication_id, sum(good), sum(late), sum(skipped), sum(missed), sum(inferred),"
    " sum(due), max(l.streak), max(l.gap),"
    " (SELECT jsonb_agg(jsonb_build_array(t.local_date, t.good, t.due)) FROM days t"
    " WHERE t.medication_id IS NULL) AS trend FROM runs r LEFT JOIN lengths l"
    " ON l.medication_id IS NOT DISTINCT FROM r.medication_id GROUP BY r.medication_id"
)


async def _prepare(where: Stage, first: date) -> tuple[Caller, str, list[UUID]]:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, key = await new_clinic()
        _, [provider] = await new_staff(caller, 1)
        patients = await new_patients(caller, PATIENTS)
    async with owner_connection(where.database_url) as owner:
        await owner.execute("SET session_replication_role = replica")  # no foreign keys, or minutes
        await owner.execute(_MEDICATIONS, caller.tenant_id, provider, patients, first, DRUGS)
        await owner.execute(_FILLS, first)
        indexes = await owner.fetch(_INDEXES)
        for name, _ in indexes:
            await owner.execute(f"DROP INDEX {name}")
        for day in range(0, DAYS, CHUNK):
            await owner.execute(_DOSES, day, min(CHUNK, DAYS - day), DAILY, first)
        for _, definition in indexes:
            await owner.execute(definition)
        await owner.execute("VACUUM ANALYZE")
        count = await owner.fetchval("SELECT count(*) FROM medication_doses")
        print(f"{count:,} rows of doses", flush=True)
    return caller, key, patients


async def _over_http(ours: Server, key: str, patients: list[UUID], first: date) -> float:
    chance = random.Random(1)  # noqa: S311  which patient, not a secret
    last = first + timedelta(days=DAYS - 1)

    def request(_client: int, number: int) -> bytes | None:
        if number >= ROUNDS:
            return None
        path = f"/api/v1/patients/{chance.choice(patients)}/medications/adherence"
        return (
            f"GET {path}?from={first}&to={last} HTTP/1.1\r\nhost: bench\r\nx-api-key: {key}\r\n\r\n"
        ).encode()

    used, engine = ours.cpu(), _engine_cpu()
    seen = await load.run(ours.port, request, clients=1)
    assert seen.statuses == {200: ROUNDS}, seen.statuses
    used, engine = ours.cpu() - used, _engine_cpu() - engine
    p95 = seen.quantile_ms(0.95)
    print(
        f"report of {DAYS} days over HTTP: p50 {seen.quantile_ms(0.5):.1f} ms, p95 {p95:.1f} ms,"
        f" max {seen.quantile_ms(1):.1f} ms; CPU of each: server {used / ROUNDS * 1e3:.1f} ms,"
        f" PostgreSQL {engine / ROUNDS * 1e3:.1f} ms",
        flush=True,
    )
    return p95


def _engine_cpu() -> float:
    """CPU seconds of every PostgreSQL process below this one."""
    times = [
        child.cpu_times()
        for child in psutil.Process().children(recursive=True)
        if "postgres" in child.name()
    ]
    return float(sum(one.user + one.system for one in times))


async def _packed(tx: Tx, patient: UUID, first: date) -> None:
    last = first + timedelta(days=DAYS - 1)
    await reporting.report(
        tx, patient, from_date=first, to_date=last, medication_id=None, interval=None
    )


async def _one_by_one(tx: Tx, patient: UUID, first: date) -> None:
    rows = await tx.connection.fetch(_ROWS, *_range(tx, patient, first))
    found: dict[UUID, tuple[list[str], list[int]]] = {}
    for row in rows:
        codes, days = found.setdefault(row["medication_id"], ([], []))
        codes.append(row["code"])
        days.append((row["local_date"] - first).days)
    each = [measures.by_day("".join(codes), days) for codes, days in found.values()]
    for one in [*each, measures.together(each)]:
        measures.of_doses(one)


async def _in_sql(tx: Tx, patient: UUID, first: date) -> None:
    await tx.connection.fetch(_COUNTED, *_range(tx, patient, first))


def _range(tx: Tx, patient: UUID, first: date) -> tuple[datetime, UUID, datetime, datetime]:
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return tx.now, patient, start, start + timedelta(days=DAYS + 1)


async def _ways(where: Stage, caller: Caller, patients: list[UUID], first: date) -> None:
    ways: dict[str, Callable[[Tx, UUID, date], Awaitable[None]]] = {
        "the whole report, doses as arrays": _packed,
        "doses row by row, folded alike": _one_by_one,
        "counted and strung together by SQL": _in_sql,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    chance = random.Random(2)  # noqa: S311  which patient, not a secret
    async with wiring.opened(load_settings(settings_of(where))):
        for _ in range(ROUNDS // 2):
            patient = chance.choice(patients)
            for name, way in ways.items():  # in turn, so that the machine's moods are shared
                started = time.perf_counter()
                async with begin(caller) as tx:
                    await tx.plan_afresh()
                    await way(tx, patient, first)
                times[name].append((time.perf_counter() - started) * 1e3)
    for name, taken in times.items():
        p95 = statistics.quantiles(taken, n=20)[-1]
        print(f"{name}: p50 {statistics.median(taken):.1f} ms, p95 {p95:.1f} ms")


def main() -> None:
    """Run the benchmark."""
    first = datetime.now(UTC).date() - timedelta(days=DAYS)
    with stage() as where:
        caller, key, patients = asyncio.run(_prepare(where, first))
        with server("chroniccare.app:application", where.environment, factory=True) as ours:
            p95 = asyncio.run(_over_http(ours, key, patients, first))
        asyncio.run(_ways(where, caller, patients, first))
    assert p95 <= CLAIM_MS, f"more than {CLAIM_MS} ms"


if __name__ == "__main__":
    main()

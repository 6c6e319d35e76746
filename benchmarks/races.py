"""Claim: where the usual ways book people twice, ours never does, and nobody waits for seconds.

Clients with a connection each fight for one hour of one provider after the other, and start a few
minutes apart; a visit takes provider, patient and room. The usual ways are bare SQL; ours is shown
bare, and whole: over HTTP, with rules, messages and audit. Engines are durable.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import orjson

from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_patients, new_staff
from .stage import Stage, server, settings_of, stage

CLIENTS, HOURS, TRIES = 16, 60, 3
OFFSETS = (0, 5, 10, 15, 20)
LENGTH = timedelta(minutes=30)
LONGEST_S = 90.0
"""A way that stalls is not waited for any longer."""
_DAY = (datetime.now(UTC) + timedelta(days=40)).replace(hour=9, minute=0, second=0, microsecond=0)

_TABLES = """
CREATE TABLE bare_visits (id bigint GENERATED ALWAYS AS IDENTITY, provider uuid, patient uuid,
    room uuid, starts_at timestamptz, ends_at timestamptz);
CREATE INDEX ON bare_visits (provider, starts_at);
CREATE INDEX ON bare_visits (patient, starts_at);
CREATE INDEX ON bare_visits (room, starts_at);
CREATE TABLE bare_unique (LIKE bare_visits INCLUDING ALL, UNIQUE (provider, starts_at));
CREATE TABLE bare_taken (visit uuid, resource uuid, during tstzrange,
    EXCLUDE USING gist (resource WITH =, during WITH &&));
"""
_CHECK = (
    "SELECT EXISTS (SELECT FROM {table} WHERE (provider = $1 OR patient = $2 OR room = $3)"
    " AND starts_at < $5 AND ends_at > $4)"
)
_INSERT = (
    "INSERT INTO {table} (provider, patient, room, starts_at, ends_at)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1"
)
_TAKE = "INSERT INTO bare_taken SELECT $1, one, tstzrange($3, $4) FROM unnest($2::uuid[]) AS one"
_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"
_TWICE = (
    "SELECT count(*) FROM {table} x JOIN {table} y ON x.id < y.id AND x.starts_at < y.ends_at"
    " AND y.starts_at < x.ends_at AND (x.provider = y.provider OR x.patient = y.patient"
    " OR x.room = y.room)"
)
_TWICE_TAKEN = (
    "SELECT count(*) FROM bare_taken x JOIN bare_taken y ON x.visit < y.visit"
    " AND x.resource = y.resource AND x.during && y.during"
)
_TWICE_OURS = (
    "SELECT count(*) FROM appointments x JOIN appointments y ON x.id < y.id"
    " AND x.scheduled_start < y.scheduled_end AND y.scheduled_start < x.scheduled_end"
    " AND (x.provider_id = y.provider_id OR x.patient_id = y.patient_id)"
)

Connection = asyncpg.Connection


@dataclass(frozen=True, slots=True)
class Visit:
    """What one client wants."""

    parties: list[UUID]
    start: datetime


@dataclass(slots=True)
class Seen:
    """What came of one way; `seconds` of each attempt."""

    won: int = 0
    deadlocks: int = 0
    twice: int = 0
    seconds: list[float] = field(default_factory=list)

    def quantile_ms(self, share: float) -> float:
        """Return the latency below which `share` of the attempts stayed, in milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


Way = Callable[["Connection[asyncpg.Record]", Visit], Awaitable[bool]]


def _checking(table: str) -> Way:
    check, insert = _CHECK.format(table=table), _INSERT.format(table=table)

    async def book(connection: "Connection[asyncpg.Record]", visit: Visit) -> bool:
        async with connection.transaction():
            row = [*visit.parties, visit.start, visit.start + LENGTH]
            if await connection.fetchval(check, *row):
                return False
            return bool(await connection.fetchval(insert, *row))

    return book


async def _excluding(connection: "Connection[asyncpg.Record]", visit: Visit) -> bool:
    parties = random.sample(visit.parties, len(visit.parties))
    try:
        async with connection.transaction():
            await connection.execute(_TAKE, uuid4(), parties, visit.start, visit.start + LENGTH)
    except asyncpg.ExclusionViolationError:
        return False
    return True


async def _locking(connection: "Connection[asyncpg.Record]", visit: Visit) -> bool:
    keys = sorted(party.int >> 65 for party in visit.parties)
    end = visit.start + LENGTH
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(_LOCK, keys)
    done = await connection.execute(
        f"{_TAKE} ON CONFLICT DO NOTHING", uuid4(), visit.parties, visit.start, end
    )
    if done == f"INSERT 0 {len(visit.parties)}":
        await transaction.commit()
        return True
    await transaction.rollback()
    return False


def _all_wanted(hour: int, client: int, people: list[list[UUID]]) -> list[Visit]:
    """Return what a client wants in an hour: its provider, and some patients and some rooms."""
    dice = random.Random(f"{hour}-{client}")  # noqa: S311  the same for every way
    providers, patients, rooms = people
    first = _DAY + timedelta(hours=hour // len(providers))
    return [
        Visit(
            [providers[hour % len(providers)], dice.choice(patients), dice.choice(rooms)],
            first + timedelta(minutes=dice.choice(OFFSETS)),
        )
        for _ in range(TRIES)
    ]


async def _race(url: str, way: Way, people: list[list[UUID]]) -> Seen:
    """Let all clients fight for one hour after the other."""
    seen, until = Seen(), time.monotonic() + LONGEST_S
    connections = [await asyncpg.connect(url) for _ in range(CLIENTS)]

    async def client(connection: "Connection[asyncpg.Record]", hour: int, which: int) -> None:
        for visit in _all_wanted(hour, which, people):
            started = time.perf_counter()
            try:
                won = await way(connection, visit)
                seen.won += won  # not in one step: others count while this one waits
            except asyncpg.DeadlockDetectedError:
                seen.deadlocks += 1
            seen.seconds.append(time.perf_counter() - started)

    for hour in range(HOURS):
        if time.monotonic() < until:
            await asyncio.gather(*(client(one, hour, n) for n, one in enumerate(connections)))
    for connection in connections:
        await connection.close()
    return seen


async def _whole(
    where: Stage, port: int, key: str, facility: UUID, people: list[list[UUID]]
) -> Seen:
    """Let all clients fight over HTTP."""
    seen = Seen()
    for hour in range(HOURS):
        wanted = [_all_wanted(hour, which, people) for which in range(CLIENTS)]

        def make(client: int, number: int, wanted: list[list[Visit]] = wanted) -> bytes | None:
            if number == TRIES:
                return None
            visit = wanted[client][number]
            body = {
                "patient_id": str(visit.parties[1]), "provider_id": str(visit.parties[0]),
                "facility_id": str(facility), "appointment_type": "follow_up",
                "scheduled_start": visit.start.isoformat(), "duration_minutes": 30,
            }  # fmt: skip
            return load.request("POST", "/api/v1/appointments", key, orjson.dumps(body))

        one = await load.run(port, make, clients=CLIENTS)
        assert set(one.statuses) <= {201, 409}, one.statuses
        seen.won += one.statuses.get(201, 0)
        seen.seconds += one.latencies
    async with owner_connection(where.database_url) as owner:
        seen.twice = await owner.fetchval(_TWICE_OURS)
    return seen


def _print(name: str, seen: Seen) -> None:
    print(
        f"{name:48} {seen.twice:6,} {seen.won:6} {seen.deadlocks:6}"
        f" {seen.quantile_ms(0.5):8.1f} {seen.quantile_ms(0.99):8.1f} {seen.quantile_ms(1):8.1f}"
    )


async def _bare(where: Stage, people: list[list[UUID]]) -> None:
    """Race every way of bare SQL."""
    ways: list[tuple[str, Way, str]] = [
        ("check, then insert", _checking("bare_visits"), _TWICE.format(table="bare_visits")),
        ("and UNIQUE (provider, start)", _checking("bare_unique"),
         _TWICE.format(table="bare_unique")),
        ("EXCLUDE, plain INSERT", _excluding, _TWICE_TAKEN),
        ("EXCLUDE, sorted locks, ON CONFLICT: ours, bare", _locking, _TWICE_TAKEN),
    ]  # fmt: skip
    async with owner_connection(where.database_url) as owner:
        await owner.execute(_TABLES)
        for name, way, twice in ways:
            await owner.execute("TRUNCATE bare_visits, bare_unique, bare_taken")
            seen = await _race(where.database_url, way, people)
            seen.twice = await owner.fetchval(twice)
            _print(name, seen)
            assert way is not _locking or seen.twice == seen.deadlocks == 0


async def _measure(where: Stage) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, key = await new_clinic()
        facility, staff = await new_staff(caller, 4)
        patients = await new_patients(caller, CLIENTS * 2)
    people = [staff, patients, [uuid4() for _ in range(8)]]
    print(f"{'':48} {'twice':>6} {'won':>6} {'dead-':>6} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    await _bare(where, people)
    with server("chroniccare.app:application", where.environment, factory=True) as ours:
        seen = await _whole(where, ours.port, key, facility, people)
    _print("ours, whole, over HTTP", seen)
    assert seen.twice == 0


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_measure(where))


if __name__ == "__main__":
    main()

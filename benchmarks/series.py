"""Claim: a series of 52 visits with 3 resources is booked within 100 ms.

Median over HTTP against durable PostgreSQL with 670,000 rows of occupancy: provider, patient and
room, each visit with its messages, audit and events. Beside it the same visits one by one.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core.caller import Caller
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.providers import actions as providers
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.scheduling.availability import actions as weeks
from chroniccare.scheduling.availability.schemas import AvailabilityWrite
from chroniccare.settings import load as load_settings

from . import load
from .clinic import new_clinic, new_patients
from .stage import Server, Stage, server, settings_of, stage

VISITS = 52
ROUNDS = 40
ROOMS = 190
BEFORE = 20_000  # visits
EACH = 3_500  # rows of occupancy a room, ten a day
CLAIM_MS = 100
FIRST = (datetime.now(UTC) + timedelta(days=3)).date()
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ROOMS = (
    "INSERT INTO resource (id, tenant_id, kind, facility_id, name, category)"
    " SELECT gen_random_uuid(), $1, 'room', $2, 'Room ' || n, 'infusion'"
    " FROM generate_series(1, $3::int) AS n RETURNING id"
)
# A clinic that has so many times taken has visits and messages as well: while a table is all but
# empty, PostgreSQL keeps plans that read it whole for each foreign key.
_VISITS = (
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, status,"
    " created_at, updated_at)"
    " SELECT gen_random_uuid(), tenant_id, patient_id, provider_id, facility_id, appointment_type,"
    " scheduled_start, scheduled_end, duration_minutes, 'completed', created_at, updated_at"
    " FROM (SELECT * FROM appointments ORDER BY id LIMIT 1) a, generate_series(1, $1::int)"
)
# Half an hour at a time from midnight to five, UTC; the series are in the New York afternoon.
_OCCUPY = (
    "INSERT INTO occupancy (tenant_id, resource_id, lane, starts_at, ends_at, appointment_id)"
    " SELECT $1::uuid, id, 0, t.at, t.at + interval '30 minutes', (SELECT a.id FROM appointments a"
    " ORDER BY a.id LIMIT 1) FROM unnest($2::uuid[]) AS id"
    " CROSS JOIN generate_series(0, $3::int - 1) AS k CROSS JOIN LATERAL (SELECT"
    " $4::timestamptz + (k / 10) * interval '1 day' + (k % 10) * interval '30 minutes' AS at) t"
)
_NO_OVERLAP = (
    "ALTER TABLE occupancy ADD CONSTRAINT occupancy_no_overlap EXCLUDE USING gist"
    " (tenant_id WITH =, resource_id WITH =, lane WITH =, during WITH &&)"
)


class Parties:
    """Who is booked: one provider and one room, and a patient a series."""

    def __init__(self, key: str, facility: UUID, provider: UUID, patients: list[UUID]) -> None:
        self.key, self.facility, self.provider, self.patients = key, facility, provider, patients
        self.room: UUID | None = None

    def common(self, number: int) -> dict[str, Any]:
        """Return what the visits of round `number` are."""
        return {
            "patient_id": str(self.patients[number]),
            "provider_id": str(self.provider),
            "facility_id": str(self.facility),
            "appointment_type": "infusion",
            "duration_minutes": 30,
            "resource_ids": [str(self.room)] if self.room else [],
        }

    def series(self, number: int, *, dry_run: bool = False) -> bytes:
        """Return the booking of 52 weekly visits, on a day and at a time of its own."""
        body = {
            **self.common(number),
            "first_date": (FIRST + timedelta(days=number % 7)).isoformat(),
            "local_time": f"{13 + number // 7}:00",
            "recurrence": {"rrule": f"FREQ=WEEKLY;COUNT={VISITS}"},
            "dry_run": dry_run,
        }
        return load.request("POST", "/api/v1/appointments/batch", self.key, orjson.dumps(body))

    def single(self, number: int, visit: int) -> bytes:
        """Return the booking of one visit of such a series, half an hour later in the hour."""
        day = FIRST + timedelta(days=number % 7, weeks=visit)
        start = f"{day}T{18 + number // 7 % 6}:30:00+00:00"
        body = {**self.common(number), "scheduled_start": start}
        return load.request("POST", "/api/v1/appointments", self.key, orjson.dumps(body))


async def _staff(caller: Caller) -> tuple[UUID, UUID]:
    """Open a facility and register a provider, around the clock."""
    async with begin(caller) as tx:
        place = {
            "name": "Bench", "facility_type": "clinic", "address": {},
            "timezone": "America/New_York",
            "operating_hours": {day: [{"open": "00:00", "close": "24:00"}] for day in DAYS},
        }  # fmt: skip
        facility = (await facilities.create(tx, FacilityWrite.model_validate(place))).id
        person = {
            "first_name": "Ada", "last_name": "Provider",
            "identifiers": [{"system": "urn:bench", "value": "1", "type": "EI"}],
            "facilities": [{"facility_id": str(facility), "is_primary": True}],
        }  # fmt: skip
        provider = await providers.create(tx, ProviderWrite.model_validate(person))
        rules = [
            {
                "facility_id": str(facility), "day_of_week": day, "start_time": "00:00",
                "end_time": "24:00", "slot_duration": 30, "effective_from": "2026-01-01",
            }
            for day in range(7)
        ]  # fmt: skip
        week = AvailabilityWrite.model_validate({"rules": rules})
        await weeks.set_availability(tx, provider, week)
    return facility, provider.id


async def _prepare(where: Stage) -> tuple[Caller, Parties]:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, key = await new_clinic()
        facility, provider = await _staff(caller)
        patients = await new_patients(caller, 2 * ROUNDS + 1)
    return caller, Parties(key, facility, provider, patients)


async def _fill(where: Stage, caller: Caller, parties: Parties) -> None:
    """Take 670,000 times; the provider's and the room's among them."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    async with owner_connection(where.database_url) as owner:
        rooms = [
            row[0] for row in await owner.fetch(_ROOMS, caller.tenant_id, parties.facility, ROOMS)
        ]
        parties.room = rooms[0]
        await owner.execute(_VISITS, BEFORE)
        await owner.execute("ALTER TABLE occupancy DROP CONSTRAINT occupancy_no_overlap")
        ids = [*rooms, parties.provider]
        await owner.execute(_OCCUPY, caller.tenant_id, ids, EACH, start)
        await owner.execute(_NO_OVERLAP)
        await owner.execute("VACUUM ANALYZE")
        count = await owner.fetchval("SELECT count(*) FROM occupancy")
        print(f"{count:,} rows of occupancy")


async def _measure(where: Stage, ours: Server, caller: Caller, parties: Parties) -> None:
    # A first series warms the server up, and owns the times that are taken next.
    last = 2 * ROUNDS
    warm = await load.run(
        ours.port, lambda _, n: parties.single(last, n) if n < 8 else None, clients=1
    )
    assert warm.statuses == {201: 8}, warm.statuses
    await _fill(where, caller, parties)
    dry = await load.run(
        ours.port, lambda _, n: parties.series(n, dry_run=True) if n < ROUNDS else None, clients=1
    )
    assert dry.statuses == {200: ROUNDS}, dry.statuses
    booked = await load.run(
        ours.port, lambda _, n: parties.series(n) if n < ROUNDS else None, clients=1
    )
    assert booked.statuses == {201: ROUNDS}, booked.statuses

    def one_by_one(_client: int, number: int) -> bytes | None:
        which, visit = divmod(number, VISITS)
        return parties.single(ROUNDS + which, visit) if which < 3 else None

    singles = await load.run(ours.port, one_by_one, clients=1)
    assert singles.statuses == {201: 3 * VISITS}, singles.statuses
    each = 1000 * singles.seconds / 3
    _print(f"dry run of {VISITS} visits", dry)
    _print(f"series of {VISITS} visits, 3 resources", booked)
    print(f"the same visits one by one: {each:.0f} ms, {each / booked.quantile_ms(0.5):.1f} times")
    assert booked.quantile_ms(0.5) <= CLAIM_MS, f"more than {CLAIM_MS} ms"


def _print(name: str, seen: load.Load) -> None:
    print(
        f"{name:36} p50 {seen.quantile_ms(0.5):5.1f} ms   p99 {seen.quantile_ms(0.99):5.1f} ms"
        f"   max {seen.quantile_ms(1):5.1f} ms"
    )


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        caller, parties = asyncio.run(_prepare(where))
        with server("chroniccare.app:application", where.environment, factory=True) as ours:
            asyncio.run(_measure(where, ours, caller, parties))


if __name__ == "__main__":
    main()

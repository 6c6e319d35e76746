"""Claim: free times of 12 providers x 30 days within 25 ms, 200 x 7 in 80, 200 x 90 in 600.

Medians of one round trip and the sweep behind it, every slot of the range computed, with 670,000
rows of occupancy in three zones, across the change of clocks where the dates have one.
"""

import asyncio
import gc
import statistics
import time
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.ids import new_id
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.providers import actions as providers
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.scheduling.availability import actions as weeks
from chroniccare.scheduling.availability.schemas import AvailabilityWrite
from chroniccare.scheduling.catalogue import actions as types
from chroniccare.scheduling.catalogue import resources
from chroniccare.scheduling.catalogue.schemas import ResourceWrite, VisitTypeWrite
from chroniccare.scheduling.known import Wish, fetch
from chroniccare.scheduling.slots import actions as search
from chroniccare.scheduling.slots import rules as slots
from chroniccare.settings import load as load_settings

from .clinic import new_clinic, new_patients
from .stage import Stage, settings_of, stage

STAFF = 200
ROWS = 670_000
ROUNDS = 15
ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata")
ROOMS = 10
# providers, days, type of visit, claim in ms; an infusion has buffers and needs one of ten rooms
CASES = (
    (1, 14, None, None),
    (12, 30, None, 25),
    (STAFF, 7, None, 80),
    (STAFF, 90, None, 600),
    (12, 30, "infusion", 25),
    (STAFF, 7, "infusion", 80),
    (STAFF, 90, "infusion", 600),
)
_FACILITIES = Command("SELECT id FROM facilities ORDER BY id")
_NO_OVERLAP = (
    "ALTER TABLE occupancy ADD CONSTRAINT occupancy_no_overlap EXCLUDE USING gist"
    " (tenant_id WITH =, resource_id WITH =, lane WITH =, during WITH &&)"
)
_VISIT = (
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, created_at, updated_at)"
    " SELECT $1, $2, $3, $4, facility_id, 'follow_up', $5::timestamptz,"
    " $5 + interval '30 minutes', 30, $5, $5 FROM provider_facilities WHERE provider_id = $4"
)
# Visits of 30 minutes, six a day and provider, at odd half hours; the same past as future.
_OCCUPY = (
    "INSERT INTO occupancy (tenant_id, resource_id, lane, starts_at, ends_at, appointment_id)"
    " SELECT $1::uuid, r.id, 0, t.at, t.at + interval '30 minutes', $2::uuid"
    " FROM unnest($3::uuid[]) WITH ORDINALITY AS r (id, n)"
    " CROSS JOIN generate_series(0, $4::int - 1) AS k CROSS JOIN LATERAL (SELECT"
    " $5::timestamptz + (k / 6) * interval '1 day' + (4 + (k % 6) * 2 + (r.n % 3) * 0.5)"
    " * interval '1 hour' AS at) t"
)


async def _staff(caller: Caller) -> list[UUID]:
    """Register three facilities and the providers, with ten weekly ranges and a break each."""
    week = {"open": "06:00", "close": "20:00"}
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    staff = []
    async with begin(caller) as tx:
        places = []
        for zone in ZONES:
            place = {
                "name": zone, "facility_type": "clinic", "address": {}, "timezone": zone,
                "operating_hours": {day: [week] for day in days},
            }  # fmt: skip
            made = await facilities.create(tx, FacilityWrite.model_validate(place))
            places.append(str(made.id))
        for number in range(STAFF):
            place_id = places[number % len(places)]
            person = {
                "first_name": "Ada", "last_name": f"Provider {number}",
                "identifiers": [{"system": "urn:bench", "value": str(number), "type": "EI"}],
                "facilities": [{"facility_id": place_id, "is_primary": True}],
            }  # fmt: skip
            provider = await providers.create(tx, ProviderWrite.model_validate(person))
            rules = [
                {
                    "facility_id": place_id, "day_of_week": day, "start_time": start,
                    "end_time": end, "slot_duration": 15, "effective_from": "2026-01-01",
                }
                for day in range(1, 6)
                for start, end in (("08:00", "12:00"), ("13:00", "17:00"))
            ]  # fmt: skip
            body = AvailabilityWrite.model_validate({"rules": rules})
            await weeks.set_availability(tx, provider, body)
            staff.append(provider.id)
    return staff


async def _rooms(caller: Caller) -> list[UUID]:
    """Register ten rooms at each facility, and a type of visit that needs one, with buffers."""
    made = []
    async with begin(caller) as tx:
        for place in await tx.values(_FACILITIES):
            for number in range(ROOMS):
                room = {
                    "kind": "room", "facility_id": str(place), "name": f"Room {number}",
                    "category": "infusion",
                }  # fmt: skip
                made.append((await resources.create(tx, ResourceWrite.model_validate(room))).id)
        kind = {
            "code": "infusion", "name": "Infusion", "duration_minutes": 30,
            "buffer_before_minutes": 10, "buffer_after_minutes": 5,
            "requirements": [{"kind": "room", "category": "infusion"}],
        }  # fmt: skip
        await types.create_type(tx, VisitTypeWrite.model_validate(kind))
    return made


async def _occupy(
    where: Stage, caller: Caller, staff: list[UUID], rooms: list[UUID], patient: UUID
) -> None:
    visit, each = new_id(), -(-ROWS // STAFF)
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    async with owner_connection(where.database_url) as owner:
        await owner.execute("ALTER TABLE occupancy DROP CONSTRAINT occupancy_no_overlap")
        # One visit has all the rows: the search never looks at whose they are.
        await owner.execute(_VISIT, visit, caller.tenant_id, patient, staff[0], start)
        first = start - timedelta(days=each // 12)
        await owner.execute(_OCCUPY, caller.tenant_id, visit, staff, each, first)
        await owner.execute(_OCCUPY, caller.tenant_id, visit, rooms, each, first)
        await owner.execute(_NO_OVERLAP)
        await owner.execute("VACUUM ANALYZE")
        count = await owner.fetchval("SELECT count(*) FROM occupancy")
        print(f"{count:,} rows of occupancy")


async def _timed(caller: Caller, wish: Wish, first: date, days: int) -> tuple[float, float, int]:
    """Return milliseconds of the fetch and of the sweep, and the number of slots."""
    now = int(datetime.now(UTC).timestamp()) // 60
    window = slots.Window(first.toordinal(), first.toordinal() + days - 1, now, now + 1_000_000)
    started = time.perf_counter()
    async with begin(caller) as tx:
        known = await fetch(tx, wish, window)
    fetched = time.perf_counter()
    found = search.sweep(known, known.calendars, window, wish, None)
    swept = time.perf_counter()
    return (fetched - started) * 1e3, (swept - fetched) * 1e3, len(found)


async def _measure(where: Stage) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        staff = await _staff(caller)
        [patient] = await new_patients(caller, 1)
        await _occupy(where, caller, staff, await _rooms(caller), patient)
        first = datetime.now(UTC).date() + timedelta(days=1)
        gc.freeze()  # as the server does (app.py)
        gc.set_threshold(50_000, 20, 100)
        for count, days, kind, claim in CASES:
            wish = Wish(staff[:count], None, kind, 30, patient, None, None, 200)
            times = [await _timed(caller, wish, first, days) for _ in range(ROUNDS)]
            fetched, swept = (statistics.median(one[part] for one in times) for part in (0, 1))
            both = statistics.median(one[0] + one[1] for one in times)
            best = min(one[0] + one[1] for one in times)
            what = f"{count} x {days} days" + (f", {kind}" if kind else "")
            said = f"{what}: {both:.1f} ms (best {best:.1f}; fetch {fetched:.1f},"
            print(f"{said} sweep {swept:.1f}), {times[0][2]:,} slots")
            assert claim is None or both <= claim, f"more than {claim} ms"
        await _first_available(caller)


async def _first_available(caller: Caller) -> None:
    """Time the whole search that a client asks for: anybody's next ten slots."""
    wish = Wish(None, None, None, None, None, None, None, 10)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        found = await search.earliest(caller, wish)
        times.append((time.perf_counter() - started) * 1e3)
        assert len(found) == 10
    print(f"anybody's next 10 slots: {statistics.median(times):.1f} ms")


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_measure(where))


if __name__ == "__main__":
    main()

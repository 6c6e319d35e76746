"""Claim: reading a calendar feed of 500 visits takes less than 50 ms, 2,000 less than 150.

Medians of the whole read but HTTP: the look at the feed, the visits out of 200,000 rows, the
calendar, and the audit's commit. Beside it what `icalendar` alone would take for the same calendar.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from icalendar import Calendar, Event

from chroniccare.core.caller import Caller
from chroniccare.core.time import to_local, zone
from chroniccare.migrations.runner import migrate
from chroniccare.notifications import ics
from chroniccare.notifications.queries_calendar import Entry
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin, database
from chroniccare.scheduling.calendars import actions, queries, rules
from chroniccare.settings import load as load_settings

from .clinic import new_clinic, new_patients, new_staff
from .stage import Stage, settings_of, stage

ROWS = 200_000
STAFF = 50
ROUNDS = 15
# Visits of every provider in turn, five an hour, from a month ago on; patients as they come.
_VISITS = (
    "INSERT INTO appointments (id, tenant_id, patient_id, provider_id, facility_id,"
    " appointment_type, scheduled_start, scheduled_end, duration_minutes, created_at, updated_at)"
    " SELECT gen_random_uuid(), $1, ($2::uuid[])[1 + k % cardinality($2::uuid[])], $3, $4,"
    " 'follow_up', t.at, t.at + interval '10 minutes', 10, now(), now()"
    " FROM generate_series(0, $5::int - 1) AS k CROSS JOIN LATERAL"
    " (SELECT now() - interval '29 days' + k * interval '2 hours 20 minutes' AS at) t"
)


async def _fill(where: Stage, caller: Caller) -> dict[str, tuple[actions.Party, UUID]]:
    """Write the visits; return a patient with 500 of them and a provider with 2,000 and more."""
    facility, staff = await new_staff(caller, STAFF)
    patients = await new_patients(caller, 400)
    busy, others = patients[0], patients[1:]
    async with owner_connection(where.database_url) as owner:
        for provider in staff:
            each = ROWS // STAFF
            await owner.execute(_VISITS, caller.tenant_id, others, provider, facility, each)
        await owner.execute(_VISITS, caller.tenant_id, [busy], staff[0], facility, 500)
        await owner.execute("VACUUM ANALYZE")
    return {"a patient": ("patient_id", busy), "a provider": ("provider_id", staff[0])}


async def _reader(caller: Caller, field: actions.Party, party: UUID) -> Caller:
    async with begin(caller) as tx:
        feed = await actions.create(tx, field, party)
    pepper = database().settings.key_pepper.get_secret_value()
    token = rules.token(rules.Address(caller.tenant_id, feed.id), pepper)
    return actions.reader(token, pepper, request_id="bench", ip_address=None)


async def _measure(where: Stage) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        for who, (field, party) in (await _fill(where, caller)).items():
            reader = await _reader(caller, field, party)
            times = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                found = await actions.read(reader)
                times.append((time.perf_counter() - started) * 1e3)
            count, both = found.data.count(b"BEGIN:VEVENT"), statistics.median(times)
            said = f"{both:.1f} ms (best {min(times):.1f}), {len(found.data):,} bytes"
            print(f"feed of {who}, {count:,} visits: {said}")
            assert both <= (50 if count == 500 else 150)
        await _compare(caller, party)


async def _compare(caller: Caller, provider: UUID) -> None:
    """Render 500 visits with ours and with the library's own components."""
    async with begin(caller) as tx:
        since, until = tx.now - rules.BEHIND, tx.now + rules.AHEAD
        rows = await tx.all(queries.VISITS_OF_PROVIDER, provider, since, until, tx.now, 500)
    ours = _best(lambda: ics.feed(rows, language="en", details=False))
    library = _best(lambda: _plain(rows))
    print(f"500 visits as bytes: {ours:.1f} ms; icalendar alone {library:.1f} ms,", end=" ")
    print(f"{library / ours:.0f} times as long")


def _best(work: Callable[[], bytes]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1e3)
    return min(times)


def _plain(rows: list[Entry]) -> bytes:
    calendar, now = Calendar(), datetime.now(UTC)
    calendar.add("prodid", ics.PRODID)
    calendar.add("version", "2.0")
    for row in rows:
        event = Event()
        event.add("uid", f"{row.id}@chroniccare")
        event.add("dtstamp", row.updated_at)
        event.add("created", row.created_at)
        event.add("last-modified", row.updated_at)
        event.add("dtstart", to_local(row.starts_at, zone(row.zone)))
        event.add("dtend", to_local(row.ends_at, zone(row.zone)))
        event.add("sequence", row.sequence)
        event.add("status", "CONFIRMED")
        event.add("transp", "OPAQUE")
        event.add("class", "PRIVATE")
        event.add("summary", "Appointment")
        event.add("location", row.facility_name)
        calendar.add_component(event)
    calendar.add_missing_timezones(now.date() - timedelta(days=90), now.date() + rules.AHEAD)
    return bytes(calendar.to_ical(sorted=False))


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_measure(where))


if __name__ == "__main__":
    main()

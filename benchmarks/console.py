"""Claim: a page of the console within 100 ms with the demo clinic, 200 with 100,000 patients.

The best of ten, one after another, and the mean CPU time behind them: the whole application in this
process, as an administrator who has signed in. A page is the session, its calls of the API with
their audit, and the template.
"""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import httpx

from chroniccare.app import build
from chroniccare.core.caller import Caller, system
from chroniccare.demo import actions as demo
from chroniccare.migrations.runner import migrate
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin, database
from chroniccare.settings import load as load_settings
from chroniccare.staff import actions as staff
from chroniccare.staff.schemas import StaffWrite
from chroniccare.staff.sessions import actions as sessions

from .doses import Watch
from .stage import Stage, settings_of, stage

MANY = 100_000
RECALLS = 10_000
ROUNDS = 10
CLAIM_MS = 100
CLAIM_MANY_MS = 200
MOST_ROWS = 200
# 700 first and 20,000 last names of letters; found by them, but not by a typing error.
_PATIENTS = (
    "INSERT INTO patients (id, tenant_id, mrn, first_name, last_name, date_of_birth, time_zone,"
    " created_at, updated_at) SELECT uuidv7(), $1, 'B-' || n, initcap(left(translate(md5('f' ||"
    " n % 700), '0123456789', 'ghijklmnop'), 7)), initcap(left(translate(md5('l' || n % 20000),"
    " '0123456789', 'ghijklmnop'), 9)), '1961-04-12', 'America/New_York', now(), now()"
    " FROM generate_series(1, $2::int) AS n"
)
_NAMES = (
    "INSERT INTO patient_name_tokens (tenant_id, patient_id, kind, token) SELECT tenant_id, id,"
    " 'word', lower(name) FROM patients CROSS JOIN LATERAL (VALUES (first_name), (last_name)) AS"
    " v (name) WHERE tenant_id = $1 AND mrn LIKE 'B-%'"
)
_RECALLS = (
    "INSERT INTO recalls (id, tenant_id, patient_id, appointment_type, due_on, time_zone, due_at,"
    " created_at, updated_at) SELECT uuidv7(), tenant_id, id, 'follow_up', current_date - 9,"
    " time_zone, now() - interval '9 days', now(), now() FROM patients"
    " WHERE tenant_id = $1 AND mrn LIKE 'B-%' LIMIT $2"
)
_ONE = "SELECT patient_id, id, scheduled_start FROM appointments ORDER BY 3 OFFSET 60 LIMIT 1"
_PAGES = (
    "/today", "/calendar", "/calendar?view=week", "/book", "/book?patient_id={patient}",
    "/visits/{visit}", "/waitlist", "/patients", "/patients/found", "/patients found",
    "/patients/{patient}", "/patients/{patient}/visits", "/patients/{patient}/medicines",
    "/patients/{patient}/messages", "/patients/{patient}/readings",
    "/patients/{patient}/preferences", "/patients/{patient}/contact", "/patients/{patient}/access",
    "/recalls", "/adherence", "/messages", "/failed", "/replies", "/templates", "/outbox",
    "/availability", "/audit", "/audit/chain", "/admin/staff", "/admin/keys", "/admin/webhooks",
    "/groups", "/groups/new", "/calendar?by=room", "/calendar?by=facility", "/admin/settings",
    "/admin/plans", "/admin/plans/appointment_reminder", "/admin/times",
    "/patients/{patient}/times",
    "/admin/clinic/facilities", "/admin/clinic/providers", "/admin/clinic/visit-types",
    "/admin/clinic/resources", "/admin/clinic/visit-types/new",
)  # fmt: skip


async def _signed_in(caller: Caller) -> str:
    """Add an administrator; return the token of their session."""
    person = {"email": "bench@clinic.example", "display_name": "Bench", "role": "administrator"}
    async with begin(caller) as tx:
        made = await staff.create(tx, StaffWrite.model_validate(person))
        return await sessions.start(tx, made.id, "administrator", needs="", place=sessions.Place())


_POSTED = {"/patients/found": "/patients/found", "/patients found": "/patients"}
"""Searches, whose words stand in no address."""


async def _answer(http: httpx.AsyncClient, page: str, csrf: str) -> httpx.Response:
    if page in _POSTED:
        return await http.post(f"/console{_POSTED[page]}", data={"csrf": csrf, "name": "mar"})
    return await http.get(f"/console{page}")


async def _pages(http: httpx.AsyncClient, ids: dict[str, UUID], claim: int) -> None:
    slow = []
    first = (await http.get("/console/keys")).text
    csrf = first.partition('name="csrf" content="')[2].partition('"')[0]
    for page in _PAGES:
        walls, text, watch = [], "", Watch()
        for _ in range(ROUNDS):
            started = time.perf_counter()
            answer = await _answer(http, page.format(**ids), csrf)
            walls.append((time.perf_counter() - started) * 1e3)
            assert answer.status_code == 200, (page, answer.status_code)
            text = answer.text
        spent, rows, wall = watch.spent(), text.count("<tr"), min(walls)
        ours, theirs = (1e3 * one / ROUNDS for one in (spent.ours, spent.theirs))
        print(
            f"{page:34} {wall:6.1f} ms; CPU {ours:5.1f} ms ours, {theirs:5.1f} ms PostgreSQL;"
            f" {rows:3} rows, {len(text) >> 10} KiB"
        )
        assert rows <= MOST_ROWS + 10, f"{page} has {rows} rows"
        if wall > claim:
            slow.append(page)
    print(f"more than {claim} ms: {', '.join(slow) or 'none'}")


async def _measure(where: Stage) -> None:
    await migrate(where.database_url)
    app = build(load_settings(settings_of(where)))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://bench.test", timeout=60
        ) as http,
    ):
        loaded = await demo.load()
        caller = system(loaded.tenant_id, job="bench")
        async with owner_connection(where.database_url) as owner:
            await owner.execute("VACUUM ANALYZE")
            row = await owner.fetchrow(_ONE)
            assert row is not None
            patient, visit, first = row
            # The demo's visits begin tomorrow: look at the day on which there are some.
            database().clock = lambda: first + timedelta(hours=2)
            http.cookies.set("chroniccare", await _signed_in(caller))
            ids = {"patient": patient, "visit": visit}
            print(f"the demo clinic: {loaded.patients} patients, {loaded.visits} visits")
            await _pages(http, ids, CLAIM_MS)
            await owner.execute(_PATIENTS, loaded.tenant_id, MANY)
            await owner.execute(_NAMES, loaded.tenant_id)
            await owner.execute(_RECALLS, loaded.tenant_id, RECALLS)
            await owner.execute("VACUUM ANALYZE")
            print(f"with {MANY:,} patients more, {RECALLS:,} of them to be recalled")
            await _pages(http, ids, CLAIM_MANY_MS)


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_measure(where))


if __name__ == "__main__":
    main()

"""Claim: a patient's reminders follow their doses in 25 ms; a look at 2,000 patients takes 1 s.

2,000 patients with five medications twice a day, 14 days ahead: 280,000 doses. The first round
plans 36 hours of them, the second finds nothing to do; then one patient after another has a dose
settled.
"""

import asyncio
import statistics
import time
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.medications.reminders import rounds
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import load as load_settings

from .clinic import new_clinic, new_patients, new_staff
from .stage import Stage, settings_of, stage

PATIENTS = 2_000
SETTLED = 200
_MEDICATIONS = (
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " dosage, route, frequency, start_date, created_at, updated_at) SELECT gen_random_uuid(), $1,"
    " p, $3, 'drug ' || k, '1 tablet', 'oral', 'bid', current_date, now(), now()"
    " FROM unnest($2::uuid[]) AS p CROSS JOIN generate_series(1, 5) AS k"
)
_DOSES = (
    "INSERT INTO medication_doses (id, tenant_id, patient_id, medication_id, regimen_version,"
    " local_date, ordinal, due_at, late_at, missed_at, updated_at) SELECT gen_random_uuid(), $1,"
    " m.patient_id, m.id, 1, t.at::date, k, t.at, t.at + interval '1 hour',"
    " t.at + interval '6 hours', now() FROM medications m CROSS JOIN generate_series(0, 27) AS k"
    " CROSS JOIN LATERAL (SELECT date_trunc('hour', now()) + interval '2 hours' + k * interval"
    " '12 hours' AS at) t WHERE m.tenant_id = $1"
)
_SETTLE = Command(
    "UPDATE medication_doses SET state = 'taken', source = 'patient', taken_at = due_at"
    " WHERE id = (SELECT id FROM medication_doses WHERE patient_id = $1 AND state = 'planned'"
    " ORDER BY due_at LIMIT 1)"
)
_WRITTEN = Command("SELECT count(*) FROM notifications")


async def _fill(where: Stage, caller: Caller) -> list[UUID]:
    _, staff = await new_staff(caller, 1)
    patients = await new_patients(caller, PATIENTS)
    async with owner_connection(where.database_url) as owner:
        await owner.execute(_MEDICATIONS, caller.tenant_id, patients, staff[0])
        await owner.execute(_DOSES, caller.tenant_id)
        await owner.execute("VACUUM ANALYZE")
    return patients


async def _measure(where: Stage) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        patients = await _fill(where, caller)
        for name in ("first", "idle", "idle"):
            begun = time.perf_counter()
            count = await rounds.run(caller.tenant_id)
            print(f"{name} round: {count} patients in {time.perf_counter() - begun:.2f} s")
            async with owner_connection(where.database_url) as owner:
                await owner.execute("ANALYZE")  # as autovacuum does a minute later
        took = []
        for patient in patients[:SETTLED]:
            async with begin(caller) as tx:
                await tx.run(_SETTLE, patient)
                begun = time.perf_counter()
                await doses_changed(tx, [patient])
                took.append((time.perf_counter() - begun) * 1000)
        async with begin(caller) as tx:
            print(f"messages: {await tx.value(_WRITTEN)}")
        print(f"one patient: median {statistics.median(took):.1f} ms, worst {max(took):.1f} ms")


def main() -> None:
    """Measure and print."""
    with stage() as where:
        asyncio.run(_measure(where))

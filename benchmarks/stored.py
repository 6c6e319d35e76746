"""Claim: ten of 100,000 stored Observations are found by indexes alone, whatever is asked for.

100,000 blood pressures of 200 patients. The first 1,000 are written by the action, 50 a
transaction; the others are copies of their rows. Then searches as `/fhir` composes them, in the
role of a request, 50 times each: the median, and every scan of the plan.
"""

import asyncio
import time
from dataclasses import replace
from statistics import median
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core.caller import Caller
from chroniccare.fhir import actions, asking, composing, conditions
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored import actions as stored
from chroniccare.migrations.runner import migrate
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, Tx, begin
from chroniccare.settings import load as load_settings
from chroniccare.tenancy.rules import SCOPES

from .clinic import new_clinic, new_patients
from .stage import Stage, settings_of, stage

PATIENTS = 200
WRITTEN = 1_000
COPIES = 99
AT_ONCE = 50
ROUNDS = 50
LOINC = "http://loinc.org"
COPY_RESOURCES = (
    "INSERT INTO fhir_resources (id, tenant_id, type, version, patient_id, resource, happened_at,"
    " updated_at) SELECT md5(s.id::text || c.n)::uuid, s.tenant_id, s.type,"
    " s.version, s.patient_id, s.resource, s.happened_at - c.n * interval '1 day', s.updated_at"
    " FROM fhir_resources s, generate_series(1, $1::int) AS c (n)"
)
COPY_INDEX = (
    "INSERT INTO fhir_index SELECT s.tenant_id, md5(s.resource_id::text || c.n)::uuid, s.whose,"
    " s.path,"
    " s.code, s.system, s.target, s.low - c.n * interval '1 day',"
    " s.high - c.n * interval '1 day', s.amount + CASE WHEN c.n = 7 THEN 40 ELSE 0 END, s.unit,"
    " s.unit_system FROM fhir_index s, generate_series(1, $1::int) AS c (n)"
)
SIZES = (
    "SELECT t.name, pg_table_size(t.name::regclass), pg_indexes_size(t.name::regclass)"
    " FROM (VALUES ('fhir_resources'), ('fhir_index')) t (name)"
)
SEARCHES = {
    "of a patient, by code": "patient={patient}&code=85354-9&_count=10",
    "the last ten of a patient": "patient={patient}&_sort=-date&_count=10",
    "of a patient, category and date": "patient={patient}&category=vital-signs&date=ge2026-01-01"
    "&_count=10",
    "high systolic of a patient": "patient={patient}&component-code-value-quantity=8480-6$gt170"
    "&_count=10",
    "high systolic of anybody": "component-code-value-quantity=8480-6$gt199&_count=10",
    "of a day": "date=2026-02-01&_count=10",
    "of a name": "patient.family=gonzalez&code=85354-9&_count=10",
    "a page of all": "_count=10",
    "the latest written": "_sort=-_lastUpdated&_count=10",
}


def pressure(patient: UUID, number: int) -> dict[str, Any]:
    """Return a blood pressure."""

    def part(code: str, value: int) -> dict[str, Any]:
        unit = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        coding = [{"system": LOINC, "code": code}]
        return {"code": {"coding": coding}, "valueQuantity": {"value": value, **unit}}

    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": category, "code": "vital-signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": "85354-9"}], "text": "Blood pressure"},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-0{1 + number % 9}-{1 + number % 28:02}T08:00:00-05:00",
        "component": [part("8480-6", 110 + number % 50), part("8462-4", 60 + number % 40)],
    }


async def _write(caller: Caller, patients: list[UUID]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    for first in range(0, WRITTEN, AT_ONCE):
        async with begin(caller) as tx:
            for number in range(first, first + AT_ONCE):
                said = pressure(patients[number % PATIENTS], number)
                await stored.create(tx, KINDS, said)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"written: {WRITTEN / wall:.0f}/s, {cpu / WRITTEN * 1e3:.2f} ms of CPU of the process each"
    )


async def _grow(where: Stage) -> None:
    async with owner_connection(where.database_url) as owner:
        await owner.execute(COPY_RESOURCES, COPIES)
        await owner.execute(COPY_INDEX, COPIES)
        await owner.execute("VACUUM (ANALYZE) fhir_resources, fhir_index")
        each = WRITTEN * (1 + COPIES)
        for name, own, indexes in await owner.fetch(SIZES):
            print(
                f"{name}: an Observation takes {own / each:.0f} bytes, and {indexes / each:.0f} of"
                " indexes"
            )


def _scans(plan: dict[str, Any]) -> list[str]:
    """Return each scan of a plan, and of what."""
    name = plan["Node Type"]
    own = [f"{name} {plan.get('Index Name', plan.get('Relation Name'))}"] if "Scan" in name else []
    return own + [one for part in plan.get("Plans", []) for one in _scans(part)]


async def _search(tx: Tx, query: str) -> tuple[float, list[str], int]:
    kind = KINDS["Observation"]
    ask = asking.read(kind, KINDS, asking.pairs_of(query), strict=True)
    asked = await actions.asked_of(tx, zones=True)
    wanted = conditions.scoped(tx.caller, kind, asked)
    wanted += conditions.conditions(tx.caller, kind, ask.filters, asked)
    order = actions.ordered(kind, ask)
    statement = composing.page(kind, asked, wanted, order, after=None, limit=ask.count)
    statement = replace(statement, opens=())  # a copy is not sealed for its own row
    times, rows = [], 0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        rows = len(await tx.all(statement, *asked.arguments))
        times.append((time.perf_counter() - started) * 1e3)
    explained = Command(f"EXPLAIN (FORMAT JSON) {statement.sql}")
    [plan] = await tx.values(explained, *asked.arguments)
    return median(times), _scans(orjson.loads(plan)[0]["Plan"]), rows


async def _run(where: Stage) -> None:
    await migrate(where.database_url)
    async with wiring.opened(load_settings(settings_of(where))):
        caller, _ = await new_clinic()
        caller = replace(caller, scopes=SCOPES)
        patients = await new_patients(caller, PATIENTS)
        await _write(caller, patients)
        await _grow(where)
        slow = []
        async with begin(caller) as tx:
            for name, query in SEARCHES.items():
                took, scans, rows = await _search(tx, query.format(patient=patients[7]))
                print(
                    f"{name:34} {took:7.2f} ms  {rows:2} found  {', '.join(dict.fromkeys(scans))}"
                )
                if any(one.startswith("Seq Scan fhir") for one in scans):
                    slow.append(name)
        assert not slow, slow


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        asyncio.run(_run(where))

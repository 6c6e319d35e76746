"""$export of a Group, and of patients who are named: theirs and nobody else's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chroniccare.core.caller import system
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.conftest import PEPPER, Running
from tests.fhir.examples import to
from tests.fhir.server import Server, visit
from tests.fhir.stored.made import pressure
from tests.fhir.test_exports import ASYNC, BASE, done, records

Json = dict[str, Any]


@pytest.fixture(autouse=True)
async def folder(running: Running, tmp_path: Path) -> AsyncIterator[None]:
    """Give exports a directory."""
    database = running.platform.database
    before = database.settings
    database.settings = before.model_copy(update={"fhir_export_dir": str(tmp_path)})
    yield
    database.settings = before


async def make(fhir: Server, resource: Json) -> str:
    response = await fhir.send("POST", f"/{resource['resourceType']}", json=resource)
    assert response.status_code == 201, response.text
    made: str = response.json()["id"]
    return made


def group(*members: Json, **more: Any) -> Json:
    made: Json = {"resourceType": "Group", "type": "person", "actual": True, **more}
    return {**made, "member": list(members)} if members else made


def whose(found: dict[str, list[Json]]) -> set[str]:
    """Return of which patients there is something."""
    ids = {one["id"] for one in found.pop("Patient", [])}
    for one in [each for listed in found.values() for each in listed]:
        actors = [each["actor"] for each in one.get("participant", [])]
        led = [one.get("subject", {}), *actors]
        ids |= {
            each["reference"].partition("/")[2]
            for each in led
            if each.get("reference", "").startswith("Patient/")
        }
    return ids


async def test_a_group_is_exported_with_all_that_is_of_its_members(fhir: Server) -> None:
    clinic = fhir.clinic
    patients = [await clinic.patient() for _ in range(4)]
    for one in patients:
        await visit(clinic, patient=one)
        await make(fhir, pressure(one["id"], 140))
    here, other, left, gone = (one["id"] for one in patients)
    ended = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
    cohort = await make(
        fhir,
        group(
            {"entity": to(f"Patient/{here}")},
            {"entity": to(f"Patient/{left}"), "inactive": True},
            {"entity": to(f"Patient/{gone}"), "period": {"end": ended}},
        ),
    )
    manifest = await done(fhir, f"/Group/{cohort}/$export")
    assert manifest["request"] == f"{BASE}/fhir/Group/{cohort}/$export"
    found = await records(fhir, manifest)
    assert {"Patient", "Appointment", "Observation"} <= set(found)
    assert len(found["Appointment"]) == len(found["Observation"]) == 1
    assert whose(found) == {here}
    # Its members are those of when it is asked for; types and filters narrow it further.
    row = await fhir.read("Group", cohort)
    said = {**row, "member": [{"entity": to(f"Patient/{one}")} for one in (here, other)]}
    assert (await fhir.send("PUT", f"/Group/{cohort}", json=said)).status_code == 200
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "_type", "valueString": "Observation"}],
    }
    found = await records(fhir, await done(fhir, f"/Group/{cohort}/$export", json=parameters))
    assert set(found) == {"Observation"}
    assert whose(found) == {here, other}


async def test_an_empty_group_exports_nothing(fhir: Server) -> None:
    await fhir.clinic.patient()
    cohort = await make(fhir, group())
    assert (await done(fhir, f"/Group/{cohort}/$export"))["output"] == []


async def test_patients_who_are_named_are_exported_alone(fhir: Server) -> None:
    ids = [(await fhir.clinic.patient())["id"] for _ in range(3)]
    cohort = await make(fhir, group({"entity": to(f"Patient/{ids[0]}")}))

    def named(*references: str) -> Json:
        values = [{"name": "patient", "valueReference": {"reference": one}} for one in references]
        return {"resourceType": "Parameters", "parameter": values}

    both = named(f"Patient/{ids[0]}", f"{BASE}/fhir/Patient/{ids[1]}")
    found = await records(fhir, await done(fhir, "/Patient/$export", json=both))
    assert whose(found) == set(ids[:2])
    one = named(f"Patient/{ids[0]}")
    found = await records(fhir, await done(fhir, f"/Group/{cohort}/$export", json=one))
    assert whose(found) == {ids[0]}
    for path, wrong in (
        (f"/Group/{cohort}/$export", named(f"Patient/{ids[1]}")),
        ("/Patient/$export", named(f"Patient/{ids[0]}", f"Patient/{cohort}")),
        ("/Patient/$export", named(f"Practitioner/{ids[0]}")),
        ("/$export", one),
    ):
        response = await fhir.send("POST", path, json=wrong, headers=ASYNC)
        assert response.status_code == 400
        assert response.json()["issue"][0]["expression"] == ["patient"]
    response = await fhir.send("GET", f"/Patient/$export?patient={ids[0]}", headers=ASYNC)
    assert response.status_code == 400


async def test_a_group_must_be_there_be_of_people_and_be_opened(
    fhir: Server, other_fhir: Server
) -> None:
    cohort = await make(fhir, group())
    devices = await make(fhir, group(type="device"))
    described = await make(fhir, group(actual=False))
    for one in (devices, described):
        response = await fhir.send("GET", f"/Group/{one}/$export", headers=ASYNC)
        assert response.status_code == 422
    response = await other_fhir.send("GET", f"/Group/{cohort}/$export", headers=ASYNC)
    assert response.status_code == 404
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        few = await create_key(tx, pepper=PEPPER, name="f", scopes=SCOPES - {"records:read"})
    headers = {**ASYNC, "X-API-Key": few}
    response = await fhir.send("GET", f"/Group/{cohort}/$export", headers=headers)
    assert response.status_code == 403
    assert (await fhir.send("DELETE", f"/Group/{cohort}")).status_code == 204
    response = await fhir.send("GET", f"/Group/{cohort}/$export", headers=ASYNC)
    assert response.status_code == 410

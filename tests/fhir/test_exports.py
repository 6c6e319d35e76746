"""$export: asked for, followed, fetched; by who may; whole after a worker's death; gone in time."""

import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from chroniccare.core.caller import Caller, system
from chroniccare.core.errors import Forbidden
from chroniccare.core.ids import new_id
from chroniccare.fhir.exports import exporting, stores, wanted
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.validation import parse
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from chroniccare.tenancy.smart_scopes import parse_all
from tests.client import Clinic
from tests.conftest import PEPPER, Running
from tests.fhir.judges import judge
from tests.fhir.server import Server, everything, visit
from tests.fhir.stored.made import each

ASYNC = {"Prefer": "respond-async"}
AUDIT = {"AuditEvent", "Provenance"}
BASE = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
async def folder(running: Running, tmp_path: Path) -> AsyncIterator[Path]:
    """Where exports go."""
    database = running.platform.database
    before = database.settings
    database.settings = before.model_copy(update={"fhir_export_dir": str(tmp_path)})
    yield tmp_path
    database.settings = before


def held(folder: Path) -> list[Path]:
    """Return the files of exports."""
    return [one for one in folder.rglob("*") if one.is_file()]


async def begun(fhir: Server, path: str = "/$export", **options: Any) -> str:
    """Begin an export; return where it is followed."""
    method = "POST" if "json" in options else "GET"
    response = await fhir.send(method, path, **{"headers": ASYNC, **options})
    assert response.status_code == 202, response.text
    where: str = response.headers["content-location"]
    assert where.startswith(f"{BASE}/fhir/$export/")
    return where.removeprefix(BASE)


async def get(fhir: Server, where: str, **options: Any) -> httpx.Response:
    return await fhir.clinic.http.get(where.removeprefix(BASE), **options)


async def done(fhir: Server, path: str = "/$export", **options: Any) -> dict[str, Any]:
    """Export, and return the manifest."""
    where = await begun(fhir, path, **options)
    await exporting.run(fhir.clinic.tenant_id)
    response = await get(fhir, where)
    assert response.status_code == 200, response.text
    manifest: dict[str, Any] = response.json()
    return manifest


async def records(fhir: Server, manifest: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Fetch every file; each line is valid R4."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in manifest["output"]:
        response = await get(fhir, one["url"])
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/fhir+ndjson"
        assert response.headers["cache-control"] == "no-store"
        lines = response.content.splitlines()
        assert len(lines) == one["count"]
        for line in lines:
            parse(one["type"], line)
            judge(line)
        found.setdefault(one["type"], []).extend(orjson.loads(line) for line in lines)
    return found


async def test_everything_is_exported_as_it_is_read(fhir: Server) -> None:
    await everything(fhir.clinic)
    await each(fhir)
    where = await begun(fhir)
    waiting = await get(fhir, where)
    assert waiting.status_code == 202
    assert waiting.headers["x-progress"] == "0 resources"
    assert waiting.headers["retry-after"] == "5"
    await exporting.run(fhir.clinic.tenant_id)
    response = await get(fhir, where)
    manifest = response.json()
    assert response.headers["expires"].endswith("GMT")
    assert manifest["request"] == f"{BASE}/fhir/$export"
    assert manifest["requiresAccessToken"] is True
    found = await records(fhir, manifest)
    assert set(found) == set(KINDS)
    for name, resources in found.items():
        bundle = await fhir.search(f"{name}?_count=1000")
        told = [one["resource"] for one in bundle["entry"]]
        if name in AUDIT:  # each export and each search adds to it
            told = [one for one in told if _id(one) in set(map(_id, resources))]
        assert sorted(resources, key=_id) == sorted(told, key=_id)


def _id(resource: dict[str, Any]) -> str:
    return str(resource["id"])


async def test_of_patients_only_what_is_theirs(fhir: Server) -> None:
    await everything(fhir.clinic)
    found = await records(fhir, await done(fhir, "/Patient/$export"))
    assert set(found) == {
        "Patient", "Appointment", "MedicationRequest", "RelatedPerson", "CareTeam",
        "MedicationDispense", "MedicationAdministration", "MedicationStatement", "Consent",
        "AppointmentResponse", "CommunicationRequest", "Communication", *AUDIT,
    }  # fmt: skip


async def test_types_filters_and_since_say_what(fhir: Server) -> None:
    clinic = fhir.clinic
    women = [await clinic.patient(gender="female") for _ in range(2)]
    await clinic.patient(gender="male")
    await visit(clinic, patient=women[0])
    query = "/$export?_type=Patient,Appointment&_typeFilter=Patient%3Fgender%3Dfemale"
    manifest = await done(fhir, f"{query}&_outputFormat=application/fhir%2Bndjson")
    assert manifest["request"].endswith("fhir%2Bndjson")
    found = await records(fhir, manifest)
    assert sorted(map(_id, found["Patient"])) == sorted(map(_id, women))
    assert len(found["Appointment"]) == 1
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await done(fhir, "/$export", headers=ASYNC, params={"_since": later}))["output"] == []
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_type", "valueString": "Patient"},
            {"name": "_since", "valueInstant": "2020-01-01T00:00:00Z"},
            {"name": "_typeFilter", "valueString": "Patient?gender=male"},
            {"name": "_typeFilter", "valueString": "Patient?gender=female"},
        ],
    }
    found = await records(fhir, await done(fhir, json=parameters))
    assert len(found["Patient"]) == 3


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("_type=Nonsense", "_type"),
        ("_outputFormat=text/csv", "_outputFormat"),
        ("_since=yesterday", "_since"),
        ("_since=2026-01-01", "_since"),
        ("_typeFilter=Patient%3Fnonsense%3D1", "_typeFilter"),
        ("_typeFilter=Patient%3F_has:Appointment:patient:status%3Dbooked", "_typeFilter"),
        ("_typeFilter=Patient%3F_sort%3Dname", "_typeFilter"),
        ("_typeFilter=Patient", "_typeFilter"),
        ("_type=Appointment&_typeFilter=Patient%3Fgender%3Dmale", "_typeFilter"),
        ("includeAssociatedData=x", "includeAssociatedData"),
    ],
)
async def test_what_is_not_known_is_refused(fhir: Server, query: str, name: str) -> None:
    response = await fhir.send("GET", f"/$export?{query}", headers=ASYNC)
    assert response.status_code == 400
    assert response.json()["issue"][0]["expression"] == [name]
    response = await fhir.send("GET", "/$export")
    assert response.json()["issue"][0]["expression"] == ["Prefer"]


async def test_what_is_not_known_is_passed_over_for_the_lenient(fhir: Server) -> None:
    headers = {"Prefer": "respond-async, handling=lenient"}
    await begun(fhir, "/$export?includeAssociatedData=x", headers=headers)


async def test_a_clinic_has_one_at_a_time_and_may_cancel_it(fhir: Server, folder: Path) -> None:
    await fhir.clinic.patient()
    where = await begun(fhir, "/$export?_type=Patient")
    response = await fhir.send("GET", "/$export", headers=ASYNC)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "5"
    await exporting.run(fhir.clinic.tenant_id)
    assert held(folder) != []
    assert (await fhir.clinic.http.delete(where)).status_code == 202
    assert (await get(fhir, where)).status_code == 404
    await exporting.run(fhir.clinic.tenant_id)
    assert held(folder) == []
    await begun(fhir)


async def test_files_are_sealed_and_go_when_their_time_is_over(
    fhir: Server, folder: Path, running: Running
) -> None:
    made = await fhir.clinic.patient(last_name="Featherstonehaugh")
    where = await begun(fhir, "/$export?_type=Patient")
    await exporting.run(fhir.clinic.tenant_id)
    [path] = held(folder)
    assert b"Featherstonehaugh" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    [output] = (await get(fhir, where)).json()["output"]
    assert made["id"] in (await get(fhir, output["url"])).text
    database = running.platform.database
    clock = database.clock
    database.clock = lambda: datetime.now(UTC) + timedelta(hours=25)
    try:
        assert (await get(fhir, where)).status_code == 404
        assert (await get(fhir, output["url"])).status_code == 404
        await exporting.run(fhir.clinic.tenant_id)
    finally:
        database.clock = clock
    assert not path.exists()


async def test_another_takes_over_where_a_worker_died(
    fhir: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    tenant_id = fhir.clinic.tenant_id
    ids = {(await fhir.clinic.patient())["id"] for _ in range(10)}
    where = await begun(fhir, "/$export?_type=Patient")
    job = await exporting.claimed(tenant_id, stores.Directory(str(folder), tenant_id))
    assert job is not None
    assert await exporting.page(job)
    assert (
        await exporting.claimed(tenant_id, stores.Directory(str(folder), tenant_id)) is None
    )  # it is leased
    # It dies in the middle of the second page: what it wrote there is not written down.
    [path] = held(folder)
    with path.open("ab") as file:
        file.write(b"\0\0\1\0half a frame")
    async with begin(system(tenant_id, job="test")) as tx:
        await tx.connection.execute("UPDATE fhir_exports SET lease_until = now()")
    await exporting.run(tenant_id)
    manifest = (await get(fhir, where)).json()
    assert [one["count"] for one in manifest["output"]] == [3, 7]
    found = (await records(fhir, manifest))["Patient"]
    assert sorted(map(_id, found)) == sorted(ids)
    # It was only frozen, and goes on: nobody listens to it any more.
    assert not await exporting.page(job)
    assert (await get(fhir, where)).json() == manifest


async def test_each_record_is_audited_as_seen_and_each_fetch(fhir: Server) -> None:
    made = await fhir.clinic.patient()
    manifest = await done(fhir, "/$export?_type=Patient")
    await records(fhir, manifest)
    listed = await fhir.clinic.get("/audit", params={"entity_id": made["id"], "action": "export"})
    [entry] = listed.json()["data"]["items"]
    assert entry["user_type"] == "api_key"
    export_id = manifest["output"][0]["url"].split("/")[-2]
    listed = await fhir.clinic.get("/audit", params={"entity_id": export_id})
    actions = {one["action"] for one in listed.json()["data"]["items"]}
    assert actions == {"create", "done", "download"}


async def test_who_asked_alone_may_follow_and_fetch(fhir: Server, other_fhir: Server) -> None:
    clinic = fhir.clinic
    await clinic.patient()
    where = await begun(fhir, "/$export?_type=Patient")
    await exporting.run(clinic.tenant_id)
    [output] = (await get(fhir, where)).json()["output"]
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        colleague = await create_key(tx, pepper=PEPPER, name="other", scopes=SCOPES)
        reader = await create_key(tx, pepper=PEPPER, name="r", scopes=SCOPES - {"privacy:read"})
        few = await create_key(tx, pepper=PEPPER, name="f", scopes=SCOPES - {"medications:read"})
    for key, status in ((colleague, 404), (reader, 403)):
        headers = {"X-API-Key": key}
        for url in (where, output["url"]):
            assert (await get(fhir, url, headers=headers)).status_code == status
    for url in (where, output["url"]):
        assert (await get(other_fhir, url)).status_code == 404
    anonymous = {"X-API-Key": ""}
    assert (await get(fhir, output["url"], headers=anonymous)).status_code == 401
    # Without a list of types there is what the key may read; who names more is refused.
    headers = {**ASYNC, "X-API-Key": few}
    refused = await fhir.send("GET", "/$export?_type=MedicationRequest", headers=headers)
    assert refused.status_code == 403
    await begun(fhir, headers=headers)


def test_only_programs_that_may_read_all_of_a_type_export_it() -> None:
    smart = Caller(new_id(), new_id(), "smart_client", smart_scopes=parse_all("system/Patient.rs"))
    wanted.check_caller(smart)
    found = wanted.read(smart, [], of_patients=False, lenient=False)
    assert found.types == ["Patient"]
    for scopes in ("system/Patient.r", "system/Patient.rs?gender=male", "user/Patient.rs"):
        caller = replace(smart, smart_scopes=parse_all(scopes))
        with pytest.raises(Forbidden):
            wanted.read(caller, [("_type", "Patient")], of_patients=False, lenient=False)
    person = Caller(new_id(), new_id(), "staff", role="admin", scopes=SCOPES)
    with pytest.raises(Forbidden):
        wanted.check_caller(person)


async def test_sec_05_an_export_holds_nothing_of_another_clinic(
    fhir: Server, other_fhir: Server
) -> None:
    await everything(other_fhir.clinic)
    own = await fhir.clinic.patient()
    await begun(other_fhir)  # what another clinic exports is in nobody's way
    found = await records(fhir, await done(fhir))
    assert set(found) - AUDIT == {"Organization", "Patient"}
    assert [_id(one) for one in found["Patient"]] == [own["id"]]
    assert [_id(one) for one in found["Organization"]] == [str(fhir.clinic.tenant_id)]


async def test_when_somebody_is_erased_what_was_exported_is_gone(
    fhir: Server, folder: Path
) -> None:
    made = await fhir.clinic.patient()
    where = await begun(fhir, "/$export?_type=Patient")
    await exporting.run(fhir.clinic.tenant_id)
    [output] = (await get(fhir, where)).json()["output"]
    path = f"/patients/{made['id']}/erase"
    assert (await fhir.clinic.post(path, {"reason": "Asked for."})).is_success
    for url in (where, output["url"]):
        assert (await get(fhir, url)).status_code == 404
    await exporting.run(fhir.clinic.tenant_id)
    assert held(folder) == []


async def test_memory_does_not_grow_with_what_is_exported(fhir: Server, clinic: Clinic) -> None:
    entries = [
        {
            "resource": {
                "resourceType": "Patient", "birthDate": "1961-04-12", "gender": "female",
                "name": [{"family": f"Quist{number}", "given": ["Ada"]}],
                "extension": [{"url": "http://example.org/x", "valueString": "x" * 4000}],
            },
            "request": {"method": "POST", "url": "Patient"},
        }
        for number in range(150)
    ]  # fmt: skip
    peaks = []
    for times in (1, 3):
        for _ in range(times):
            body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            headers = {"Prefer": "return=minimal"}
            assert (await fhir.send("POST", "", json=body, headers=headers)).status_code == 200
        where = await begun(fhir, "/$export?_type=Patient")
        tracemalloc.start()
        await exporting.run(clinic.tenant_id)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (await get(fhir, where)).status_code == 200
    assert peaks[1] < 1.5 * peaks[0], peaks


async def test_without_a_directory_there_is_none(fhir: Server, running: Running) -> None:
    database = running.platform.database
    said = (await fhir.send("GET", "/metadata")).json()["rest"][0]
    patient = next(one for one in said["resource"] if one["type"] == "Patient")
    names = [one["name"] for one in said["operation"] + patient["operation"]]
    assert names.count("export") == 2
    group = next(one for one in said["resource"] if one["type"] == "Group")
    assert "export" in [one["name"] for one in group["operation"]]
    database.settings = database.settings.model_copy(update={"fhir_export_dir": ""})
    assert "operation" not in (await fhir.send("GET", "/metadata")).json()["rest"][0]
    response = await fhir.send("GET", "/$export", headers=ASYNC)
    assert response.status_code == 405

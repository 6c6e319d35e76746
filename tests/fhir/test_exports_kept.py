"""$export: it ends, nobody sees more than their scopes open, and nothing is left behind."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from chroniccare.core.caller import system
from chroniccare.core.ids import new_id
from chroniccare.fhir.exports import exporting, files, stores
from chroniccare.patients import actions as patients
from chroniccare.patients.schemas import PatientWrite
from chroniccare.platform.postgres import begin, database
from chroniccare.platform.sealing import Unreadable
from chroniccare.privacy.erasing import erase
from tests.fhir.server import Server
from tests.fhir.test_exports import ASYNC, begun, done, folder, get, held, records
from tests.smart.conftest import Register, door, http, register

__all__ = ["door", "folder", "http", "register"]


@pytest.mark.parametrize("kind", ["AuditEvent", "Provenance"])
async def test_of_the_audit_there_is_what_stood_there_when_it_began(
    fhir: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    tenant_id = fhir.clinic.tenant_id
    monkeypatch.setattr(exporting, "PAGE", 5)
    for _ in range(7):
        await fhir.clinic.patient()
    where = await begun(fhir, f"/$export?_type={kind}")
    job = await exporting.claimed(tenant_id, stores.Directory(str(folder), tenant_id))
    assert job is not None
    for _ in range(10):
        assert await exporting.page(job)
        await fhir.clinic.patient()
        if job.place:
            break
    assert job.place == 1
    await exporting.run(fhir.clinic.tenant_id)
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        await tx.connection.execute("UPDATE fhir_exports SET lease_until = now()")
    await exporting.run(fhir.clinic.tenant_id)
    told = await records(fhir, (await get(fhir, where)).json())
    assert 7 <= len(told[kind]) <= 10
    listed = await fhir.clinic.get("/audit", params={"action": "export"})
    entries = listed.json()["data"]["items"]
    assert 2 <= len(entries) <= 3  # one for each page
    assert {one["entity_id"] for one in entries} == {None}


@pytest.mark.parametrize("sort", ["", "&_sort=date", "&_sort=-date", "&_sort=_id"])
async def test_a_search_of_the_audit_comes_to_its_end(fhir: Server, sort: str) -> None:
    for _ in range(7):
        await fhir.clinic.patient()
    bundle = await fhir.search(f"AuditEvent?_count=3{sort}")
    seen = [one["resource"]["id"] for one in bundle["entry"]]
    for _ in range(20):
        following = await fhir.next(bundle)
        if following is None:
            break
        bundle = following
        seen += [one["resource"]["id"] for one in bundle["entry"]]
    else:
        pytest.fail("there is always another page")
    assert len(seen) == len(set(seen)) >= 7


async def test_who_may_no_longer_read_a_type_gets_no_file_of_it(
    fhir: Server, register: Register, folder: Path
) -> None:
    settings = database().settings.model_copy(update={"fhir_export_dir": str(folder)})
    database().settings = settings
    await fhir.clinic.patient()
    program = await register(scopes=["system/Patient.rs", "system/Location.rs"])

    async def asked(path: str, scope: str) -> tuple[int, str]:
        bearer = {**ASYNC, "authorization": f"Bearer {await program.token(scope=scope)}"}
        response = await program.http.get(path, headers=bearer)
        return response.status_code, response.headers.get("content-location") or response.text

    status, where = await asked("/fhir/Patient/$export", "system/Patient.rs")
    assert status == 202
    where = where[where.index("/fhir/") :]
    assert (await asked(where, "system/Location.rs"))[0] == 403
    await exporting.run(fhir.clinic.tenant_id)
    status, manifest = await asked(where, "system/Patient.rs")
    assert status == 200
    file = manifest[manifest.index("/fhir/$export/", manifest.index('"url"')) :].split('"')[0]
    for path in (where, file):
        assert (await asked(path, "system/Location.rs"))[0] == 403
        assert (await asked(path, "system/Patient.rs"))[0] == 200


async def test_an_erasure_ends_exports_that_were_begun_before_it_is_committed(
    fhir: Server, folder: Path
) -> None:
    tenant_id = fhir.clinic.tenant_id
    erased = await fhir.clinic.patient(last_name="Zyxomma")
    await fhir.clinic.patient()
    async with begin(system(tenant_id, job="test")) as tx:
        early = await begun(fhir, "/$export?_type=Patient")
        await exporting.run(tenant_id)
        await erase(tx, UUID(erased["id"]), reason="Asked for.")
        late = asyncio.create_task(begun(fhir, "/$export?_type=Patient"))
        await asyncio.sleep(0.3)
        assert not late.done()  # it would read who is being erased
    assert (await get(fhir, early)).status_code == 404
    where = await late
    await exporting.run(tenant_id)
    assert len(held(folder)) == 1
    [file] = (await get(fhir, where)).json()["output"]
    assert "Zyxomma" not in (await get(fhir, file["url"])).text


async def test_the_next_export_has_what_was_in_flight(fhir: Server) -> None:
    async with begin(fhir.clinic.caller) as tx:
        await asyncio.sleep(0.05)
        manifest = await done(fhir, "/$export?_type=Patient")
        await patients.create(tx, PatientWrite(**fhir.clinic.patient_body()))
    assert manifest["output"] == []
    query = {"_type": "Patient", "_since": manifest["transactionTime"]}
    following = await done(fhir, "/$export", headers=ASYNC, params=query)
    assert [one["count"] for one in following["output"]] == [1]


async def test_who_lost_an_export_leaves_nothing_behind(
    fhir: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = fhir.clinic.tenant_id
    await fhir.clinic.patient()
    where = await begun(fhir, "/$export?_type=Patient")
    job = await exporting.claimed(tenant_id, stores.Directory(str(folder), tenant_id))
    assert job is not None
    own = folder / str(tenant_id)
    assert {one.stat().st_mode & 0o777 for one in (own, *own.iterdir())} == {0o700}
    assert (await fhir.clinic.http.delete(where)).status_code == 202
    with monkeypatch.context() as patched:  # it cannot be removed: it is not forgotten either
        patched.setattr(files, "rmtree", lambda _path: (_ for _ in ()).throw(PermissionError))
        await exporting.run(tenant_id)
    assert len(list(own.iterdir())) == 1
    await exporting.run(tenant_id)
    with pytest.raises(FileNotFoundError):
        await exporting.page(job)
    stray = own / str(new_id())
    stray.mkdir()
    await exporting.run(tenant_id)
    assert list(own.iterdir()) == []


async def test_a_failed_export_keeps_no_files(
    fhir: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fhir.clinic.patient()
    where = await begun(fhir, "/$export?_type=Patient,Organization")
    written = exporting._written
    pages = iter([None])

    async def torn(*given: object) -> None:
        next(pages)  # the second page is over the end
        await written(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(exporting, "_written", torn)
    await exporting.run(fhir.clinic.tenant_id)
    assert (await get(fhir, where)).json()["issue"][0]["diagnostics"].startswith("The export fail")
    await exporting.run(fhir.clinic.tenant_id)
    assert held(folder) == []
    assert (await get(fhir, where)).status_code == 500  # it is told for as long as before


@pytest.mark.parametrize(
    "instant",
    [
        "20261130T090000Z", "2026-W48-1T09:00:00Z", "2026-11-30T09Z", "2026-11-30T09:00:00,5Z",
        "0001-01-01T00:00:00+14:00", "ge2026-11-30T09:00:00Z", "2026-11-30T09:00:00",
    ],
)  # fmt: skip
async def test_an_instant_is_one_of_fhir(fhir: Server, instant: str) -> None:
    query = {"_type": "Patient", "_until": instant}
    response = await fhir.send("GET", "/$export", headers=ASYNC, params=query)
    assert response.status_code == 400
    assert response.json()["issue"][0]["expression"] == ["_until"]


async def test_a_frame_in_clear_is_refused_where_the_clinic_has_keys(fhir: Server) -> None:
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        keys = await tx.keyring(afresh=True)
    assert keys.active
    file_id, now = new_id(), datetime.now(UTC).isoformat().encode()
    assert files.unsealed(keys, file_id, 0, files.sealed(keys, file_id, 0, now)) == now
    with pytest.raises(Unreadable):
        files.unsealed(keys, file_id, 0, b'{"resourceType":"Patient"}\n')

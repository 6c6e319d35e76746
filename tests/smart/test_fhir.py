"""A client's token under /fhir: its scopes open what they name, and nothing else."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from chroniccare.fhir.exports import exporting
from chroniccare.platform.postgres import Command, begin, database
from tests.fhir.test_write import SMALL
from tests.smart.conftest import Program, Register


async def test_a_token_opens_what_its_scopes_name(program: Program) -> None:
    made = await program.clinic.patient()
    bearer = {"Authorization": f"Bearer {await program.token()}"}

    async def send(method: str, path: str, **options: Any) -> int:
        response = await program.http.request(method, path, headers=bearer, **options)
        return response.status_code

    assert await send("GET", f"/fhir/Patient/{made['id']}") == 200
    assert await send("GET", "/fhir/Patient?name=gonzalez") == 200
    assert await send("GET", "/fhir/Patient?_revinclude=Appointment:patient") == 403
    assert await send("GET", "/fhir/Appointment") == 403
    assert await send("POST", "/fhir/Patient", json=SMALL) == 403
    assert await send("GET", f"/api/v1/patients/{made['id']}") == 403


async def test_what_its_token_is_refused_elsewhere_is_in_the_audit(program: Program) -> None:
    made = await program.clinic.patient()
    bearer = {"Authorization": f"Bearer {await program.token()}"}
    refused = await program.http.get(f"/api/v1/patients/{made['id']}", headers=bearer)
    assert refused.status_code == 403
    sought = Command(
        "SELECT entity_id FROM audit_logs WHERE metadata ->> 'outcome' = 'refused'"
        " AND user_id = $1 AND action = 'read' AND entity_type = 'patient'"
    )
    async with begin(program.clinic.caller) as tx:
        assert await tx.values(sought, UUID(program.id)) == [UUID(made["id"])]


async def test_a_clinics_client_sees_no_other_clinic(
    register: Register, program: Program, other_clinic: Any
) -> None:
    made = await program.clinic.patient()
    stranger = await register(other_clinic)
    bearer = {"Authorization": f"Bearer {await stranger.token()}"}
    refused = await stranger.http.get(f"/fhir/Patient/{made['id']}", headers=bearer)
    assert refused.status_code == 404


async def test_a_token_takes_out_what_its_scopes_name(program: Program, tmp_path: Path) -> None:
    made = await program.clinic.patient()
    base = database()
    base.settings = base.settings.model_copy(update={"fhir_export_dir": str(tmp_path)})
    headers = {"Authorization": f"Bearer {await program.token()}", "Prefer": "respond-async"}
    refused = await program.http.get("/fhir/$export?_type=Appointment", headers=headers)
    assert refused.status_code == 403
    begun = await program.http.get("/fhir/$export", headers=headers)
    assert begun.status_code == 202
    await exporting.run(program.clinic.tenant_id)
    told = await program.http.get(begun.headers["content-location"], headers=headers)
    [output] = told.json()["output"]
    lines = await program.http.get(output["url"], headers=headers)
    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == [made["id"]]


async def test_who_may_write_writes(register: Register) -> None:
    program = await register(scopes=["system/Patient.cruds"])
    token = await program.token(scope="system/Patient.cruds")
    bearer = {"Authorization": f"Bearer {token}"}
    made = await program.http.post("/fhir/Patient", json=SMALL, headers=bearer)
    assert made.status_code == 201, made.text
    where = made.headers["location"].partition("/fhir")[2].partition("/_history")[0]
    changed = {**made.json(), "gender": "female"}
    assert (await program.http.put(f"/fhir{where}", json=changed, headers=bearer)).is_success
    assert (await program.http.delete(f"/fhir{where}", headers=bearer)).status_code == 204

"""Who may write and not read, who sees a part, who asks by changing: what each of them is told."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from chroniccare.core.errors import Forbidden, Invalid
from chroniccare.fhir import actions, changing, operations_booking, writing
from chroniccare.fhir.conditional import checked
from chroniccare.fhir.operations import Given
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.resources.appointment import VIRTUAL
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.roles import ROLES
from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.stored.made import pressure
from tests.fhir.test_access import client
from tests.fhir.test_conditional import GENDER, PARAMETERS, numbered, patch
from tests.fhir.test_patching import operation
from tests.fhir.test_transaction import entry
from tests.fhir.test_transaction import send as transaction
from tests.fhir.test_write import SMALL, make

READS = Command(
    "SELECT count(*) FROM audit_logs WHERE entity_id = $1 AND action = 'read'"
    " AND entity_type = 'patient'"
)
COMMENT = b'[{"op": "add", "path": "/comment", "value": "By bus."}]'
OTHER = {"url": "http://x.example/other", "valueString": "stays"}


def way(link: str, **more: Any) -> dict[str, Any]:
    return {"url": VIRTUAL, "extension": [{"url": "addressUrl", "valueUrl": link}], **more}


async def test_a_write_tells_who_may_not_read_nothing(
    clinic: Clinic, fhir: Server, anonymous: httpx.AsyncClient
) -> None:
    made = await make(fhir, numbered("A-1"))
    async with begin(clinic.caller) as tx:
        pepper = clinic.app.state.authority.pepper
        key = await create_key(
            tx, pepper=pepper, name="writes", scopes=frozenset({"patients:write"})
        )
    headers = {"X-API-Key": key, "content-type": "application/fhir+json"}

    async def send(method: str, path: str, said: Any) -> httpx.Response:
        return await anonymous.request(method, f"/fhir{path}", json=said, headers=headers)

    path = f"/Patient/{made['id']}"
    for answer, status in (
        (await send("POST", "/Patient", SMALL), 201),
        (await send("PUT", path, made), 200),
    ):
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers["location"]
    for where in (path, "/Patient?identifier=A-1"):
        assert (await send("PATCH", where, PARAMETERS)).status_code == 403
    entries = [entry("PUT", path[1:], made), entry("PATCH", path[1:], PARAMETERS)]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    done = (await send("POST", "", bundle)).json()["entry"]
    assert [one["response"]["status"] for one in done] == ["200", "403"]
    assert not any("resource" in one for one in done)
    change = changing.change_of(b"[]", changing.JSON_PATCH)
    for letters in ("system/Patient.u", "system/Patient.u system/Patient.r?gender=male"):
        async with begin(client(clinic, letters)) as tx:
            with pytest.raises(Forbidden):
                await changing.patch(tx, KINDS["Patient"], made["id"], change, check=checked(None))


async def test_operations_that_answer_the_visit_need_its_read(clinic: Clinic) -> None:
    made = await visit(clinic)
    caller = client(clinic, "system/Appointment.cu")
    named = {"appointment-reference": [{"reference": f"Appointment/{made['id']}"}]}
    said = {"appointment-resource": [{"resourceType": "Appointment", "id": made["id"]}]}
    for given in (named, said):
        with pytest.raises(Forbidden):
            await operations_booking.book(caller, Given(given))
    with pytest.raises(Forbidden):
        await operations_booking.hold(caller, Given(named))
    with pytest.raises(Forbidden):
        await operations_booking.cancel(caller, made["id"], Given({}), checked(None))


async def test_a_refused_patch_is_a_read(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, numbered("A-2"))
    guess = [{"op": "test", "path": "/birthDate", "value": "1900-01-01"}]
    for where in (f"/Patient/{made['id']}", "/Patient?identifier=A-2"):
        assert (await patch(fhir, where, guess)).status_code == 422
    answer = await fhir.send(
        "PUT", "/Patient?identifier=A-2", json=numbered("A-2"), headers={"If-Match": 'W/"9"'}
    )
    assert answer.status_code == 412
    wrong = {
        "resourceType": "Parameters",
        "parameter": [operation("replace", "Patient.name[3].family", value="x")],
    }
    one = entry("PATCH", f"Patient/{made['id']}", wrong)
    done = await transaction(fhir, "batch", one)
    assert done.json()["entry"][0]["response"]["status"] == "422"
    assert (await transaction(fhir, "transaction", one)).status_code == 422
    async with begin(clinic.caller) as tx:
        assert await tx.value(READS, made["id"]) == 5
    assert (await patch(fhir, f"/Patient/{made['id']}", GENDER)).status_code == 200


async def test_the_way_into_a_video_visit_is_the_records(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic)
    path = f"/Appointment/{made['id']}"
    said = {**await fhir.read("Appointment", made["id"]), "extension": [OTHER, way("https://v/1")]}
    less = replace(clinic.caller, scopes=ROLES["clinician"] - {"telehealth:read"})
    kind = KINDS["Appointment"]
    async with begin(less) as tx:
        with pytest.raises(Forbidden):
            await writing.update(tx, kind, made["id"], said, check=checked(None))
    put = await fhir.send("PUT", path, json=said)
    assert put.json()["extension"] == [way("https://v/1"), OTHER]
    seen = await actions.read(less, kind, made["id"])
    assert (seen["extension"], seen["meta"]["tag"][0]["code"]) == ([OTHER], "SUBSETTED")
    rest = (await clinic.get(f"/appointments/{made['id']}")).json()["data"]
    assert rest["telehealth_details"] == {"link": "https://v/1"}
    change = changing.change_of(COMMENT, changing.JSON_PATCH)
    async with begin(less) as tx:
        with pytest.raises(Invalid):
            await changing.patch(tx, kind, made["id"], change, check=checked(None))
    without = {name: one for name, one in seen.items() if name != "meta"}
    async with begin(less) as tx:  # who does not see it leaves it
        await writing.update(tx, kind, made["id"], without, check=checked(None))
    assert (await fhir.read("Appointment", made["id"]))["extension"] == [way("https://v/1"), OTHER]
    for wrong in (
        [way("http://v/1")],
        [way("https://v/1")] * 2,
        [{"url": VIRTUAL, "valueUrl": "x"}],
    ):
        refused = await fhir.send("PUT", path, json={**said, "extension": wrong})
        assert refused.status_code == 422, refused.text
        assert refused.json()["issue"][0]["expression"] == ["Appointment.extension"]
    put = await fhir.send("PUT", path, json={**said, "extension": [OTHER]})
    assert put.json()["extension"] == [OTHER]
    rest = (await clinic.get(f"/appointments/{made['id']}")).json()["data"]
    assert rest["telehealth_details"] is None


async def test_what_is_kept_beside_a_record_refers_to_what_is_there(
    clinic: Clinic, fhir: Server, other_clinic: Clinic
) -> None:
    made, mine, theirs = [(await one.patient())["id"] for one in (clinic, clinic, other_clinic)]
    said = await fhir.read("Patient", made)
    found = await fhir.search(f"Patient?_id={made}")
    base = found["entry"][0]["fullUrl"].partition("/Patient")[0]

    def linked(reference: str) -> dict[str, Any]:
        return {**said, "link": [{"other": {"reference": reference}, "type": "seealso"}]}

    for wrong in (f"Patient/{theirs}", f"{base}/Patient/{theirs}"):
        answer = await fhir.send("PUT", f"/Patient/{made}", json=linked(wrong))
        assert answer.status_code == 422, answer.text
        new = {**SMALL, "link": linked(wrong)["link"]}
        assert (await fhir.send("POST", "/Patient", json=new)).status_code == 422
    assert await fhir.read("Patient", made) == said
    for right in (f"Patient/{mine}", f"https://other.example/Patient/{theirs}"):
        answer = await fhir.send("PUT", f"/Patient/{made}", json=linked(right))
        assert answer.json()["link"][0]["other"]["reference"] == right
    await fhir.send("PUT", f"/Patient/{made}", json=linked(f"Patient/{mine}"))
    await fhir.send("DELETE", f"/Patient/{mine}")
    again = {**linked(f"Patient/{mine}"), "gender": "male"}
    assert (await fhir.send("PUT", f"/Patient/{made}", json=again)).status_code == 200


async def test_a_patient_may_refer_to_what_the_same_transaction_stores(
    clinic: Clinic, fhir: Server
) -> None:
    there = (await clinic.patient())["id"]
    url = "urn:uuid:11111111-1111-4111-8111-111111111111"
    seen = {"url": "http://x.example/seen", "valueReference": {"reference": url}}
    answer = await transaction(
        fhir, "transaction",
        entry("POST", "Patient", {**SMALL, "extension": [seen]}),
        entry("POST", "Observation", pressure(there, 142), fullUrl=url),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    patient, stored = [one["resource"] for one in answer.json()["entry"]]
    [led] = [one["valueReference"] for one in patient["extension"] if "valueReference" in one]
    assert led == {"reference": f"Observation/{stored['id']}"}


async def test_a_search_is_the_same_however_it_is_spelled(clinic: Clinic, fhir: Server) -> None:
    there = (await clinic.patient())["id"]
    said = pressure(there, 142, identifier=[{"system": "http://x.example/n", "value": "1"}])
    spelled = ["identifier=http://x.example/n|1", "identifier=http%3A%2F%2Fx.example%2Fn%7C1"]
    answers = await asyncio.gather(*(
        fhir.send("POST", "/Observation", json=said, headers={"If-None-Exist": query})
        for query in spelled * 3
    ))  # fmt: skip
    assert sorted(one.status_code for one in answers) == [200] * 5 + [201]

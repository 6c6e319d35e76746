"""`:of-type` and `:identifier`: numbers by their type, and numbers that stand in references."""

from typing import Any

import pytest

from chroniccare.fhir.resources.common import V2_0203
from tests.fhir.examples import to
from tests.fhir.server import Server
from tests.fhir.stored.made import pressure

Json = dict[str, Any]
SSN = {"coding": [{"system": V2_0203, "code": "SS"}]}


async def make(fhir: Server, resource: Json) -> str:
    response = await fhir.send("POST", f"/{resource['resourceType']}", json=resource)
    assert response.status_code == 201, response.text
    made: str = response.json()["id"]
    return made


def person(number: str, **identifier: Any) -> Json:
    return {
        "resourceType": "Patient", "birthDate": "1961-04-12", "gender": "female",
        "name": [{"family": "Quist", "given": ["Ada"]}],
        "identifier": [{"system": "urn:oid:2.1", "value": number, **identifier}],
    }  # fmt: skip


async def test_patients_by_a_number_of_a_type(fhir: Server) -> None:
    typed, plain = await make(fhir, person("7", type=SSN)), await make(fhir, person("7"))
    ours = await fhir.clinic.patient()
    assert set(await fhir.ids("Patient?identifier=7")) == {typed, plain}
    assert await fhir.ids(f"Patient?identifier:of-type={V2_0203}|SS|7") == [typed]
    assert await fhir.ids(f"Patient?identifier:of-type={V2_0203}|MR|{ours['mrn']}") == [ours["id"]]
    for other in (
        f"{V2_0203}|DL|7",
        f"{V2_0203}|SS|8",
        "urn:x|SS|7",
        f"{V2_0203}|SS|{ours['mrn']}",
    ):
        assert await fhir.ids(f"Patient?identifier:of-type={other}") == []
    either = f"{V2_0203}|SS|7,{V2_0203}|MR|{ours['mrn']}"
    assert set(await fhir.ids(f"Patient?identifier:of-type={either}")) == {typed, ours["id"]}
    chained = await make(fhir, pressure(typed, 150))
    await make(fhir, pressure(plain, 150))
    found = await fhir.ids(f"Observation?patient.identifier:of-type={V2_0203}|SS|7")
    assert found == [chained]


async def test_stored_records_by_a_number_of_a_type(fhir: Server) -> None:
    patient = (await fhir.clinic.patient())["id"]
    number = {"system": "urn:oid:2.2", "value": "A|1", "type": SSN}
    typed = await make(fhir, pressure(patient, 150, identifier=[number]))
    await make(fhir, pressure(patient, 150, identifier=[{**number, "type": {"text": "SS"}}]))
    assert len(await fhir.ids(r"Observation?identifier=urn:oid:2.2|A\|1")) == 2
    assert await fhir.ids(rf"Observation?identifier:of-type={V2_0203}|SS|A\|1") == [typed]
    assert await fhir.ids(f"Observation?identifier:of-type={V2_0203}|SS|A") == []
    row = await fhir.read("Observation", typed)
    del row["identifier"]
    assert (await fhir.send("PUT", f"/Observation/{typed}", json=row)).status_code == 200
    assert await fhir.ids(rf"Observation?identifier:of-type={V2_0203}|SS|A\|1") == []


async def test_a_reference_by_the_number_that_stands_in_it(fhir: Server) -> None:
    patient = (await fhir.clinic.patient())["id"]
    device = {"identifier": {"system": "http://maker.example/ids", "value": "D-9"}}
    own = {"identifier": {"system": "urn:oid:2.3", "value": "P-1"}, **to(f"Patient/{patient}")}
    made = await make(fhir, pressure(patient, 150, device=device, subject=own))
    await make(fhir, pressure(patient, 150))
    for query in (
        "device:identifier=http://maker.example/ids|D-9",
        "device:identifier=D-9",
        "device:identifier=http://maker.example/ids|",
        "subject:identifier=urn:oid:2.3|P-1",
        "patient:identifier=P-1",
        "device:identifier=X,http://maker.example/ids|D-9",
    ):
        assert await fhir.ids(f"Observation?{query}") == [made], query
    assert await fhir.ids("Observation?device:identifier=urn:oid:2.3|D-9") == []
    assert await fhir.ids("Observation?device:missing=true&device:identifier=D-9") == [made]
    task = {
        "resourceType": "Task", "status": "requested", "intent": "order",
        "focus": {"identifier": {"value": "F-3"}},
    }  # fmt: skip
    assert await fhir.ids("Task?focus:identifier=F-3") == []
    done = await make(fhir, task)
    assert await fhir.ids("Task?focus:identifier=F-3") == [done]


@pytest.mark.parametrize(
    "query",
    [
        "Patient?identifier:of-type=7",
        "Patient?identifier:of-type=a|b|",
        "Observation?identifier:of-type=a|b|c|d",
        "Observation?code:of-type=a|b|c",
        "Appointment?patient:identifier=1",
        "Practitioner?identifier:of-type=a|b|c",
    ],
)
async def test_what_cannot_be_asked_is_refused(fhir: Server, query: str) -> None:
    response = await fhir.send("GET", f"/{query}")
    assert response.status_code == 400
    assert ":" in response.json()["issue"][0]["expression"][0] or "identifier" in response.text

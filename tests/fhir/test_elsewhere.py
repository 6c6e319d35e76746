"""A batch asks for Slots, operations and answers as well, each as its own address answers it."""

from typing import Any

from chroniccare.core.caller import system
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.conftest import PEPPER
from tests.fhir.examples import to
from tests.fhir.hours import DAY
from tests.fhir.server import Server, visit

Json = dict[str, Any]


def entry(method: str, url: str, resource: Json | None = None) -> Json:
    made: Json = {"request": {"method": method, "url": url}}
    return {**made, "resource": resource} if resource else made


def parameters(**values: Json) -> Json:
    named = [{"name": name.replace("_", "-"), **value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": named}


async def batch(fhir: Server, *entries: Json, **options: Any) -> list[Json]:
    body = {"resourceType": "Bundle", "type": "batch", "entry": list(entries)}
    response = await fhir.send("POST", "", json=body, **options)
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()["entry"]
    return found


def statuses(answers: list[Json]) -> list[str]:
    return [one["response"]["status"] for one in answers]


async def test_slots_are_found_read_and_set_aside(fhir: Server, doctor: Json) -> None:
    del doctor
    query = f"Slot?start={DAY}"
    direct = (await fhir.search(query))["entry"]
    first = direct[0]["resource"]
    [found] = await batch(fhir, entry("GET", query))
    assert found["response"]["status"] == "200"
    assert [one["resource"] for one in found["resource"]["entry"]] == [
        one["resource"] for one in direct
    ]
    aside = {**first, "status": "busy-unavailable"}
    del aside["id"]
    past = f"Patient/{(await fhir.clinic.patient())['id']}/_history"
    heads = [f"Slot/{first['id']}", query, "Patient", past, f"{past}/1"]
    answers = await batch(fhir, *(entry("HEAD", one) for one in heads))
    assert statuses(answers) == ["200"] * 5
    assert not any("resource" in one for one in answers)
    read, made, none, wrong = await batch(
        fhir,
        entry("GET", f"Slot/{first['id']}"),
        entry("POST", "Slot", aside),
        entry("DELETE", f"Slot/{first['id']}"),
        entry("GET", "Slot?status=free"),
    )
    assert read["resource"] == first
    assert (made["response"]["status"], made["resource"]["status"]) == ("201", "busy-unavailable")
    assert made["response"]["location"] == f"Slot/{first['id']}"
    assert statuses([none, wrong]) == ["405", "400"]
    assert (await fhir.read("Slot", first["id"]))["status"] == "busy-unavailable"
    [back] = await batch(fhir, entry("PUT", f"Slot/{first['id']}", {**first, "status": "free"}))
    assert back["resource"]["status"] == "free"


async def test_a_visit_is_found_held_moved_and_cancelled(fhir: Server, doctor: Json) -> None:
    del doctor
    patient = (await fhir.clinic.patient())["id"]
    [found] = await batch(
        fhir,
        entry("GET", f"Appointment/$find?start={DAY}T09:00:00-05:00&end={DAY}T11:00:00-05:00"),
    )
    proposals = [one["resource"]["id"] for one in found["resource"]["entry"]]
    book = parameters(
        appointment_reference={"valueReference": to(f"Appointment/{proposals[0]}")},
        patient_reference={"valueReference": to(f"Patient/{patient}")},
    )
    [booked] = await batch(fhir, entry("POST", "Appointment/$book", book))
    assert booked["response"]["status"] == "200"
    visit_id = (
        booked["resource"]["id"]
        if booked["resource"]["resourceType"] == "Appointment"
        else (booked["resource"]["entry"][0]["resource"]["id"])
    )
    cancel = entry("POST", f"Appointment/{visit_id}/$cancel", parameters())
    del cancel["resource"]
    stale = {**cancel, "request": {**cancel["request"], "ifMatch": 'W/"99"'}}
    [late] = await batch(fhir, stale)
    assert late["response"]["status"] == "412"
    [cancelled] = await batch(fhir, cancel)
    assert cancelled["resource"]["status"] == "cancelled"


async def test_everything_match_validate_and_an_answer(fhir: Server) -> None:
    patient = await fhir.clinic.patient()
    booked = await visit(fhir.clinic, patient=patient)
    read = await fhir.read("Patient", patient["id"])
    answer = {
        "resourceType": "AppointmentResponse", "participantStatus": "accepted",
        "appointment": to(f"Appointment/{booked['id']}"),
        "actor": to(f"Patient/{patient['id']}"),
    }  # fmt: skip
    answers = await batch(
        fhir,
        entry("GET", f"Patient/{patient['id']}/$everything?_type=Appointment"),
        entry("POST", "Patient/$match", parameters(resource={"resource": read})),
        entry("POST", "Patient/$validate", {"resourceType": "Patient", "birthDate": "1961-04-12"}),
        entry("GET", f"Patient/{patient['id']}/$validate"),
        entry("POST", "AppointmentResponse", answer),
        entry("GET", "Patient/$match"),
        entry("POST", "Patient/$nonsense", parameters()),
        entry("GET", "$export"),
    )
    assert statuses(answers) == ["200", "200", "200", "200", "201", "405", "404", "404"]
    ids = [one["resource"]["id"] for one in answers[0]["resource"]["entry"]]
    assert ids == [booked["id"]]
    assert answers[1]["resource"]["entry"][0]["resource"]["id"] == patient["id"]
    assert answers[2]["resource"]["resourceType"] == "OperationOutcome"
    assert (await fhir.read("Appointment", booked["id"]))["participant"][0]["status"] == "accepted"


async def test_each_entry_needs_its_own_scope(fhir: Server, doctor: Json) -> None:
    del doctor
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        few = await create_key(
            tx, pepper=PEPPER, name="f",
            scopes=SCOPES - {"appointments:read", "appointments:write"},
        )  # fmt: skip
    patient = await fhir.clinic.patient()
    answers = await batch(
        fhir,
        entry("GET", f"Slot?start={DAY}"),
        entry("GET", f"Appointment/$find?start={DAY}T09:00:00Z&end={DAY}T18:00:00Z"),
        entry("GET", f"Patient/{patient['id']}/$everything?_type=Patient"),
        headers={"X-API-Key": few},
    )
    assert statuses(answers) == ["403", "403", "200"]


async def test_a_transaction_asks_for_none_of_it(fhir: Server, doctor: Json) -> None:
    del doctor
    for url in (f"Slot?start={DAY}", f"Appointment/$find?start={DAY}T09:00:00Z"):
        body = {"resourceType": "Bundle", "type": "transaction", "entry": [entry("GET", url)]}
        response = await fhir.send("POST", "", json=body)
        assert response.status_code == 404

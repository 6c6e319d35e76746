"""Bundles: a transaction as a whole or not at all, a batch entry by entry."""

from typing import Any
from uuid import uuid4

from tests.client import Clinic
from tests.fhir.server import Server
from tests.fhir.test_booking import appointment, start
from tests.fhir.test_write import SMALL


def entry(method: str, url: str, resource: Any = None, **more: Any) -> dict[str, Any]:
    request = {"method": method, "url": url, **more.pop("request", {})}
    found = {"request": request, **more}
    return found if resource is None else {**found, "resource": resource}


async def send(fhir: Server, kind: str, *entries: dict[str, Any], **options: Any) -> Any:
    body = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return await fhir.send("POST", "", json=body, **options)


async def test_a_patient_and_their_visit_in_one(clinic: Clinic, fhir: Server) -> None:
    provider = (await clinic.provider())["id"]
    urn, mrn = f"urn:uuid:{uuid4()}", {"type": {"coding": [{"code": "MR"}]}, "value": "T-1"}
    booking = appointment("x", provider)
    booking["participant"][0]["actor"]["reference"] = urn
    answer = await send(
        fhir, "transaction",
        entry("GET", "Patient?identifier=T-1"),
        entry("POST", "Appointment", booking),
        entry("POST", "Patient", {**SMALL, "identifier": [mrn]}, fullUrl=urn),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["type"] == "transaction-response"
    searched, booked, registered = body["entry"]
    assert [one["response"]["status"] for one in body["entry"]] == ["200", "201", "201"]
    patient = registered["resource"]["id"]
    assert registered["response"]["location"] == f"Patient/{patient}/_history/1"
    assert booked["resource"]["participant"][0]["actor"]["reference"] == f"Patient/{patient}"
    assert searched["resource"]["entry"][0]["resource"]["id"] == patient
    other = appointment("x", provider, start=start(18))
    other["participant"][0]["actor"]["reference"] = "Patient?identifier=T-1"
    by_search = await send(fhir, "transaction", entry("POST", "Appointment", other))
    made = by_search.json()["entry"][0]["resource"]
    assert made["participant"][0]["actor"]["reference"] == f"Patient/{patient}"


async def test_a_transaction_is_done_as_a_whole_or_not_at_all(clinic: Clinic, fhir: Server) -> None:
    kept, changed = await clinic.patient(), await clinic.patient()
    path, there = f"Patient/{kept['id']}", f"Patient/{changed['id']}"
    for bad, status, place in (
        (entry("POST", "Patient", {**SMALL, "gender": "F"}), 400,
         "Bundle.entry[2].resource.gender"),
        (entry("POST", "Patient", {"resourceType": "Patient"}), 422, "Bundle.entry[2].resource."),
        (entry("PUT", there, {**SMALL, "id": changed["id"]}, request={"ifMatch": 'W/"9"'}), 412,
         "Bundle.entry[2]"),
        (entry("POST", "Organization", {"resourceType": "Organization"}), 405, "Bundle.entry[2]"),
        (entry("POST", "Nothing", SMALL), 404, "Bundle.entry[2]"),
        (entry("DELETE", f"Patient/{uuid4()}"), 404, "Bundle.entry[2]"),
        (entry("POST", "Appointment", appointment("x", "y") | {
            "participant": [{"actor": {"reference": f"urn:uuid:{uuid4()}"}, "status": "accepted"}]
        }), 400, "Bundle.entry[2]"),
    ):  # fmt: skip
        refused = await send(
            fhir, "transaction", entry("POST", "Patient", SMALL), entry("DELETE", path), bad
        )
        assert refused.status_code == status, refused.text
        assert refused.json()["issue"][0]["expression"][0].startswith(place), refused.text
        assert await fhir.ids("Patient") == [kept["id"], changed["id"]]


async def test_a_batch_goes_on_behind_what_is_refused(clinic: Clinic, fhir: Server) -> None:
    kept = await clinic.patient()
    path = f"Patient/{kept['id']}"
    answer = await send(
        fhir, "batch",
        entry("POST", "Patient", {**SMALL, "gender": "F"}),
        entry("POST", "Patient", SMALL),
        entry("GET", path),
        entry("GET", "Patient?nonsense=1"),
        entry("GET", f"Patient/{uuid4()}"),
        entry("DELETE", path),
        entry("PATCH", path, SMALL),
        headers={"Prefer": "return=minimal"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    assert [one["response"]["status"] for one in entries] == [
        "400", "201", "200", "400", "404", "204", "400"
    ]  # fmt: skip
    assert entries[0]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]
    assert "resource" not in entries[1]
    assert len(await fhir.ids("Patient")) == 1


async def test_a_condition_in_a_bundle(fhir: Server) -> None:
    numbered = {**SMALL, "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": "T-1"}]}
    one = entry("POST", "Patient", numbered, request={"ifNoneExist": "identifier=T-1"})
    first = await send(fhir, "transaction", one)
    second = await send(fhir, "transaction", one)
    assert first.json()["entry"][0]["response"]["status"] == "201"
    assert second.json()["entry"][0]["response"]["status"] == "200"
    for kind in ("transaction", "batch"):  # a query of a POST says the same
        again = await send(fhir, kind, entry("POST", "Patient?identifier=T-1", numbered))
        assert again.json()["entry"][0]["response"]["status"] == "200"
    assert len(await fhir.ids("Patient")) == 1


async def test_what_is_no_bundle_of_requests(fhir: Server) -> None:
    for body, status in (
        ({"resourceType": "Bundle", "type": "collection"}, 400),
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Bundle", "type": "batch", "entry": [{"resource": SMALL}]}, 400),
        (
            {
                "resourceType": "Bundle",
                "type": "batch",
                "entry": [entry("GET", f"Patient/{number}") for number in range(501)],
            },
            413,
        ),
    ):
        refused = await fhir.send("POST", "", json=body)
        assert refused.status_code == status, refused.text
    empty = await fhir.send("POST", "", json={"resourceType": "Bundle", "type": "batch"})
    assert empty.json() == {"resourceType": "Bundle", "type": "batch-response"}

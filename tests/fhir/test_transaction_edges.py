"""Bundles whose entries trip over each other, or over us: what stands, and what is answered."""

from typing import Any
from uuid import uuid4

import pytest

from chroniccare.fhir import writing
from tests.client import Clinic
from tests.fhir.examples import to
from tests.fhir.server import Server
from tests.fhir.stored.made import pressure
from tests.fhir.test_booking import appointment
from tests.fhir.test_transaction import entry, send
from tests.fhir.test_write import SMALL


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_time_that_cannot_be_read_is_refused_before_anything_is_done(
    clinic: Clinic, fhir: Server, kind: str
) -> None:
    path = f"Patient/{(await clinic.patient())['id']}"
    reads = entry("GET", path, request={"ifModifiedSince": "2026-01-01T00:00:60Z"})
    refused = await send(fhir, kind, entry("POST", "Patient", SMALL), reads)
    assert refused.status_code == 400
    [place] = refused.json()["issue"][0]["expression"]
    assert place == "Bundle.entry[1].request.ifModifiedSince"
    assert len(await fhir.ids("Patient")) == 1


async def test_what_fails_in_a_batch_fails_alone(
    fhir: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = writing.create

    async def fail(tx: Any, kind: Any, body: Any, **options: Any) -> Any:
        if body.get("gender") == "other":
            raise ZeroDivisionError
        return await create(tx, kind, body, **options)

    monkeypatch.setattr(writing, "create", fail)
    bad = {**SMALL, "gender": "other"}
    answer = await send(
        fhir, "batch", *(entry("POST", "Patient", one) for one in (SMALL, bad, SMALL))
    )
    entries = answer.json()["entry"]
    assert [one["response"]["status"] for one in entries] == ["201", "500", "201"]
    assert entries[1]["response"]["outcome"]["issue"][0]["severity"] == "fatal"
    assert len(await fhir.ids("Patient")) == 2


async def test_stored_types_come_after_all_others(clinic: Clinic, fhir: Server) -> None:
    patient, provider = (await clinic.patient())["id"], (await clinic.provider())["id"]
    urn = f"urn:uuid:{uuid4()}"
    encounter = {
        "resourceType": "Encounter",
        "status": "planned",
        "class": {"code": "AMB"},
        "subject": to(f"Patient/{patient}"),
        "appointment": [to(urn)],
    }
    answer = await send(
        fhir, "transaction",
        entry("POST", "Encounter", encounter, fullUrl=f"urn:uuid:{uuid4()}"),
        entry("POST", "Appointment", appointment(patient, provider), fullUrl=urn),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    made, booked = (one["resource"] for one in answer.json()["entry"])
    assert made["appointment"] == [to(f"Appointment/{booked['id']}")]


async def test_an_address_is_of_one_new_record(clinic: Clinic, fhir: Server) -> None:
    patient, urn = (await clinic.patient())["id"], f"urn:uuid:{uuid4()}"
    twice = [
        entry(
            "POST",
            "Observation",
            pressure(patient, 140, meta={"versionId": number}),
            fullUrl=urn,
        )
        for number in "12"
    ]
    refused = await send(fhir, "transaction", *twice)
    assert refused.status_code == 400, refused.text
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]


async def test_a_search_finds_what_an_entry_of_its_own_type_has_made(fhir: Server) -> None:
    """Also by what is written together with others' rows, later than its record."""
    number = [{"system": "urn:oid:2.9", "value": "first"}]
    other = {"reference": "Patient?identifier=urn:oid:2.9|first"}
    answer = await send(
        fhir, "transaction",
        entry("POST", "Patient", {**SMALL, "identifier": number}),
        entry("POST", "Patient", {**SMALL, "link": [{"other": other, "type": "seealso"}]}),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    first, second = (one["resource"] for one in answer.json()["entry"])
    assert second["link"][0]["other"] == {"reference": f"Patient/{first['id']}"}

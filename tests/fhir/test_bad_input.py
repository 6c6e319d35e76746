"""Whatever is sent by whichever door: an OperationOutcome with every issue, and nothing stored."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.test_booking import appointment, start
from tests.fhir.test_operations_booking import parameters
from tests.fhir.test_transaction import entry
from tests.fhir.test_validation import INVALID
from tests.fhir.test_write import SMALL

Json = dict[str, Any]
WRITTEN = ("Patient", "Appointment")
CASES = {
    name: (of if (of := expected[1].partition(".")[0]) in WRITTEN else "Patient", body, expected)
    for name, (body, expected) in INVALID.items()
    if expected[1].partition(".")[0] in WRITTEN
}
"""Type, resource, and code and place of the issue."""


async def rows(database_url: str) -> dict[str, int]:
    """Return how many rows each table has, of all clinics; refusals are audited, by right."""
    connection = await asyncpg.connect(database_url)
    try:
        names = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT LIKE 'audit%' ORDER BY 1"
        )
        every = " UNION ALL ".join(
            f"SELECT '{name}' AS name, count(*) AS n FROM \"{name}\""  # noqa: S608  its own names
            for (name,) in names
        )
        return {str(one[0]): int(one[1]) for one in await connection.fetch(every)}
    finally:
        await connection.close()


@asynccontextmanager
async def nothing_stored(database_url: str) -> AsyncIterator[None]:
    before = await rows(database_url)
    assert before["patients"]
    yield
    after = await rows(database_url)
    assert {name: n - before[name] for name, n in after.items() if n != before[name]} == {}


def issues_of(answer: httpx.Response) -> list[Json]:
    """Return the issues of an answer, or of the last entry of a batch."""
    body = answer.json()
    if body["resourceType"] == "Bundle":
        body = body["entry"][-1]["response"]["outcome"]
    assert body["resourceType"] == "OperationOutcome"
    found: list[Json] = body["issue"]
    return found


def doors(kind: str, record_id: str, body: Json) -> dict[str, tuple[str, str, Json, int]]:
    """Return each way in: method, path, body and the status of the answer."""
    own = body if "id" in body and not re.fullmatch(r"[\w.-]{1,64}", body["id"]) else {
        **body, "id": record_id
    }  # fmt: skip
    fine = entry("POST", "Patient", SMALL)

    def bundle(type_: str, *entries: Json) -> Json:
        return {"resourceType": "Bundle", "type": type_, "entry": list(entries)}

    found = {
        "POST": ("POST", f"/{kind}", body, 400),
        "PUT": ("PUT", f"/{kind}/{record_id}", own, 400),
        "batch": ("POST", "", bundle("batch", entry("POST", kind, body)), 200),
        "transaction": ("POST", "", bundle("transaction", fine, entry("POST", kind, body)), 400),
        "$validate": ("POST", f"/{kind}/$validate", body, 200),
        "$validate of a record": ("POST", f"/{kind}/{record_id}/$validate", own, 200),
    }
    name = "resource" if kind == "Patient" else "appointment-resource"
    path = "/Patient/$match" if kind == "Patient" else "/Appointment/$book"
    wrapped = {"resourceType": "Parameters", "parameter": [{"name": name, "resource": body}]}
    return {**found, path: ("POST", path, wrapped, 400)}


async def test_each_invalid_resource_by_each_door(
    clinic: Clinic, fhir: Server, database_url: str
) -> None:
    made = await visit(clinic)
    ids = {"Patient": made["patient_id"], "Appointment": made["id"]}
    assert len(CASES) >= 29
    async with nothing_stored(database_url):
        for name, (kind, body, (code, place)) in CASES.items():
            for door, (method, path, sent, status) in doors(kind, ids[kind], body).items():
                answer = await fhir.send(method, path, json=sent)
                assert answer.status_code == status, (name, door, answer.text)
                inside = place.partition(".")[2]
                if inside == "resourceType" and door.startswith("/"):
                    continue  # Parameters may hold any type, which is then looked at as what it is
                found = {(one["code"], *one.get("expression", [])) for one in issues_of(answer)}
                assert any(
                    one[0] == code and one[-1].endswith(inside) for one in found
                ), (name, door, found)  # fmt: skip


async def test_all_issues_of_several_are_told_by_each_door(
    clinic: Clinic, fhir: Server, database_url: str
) -> None:
    made = await visit(clinic)
    bad = {**SMALL, "gender": "F", "birthDate": "1961-13-01", "colour": 1, "active": "yes"}
    async with nothing_stored(database_url):
        for door, (method, path, sent, status) in doors("Patient", made["patient_id"], bad).items():
            answer = await fhir.send(method, path, json=sent)
            assert answer.status_code == status, (door, answer.text)
            ends = {one["expression"][0].rpartition(".")[2] for one in issues_of(answer)}
            assert ends >= {"gender", "birthDate", "colour", "active"}, door


DEEP = (
    b'{"resourceType":"Patient","extension":' + b'[{"extension":' * 40 + b"[]" + b"}]" * 40 + b"}"
)
FHIR = {"content-type": "application/fhir+json"}
BUNDLE = b'{"resourceType":"Bundle","type":"batch","entry":['


async def test_what_is_no_request(
    clinic: Clinic, fhir: Server, anonymous: httpx.AsyncClient, database_url: str
) -> None:
    await clinic.patient()
    paths = ("/Patient", "/Appointment", "/AppointmentResponse", "", "/Appointment/$find",
             "/Appointment/$hold", "/Appointment/$book", "/Patient/$match",
             "/Patient/$validate")  # fmt: skip
    async with nothing_stored(database_url):
        for path in paths:
            for content, status, code in (
                (b"{", 400, "structure"),
                (b"[]", 400, None),
                (b'{"resourceType":"Patient","id":"\xff"}', 400, "structure"),
                (DEEP, 400, None),
                (b"[" * 100_000, 400, None),
                (BUNDLE + b" " * 50_000_000, 413, "too-long"),
            ):
                answer = await fhir.send("POST", path, content=content, headers=FHIR)
                of_validate = path.endswith("$validate") and status == 400 and content != DEEP
                wanted = {status, 200} if of_validate else {status}
                assert answer.status_code in wanted, (path, content[:40], answer.text)
                assert code in {None, answer.json()["issue"][0]["code"]}, (path, answer.text)
            xml = await fhir.send("POST", path, content=b"<a/>", headers={
                "content-type": "application/fhir+xml"})  # fmt: skip
            assert xml.status_code == 415, path
            other = await fhir.send("POST", f"{path}?_format=xml", json=SMALL)
            assert other.status_code == 406, path
            nobody = await anonymous.post(f"/fhir{path}", json=SMALL)
            assert nobody.status_code == 401, path
        many = BUNDLE + b",".join([b'{"request":{"method":"GET","url":"Patient/1"}}'] * 501) + b"]}"
        refused = await fhir.send("POST", "", content=many, headers=FHIR)
        assert (refused.status_code, refused.json()["issue"][0]["code"]) == (413, "too-long")


async def test_unknown_types_parameters_and_records(
    clinic: Clinic, fhir: Server, database_url: str
) -> None:
    made = await visit(clinic)
    nobody = str(uuid4())
    gone = await clinic.patient()
    await fhir.send("DELETE", f"/Patient/{gone['id']}")
    path = f"/Patient/{made['patient_id']}"
    body = {**SMALL, "id": made["patient_id"]}
    stale = {"headers": {"If-Match": 'W/"99"'}}
    async with nothing_stored(database_url):
        for method, where, options, status, code in (
            ("POST", "/Nothing", {"json": {"resourceType": "Nothing"}}, 404, "not-found"),
            ("GET", "/Nothing?a=1", {}, 404, "not-found"),
            ("POST", "/Patient/$nothing", {"json": SMALL}, 404, None),
            ("POST", "/Nothing/$validate", {"json": SMALL}, 404, "not-found"),
            ("GET", "/Patient?nonsense=1", {}, 400, None),
            ("GET", "/Slot?nonsense=1", {}, 400, None),
            ("GET", "/Appointment/$find?nonsense=1", {}, 400, "not-supported"),
            ("GET", f"/Patient/{gone['id']}", {}, 410, "deleted"),
            ("GET", f"/Patient/{gone['id']}/$everything", {}, 410, "deleted"),
            ("PUT", f"/Patient/{gone['id']}", {"json": {**SMALL, "id": gone["id"]}}, 410,
             "deleted"),
            ("PUT", f"/Patient/{nobody}", {"json": {**SMALL, "id": nobody}}, 404, "not-found"),
            ("PUT", path, {"json": body, **stale}, 412, "conflict"),
            ("DELETE", path, stale, 412, "conflict"),
            ("DELETE", path, {}, 409, "conflict"),
            ("DELETE", f"/Appointment/{made['id']}", {}, 405, "not-supported"),
            ("POST", "/Schedule", {"json": {"resourceType": "Schedule"}}, 405, "not-supported"),
            ("POST", f"/Appointment/{made['id']}/$cancel", {"json": parameters(), **stale}, 412,
             "conflict"),
            ("POST", "/Patient", {"json": {"resourceType": "Patient"}}, 422, None),
        ):  # fmt: skip
            answer = await fhir.send(method, where, **options)
            if status == 404 and "$nothing" in where:
                assert answer.status_code in {404, 405}, (where, answer.text)
            else:
                assert answer.status_code == status, (where, answer.text)
            assert code in {None, answer.json()["issue"][0]["code"]}, (where, answer.text)


@pytest.mark.parametrize("door", ["POST", "batch", "transaction", "$book", "$validate"])
async def test_another_clinics_records_are_referred_to_by_no_door(
    clinic: Clinic, fhir: Server, other_clinic: Clinic, database_url: str, door: str
) -> None:
    own, theirs = await visit(clinic), await visit(other_clinic, scheduled_start=start(18, 33))
    provider = await clinic.provider()
    place = {"actor": {"reference": f"Location/{theirs['facility_id']}"}, "status": "accepted"}
    mine = appointment(own["patient_id"], provider["id"], start=start(19, 34))
    bodies: list[Json] = [
        appointment(theirs["patient_id"], provider["id"], start=start(19, 34)),
        appointment(own["patient_id"], theirs["provider_id"], start=start(19, 34)),
        {**mine, "participant": [*mine["participant"], place]},
        {**SMALL, "generalPractitioner": [{"reference": f"Practitioner/{theirs['provider_id']}"}]},
    ]
    async with nothing_stored(database_url):
        for body in bodies:
            kind = body["resourceType"]
            if door == "$book" and kind == "Patient":
                continue
            bundle = {"resourceType": "Bundle", "type": door, "entry": [entry("POST", kind, body)]}
            booked = parameters(appointment_resource={**body, "status": "pending"})
            path, sent = {
                "POST": (f"/{kind}", body),
                "$validate": (f"/{kind}/$validate", body),
                "$book": ("/Appointment/$book", booked),
            }.get(door, ("", bundle))
            answer = await fhir.send("POST", path, json=sent)
            wanted = 200 if door in {"batch", "$validate"} else 422
            assert answer.status_code == wanted, (kind, answer.text)
            first = issues_of(answer)[0]
            assert first["severity"] == "error", first
            assert theirs["patient_id"] not in answer.text

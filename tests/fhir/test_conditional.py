"""PATCH, and requests whose record a search names: alone, in a batch and in a transaction."""

import asyncio
import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from chroniccare.fhir.registry import KINDS
from chroniccare.tenancy.masks import MASKS
from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.test_patching import operation
from tests.fhir.test_transaction import entry, send
from tests.fhir.test_write import RICH, SMALL, make

JSON_PATCH = {"content-type": "application/json-patch+json"}
SERVERS = {"id", "version", "created_at", "updated_at"}
GENDER = [{"op": "add", "path": "/gender", "value": "female"}]
PARAMETERS = {
    "resourceType": "Parameters",
    "parameter": [operation("replace", "Patient.name[0].family", value="Öz")],
}


def numbered(value: str, **more: Any) -> dict[str, Any]:
    return {**SMALL, "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": value}], **more}


async def patch(fhir: Server, path: str, operations: Any, **headers: str) -> httpx.Response:
    content = json.dumps(operations)
    return await fhir.send("PATCH", path, content=content, headers={**JSON_PATCH, **headers})


async def test_a_patch_changes_what_it_names_and_nothing_else(fhir: Server) -> None:
    made = await make(fhir, RICH)
    path = f"/Patient/{made['id']}"
    answer = await patch(
        fhir, path,
        [{"op": "test", "path": "/gender", "value": "female"},
         {"op": "replace", "path": "/maritalStatus/text", "value": "Married"},
         {"op": "remove", "path": "/telecom/2"}],
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == 'W/"2"'
    wanted = {**made, "maritalStatus": {"text": "Married"}}
    wanted["telecom"] = [made["telecom"][n] for n in (0, 1, 3)]
    read = await fhir.read("Patient", made["id"])
    same = {name: one for name, one in read.items() if name not in {"meta", "text"}}
    assert same == {name: one for name, one in wanted.items() if name not in {"meta", "text"}}
    assert (await fhir.send("GET", f"{path}/_history/1")).json() == made
    official = operation("replace", "Patient.name.where(use = 'official').family", value="Öz")
    parameters = {"resourceType": "Parameters", "parameter": [official]}
    by_path = await fhir.send("PATCH", path, json=parameters, headers={"if-match": 'W/"2"'})
    assert by_path.json()["name"][1]["family"] == "Öz"
    assert by_path.json()["maritalStatus"] == {"text": "Married"}


@pytest.mark.parametrize(
    ("operations", "headers", "status", "expression"),
    [
        ([{"op": "test", "path": "/gender", "value": "male"}], {}, 422, "body[0].value"),
        ([{"op": "remove", "path": "/photo"}], {}, 422, "body[0].path"),
        ([{"op": "add", "path": "/gender", "value": "F"}], {}, 400, "Patient.gender"),
        ([{"op": "add", "path": "/color", "value": "red"}], {}, 400, "Patient.color"),
        ([{"op": "replace", "path": "/id", "value": "x"}], {}, 400, "Patient.id"),
        ([{"op": "remove", "path": ""}], {}, 400, "Patient"),
        ([{"op": "remove", "path": "/name"}], {}, 422, "Patient.name[0].given"),
        ({"op": "remove"}, {}, 400, "body"),
        (GENDER, {"if-match": 'W/"9"'}, 412, None),
        (GENDER, {"if-none-match": "*"}, 412, None),
        (GENDER, {"content-type": "application/xml"}, 415, None),
    ],
)
async def test_a_patch_that_is_refused_changes_nothing(
    fhir: Server, operations: Any, headers: dict[str, str], status: int, expression: str | None
) -> None:
    made = await make(fhir, SMALL)
    answer = await patch(fhir, f"/Patient/{made['id']}", operations, **headers)
    assert answer.status_code == status, answer.text
    if expression is not None:
        assert expression in answer.json()["issue"][0]["expression"][0]
    assert await fhir.read("Patient", made["id"]) == made


async def test_what_is_no_patch_at_all(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, SMALL)
    path = f"/Patient/{made['id']}"
    for content in (b"[", b"\xff", b"[" * 31 + b"]" * 31):
        answer = await fhir.send("PATCH", path, content=content, headers=JSON_PATCH)
        assert answer.status_code == 400
    assert (await fhir.send("PATCH", path, json=SMALL)).status_code == 400
    assert (await patch(fhir, f"/Organization/{clinic.tenant_id}", GENDER)).status_code == 405
    await fhir.send("DELETE", path)
    assert (await patch(fhir, path, GENDER)).status_code == 410
    assert (await patch(fhir, "/Patient/x", GENDER)).status_code == 404


async def test_patches_at_once_are_all_done(fhir: Server) -> None:
    made = await make(fhir, {**SMALL, "extension": RICH["extension"]})
    path = f"/Patient/{made['id']}"
    answers = await asyncio.gather(
        *(
            patch(fhir, path, [{"op": "add", "path": "/name/0/given/-", "value": f"G{number}"}])
            for number in range(6)
        )
    )
    assert {one.status_code for one in answers} == {200}
    given = (await fhir.read("Patient", made["id"]))["name"][0]["given"]
    assert sorted(given) == sorted(["Zoe", *(f"G{number}" for number in range(6))])


async def test_a_visit_is_cancelled_by_a_patch(clinic: Clinic, fhir: Server) -> None:
    booked = await visit(clinic)
    steps = [
        {"op": "replace", "path": "/status", "value": "cancelled"},
        {"op": "add", "path": "/cancelationReason", "value": {"text": "flu"}},
    ]
    answer = await patch(fhir, f"/Appointment/{booked['id']}", steps)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "cancelled"


async def test_an_update_by_a_search_makes_or_replaces(fhir: Server) -> None:
    path = "/Patient?identifier=C-1"
    refused = await fhir.send("PUT", path, json=numbered("C-1"), headers={"if-match": "*"})
    assert refused.status_code == 412
    made = await fhir.send("PUT", path, json=numbered("C-1"))
    assert made.status_code == 201, made.text
    again = await fhir.send("PUT", path, json=numbered("C-1", gender="male"))
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"2"')
    assert again.json()["id"] == made.json()["id"]
    for options, status in (
        ({"headers": {"if-none-match": "*"}}, 412), ({"headers": {"if-match": 'W/"1"'}}, 412)
    ):  # fmt: skip
        answer = await fhir.send("PUT", path, json=numbered("C-1"), **options)
        assert answer.status_code == status
    other = {**numbered("C-1"), "id": "x"}
    assert (await fhir.send("PUT", path, json=other)).status_code == 400
    assert (await fhir.send("PUT", "/Patient?identifier=C-2", json=other)).status_code == 400
    assert (await fhir.send("PUT", "/Patient", json=numbered("C-1"))).status_code == 400
    by_gender = await patch(fhir, "/Patient?identifier=C-1", GENDER)
    assert (by_gender.status_code, by_gender.json()["gender"]) == (200, "female")
    assert (await patch(fhir, "/Patient?identifier=C-9", GENDER)).status_code == 404


async def test_a_search_that_finds_several_changes_nothing(fhir: Server) -> None:
    for number in range(2):
        await make(fhir, numbered(f"C-{number}"))
    path = "/Patient?family=Ng"
    assert (await fhir.send("PUT", path, json=numbered("C-0"))).status_code == 412
    assert (await patch(fhir, path, GENDER)).status_code == 412
    assert (await fhir.send("DELETE", path)).status_code == 412
    assert (await fhir.send("DELETE", "/Patient")).status_code == 400
    assert (await fhir.send("DELETE", "/Patient?nonsense=1")).status_code == 400
    one = await fhir.send("DELETE", "/Patient?identifier=C-1")
    assert (one.status_code, one.headers["etag"]) == (204, 'W/"2"')
    assert "last-modified" in one.headers
    assert (await fhir.send("DELETE", "/Patient?identifier=C-1")).status_code == 204
    assert len(await fhir.ids("Patient")) == 1


async def test_the_same_search_at_once_makes_one(fhir: Server) -> None:
    answers = await asyncio.gather(
        *(fhir.send("PUT", "/Patient?identifier=R-1", json=numbered("R-1")) for _ in range(5))
    )
    assert sorted(one.status_code for one in answers) == [200, 200, 200, 200, 201]
    assert len({one.json()["id"] for one in answers}) == 1


async def test_a_query_makes_a_record_only_if_none_matches(fhir: Server) -> None:
    """As fhirpy's `get_or_create` has it."""
    said = numbered("Q-1")
    path = "/Patient?identifier=Q-1&_format=json"
    first = await fhir.send("POST", path, json=said)
    again = await fhir.send("POST", path, json=said)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = await fhir.send("POST", "/Patient?_format=json&_pretty=true", json=numbered("Q-2"))
    assert other.status_code == 201
    for wrong in ("/Patient?nonsense=1", "/Patient?_count=1"):
        assert (await fhir.send("POST", wrong, json=numbered("Q-3"))).status_code == 400
    assert len(await fhir.ids("Patient")) == 2


async def test_who_has_the_version_is_not_sent_it_again(fhir: Server) -> None:
    made = await fhir.send("POST", "/Device", json={"resourceType": "Device"})
    path, at = f"/Device/{made.json()['id']}", made.headers["last-modified"]
    for headers, status in (
        ({"if-modified-since": at}, 304),
        ({"if-modified-since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-modified-since": f"Mon, 01 Jan 1{'0' * 19} 00:00:00 GMT"}, 200),
        ({"if-modified-since": f"Mon, 01 Jan 2026 00:00:00 +{'9' * 14}"}, 200),
        ({"if-modified-since": at, "if-none-match": 'W/"9"'}, 200),
        ({"if-none-match": 'W/"1"'}, 304),
    ):
        assert (await fhir.send("GET", path, headers=headers)).status_code == status, headers


async def test_what_tells_of_itself_alone_is_not_sent_again(clinic: Clinic, fhir: Server) -> None:
    kind_of_visit = {"code": "dialysis", "name": "D", "duration_minutes": 30}
    made = {
        "Practitioner": ("/providers", await clinic.provider()),
        "Location": ("/facilities", await clinic.facility()),
        "HealthcareService": ("/visit-types", await clinic.make("/visit-types", kind_of_visit)),
    }
    for name, (path, record) in made.items():
        there = f"/{name}/{record['id']}"
        before = await fhir.send("GET", there)
        known = {"if-none-match": before.headers["etag"]}
        assert (await fhir.send("GET", there, headers=known)).status_code == 304, name
        body = {key: one for key, one in record.items() if key not in SERVERS}
        changed = await clinic.put(f"{path}/{record['id']}", {**body, "is_active": False})
        assert changed.status_code == 200, changed.text
        after = await fhir.send("GET", there, headers=known)
        assert (after.status_code, after.json() == before.json()) == (200, False), name


def test_what_tells_of_itself_alone_is_hidden_from_nobody() -> None:
    """A role that saw less of it would be told that it has all of the version."""
    alone = [kind for kind in KINDS.values() if kind.is_alone]
    assert len(alone) == 3
    for kind in alone:
        assert all(kind.tag not in by_tag for by_tag in MASKS.values())
        assert kind.versions is not None


async def test_what_tells_of_other_records_is_sent_again(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await clinic.patient(), await clinic.provider()
    path = f"/Patient/{patient['id']}"
    before = await fhir.send("GET", path)
    assigned = {"provider_id": provider["id"], "relationship_type": "diabetes", "is_primary": True}
    await clinic.make(f"/patients/{patient['id']}/providers", assigned)
    known = {"if-none-match": before.headers["etag"]}
    for where in (path, f"{path}?_pretty=false", f"{path}/_history/1"):
        after = await fhir.send("GET", where, headers=known)
        assert (after.status_code, after.headers["etag"]) == (200, before.headers["etag"])
    assert (await fhir.send("GET", path, headers=known)).json()["generalPractitioner"]


async def test_the_same_in_bundles(fhir: Server) -> None:
    made = await make(fhir, numbered("B-1"))
    path = f"Patient/{made['id']}"
    stored = await fhir.send("POST", "/Device", json={"resourceType": "Device"})
    device = f"Device/{stored.json()['id']}"
    data = b64encode(json.dumps(GENDER).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": JSON_PATCH["content-type"], "data": data}
    for kind in ("batch", "transaction"):
        answer = await send(
            fhir, kind,
            entry("PATCH", path, binary),
            entry("PUT", "Patient?identifier=B-2", numbered("B-2", gender="male")),
            entry("HEAD", path),
            entry("GET", device, request={"ifNoneMatch": "*"}),
            entry("GET", device, request={"ifModifiedSince": "2999-01-01T00:00:00Z"}),
            entry("DELETE", "Patient?identifier=B-3"),
            headers={"prefer": "return=OperationOutcome"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        entries = answer.json()["entry"]
        status = "201" if kind == "batch" else "200"
        assert [one["response"]["status"] for one in entries] == [
            "200", status, "200", "304", "304", "204"
        ]  # fmt: skip
        assert not any("resource" in one for one in entries)
        assert entries[0]["response"]["outcome"]["resourceType"] == "OperationOutcome"
        assert entries[0]["response"]["etag"] == entries[2]["response"]["etag"]
    assert (await fhir.read("Patient", made["id"]))["gender"] == "female"
    removed = await send(fhir, "transaction", entry("DELETE", "Patient?identifier=B-2"))
    assert removed.json()["entry"][0]["response"]["etag"] == 'W/"3"'


async def test_a_transaction_changes_no_record_twice(fhir: Server) -> None:
    made = await make(fhir, numbered("T-1"))
    path = f"Patient/{made['id']}"
    for other in (
        entry("PATCH", "Patient?identifier=T-1", PARAMETERS),
        entry("PUT", "Patient?identifier=T-1", numbered("T-1")),
        entry("PUT", path, {**numbered("T-1"), "id": made["id"]}),
    ):
        answer = await send(fhir, "transaction", entry("PATCH", path, PARAMETERS), other)
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert await fhir.read("Patient", made["id"]) == made


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        (SMALL, "400"),
        ({"resourceType": "Binary", "contentType": "text/plain", "data": "YQ=="}, "400"),
        (
            {"resourceType": "Binary", "contentType": JSON_PATCH["content-type"], "data": "W10"},
            "400",
        ),
        (None, "400"),
    ],
)
async def test_entries_that_are_no_patch(fhir: Server, resource: Any, status: str) -> None:
    made = await make(fhir, SMALL)
    answer = await send(fhir, "batch", entry("PATCH", f"Patient/{made['id']}", resource))
    assert answer.json()["entry"][0]["response"]["status"] == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/metadata", "GET, HEAD"),
        ("POST", "/Organization", "GET, HEAD"),
        ("DELETE", "/Appointment/x", "GET, HEAD, PATCH, PUT"),
        ("DELETE", "/Appointment?status=booked", "GET, HEAD, PATCH, POST, PUT"),
        ("POST", "/Patient/x", "DELETE, GET, HEAD, PATCH, PUT"),
        ("PATCH", "/Patient/x/_history/1", "GET, HEAD"),
        ("GET", "/Schedule/_history", ""),
        ("OPTIONS", "/_history", "GET, HEAD"),
        ("GET", "/Patient/_search?name=x", "POST"),
        ("DELETE", "/Slot/x", "GET, HEAD, PUT"),
        ("PATCH", "/Subscription/x", "DELETE, GET, HEAD, PUT"),
        ("PUT", "/Subscription", "GET, HEAD, POST"),
        ("DELETE", "/Patient/x/$everything", "GET, HEAD, POST"),
        ("OPTIONS", "/Appointment/$hold", "POST"),
        ("OPTIONS", "/Patient/$match", "POST"),
    ],
)
async def test_a_method_that_is_not_taken(
    fhir: Server, method: str, path: str, allowed: str
) -> None:
    body = (
        {} if method in {"GET", "DELETE", "OPTIONS"} else {"json": {"resourceType": "Organization"}}
    )
    answer = await fhir.send(method, path, **body)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)

"""Stored types: written, read, changed, removed; what they refer to; what becomes of them."""

import json
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored import actions
from chroniccare.fhir.stored.table import searches
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.fhir.examples import coded, to
from tests.fhir.server import Server
from tests.fhir.stored.made import World, example, pressure
from tests.fhir.test_write import SMALL

_PARTS = str.maketrans(dict.fromkeys("$,\\|", "_"))
"""Of the values of searches."""


def said(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource without what the server says."""
    left = {name: value for name, value in resource.items() if name not in {"id", "meta"}}
    meta = dict(resource.get("meta", {}))
    for name in ("versionId", "lastUpdated"):
        meta.pop(name, None)
    return {**left, "meta": meta} if meta else left


@pytest.mark.parametrize("name", sorted(searches()))
async def test_a_resource_comes_back_as_it_was_written(there: World, name: str) -> None:
    wanted = await there.whole(example(name))
    made = await there.make(wanted)
    assert said(made) == said(wanted)
    assert await there.fhir.read(name, made["id"]) == made
    assert await there.fhir.ids(f"{name}?_id={made['id']}") == [made["id"]]


async def test_the_life_of_a_resource(there: World) -> None:
    made = await there.make(pressure(there.patient, 142))
    where = f"/Observation/{made['id']}"
    changed = {**made, "status": "amended"}
    stale = await there.fhir.send("PUT", where, json=changed, headers={"If-Match": 'W/"2"'})
    assert stale.status_code == 412
    put = await there.fhir.send("PUT", where, json=changed, headers={"If-Match": 'W/"1"'})
    assert (put.status_code, put.headers["etag"], put.json()["status"]) == (
        200, 'W/"2"', "amended"
    )  # fmt: skip
    assert await there.fhir.ids("Observation?status=final") == []
    assert await there.fhir.ids("Observation?status=amended") == [made["id"]]
    assert (await there.fhir.send("DELETE", where)).status_code == 204
    assert (await there.fhir.send("DELETE", where)).status_code == 204
    assert (await there.fhir.send("GET", where)).status_code == 410
    assert (await there.fhir.send("PUT", where, json=changed)).status_code == 410
    assert await there.fhir.ids("Observation") == []
    assert (await there.fhir.send("GET", where.replace("Obs", "Nonsense"))).status_code == 404
    assert (await there.fhir.send("GET", f"/Condition/{made['id']}")).status_code == 404


async def test_every_version_is_kept(there: World) -> None:
    made = await there.make(pressure(there.patient, 142.50))
    where = f"/Observation/{made['id']}"
    await there.fhir.send("PUT", where, json={**made, "status": "amended"})
    await there.fhir.send("DELETE", where)
    versions = [await there.fhir.send("GET", f"{where}/_history/{number}") for number in (1, 2, 3)]
    assert [one.status_code for one in versions] == [200, 200, 410]
    assert versions[0].json() == made
    assert versions[1].json()["status"] == "amended"
    assert (await there.fhir.send("GET", f"/Condition/{made['id']}/_history/1")).status_code == 404
    await there.make(await there.whole(example("Flag")))
    for path in (where, "/Observation"):
        history = (await there.fhir.send("GET", f"{path}/_history")).json()
        done = [one["request"]["method"] for one in history["entry"]]
        assert done == ["DELETE", "PUT", "POST"], path
    everything = (await there.fhir.send("GET", "/_history?_count=100")).json()
    kinds = [one["fullUrl"].split("/")[-2] for one in everything["entry"]]
    assert kinds.count("Observation") == 3
    assert "Flag" in kinds


async def test_a_decimal_keeps_its_digits(there: World) -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":'
    headers = {"Content-Type": "application/fhir+json"}
    answer = await there.fhir.send(
        "POST", "/Observation", content=body + b'{"value":1.50}}', headers=headers
    )
    assert b'"value":1.50' in answer.content
    read = await there.fhir.send("GET", f"/Observation/{answer.json()['id']}")
    assert b'"value":1.50' in read.content


async def test_what_it_refers_to_must_be_there(
    clinic: Clinic, there: World, other_clinic: Clinic, other_fhir: Server
) -> None:
    theirs = (await other_clinic.patient())["id"]
    encounter = {"resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"}}
    stranger = (await other_fhir.send("POST", "/Encounter", json=encounter)).json()["id"]
    base = "http://127.0.0.1:8000/fhir"
    for wrong in (
        {"subject": to(f"Patient/{theirs}")},
        {"subject": to(f"{base}/Patient/{theirs}")},
        {"subject": to("Patient/nobody")},
        {"encounter": to(f"Encounter/{stranger}")},
        {"encounter": to(f"Encounter/{there.patient}")},
        {"derivedFrom": [to("ImagingStudy/1")]},
        {"subject": to("Patient?identifier=1")},
        {"subject": None, "performer": [to(f"Patient/{there.patient}")]},
    ):
        body = {k: v for k, v in {**pressure(there.patient, 1), **wrong}.items() if v is not None}
        refused = await there.fhir.send("POST", "/Observation", json=body)
        assert refused.status_code in {400, 422}, (wrong, refused.text)
    assert await there.fhir.ids("Observation") == []
    elsewhere = {"derivedFrom": [to("https://elsewhere.example/fhir/ImagingStudy/1")]}
    made = await there.make(pressure(there.patient, 1, **elsewhere))
    assert (await other_fhir.send("GET", f"/Observation/{made['id']}")).status_code == 404
    assert await other_fhir.ids("Observation") == []
    other = (await clinic.patient())["id"]
    moved = {**made, "subject": to(f"Patient/{other}")}
    refused = await there.fhir.send("PUT", f"/Observation/{made['id']}", json=moved)
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Observation.subject"]


async def test_only_its_own_patient_is_named_in_a_record(there: World) -> None:
    member = {"entity": {**to(f"Patient/{there.patient}"), "display": "Maria Gonzalez"}}
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": [member]}
    made = await there.make(group)
    assert made["member"] == [{"entity": to(f"Patient/{there.patient}")}]
    assert await there.fhir.ids(f"Group?member=Patient/{there.patient}") == [made["id"]]
    subject = {**to(f"Patient/{there.patient}"), "display": "Maria Gonzalez"}
    assert (await there.make(pressure(there.patient, 1, subject=subject)))["subject"] == subject


async def test_a_bundle_stores_what_refers_to_each_other(there: World) -> None:
    visit = "urn:uuid:0f3a7a4e-5c2b-4c7e-9d2b-0a1b2c3d4e5f"
    encounter = {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "subject": to(f"Patient/{there.patient}"),
    }  # fmt: skip
    entries = [
        {
            "fullUrl": visit, "resource": encounter,
            "request": {"method": "POST", "url": "Encounter"},
        },
        {
            "resource": pressure(there.patient, 150, encounter=to(visit)),
            "request": {
                "method": "POST", "url": "Observation", "ifNoneExist": "code=85354-9"
            },
        },
    ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    for statuses in (["201", "201"], ["201", "200"]):
        answer = (await there.fhir.send("POST", "", json=bundle)).json()
        assert [one["response"]["status"] for one in answer["entry"]] == statuses
    [found] = await there.fhir.ids("Observation?encounter.status=finished")
    resource = await there.fhir.read("Observation", found)
    assert await there.fhir.ids(f"Encounter?_has:Observation:encounter:_id={found}") == [
        resource["encounter"]["reference"].partition("/")[2]
    ]


async def test_a_transaction_may_refer_in_circles(there: World) -> None:
    """Encounter and condition name each other, and both a patient who comes last."""
    who, visit, problem = (f"urn:uuid:0f3a7a4e-5c2b-4c7e-9d2b-0a1b2c3d4e{n}" for n in (10, 11, 12))
    encounter = {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "subject": to(who), "diagnosis": [{"condition": to(problem)}],
    }  # fmt: skip
    condition = {
        "resourceType": "Condition", "subject": to(who), "encounter": to(visit),
        "code": coded("44054006"),
    }  # fmt: skip
    made: list[dict[str, Any]] = [
        {"fullUrl": visit, "resource": encounter},
        {"fullUrl": problem, "resource": condition},
        {"fullUrl": who, "resource": SMALL},
    ]
    entries = [
        {**one, "request": {"method": "POST", "url": one["resource"]["resourceType"]}}
        for one in made
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await there.fhir.send("POST", "", json=bundle)
    assert answer.status_code == 200, answer.text
    first, second, third = [one["resource"] for one in answer.json()["entry"]]
    assert first["diagnosis"][0]["condition"] == to(f"Condition/{second['id']}")
    assert second["encounter"] == to(f"Encounter/{first['id']}")
    assert first["subject"] == second["subject"] == to(f"Patient/{third['id']}")
    assert await there.fhir.ids("Condition?encounter.status=finished") == [second["id"]]
    entries[1]["resource"] = {**condition, "recorder": to("Practitioner/nobody")}
    refused = await there.fhir.send("POST", "", json=bundle)
    assert refused.status_code == 422
    assert await there.fhir.ids("Encounter") == [first["id"]]


async def test_a_conditional_create_by_number_makes_one(there: World) -> None:
    number = {"identifier": [{"system": "urn:meter", "value": "A-17"}]}
    made = await there.make(pressure(there.patient, 150, **number))
    unless = {"If-None-Exist": "identifier=urn:meter|A-17"}
    again = await there.fhir.send(
        "POST", "/Observation", json=pressure(there.patient, 150, **number), headers=unless
    )
    assert (again.status_code, again.json()["id"]) == (200, made["id"])


TOLD = Command(
    "SELECT jsonb_build_object('events', (SELECT jsonb_agg(event_type ORDER BY seq) FROM outbox"
    " WHERE entity_type = 'Observation'),"
    " 'audit', (SELECT jsonb_agg(jsonb_build_array(action, entity_id) ORDER BY created_at, id)"
    " FROM audit_logs WHERE entity_type = 'Observation'),"
    " 'resources', (SELECT jsonb_agg(to_jsonb(r)) FROM fhir_resources r),"
    " 'versions', (SELECT jsonb_agg(to_jsonb(v)) FROM record_versions v"
    " WHERE table_name = 'fhir_resources.Observation'),"
    " 'index', (SELECT jsonb_agg(to_jsonb(i)) FROM fhir_index i))"
)


async def test_a_write_is_audited_told_and_sealed(clinic: Clinic, there: World) -> None:
    more = {
        "note": [{"text": "Waldohreule"}],
        "identifier": [{"system": "urn:meter", "value": "Waldkauz"}],
    }
    made = await there.make(pressure(there.patient, 142, **more))
    await there.fhir.send("PUT", f"/Observation/{made['id']}", json={**made, "status": "amended"})
    await there.fhir.read("Observation", made["id"])
    await there.fhir.ids("Observation")
    async with begin(clinic.caller) as tx:
        told = await tx.value(TOLD)
    assert told["events"] == ["record.created", "record.updated"]
    actions_ = [action for action, entity in told["audit"] if entity == made["id"]]
    assert sorted(actions_) == ["create", "list", "read", "update"]
    assert len(told["versions"]) == 1
    assert not any(word in str(told) for word in ("Waldohreule", "Waldkauz"))
    assert await there.fhir.ids("Observation?identifier=Waldkauz") == [made["id"]]
    assert await there.fhir.ids("Observation?identifier=urn:meter|Waldkauz") == [made["id"]]
    assert await there.fhir.ids("Observation?identifier=urn:meter|Waldkauzen") == []


async def test_erasing_a_patient_leaves_nothing(clinic: Clinic, there: World) -> None:
    made = await there.make(pressure(there.patient, 142))
    await there.fhir.send("PUT", f"/Observation/{made['id']}", json={**made, "status": "amended"})
    other = (await clinic.patient())["id"]
    kept = await there.make(pressure(other, 142))
    exported = await clinic.post(f"/patients/{there.patient}/export", {"reason": "Asked for it."})
    assert exported.status_code == 201, exported.text
    job = exported.json()["data"]["id"]
    text = (await clinic.get(f"/privacy-jobs/{job}/bundle")).text
    assert "amended" in text
    await clinic.post(f"/patients/{there.patient}/erase", {"reason": "Asked for it"})
    async with begin(clinic.caller) as tx:
        told = await tx.value(TOLD)
    assert [one["id"] for one in told["resources"]] == [kept["id"]]
    assert {one["resource_id"] for one in told["index"]} == {kept["id"]}
    assert told["versions"] is None


def test_every_type_may_be_written() -> None:
    for name in searches():
        writer = KINDS[name].writer
        assert writer is not None
        assert (KINDS[name].scope, writer.scope) == ("records:read", "records:write")


@pytest.mark.parametrize("first", [33, 0x10300])
async def test_what_is_too_long_for_the_index_is_found_by_how_it_begins(
    there: World, first: int
) -> None:
    some = Random(1)  # noqa: S311  a text that does not compress
    text = "".join(chr(first + some.randrange(64)) for _ in range(3000)).translate(_PARTS)
    coding = {"system": f"http://example.org/{text}", "code": text}
    made = await there.make(
        pressure(
            there.patient,
            140,
            code={"coding": [coding]},
            identifier=[{"system": coding["system"], "value": text}],
            meta={"profile": [coding["system"]]},
        )
    )
    for name, value in (
        ("code", "{system}|{code}"), ("identifier", "{system}|{code}"), ("_profile", "{system}")
    ):  # fmt: skip
        asked = {name: value.format(**coding)}
        found = (await there.fhir.send("POST", "/Observation/_search", data=asked)).json()
        assert [one["resource"]["id"] for one in found["entry"]] == [made["id"]], name


async def test_a_record_is_corrected_after_what_it_names_was_removed(there: World) -> None:
    of = await there.make({"resourceType": "Device"})
    held = await there.make(pressure(there.patient, 140, device=to(f"Device/{of['id']}")))
    for where in (f"/Device/{of['id']}", f"/Patient/{there.patient}"):
        assert (await there.fhir.send("DELETE", where)).status_code == 204
    where, wrong = f"/Observation/{held['id']}", {**held, "status": "entered-in-error"}
    put = await there.fhir.send("PUT", where, json=wrong)
    assert (put.status_code, put.json()["device"]) == (200, held["device"])
    more = {**wrong, "focus": [to(f"Device/{uuid4()}")]}
    assert (await there.fhir.send("PUT", where, json=more)).status_code == 422


async def test_what_is_nobodys_is_given_to_a_patient_and_stays_theirs(
    clinic: Clinic, there: World
) -> None:
    made = await there.make({"resourceType": "Device", "status": "active"})
    where = f"/Device/{made['id']}"
    for owner, status in (
        (there.patient, 200), ((await clinic.patient())["id"], 422), (None, 422)
    ):  # fmt: skip
        device = {**made, "patient": to(f"Patient/{owner}")} if owner else made
        assert (await there.fhir.send("PUT", where, json=device)).status_code == status
    assert await there.fhir.ids(f"Device?patient={there.patient}") == [made["id"]]
    erased = await clinic.post(f"/patients/{there.patient}/erase", {"reason": "Asked in writing."})
    assert erased.status_code == 201, erased.text
    assert (await there.fhir.send("GET", where)).status_code in {404, 410}


async def test_a_reference_to_this_server_is_followed_however_it_was_written(there: World) -> None:
    base = (await there.fhir.search("Observation"))["link"][0]["url"].partition("/Observation")[0]
    whole = pressure(there.patient, 140) | {"subject": to(f"{base}/Patient/{there.patient}")}
    made = await there.make(whole)
    assert made["subject"] == to(f"Patient/{there.patient}")
    query = f"Observation?_id={made['id']}&_include=Observation:subject"
    assert await there.fhir.ids(query, "include") == [there.patient]


async def test_nobody_elses_name_is_kept_beside_a_number(there: World) -> None:
    number = {"identifier": {"system": "http://example.org", "value": "9"}, "display": "Maria"}
    made = await there.make(
        pressure(there.patient, 140, focus=[{**number, "type": "Patient"}, number])
    )
    assert [one.get("display") for one in made["focus"]] == [None, "Maria"]


async def test_a_decimal_keeps_its_digits_for_people_too(there: World) -> None:
    made = await there.make(pressure(there.patient, 140))
    where = f"/Observation/{made['id']}"
    put = json.dumps(made).replace(": 140", ": 0.12345678901234567890")
    headers = {"Content-Type": "application/fhir+json"}
    assert (await there.fhir.send("PUT", where, content=put, headers=headers)).status_code == 200
    for path in (f"{where}?", f"/Observation?_id={made['id']}&", f"{where}/_history?"):
        answer = await there.fhir.send("GET", f"{path}_pretty=true")
        assert b'"value": 0.12345678901234567890' in answer.content, path


async def test_nothing_is_stored_of_a_patient_who_is_erased_meanwhile(
    clinic: Clinic, there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = actions.check_there

    async def slow(*args: Any) -> None:
        await looked(*args)
        erased = await clinic.post(f"/patients/{there.patient}/erase", {"reason": "Asked for it."})
        assert erased.status_code < 300, erased.text

    monkeypatch.setattr(actions, "check_there", slow)
    answer = await there.fhir.send("POST", "/Observation", json=pressure(there.patient, 142))
    assert answer.status_code == 422, answer.text
    async with begin(clinic.caller) as tx:
        assert (await tx.value(TOLD))["resources"] is None

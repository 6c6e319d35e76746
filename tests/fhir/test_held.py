"""What is told from memory: the same as what is read anew, whatever changed, whoever asks."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, asking, holding
from chroniccare.fhir.registry import KINDS
from chroniccare.platform import cache as cache_module
from chroniccare.platform.cache import Cache, cache
from chroniccare.platform.memory import Memory, memory
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.roles import ROLES
from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.test_access import client, member

ANEW = "?_format=json"
"""With any parameter, a resource is read from PostgreSQL."""
HELD = [kind for kind in KINDS.values() if kind.stamp is not None]


async def told(fhir: Server, kind: str, record_id: str) -> dict[str, Any]:
    """Return a resource that reads, searches and what is read anew agree on."""
    anew = await _anew(fhir, kind, record_id)
    for _ in range(2):
        assert await fhir.read(kind, record_id) == anew
        [entry] = (await fhir.search(f"{kind}?_id={record_id}"))["entry"]
        assert entry["resource"] == anew
        assert entry["fullUrl"].endswith(f"/fhir/{kind}/{record_id}")
    return anew


async def _anew(fhir: Server, kind: str, record_id: str) -> dict[str, Any]:
    body: dict[str, Any] = (await fhir.send("GET", f"/{kind}/{record_id}{ANEW}")).json()
    return body


Change = Callable[[Clinic, Server, dict[str, Any], dict[str, Any]], Awaitable[Any]]


async def _by_rest(clinic: Clinic, _: Server, patient: dict[str, Any], __: Any) -> None:
    body = clinic.patient_body(mrn=patient["mrn"], last_name="Other")
    assert (await clinic.put(f"/patients/{patient['id']}", body)).status_code == 200


async def _of_contact_points(clinic: Clinic, _: Server, patient: dict[str, Any], __: Any) -> None:
    body = {name: patient[name] for name in clinic.patient_body()}
    body["contact_info"] = {"telecom": [{"system": "phone", "value": "+14155559999"}]}
    assert (await clinic.put(f"/patients/{patient['id']}", body)).status_code == 200


async def _by_fhir(_: Clinic, fhir: Server, patient: dict[str, Any], __: Any) -> None:
    said = await _anew(fhir, "Patient", patient["id"])
    said["maritalStatus"] = {"text": "Widowed"}  # no column holds it
    answer = await fhir.send("PUT", f"/Patient/{patient['id']}", json=said, headers=MEDIA)
    assert answer.status_code == 200


async def _of_the_primary(clinic: Clinic, _: Server, patient: Any, provider: Any) -> None:
    link = {"provider_id": provider["id"], "relationship_type": "diabetes", "is_primary": True}
    await clinic.make(f"/patients/{patient['id']}/providers", link)


async def _of_another_primary(
    clinic: Clinic, fhir: Server, patient: dict[str, Any], provider: dict[str, Any]
) -> None:
    await _of_the_primary(clinic, fhir, patient, provider)
    await told(fhir, "Patient", patient["id"])
    await _of_the_primary(clinic, fhir, patient, await clinic.provider())


async def _without_a_primary(
    clinic: Clinic, fhir: Server, patient: dict[str, Any], provider: dict[str, Any]
) -> None:
    await _of_another_primary(clinic, fhir, patient, provider)
    path = f"/patients/{patient['id']}/providers"
    for one in (await clinic.get(path)).json()["data"]["items"]:
        await told(fhir, "Patient", patient["id"])
        assert (await clinic.delete(f"{path}/{one['provider_id']}")).status_code == 200


MEDIA = {"content-type": "application/fhir+json"}


@pytest.mark.parametrize(
    "change",
    [_by_rest, _of_contact_points, _by_fhir, _of_the_primary, _of_another_primary,
     _without_a_primary],
)  # fmt: skip
async def test_a_patient_that_changed_is_told_as_it_is(
    clinic: Clinic, fhir: Server, change: Change
) -> None:
    patient, provider = await clinic.patient(), await clinic.provider()
    before = await told(fhir, "Patient", patient["id"])
    await change(clinic, fhir, patient, provider)
    after = await told(fhir, "Patient", patient["id"])
    assert after != before or change is _without_a_primary


async def test_a_visit_that_changed_is_told_as_it_is(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic)
    seen = [await told(fhir, "Appointment", made["id"])]
    later = (datetime.fromisoformat(made["scheduled_start"]) + timedelta(days=1)).isoformat()
    for path, body in (
        ("confirm", {}),
        ("reschedule", {"scheduled_start": later}),
    ):
        answer = await clinic.post(f"/appointments/{made['id']}/{path}", body)
        assert answer.status_code == 200, answer.text
        seen.append(await told(fhir, "Appointment", made["id"]))
    said = {**seen[-1], "status": "cancelled", "cancelationReason": {"text": "asked for"}}
    answer = await fhir.send("PUT", f"/Appointment/{made['id']}", json=said, headers=MEDIA)
    assert answer.status_code == 200, answer.text
    seen.append(await told(fhir, "Appointment", made["id"]))
    assert len({orjson.dumps(one) for one in seen}) == len(seen)


async def test_what_others_did_not_ask_for_stays_theirs(
    clinic: Clinic, fhir: Server, other_fhir: Server
) -> None:
    made = await clinic.patient()
    await told(fhir, "Patient", made["id"])
    assert (await other_fhir.send("GET", f"/Patient/{made['id']}")).status_code == 404
    assert await other_fhir.ids(f"Patient?_id={made['id']}") == []


async def _of(caller: Caller, kind: str, record_id: str) -> list[dict[str, Any]]:
    """Return a resource as a caller is told it by a read and by a search."""
    held = await actions.held(caller, KINDS[kind], record_id)
    ask = asking.read(KINDS[kind], KINDS, [("_id", record_id)], strict=True)
    bundle = await actions.search(caller, KINDS[kind], ask)
    [entry] = orjson.loads(dumps(bundle))["entry"]
    return [orjson.loads(held.data), entry["resource"]] if held else [entry["resource"]]


@pytest.mark.parametrize("order", [("auditor", "clinician"), ("clinician", "auditor")])
async def test_a_mask_holds_whoever_asked_before(clinic: Clinic, order: tuple[str, str]) -> None:
    made = await clinic.patient(emergency_contact={"name": "Luis", "phone": "+14155550111"})
    for _ in range(2):
        for role in order:
            for said in await _of(member(clinic, role, "patients"), "Patient", made["id"]):
                shown = {"telecom", "contact"} & said.keys()
                assert shown == (set() if role == "auditor" else {"telecom", "contact"})
                assert ("tag" in said["meta"]) == (role == "auditor")


@pytest.mark.parametrize("first", [True, False])
async def test_the_way_into_a_video_visit_is_not_told_from_memory(
    clinic: Clinic, *, first: bool
) -> None:
    made = await visit(clinic, telehealth_details={"link": "https://video.example/1"})
    whole = replace(clinic.caller, scopes=ROLES["clinician"])
    less = replace(clinic.caller, scopes=ROLES["clinician"] - {"telehealth:read"})
    for caller in (whole, less, whole) if first else (less, whole, less):
        for said in await _of(caller, "Appointment", made["id"]):
            assert ("extension" in said) == (caller is whole)


async def test_a_scope_with_parameters_is_asked_of_the_record(clinic: Clinic) -> None:
    made = await clinic.patient(gender="male")
    await _of(replace(clinic.caller, scopes=ROLES["clinician"]), "Patient", made["id"])
    women = client(clinic, "system/Patient.rs?gender=female")
    assert await actions.held(women, KINDS["Patient"], made["id"]) is None
    with pytest.raises(NotFound):
        await actions.read(women, KINDS["Patient"], made["id"])


async def test_a_patient_who_was_removed_or_erased_is_gone_from_memory(
    clinic: Clinic, fhir: Server
) -> None:
    kind = KINDS["Patient"]
    removed, erased = await clinic.patient(), await clinic.patient()
    for one in (removed, erased):
        await told(fhir, "Patient", one["id"])
    names = [
        holding.key(kind, clinic.tenant_id, (await _held(clinic, one["id"])).id)
        for one in (removed, erased)
    ]
    assert set(names) <= memory().entries.keys()
    await clinic.delete(f"/patients/{removed['id']}")
    asked = {"reason": "Asked in writing."}
    await clinic.post(f"/patients/{erased['id']}/erase", asked)
    assert not set(names) & memory().entries.keys()
    for one in (removed, erased):
        assert (await fhir.send("GET", f"/Patient/{one['id']}")).status_code == 410
        assert await fhir.ids(f"Patient?_id={one['id']}") == []


async def _held(clinic: Clinic, record_id: str) -> holding.Held:
    caller = replace(clinic.caller, scopes=ROLES["clinician"])
    found = await actions.held(caller, KINDS["Patient"], record_id)
    assert found is not None
    return found


async def test_every_read_from_memory_is_audited(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    for _ in range(3):
        await fhir.send("GET", f"/Patient/{made['id']}")
        await fhir.search(f"Patient?_id={made['id']}")
    count = Command("SELECT count(*) FROM audit_logs WHERE entity_id = $1 AND action = $2")
    async with begin(clinic.caller) as tx:
        assert await tx.value(count, made["id"], "read") == 3
        assert await tx.value(count, made["id"], "list") == 3


async def test_a_page_mixes_what_is_held_and_what_is_not(clinic: Clinic, fhir: Server) -> None:
    provider = await clinic.provider()
    start = (datetime.now(UTC) + timedelta(days=30)).replace(hour=15, minute=0, second=0)
    visits = [
        await visit(
            clinic, provider=provider,
            scheduled_start=(start + timedelta(hours=hour)).replace(microsecond=0).isoformat(),
        )
        for hour in range(5)
    ]  # fmt: skip
    await told(fhir, "Appointment", visits[1]["id"])
    await told(fhir, "Patient", visits[2]["patient_id"])
    query = "Appointment?_count=2&_sort=-date&_include=Appointment:patient"
    for _ in range(2):  # cold, then warm
        found: list[str] = []
        page: dict[str, Any] | None = await fhir.search(query)
        while page is not None:
            of = {one["search"]["mode"]: one["resource"] for one in page["entry"]}
            assert of["include"]["resourceType"] == "Patient"
            found += [
                one["resource"]["id"] for one in page["entry"] if one["search"]["mode"] == "match"
            ]
            page = await fhir.next(page)
        assert found == [one["id"] for one in reversed(visits)]


async def test_a_held_answer_has_its_headers(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    first = await fhir.send("GET", f"/Patient/{made['id']}")
    again = await fhir.send("GET", f"/Patient/{made['id']}")
    assert (first.headers["etag"], first.content) == (again.headers["etag"], again.content)
    anew = await fhir.send("GET", f"/Patient/{made['id']}{ANEW}")
    assert anew.content == again.content
    for name in ("etag", "last-modified", "content-length", "content-type"):
        assert anew.headers[name] == again.headers[name]
    head = await fhir.send("HEAD", f"/Patient/{made['id']}")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(first.content)))
    assert (await fhir.send("GET", "/Patient/nobody")).status_code == 404
    pretty = await fhir.send("GET", f"/Patient?_id={made['id']}&_pretty=true")
    assert b'\n      "resource": {\n        "resourceType": "Patient"' in pretty.content


async def test_without_the_cache_records_are_read(
    clinic: Clinic, fhir: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await clinic.patient()
    await told(fhir, "Patient", made["id"])
    monkeypatch.setattr(cache_module, "_cache", Cache(""))
    await _by_rest(clinic, fhir, made, None)
    assert (await told(fhir, "Patient", made["id"]))["name"][0]["family"] == "Other"


async def test_the_cache_is_told_nothing_of_the_patient(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    await told(fhir, "Patient", made["id"])
    held = await _held(clinic, made["id"])
    kept = await cache().get(holding.key(KINDS["Patient"], clinic.tenant_id, held.id))
    assert kept == b"%d\n%s" % (held.version, held.stamp.encode())
    assert held.stamp.lstrip("-").isdigit()


@pytest.mark.parametrize("kind", HELD, ids=lambda kind: kind.name)
def test_what_scopes_hide_of_a_held_type_is_a_view_of_its_own(kind: Any) -> None:
    fields = type(kind).__dataclass_fields__
    assert (kind.shown is fields["shown"].default) == (kind.view is fields["view"].default)
    assert kind.entity is not None


async def test_memory_is_bounded_in_bytes_and_in_time() -> None:
    small = Memory(most_bytes=5_000, kept_s=0.05)
    small.put("a", "1", "all", "A", 500)
    small.put("a", "1", "masked", "a", 100)
    assert (small.get("a", "1", "all"), small.get("a", "1", "masked")) == ("A", "a")
    small.put("a", "1", "all", "again", 500)
    assert small.size == 500 + 100 + 2 * 1_500
    assert small.get("a", "2", "all") is None
    assert small.get("a", "1", "other") is None
    small.put("b", "1", "all", "B", 500)  # the oldest goes
    assert (small.get("a", "1", "all"), small.get("b", "1", "all")) == (None, "B")
    small.put("b", "2", "all", "B2", 500)
    assert (small.get("b", "1", "all"), small.size) == (None, 2_000)
    small.put("c", "1", "all", "too large", 9_000)
    assert (small.entries, small.size) == ({}, 0)
    small.put("d", "1", "all", "D", 10)
    small.drop(["d", "nobody"])
    assert small.size == 0
    small.put("e", "1", "all", "E", 10)
    await asyncio.sleep(0.2)  # nobody looks, and yet
    assert (small.entries, small.size, small.timer) == ({}, 0, None)
    small.put("f", "1", "all", "F", 10)
    small.clear()
    assert (small.entries, small.size, small.timer) == ({}, 0, None)

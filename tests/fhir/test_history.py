"""History: every version of a record as it was read then, by whichever door it was written."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.core.errors import Forbidden
from chroniccare.fhir import queries_versions
from chroniccare.fhir.bundles import SUBSETTED
from chroniccare.fhir.history import Wanted, of_all, of_record, of_type, version
from chroniccare.fhir.kind import Versions
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored.table import searches
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Command, begin, utc_now
from chroniccare.tenancy import keys, queries_keys, resealing
from chroniccare.worker import SEALED
from tests.client import Clinic
from tests.conftest import Running
from tests.fhir.server import Server, everything, prescription, visit
from tests.fhir.test_access import client, member
from tests.fhir.test_transaction import entry, send
from tests.fhir.test_write import RICH, SMALL, make, without


async def history(fhir: Server, path: str, **options: Any) -> list[dict[str, Any]]:
    """Return the entries of a history, page by page."""
    entries: list[dict[str, Any]] = []
    while path:
        response = await fhir.send("GET", path, **options)
        assert response.status_code == 200, response.text
        body = response.json()
        assert body["type"] == "history"
        entries += body.get("entry", [])
        links = {one["relation"]: one["url"] for one in body["link"]}
        path = "/" + links["next"].partition("/fhir/")[2] if "next" in links else ""
    return entries


def told(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["request"]["method"], one["response"]["etag"]) for one in entries]


async def test_each_version_is_what_was_read_then(clinic: Clinic, fhir: Server) -> None:
    first = await make(fhir, RICH)
    path = f"/Patient/{first['id']}"
    answer = await fhir.send("PUT", path, json={**SMALL, "id": first["id"]})
    second = answer.json()
    rest = (await clinic.get(f"/patients/{first['id']}")).json()["data"]
    body = {name: rest[name] for name in rest if name not in {"id", "version", "created_at"}}
    del body["updated_at"]
    body["contact_info"] = {"telecom": [{"system": "phone", "value": "+14155550111"}]}
    await clinic.put(f"/patients/{first['id']}", body)
    third = await fhir.read("Patient", first["id"])
    for number, resource in ((1, first), (2, second), (3, third)):
        one = await fhir.send("GET", f"{path}/_history/{number}")
        assert one.json() == resource
        assert one.headers["etag"] == f'W/"{number}"'
        assert "last-modified" in one.headers
    assert (await fhir.send("DELETE", path)).status_code == 204
    assert (await fhir.send("GET", f"{path}/_history/4")).status_code == 410
    assert (await fhir.send("GET", f"{path}/_history/1")).json() == first
    for wrong in ("5", "0", "x", "99999999999"):
        assert (await fhir.send("GET", f"{path}/_history/{wrong}")).status_code == 404
    entries = await history(fhir, f"{path}/_history?_count=1")
    assert told(entries) == [
        ("DELETE", 'W/"4"'), ("PUT", 'W/"3"'), ("PUT", 'W/"2"'), ("POST", 'W/"1"')
    ]  # fmt: skip
    assert [one.get("resource") for one in entries] == [None, third, second, first]
    assert entries == await history(fhir, f"{path}/_history")


async def test_every_type_that_says_so_has_a_history(clinic: Clinic, fhir: Server) -> None:
    await everything(clinic)
    statement = (await fhir.send("GET", "/metadata")).json()["rest"][0]
    assert {"code": "history-system"} in statement["interaction"]
    whole = await history(fhir, "/_history?_count=3")
    for resource in statement["resource"]:
        codes = {one["code"] for one in resource["interaction"]}
        kind = resource["type"]
        if "vread" not in codes:
            answer = await fhir.send("GET", f"/{kind}/_history")
            # These two have routes of their own, where this is an id that there is not.
            assert answer.status_code == (404 if kind in {"Slot", "Subscription"} else 405)
            continue
        assert {"history-instance", "history-type"} <= codes
        mine = await history(fhir, f"/{kind}/_history?_count=2")
        assert mine or kind in searches()  # tests/fhir/stored makes those
        assert mine == [one for one in whole if one["fullUrl"].split("/")[-2] == kind]
        for one in mine:
            if "resource" in one:
                read = one["resource"]
                path = f"/{kind}/{read['id']}/_history/{read['meta']['versionId']}"
                assert (await fhir.send("GET", path)).json() == read
    times = [one["response"]["lastModified"] for one in whole]
    assert times == sorted(times, reverse=True)


async def test_visits_and_prescriptions(clinic: Clinic, fhir: Server) -> None:
    booked = await visit(clinic)
    first = await fhir.read("Appointment", booked["id"])
    cancelled = {**first, "status": "cancelled", "cancelationReason": {"text": "flu"}}
    assert (await fhir.send("PUT", f"/Appointment/{first['id']}", json=cancelled)).is_success
    drug = await prescription(clinic)
    was = await fhir.read("MedicationRequest", drug["id"])
    await clinic.post(f"/medications/{drug['id']}/complete")
    for kind, before in (("Appointment", first), ("MedicationRequest", was)):
        now = await fhir.read(kind, before["id"])
        assert now["status"] != before["status"]
        entries = await history(fhir, f"/{kind}/{before['id']}/_history")
        assert [one["resource"] for one in entries] == [now, before]


async def test_a_kind_of_visit_that_was_removed(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.make(
        "/visit-types", {"code": "dialysis", "name": "D", "duration_minutes": 30}
    )
    path = f"/HealthcareService/{made['id']}"
    was = await fhir.read("HealthcareService", made["id"])
    await clinic.delete(f"/visit-types/{made['id']}")
    assert (await fhir.send("GET", path)).status_code == 410
    entries = await history(fhir, f"{path}/_history")
    assert told(entries) == [("DELETE", 'W/"2"'), ("POST", 'W/"1"')]
    assert entries[1]["resource"] == was


async def test_since_and_at(fhir: Server) -> None:
    first = await make(fhir, SMALL)
    path = f"/Patient/{first['id']}"
    second = (await fhir.send("PUT", path, json={**first, "gender": "female"})).json()
    third = (await fhir.send("PUT", path, json={**first, "gender": "male"})).json()
    times = [one["meta"]["lastUpdated"] for one in (first, second, third)]
    since = await history(fhir, f"{path}/_history?_since={times[1]}")
    assert [one["resource"] for one in since] == [third, second]
    at = await history(fhir, f"{path}/_history?_at={times[1]}")
    assert [one["resource"] for one in at] == [second]
    today = await history(fhir, f"/Patient/_history?_at={times[1][:4]}")
    assert [one["resource"] for one in today] == [third, second, first]
    assert await history(fhir, f"{path}/_history?_since=2999") == []


async def test_who_asks_again_misses_nothing_that_was_being_written(
    clinic: Clinic, fhir: Server
) -> None:
    """A change that began before the first look, and was committed after it."""
    made = await make(fhir, SMALL)
    async with begin(clinic.caller) as tx:
        patient = await patients.get_locked(tx, UUID(made["id"]))
        await patients.delete(tx, patient)
        seen = (await fhir.send("GET", "/Patient/_history?_count=1")).json()
        assert [one["request"]["method"] for one in seen["entry"]] == ["POST"]
    again = await history(fhir, f"/Patient/_history?_since={seen['meta']['lastUpdated']}")
    assert [one["request"]["method"] for one in again] == ["DELETE", "POST"]


@pytest.mark.parametrize(
    "query", ["_since=yesterday", "_at=ge2026", "_count=x", "_count=", "name=a", "_cursor=AAAA"]
)
async def test_a_wrong_history_is_refused(fhir: Server, query: str) -> None:
    first = await make(fhir, SMALL)
    for path in ("", "/Patient", f"/Patient/{first['id']}"):
        answer = await fhir.send("GET", f"{path}/_history?{query}")
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["expression"] == [query.partition("=")[0]]


async def test_another_clinic_sees_nothing(fhir: Server, other_fhir: Server) -> None:
    first = await make(fhir, SMALL)
    path = f"/Patient/{first['id']}"
    await fhir.send("PUT", path, json={**first, "gender": "female"})
    for each in ("/_history", "/_history/1", "/_history/2"):
        assert (await other_fhir.send("GET", path + each)).status_code == 404
    assert await history(other_fhir, "/_history") == []
    assert (await fhir.send("GET", "/Patient/x/_history")).status_code == 404
    assert (await fhir.send("GET", "/Nothing/_history")).status_code == 404


async def test_nothing_of_an_erased_patient_is_left(clinic: Clinic, fhir: Server) -> None:
    first = await make(fhir, RICH)
    path = f"/Patient/{first['id']}"
    await fhir.send("PUT", path, json={**first, "gender": "male"})
    erased = await clinic.post(f"/patients/{first['id']}/erase", {"reason": "Asked in writing."})
    assert erased.is_success, erased.text
    assert told(await history(fhir, f"{path}/_history")) == [("DELETE", 'W/"3"')]
    assert (await fhir.send("GET", f"{path}/_history/1")).status_code == 404


async def test_versions_outlive_the_keys_that_they_were_sealed_under(
    clinic: Clinic, fhir: Server, running: Running
) -> None:
    first = await make(fhir, RICH)
    path = f"/Patient/{first['id']}"
    await fhir.send("PUT", path, json={**SMALL, "id": first["id"]})
    async with begin(clinic.caller) as tx:
        await keys.rotate(tx)
    running.platform.database.clock = lambda: utc_now() + resealing.SETTLED * 2
    try:
        await resealing.run(clinic.tenant_id, SEALED)
    finally:
        running.platform.database.clock = utc_now
    async with begin(clinic.caller) as tx:
        left = {one.state for one in await tx.all(queries_keys.LIST) if one.purpose == "data"}
    assert left == {"active", "destroyed"}
    assert (await fhir.send("GET", f"{path}/_history/1")).json() == first


def test_all_that_is_sealed_of_a_version_is_sealed_anew() -> None:
    tables = {one for kind in KINDS.values() if kind.versions for one in _tables(kind.versions)}
    sealed = {one.column.name for one in SEALED if one.column.name.partition(".")[0] in tables}
    assert sealed == {*queries_versions.FIELDS, *queries_versions.ADDRESSES}
    assert SEALED[-1].column is queries_versions.ROWS


def _tables(versions: Versions) -> tuple[str, ...]:
    return (versions.table, *versions.beside)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fhir", "rest", "delete"]),
        st.sampled_from(["Ng", "Öz", "de la Cruz"]),
        st.sampled_from(["555", "+14155550111", "+14155550112"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.booleans(), STEPS)
async def test_every_version_is_there_whatever_was_done_by_either_door(
    clinic: Clinic, fhir: Server, by_rest: bool, steps: list[tuple[str, str, str]]
) -> None:
    made = (await clinic.patient())["id"] if by_rest else (await make(fhir, SMALL))["id"]
    seen = [await fhir.read("Patient", made)]
    for door, name, number in steps:
        if door == "delete":
            await fhir.send("DELETE", f"/Patient/{made}")
            break
        point = {"system": "phone", "value": number, "use": "home"}
        if door == "fhir":
            body = {**SMALL, "id": made, "name": [{"family": name, "given": ["A", "B"]}]}
            answer = await fhir.send("PUT", f"/Patient/{made}", json={**body, "telecom": [point]})
        else:
            rest = (await clinic.get(f"/patients/{made}")).json()["data"]
            fields = without(rest, "id", "version", "created_at", "updated_at")
            points = [point] if number.startswith("+") else []
            fields |= {"last_name": name, "contact_info": {"telecom": points}}
            answer = await clinic.put(f"/patients/{made}", fields)
        assert answer.status_code == 200, answer.text
        seen.append(await fhir.read("Patient", made))
    entries = await history(fhir, f"/Patient/{made}/_history?_count=2")
    numbers = [int(one["response"]["etag"][3:-1]) for one in entries]
    assert numbers == list(range(len(entries), 0, -1))
    assert [one["resource"] for one in reversed(entries) if "resource" in one] == seen
    assert ("DELETE" in {method for method, _ in told(entries)}) == (len(entries) > len(seen))
    for count, resource in enumerate(seen, 1):
        assert (await fhir.send("GET", f"/Patient/{made}/_history/{count}")).json() == resource


SEEN = Command(
    "SELECT coalesce(jsonb_agg(action ORDER BY created_at), '[]') FROM audit_logs"
    " WHERE entity_type = 'patient' AND entity_id = $1::uuid AND action IN ('read', 'list')"
)


async def test_what_is_seen_of_a_history_is_audited(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, SMALL)
    await fhir.send("PUT", f"/Patient/{made['id']}", json={**made, "gender": "male"})
    await history(fhir, f"/Patient/{made['id']}/_history")
    await history(fhir, "/_history")
    await fhir.send("GET", f"/Patient/{made['id']}/_history/1")
    await fhir.send("GET", f"/Patient/{made['id']}/_history/9")
    async with begin(clinic.caller) as tx:
        assert await tx.value(SEEN, made["id"]) == ["list", "list", "read"]


async def test_scopes_and_masks_hold_for_what_was(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, RICH)
    await fhir.send("PUT", f"/Patient/{made['id']}", json={**SMALL, "id": made["id"]})
    kind, everything_ = KINDS["Patient"], Wanted()
    reads, narrow = client(clinic, "system/Patient.r"), client(clinic, "system/Patient.rs?gender=x")
    assert (await version(reads, kind, made["id"], "1"))["telecom"]
    assert len((await of_record(reads, kind, made["id"], everything_))["entry"]) == 2
    searches_ = client(clinic, "system/Patient.s")  # who may list, as SMART has it
    assert len((await of_type(searches_, kind, everything_))["entry"]) == 2
    assert len((await of_all(searches_, everything_))["entry"]) == 2
    for caller in (narrow, searches_, client(clinic, "system/Location.rs")):
        with pytest.raises(Forbidden):
            await version(caller, kind, made["id"], "1")
        with pytest.raises(Forbidden):
            await of_record(caller, kind, made["id"], everything_)
    for caller in (narrow, reads, client(clinic, "system/Location.rs")):
        with pytest.raises(Forbidden):
            await of_type(caller, kind, everything_)
    for caller in (narrow, reads):
        with pytest.raises(Forbidden):
            await of_all(caller, everything_)
    masked = member(clinic, "auditor", "patients")
    told_ = await version(masked, kind, made["id"], "1")
    assert "telecom" not in told_
    assert SUBSETTED in told_["meta"]["tag"]
    bundle = await of_all(masked, everything_)
    patients = [one["resource"] for one in bundle["entry"] if one["fullUrl"].endswith(made["id"])]
    assert [("telecom" in one, "contact" in one) for one in patients] == [(False, False)] * 2


async def test_batches_read_what_was(fhir: Server) -> None:
    made = await make(fhir, SMALL)
    path = f"Patient/{made['id']}"
    await fhir.send("PUT", f"/{path}", json={**made, "gender": "male"})
    reads = (
        f"{path}/_history/1", f"{path}/_history", "Patient/_history?_count=1", f"{path}/_history/9",
        f"{path}/_history?name=x", f"{path}/x/_history", f"{path}/_history/1/x", "_history",
    )  # fmt: skip
    answer = await send(fhir, "batch", *(entry("GET", one) for one in reads))
    entries = answer.json()["entry"]
    assert [one["response"]["status"] for one in entries] == [
        "200", "200", "200", "404", "400", "404", "404", "404"
    ]  # fmt: skip
    assert entries[0]["resource"] == made
    assert [len(one["resource"]["entry"]) for one in entries[1:3]] == [2, 1]
    refused = await send(fhir, "transaction", entry("GET", reads[0]))
    assert refused.status_code == 404

"""What comes along brings more along: each record once, as far as the scopes go, to an end."""

from typing import Any

import pytest

from chroniccare.core.caller import Caller, system
from chroniccare.fhir import actions, including, iterating
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.registry import KINDS
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.conftest import PEPPER
from tests.fhir.server import Server, visit
from tests.fhir.stored.made import pressure

Json = dict[str, Any]
MORE = "there are more, ask for smaller pages"


async def brought(fhir: Server, query: str) -> set[str]:
    """Return what came along, each named once."""
    found = await fhir.search(query)
    names = [
        f"{one['resource']['resourceType']}/{one['resource']['id']}"
        for one in found.get("entry", [])
        if one["search"]["mode"] == "include"
    ]
    assert len(names) == len(set(names))
    return set(names)


async def warned(fhir: Server, query: str) -> list[str]:
    """Return what a search, leniently read, warns of."""
    headers = {"Prefer": "handling=lenient"}
    found = (await fhir.send("GET", f"/{query}", headers=headers)).json()
    last = found["entry"][-1]
    issues = last["resource"]["issue"] if last["search"]["mode"] == "outcome" else []
    assert {one["severity"] for one in issues} <= {"warning"}
    codes = ["incomplete" if "included" in one["diagnostics"] or "iterate" in one["diagnostics"]
             else "not-supported" for one in issues]  # fmt: skip
    assert [one["code"] for one in issues] == codes
    return [one["diagnostics"] for one in issues]


async def cared_for(fhir: Server) -> tuple[Json, Json, Json]:
    """Make a patient with a main provider, and a visit with another one."""
    clinic = fhir.clinic
    main, patient = await clinic.provider(), await clinic.patient()
    link = {"provider_id": main["id"], "relationship_type": "diabetes", "is_primary": True}
    await clinic.make(f"/patients/{patient['id']}/providers", link)
    return main, patient, await visit(clinic, patient=patient)


async def test_an_include_of_an_include(fhir: Server) -> None:
    main, patient, booked = await cared_for(fhir)
    query = f"Appointment?_id={booked['id']}&_include=Appointment:patient"
    one = {f"Patient/{patient['id']}"}
    assert await brought(fhir, query) == one
    query += "&_include:iterate=Patient:general-practitioner"
    assert await brought(fhir, query) == one | {f"Practitioner/{main['id']}"}
    # The pages go on with it, and a type that is not what it leads to leaves it out.
    assert await brought(fhir, f"{query}:Practitioner") == await brought(fhir, query)
    # It holds of the matches as well.
    query = f"Patient?_id={patient['id']}&_include:iterate=Patient:general-practitioner"
    assert await brought(fhir, query) == {f"Practitioner/{main['id']}"}


async def test_what_refers_to_what_came_along(fhir: Server) -> None:
    main, patient, booked = await cared_for(fhir)
    del main
    response = await fhir.send("POST", "/Observation", json=pressure(patient["id"], 150))
    said = response.json()
    query = f"Appointment?_id={booked['id']}&_include=Appointment:patient"
    query += "&_revinclude:iterate=Observation:patient"
    expected = {f"Patient/{patient['id']}", f"Observation/{said['id']}"}
    assert await brought(fhir, query) == expected
    assert await brought(fhir, f"{query}:Patient") == expected


async def test_circles_end(fhir: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _, patient, booked = await cared_for(fhir)
    times = [f"2027-01-1{number}T15:00:00Z" for number in range(2)]
    more = [await visit(fhir.clinic, patient=patient, scheduled_start=one) for one in times]
    query = f"Appointment?_id={booked['id']}&_include:iterate=Appointment:patient"
    query += "&_revinclude:iterate=Appointment:patient"
    expected = {f"Patient/{patient['id']}", *(f"Appointment/{one['id']}" for one in more)}
    assert await brought(fhir, query) == expected
    assert await warned(fhir, query) == []
    monkeypatch.setattr(iterating, "MOST", 2)
    assert len(await brought(fhir, query)) == 2
    assert await warned(fhir, query) == [iterating.CUT]
    monkeypatch.setattr(iterating, "STEPS", 1)
    assert await brought(fhir, query) == {f"Patient/{patient['id']}"}
    assert await warned(fhir, f"{query}&nonsense=1") == [
        "nonsense is not known and was left out", iterating.CUT,
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["_id={}&_revinclude=Appointment:patient", "_id={}"])
async def test_what_was_not_included_is_said(
    fhir: Server, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    _, patient, _ = await cared_for(fhir)
    times = [f"2027-01-1{number}T15:00:00Z" for number in range(2)]
    for one in times:
        await visit(fhir.clinic, patient=patient, scheduled_start=one)
    forward = "Appointment?_include=Appointment:practitioner"
    query = f"Patient?{query.format(patient['id'])}" if "rev" in query else forward
    known = await brought(fhir, query)
    assert len(known) >= 3
    kinds = [one.partition("/")[0] for one in known]
    most = max(kinds, key=kinds.count)
    for module in (actions, including):
        monkeypatch.setattr(module, "MOST", kinds.count(most))
    assert await warned(fhir, query) == []
    for module in (actions, including):
        monkeypatch.setattr(module, "MOST", kinds.count(most) - 1)
    monkeypatch.setattr(iterating, "MOST", kinds.count(most) - 1)
    [said] = await warned(fhir, query)
    assert said == f"{kinds.count(most) - 1} records of {most} were included: {MORE}"
    assert len(await brought(fhir, query)) == len(known) - 1


async def test_the_same_is_followed_once_and_to_the_last_record(
    fhir: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, patient, booked = await cared_for(fhir)
    asked: list[str] = []
    by_ids = actions._by_ids

    async def counted(tx: Tx, caller: Caller, kind: Kind, **how: Any) -> list[Any]:
        asked.append(kind.name)
        return await by_ids(tx, caller, kind, **how)

    monkeypatch.setattr(actions, "_by_ids", counted)
    query = f"Appointment?_id={booked['id']}" + "&_include:iterate=Appointment:patient" * 20
    query += "&_include:iterate=Appointment:patient:Patient"
    assert await brought(fhir, query) == {f"Patient/{patient['id']}"}
    assert asked == ["Patient"]
    asked.clear()
    monkeypatch.setattr(iterating, "MOST", 1)
    query += "&_include:iterate=Patient:general-practitioner"
    query += "&_revinclude:iterate=Appointment:patient"
    assert await brought(fhir, query) == {f"Patient/{patient['id']}"}
    assert asked == ["Patient"]


async def test_ten_are_followed_at_most(fhir: Server) -> None:
    able = [one.name for one in KINDS.values() if "patient" in one.parameters][:11]
    assert len(able) == 11
    query = "Patient?" + "&".join(f"_revinclude:iterate={name}:patient" for name in able)
    response = await fhir.send("GET", f"/{query}")
    assert response.status_code == 400
    assert "10 times at most" in response.json()["issue"][0]["diagnostics"]
    response = await fhir.send("GET", f"/{query.rpartition('&')[0]}")
    assert response.status_code == 200, response.text


async def test_nobody_sees_more_than_the_scopes_open(fhir: Server) -> None:
    _, _, booked = await cared_for(fhir)
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        few = await create_key(tx, pepper=PEPPER, name="f", scopes=SCOPES - {"providers:read"})
    headers = {"X-API-Key": few}
    query = f"/Appointment?_id={booked['id']}&_include=Appointment:patient"
    assert (await fhir.send("GET", query, headers=headers)).status_code == 200
    query += "&_include:iterate=Patient:general-practitioner"
    assert (await fhir.send("GET", query, headers=headers)).status_code == 403
    query = "/Patient?_revinclude:iterate=PractitionerRole:practitioner"
    assert (await fhir.send("GET", query, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("Patient?_include:iterate=Patient:nonsense", "_include:iterate"),
        ("Patient?_include:iterate=Nonsense:patient", "_include:iterate"),
        ("Patient?_include:iterate=Appointment:patient:Location", "_include:iterate"),
        ("Patient?_revinclude:iterate=Appointment:status", "_revinclude:iterate"),
        ("Slot?start=2027-01-01&_include:iterate=Slot:schedule", "_include:iterate"),
    ],
)
async def test_what_cannot_be_followed_is_refused(fhir: Server, query: str, name: str) -> None:
    response = await fhir.send("GET", f"/{query}")
    assert response.status_code == 400
    assert name in response.json()["issue"][0]["expression"]


async def test_all_that_a_type_refers_to(fhir: Server) -> None:
    booked = await visit(fhir.clinic)
    query = f"Appointment?_id={booked['id']}"
    each = "".join(f"&_include=Appointment:{one}" for one in KINDS["Appointment"].includes)
    expected = await brought(fhir, query + each)
    assert len(expected) == 3
    for every in ("*", "Appointment:*"):
        assert await brought(fhir, f"{query}&_include={every}") == expected
    for wrong in ("Appointment?_include=Patient:*", "Organization?_include=*"):
        assert (await fhir.send("GET", f"/{wrong}")).status_code == 400

"""The audit log through the public API."""

from typing import Any
from uuid import uuid4

from chroniccare.audit.queries import OF_A_PATIENT
from chroniccare.platform.owner import owner_connection
from tests.client import Clinic
from tests.scheduling.test_api import visit_body


async def found(clinic: Clinic, **params: Any) -> list[dict[str, Any]]:
    response = await clinic.get("/audit-logs", params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["data"]["items"]
    return items


async def test_what_was_done_is_found_the_latest_first(clinic: Clinic) -> None:
    body = clinic.patient_body()
    made = await clinic.make("/patients", body)
    path = f"/patients/{made['id']}"
    await clinic.get(path)
    await clinic.put(path, {**body, "language": "es"})
    entries = await found(clinic, entity_id=made["id"])
    assert [entry["action"] for entry in entries] == ["update", "read", "create"]
    assert entries[0]["changes"]["after"]["language"] == "es"
    assert entries[0]["changes"]["before"]["language"] == "en"
    assert entries[1]["changes"] == {}
    assert {entry["user_type"] for entry in entries} == {"api_key"}
    assert {entry["ip_address"] for entry in entries} == {"127.0.0.1"}


async def test_filters_narrow_the_log(clinic: Clinic) -> None:
    one, two = await clinic.patient(), await clinic.patient()
    await clinic.get(f"/patients/{one['id']}")
    entries = await found(clinic)
    (actor,) = {entry["user_id"] for entry in entries}
    assert len(await found(clinic, user_id=actor, action="create")) == 2
    assert await found(clinic, user_id=str(uuid4())) == []
    assert [entry["entity_id"] for entry in await found(clinic, action="read")] == [one["id"]]
    assert len(await found(clinic, entity_id=two["id"], action="create")) == 1

    assert await found(clinic, entity_type="appointment") == []
    assert len(await found(clinic, entity_type="patient", action="create")) == 2
    assert await found(clinic, user_type="staff") == []
    assert {entry["action"] for entry in await found(clinic, user_type="api_key")} >= {"create"}

    first, second = (
        next(e["created_at"] for e in entries if (e["entity_id"], e["action"]) == (id_, "create"))
        for id_ in (one["id"], two["id"])
    )
    only = await found(clinic, action="create", **{"from": first, "to": second})
    assert [entry["entity_id"] for entry in only] == [one["id"]]
    assert await found(clinic, **{"from": "2199-01-01T00:00:00Z"}) == []


async def test_the_search_is_itself_recorded(clinic: Clinic) -> None:
    await found(clinic, action="create")
    (entry,) = await found(clinic)
    assert (entry["action"], entry["entity_type"]) == ("search", "audit_log")


async def test_pages_are_complete_while_the_log_grows(clinic: Clinic) -> None:
    made = [(await clinic.patient())["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2, "action": "create", **({"cursor": cursor} if cursor else {})}
        data = (await clinic.get("/audit-logs", params=params)).json()["data"]
        seen += [entry["entity_id"] for entry in data["items"]]
        cursor = data["next_cursor"]
        if cursor is None:
            break
        await clinic.patient()  # later than the cursor: must not shift the pages
    assert seen == made[::-1]


async def test_another_clinics_log_is_not_seen(clinic: Clinic, other_clinic: Clinic) -> None:
    made = await clinic.patient()
    assert await found(other_clinic) == []
    assert await found(other_clinic, entity_id=made["id"]) == []


async def test_bad_filters_are_named(clinic: Clinic) -> None:
    params = {
        "entity_id": "x", "user_id": "1", "action": "", "from": "yesterday",
        "to": "2026-01-01T00:00:00", "limit": 0,
    }  # fmt: skip
    response = await clinic.get("/audit-logs", params=params)
    assert response.status_code == 400
    fields = {detail["field"] for detail in response.json()["error"]["details"]}
    assert fields == set(params)


async def test_the_older_address_answers_the_same(clinic: Clinic) -> None:
    made = await clinic.patient()
    old = (await clinic.get("/audit", params={"entity_id": made["id"]})).json()["data"]
    assert old["items"] == await found(clinic, entity_id=made["id"])


async def report(clinic: Clinic, patient_id: str, **params: Any) -> list[tuple[str, str]]:
    response = await clinic.get(f"/patients/{patient_id}/access-report", params=params)
    assert response.status_code == 200, response.text
    return [(e["entity_type"], e["action"]) for e in response.json()["data"]["items"]]


async def test_a_patients_report_has_what_belongs_to_them_and_nothing_else(clinic: Clinic) -> None:
    body = await visit_body(clinic)
    mine, other = body["patient_id"], (await clinic.patient())["id"]
    visit = await clinic.make("/appointments", body)
    await clinic.get(f"/appointments/{visit['id']}")
    (message, *_) = (await clinic.get(f"/patients/{mine}/notifications")).json()["data"]["items"]
    await clinic.get(f"/notifications/{message['id']}/timeline")
    await clinic.get(f"/patients/{other}")
    seen = await report(clinic, mine, limit=200)
    assert {("patient", "create"), ("appointment", "create"), ("appointment", "read")} <= set(seen)
    assert "notification" in {kind for kind, _ in seen}
    assert await report(clinic, other) == [("patient", "read"), ("patient", "create")]
    # The report is a read of the patient itself.
    assert await report(clinic, other, action="access_report") == [("patient", "access_report")]
    assert await report(clinic, mine, to="2000-01-01T00:00:00Z") == []


async def test_a_patients_report_comes_in_pages_and_outlives_the_patient(clinic: Clinic) -> None:
    made = await clinic.patient()
    for _ in range(4):
        await clinic.get(f"/patients/{made['id']}")
    await clinic.delete(f"/patients/{made['id']}")
    seen, cursor = [], None
    while True:
        params = {"limit": 2, "to": "2199-01-01T00:00:00Z"} | ({"cursor": cursor} if cursor else {})
        response = await clinic.get(f"/patients/{made['id']}/access-report", params=params)
        data = response.json()["data"]
        seen += [entry["action"] for entry in data["items"]]
        cursor = data["next_cursor"]
        if cursor is None:
            break
    assert [action for action in seen if action != "access_report"] == [
        "delete", *["read"] * 4, "create",
    ]  # fmt: skip


async def test_another_clinics_patient_has_no_report_here(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    made = await clinic.patient()
    for patient_id in (made["id"], uuid4()):
        response = await other_clinic.get(f"/patients/{patient_id}/access-report")
        assert response.status_code == 404


async def test_no_table_of_a_patients_is_forgotten(database_url: str) -> None:
    async with owner_connection(database_url) as owner:
        rows = await owner.fetch(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND column_name IN ('id', 'patient_id') GROUP BY 1 HAVING count(*) = 2"
        )
    # No entry of the audit is about a version: each is about the record.
    assert {row[0] for row in rows} - {"record_versions"} == set(OF_A_PATIENT)

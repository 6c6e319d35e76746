"""Facilities through the public API."""

from typing import Any
from uuid import UUID

import pytest

from chroniccare.audit import queries as audit
from chroniccare.platform.postgres import begin
from tests.client import Clinic, new_clinic
from tests.providers.visits import book, cancel_all

DAY = {"open": "08:00", "close": "17:00"}


async def test_a_facility_is_opened_and_read_back(clinic: Clinic) -> None:
    response = await clinic.post(
        "/facilities",
        clinic.facility_body(capabilities=["lab", "eye"], operating_hours={"monday": [DAY]}),
    )
    made = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/facilities/{made['id']}"
    assert made["contact_info"]["telecom"][0]["value"].startswith("+1212555")
    assert made["operating_hours"]["monday"] == [DAY]
    assert made["operating_hours"]["tuesday"] == []
    for _ in range(2):  # from the database, then from the cache
        read = await clinic.get(f"/facilities/{made['id']}")
        assert read.json()["data"] == made
        assert read.headers["etag"] == '"1"'


async def test_nights_and_midnight_are_kept_as_they_were_written(clinic: Clinic) -> None:
    hours = {
        "friday": [{"open": "22:00", "close": "06:00"}],
        "sunday": [{"open": "00:00", "close": "24:00"}],
    }
    made = await clinic.facility(operating_hours=hours)
    assert {day: spans for day, spans in made["operating_hours"].items() if spans} == hours


async def test_a_change_is_seen_at_once_and_replaces_every_contact_point(clinic: Clinic) -> None:
    made = await clinic.facility()
    path = f"/facilities/{made['id']}"
    await clinic.get(path)
    email = {"system": "email", "value": "front@example.com", "use": "work", "rank": 1}
    body = clinic.facility_body(name="Hillside", contact_info={"telecom": [email]})
    changed = (await clinic.put(path, body)).json()["data"]
    assert changed["contact_info"]["telecom"] == [email]
    assert (await clinic.get(path)).json()["data"] == changed
    assert changed["name"] == "Hillside"
    assert (changed["version"], changed["created_at"]) == (2, made["created_at"])


async def test_if_match_refuses_a_change_of_an_older_version(clinic: Clinic) -> None:
    made = await clinic.facility()
    path, body = f"/facilities/{made['id']}", clinic.facility_body()
    assert (await clinic.put(path, body, headers={"If-Match": '"1"'})).status_code == 200
    assert (await clinic.put(path, body, headers={"If-Match": '"1"'})).status_code == 412
    assert (await clinic.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await clinic.get(path, headers={"If-None-Match": '"2"'})).status_code == 304


async def test_the_same_idempotency_key_opens_one_facility(clinic: Clinic) -> None:
    body, headers = clinic.facility_body(), {"Idempotency-Key": "once"}
    first = await clinic.post("/facilities", body, headers=headers)
    second = await clinic.post("/facilities", body, headers=headers)
    assert first.json()["data"] == second.json()["data"]
    assert len((await clinic.get("/facilities")).json()["data"]["items"]) == 1


async def test_a_removed_facility_is_gone(clinic: Clinic) -> None:
    path = f"/facilities/{(await clinic.facility())['id']}"
    await clinic.get(path)
    assert (await clinic.delete(path)).status_code == 200
    assert (await clinic.get("/facilities")).json()["data"]["items"] == []
    for method in ("GET", "DELETE"):
        assert (await clinic.send(method, path)).status_code == 404
    assert (await clinic.put(path, clinic.facility_body())).status_code == 404


async def test_a_facility_with_visits_to_come_cannot_be_removed(clinic: Clinic) -> None:
    provider = await clinic.provider()
    path = f"/facilities/{provider['facilities'][0]['facility_id']}"
    await book(clinic, provider, hours=-0.25)  # under way
    refused = await clinic.delete(path)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "FACILITY_IN_USE"
    fields = [detail["field"] for detail in refused.json()["error"]["details"]]
    assert fields == ["appointments", "providers"]

    await cancel_all(clinic, provider)
    assert (await clinic.delete(f"/providers/{provider['id']}")).status_code == 200
    assert (await clinic.delete(path)).status_code == 200


async def test_a_facility_where_a_provider_works_cannot_be_removed(clinic: Clinic) -> None:
    provider = await clinic.provider(always=False)
    path = f"/facilities/{provider['facilities'][0]['facility_id']}"
    await book(clinic, provider, hours=-1)  # over
    refused = await clinic.delete(path)
    assert [d["field"] for d in refused.json()["error"]["details"]] == ["providers"]
    body = clinic.provider_body(npi=provider["npi"])
    assert (await clinic.put(f"/providers/{provider['id']}", body)).status_code == 200
    assert (await clinic.delete(path)).status_code == 200


async def test_filters_narrow_the_list(clinic: Clinic) -> None:
    one = await clinic.facility(name="Ärztehaus Mitte", facility_type="lab", is_active=False)
    await clinic.facility(name="Riverside")
    for params in (
        {"facility_type": "lab"},
        {"is_active": "false"},
        {"name": "Ärzte"},
        {"name": "Ärztehaus Mitte", "facility_type": "lab", "is_active": "false"},
    ):
        items = (await clinic.get("/facilities", params=params)).json()["data"]["items"]
        assert [facility["id"] for facility in items] == [one["id"]]
    for name in ("ärzte", "rztehaus", "Ärztehaus Mitten", "%"):
        found = await clinic.get("/facilities", params={"name": name})
        assert found.json()["data"]["items"] == []


async def test_pages_are_complete_and_stable_while_facilities_are_added(clinic: Clinic) -> None:
    names = ["Alpha", "Beta", "Beta", "Gamma", "delta"]  # capitals stand before small letters
    for name in names:
        await clinic.facility(name=name)
    seen, params = [], {"limit": 2}
    while True:
        data = (await clinic.get("/facilities", params=params)).json()["data"]
        seen += [facility["name"] for facility in data["items"]]
        if data["next_cursor"] is None:
            break
        params = {"limit": 2, "cursor": data["next_cursor"]}
        await clinic.facility(name="Aaa")  # before the cursor: must not shift the pages
    assert seen == names
    other = await clinic.get("/facilities", params={**params, "name": "A"})
    assert other.json()["error"]["details"][0]["field"] == "cursor"


async def test_overlapping_hours_are_refused_with_the_name_of_each_range(clinic: Clinic) -> None:
    hours = {
        "monday": [DAY, {"open": "16:00", "close": "18:00"}],
        "wednesday": [{"open": "20:00", "close": "09:00"}],
        "thursday": [DAY],
    }
    made = await clinic.facility()
    for response in (
        await clinic.post("/facilities", clinic.facility_body(operating_hours=hours)),
        await clinic.put(f"/facilities/{made['id']}", clinic.facility_body(operating_hours=hours)),
    ):
        assert response.status_code == 422
        fields = [detail["field"] for detail in response.json()["error"]["details"]]
        assert fields == ["operating_hours.monday.1", "operating_hours.thursday.0"]


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "a" * 256}, "name"),
    ({"name": "x\x00"}, "name"),
    ({"address": None}, "address"),
    ({"address": {"country": "Germany"}}, "address.country"),
    ({"capabilities": ["lab", "lab"]}, "capabilities"),
    ({"timezone": "EST5"}, "timezone"),
    ({"timezone": None}, "timezone"),
    ({"version": 3}, "version"),
    ({"operating_hours": {"funday": []}}, "operating_hours.funday"),
    ({"operating_hours": {"monday": [{"open": "8:00", "close": "17:00"}]}}, "monday.0.open"),
    ({"operating_hours": {"monday": [{"open": "24:00", "close": "17:00"}]}}, "monday.0.open"),
    ({"operating_hours": {"monday": [{"open": "08:00", "close": "24:01"}]}}, "monday.0.close"),
    ({"operating_hours": {"monday": [{"open": "0٣:00", "close": "17:00"}]}}, "monday.0.open"),
    ({"operating_hours": {"monday": [{"open": "08:00"}]}}, "monday.0.close"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_FIELDS, ids=lambda value: str(value)[:60])
async def test_bad_input_is_refused_with_the_name_of_the_field(
    clinic: Clinic, fields: dict[str, Any], named: str
) -> None:
    response = await clinic.post("/facilities", clinic.facility_body(**fields))
    assert response.status_code == 400
    [detail] = response.json()["error"]["details"]
    assert detail["field"].removeprefix("operating_hours.") == named.removeprefix(
        "operating_hours."
    )


async def test_another_clinic_sees_nothing_of_a_facility(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    path = f"/facilities/{(await clinic.facility())['id']}"
    await clinic.get(path)  # now in the cache
    assert (await other_clinic.get(path)).status_code == 404
    assert (await other_clinic.put(path, clinic.facility_body())).status_code == 404
    assert (await other_clinic.delete(path)).status_code == 404
    assert (await other_clinic.get("/facilities")).json()["data"]["items"] == []


async def test_reading_does_not_permit_writing(clinic: Clinic) -> None:
    scopes = frozenset({"facilities:read"})
    async with new_clinic(clinic.app, clinic.contract, scopes=scopes) as reader:
        assert (await reader.get("/facilities")).status_code == 200
        assert (await reader.post("/facilities", clinic.facility_body())).status_code == 403
        assert (await reader.get("/providers")).status_code == 403


async def test_each_change_is_audited_with_what_differed(clinic: Clinic) -> None:
    made = await clinic.facility(name="Old")
    path = f"/facilities/{made['id']}"
    body = {key: made[key] for key in made.keys() - {"id", "version", "created_at", "updated_at"}}
    await clinic.put(path, {**body, "name": "New"})
    await clinic.delete(path)
    async with begin(clinic.caller) as tx:
        entries = await tx.all(audit.SEARCH, None, UUID(made["id"]), *[None] * 9, 10)
    assert [entry.action for entry in entries] == ["delete", "update", "create"]
    changes = entries[1].changes
    assert (changes["before"]["name"], changes["after"]["name"]) == ("Old", "New")
    assert changes["before"].keys() == {"name", "version", "updated_at"}
    assert entries[0].changes["after"] == {}

"""The list of staff, through the API."""

from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.staff.conftest import Person
from tests.staff.idp import Idp

EVENTS = Command("SELECT event_type FROM outbox WHERE entity_type = 'staff' ORDER BY id")


def body(**changed: Any) -> dict[str, Any]:
    return {
        "email": "Dana.Lee@Clinic.Example", "display_name": "Dana", "role": "front_desk", **changed,
    }  # fmt: skip


async def test_staff_are_added_changed_listed_and_set_aside(clinic: Clinic) -> None:
    made = await clinic.post("/staff", body())
    assert made.status_code == 201
    staff = made.json()["data"]
    path = made.headers["location"].removeprefix("/api/v1")
    assert path == f"/staff/{staff['id']}"
    read = await clinic.get(path)
    assert read.json()["data"] == staff
    same = {"If-None-Match": read.headers["etag"]}
    assert (await clinic.get(path, headers=same)).status_code == 304
    changed = await clinic.put(path, body(role="auditor"), headers={"If-Match": '"1"'})
    assert changed.json()["data"]["role"] == "auditor"
    assert (await clinic.put(path, body(), headers={"If-Match": '"1"'})).status_code == 412
    assert (await clinic.delete(path)).json()["data"]["is_active"] is False
    await clinic.make("/staff", body(email="a@clinic.example"))
    listed = (await clinic.get("/staff", params={"limit": 1})).json()["data"]
    assert [one["email"] for one in listed["items"]] == ["a@clinic.example"]
    rest = await clinic.get("/staff", params={"limit": 1, "cursor": listed["next_cursor"]})
    assert [one["id"] for one in rest.json()["data"]["items"]] == [staff["id"]]
    for query, count in (({"role": "auditor"}, 1), ({"is_active": True}, 1), ({}, 2)):
        found = await clinic.get("/staff", params=query)
        assert len(found.json()["data"]["items"]) == count
    async with begin(clinic.caller) as tx:
        assert await tx.values(EVENTS) == [
            "staff.created", "staff.updated", "staff.updated", "staff.created",
        ]  # fmt: skip
    actions = (await clinic.get("/audit", params={"entity_id": staff["id"]})).json()["data"]
    assert [one["action"] for one in actions["items"]] == ["update", "update", "create"]


async def test_an_address_or_a_person_is_one_of_staff(
    clinic: Clinic, person: Person, idp: Idp
) -> None:
    who = await person("clinician")
    known = {"issuer": idp.url, "subject": who.key}
    await clinic.make("/staff", body())
    other = await clinic.make("/staff", body(email="b@clinic.example"))
    for changed, field in (({}, "email"), ({"email": "c@clinic.example", **known}, "subject")):
        for answer in (
            await clinic.post("/staff", body(**changed)),
            await clinic.put(f"/staff/{other['id']}", body(**changed)),
        ):
            assert answer.status_code == 409
            assert [one["field"] for one in answer.json()["error"]["details"]] == [field]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"role": "system"}, 400),
        ({"role": "owner"}, 400),
        ({"email": "nobody"}, 400),
        ({"subject": "alone"}, 400),
        ({"issuer": "https://idp.example"}, 400),
        ({"version": 7}, 400),
        ({"issuer": "https://idp.example", "subject": "x"}, 422),
    ],
)
async def test_what_cannot_be_is_refused(
    clinic: Clinic, changed: dict[str, Any], status: int
) -> None:
    assert (await clinic.post("/staff", body(**changed))).status_code == status
    assert (await clinic.get("/staff")).json()["data"]["items"] == []


async def test_nobody_takes_their_own_access_or_raises_their_role(
    clinic: Clinic, person: Person
) -> None:
    who = await person("administrator")
    [own] = (await clinic.get("/staff")).json()["data"]["items"]
    path = f"/staff/{own['id']}"
    kept = {k: own[k] for k in ("email", "display_name", "issuer", "subject")}
    for answer in (
        await who.delete(path),
        await who.put(path, {**kept, "role": "auditor"}),
        await who.put(path, {**kept, "role": "administrator", "is_active": False}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "OWN_ACCESS")
    renamed = await who.put(path, {**kept, "role": "administrator", "display_name": "D. Lee"})
    assert renamed.json()["data"]["display_name"] == "D. Lee"
    audit = (await clinic.get("/audit", params={"entity_id": own["id"]})).json()["data"]["items"]
    assert (audit[0]["user_type"], audit[0]["user_id"]) == ("staff", own["id"])

"""Providers through the public API."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from chroniccare.audit import queries as audit
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.providers.visits import book, cancel_all

READ_ONLY = {"id", "version", "created_at", "updated_at"}
LICENCE = {"system": "urn:oid:1.2.276.0.76.4.16", "value": "838382202", "type": "MD"}


def writable(provider: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A provider as read, fit to be written again."""
    return {**{key: provider[key] for key in provider.keys() - READ_ONLY}, **fields}


async def test_a_provider_is_registered_and_read_back(clinic: Clinic) -> None:
    one, two = await clinic.facility(), await clinic.facility()
    body = clinic.provider_body(
        npi="1234567893",
        identifiers=[LICENCE],
        specializations=["Nephrology", "Endocrinology"],
        qualifications=["MD"],
        languages=["en", "es-MX"],
        telehealth_enabled=True,
        max_daily_capacity=12,
        default_appointment_durations={"follow_up": 30, "first_visit": 60},
        facilities=[
            {"facility_id": one["id"], "is_primary": True},
            {"facility_id": two["id"], "is_primary": False},
        ],
        is_active=False,
    )
    response = await clinic.post("/providers", body)
    made = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/providers/{made['id']}"
    shown = {key: value for key, value in made.items() if key not in READ_ONLY | {"contact_info"}}
    assert shown == {key: value for key, value in body.items() if key != "contact_info"}
    for _ in range(2):  # from the database, then from the cache
        read = await clinic.get(f"/providers/{made['id']}")
        assert read.json()["data"] == made
        assert read.headers["etag"] == '"1"'


async def test_a_provider_can_be_booked_from_the_start(clinic: Clinic) -> None:
    made = await clinic.provider()
    async with begin(clinic.caller) as tx:
        kind = await tx.value(Command("SELECT kind FROM resource WHERE id = $1"), UUID(made["id"]))
    assert kind == "provider"


async def test_an_npi_is_unique_in_its_clinic_only(clinic: Clinic, other_clinic: Clinic) -> None:
    made = await clinic.provider(npi="1234567893")
    again = await clinic.post("/providers", clinic.provider_body(npi="1234567893"))
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "NPI_TAKEN"
    assert again.json()["error"]["details"][0]["field"] == "npi"
    await other_clinic.provider(npi="1234567893")

    other = await clinic.provider()
    taken = await clinic.put(f"/providers/{other['id']}", writable(other, npi="1234567893"))
    assert taken.json()["error"]["code"] == "NPI_TAKEN"
    assert (await clinic.delete(f"/providers/{made['id']}")).status_code == 200
    free = await clinic.put(f"/providers/{other['id']}", writable(other, npi="1234567893"))
    assert free.status_code == 200


async def test_of_two_requests_for_one_npi_one_wins(clinic: Clinic) -> None:
    bodies = [clinic.provider_body(npi="1234567893") for _ in range(8)]
    answers = await asyncio.gather(*(clinic.post("/providers", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_of_two_changes_to_one_npi_one_wins(clinic: Clinic) -> None:
    providers = [await clinic.provider(facilities=[]) for _ in range(4)]
    changes = [
        clinic.put(f"/providers/{provider['id']}", writable(provider, npi="1234567893"))
        for provider in providers
    ]
    answers = await asyncio.gather(*changes)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 3


async def test_a_clinic_outside_the_us_needs_no_npi(clinic: Clinic) -> None:
    for _ in range(2):
        made = await clinic.provider(npi=None, identifiers=[LICENCE])
        assert (made["npi"], made["identifiers"]) == (None, [LICENCE])


async def test_a_change_is_seen_at_once_and_replaces_every_part(clinic: Clinic) -> None:
    made = await clinic.provider(always=False, specializations=["Cardiology", "Nephrology"])
    old, new = made["facilities"][0]["facility_id"], (await clinic.facility())["id"]
    path = f"/providers/{made['id']}"
    await clinic.get(path)
    email = {"system": "email", "value": "dr@example.com", "use": "work", "rank": 1}
    body = writable(
        made,
        last_name="Perez",
        specializations=["Nephrology", "Geriatrics"],
        contact_info={"telecom": [email]},
        facilities=[
            {"facility_id": new, "is_primary": True},
            {"facility_id": old, "is_primary": False},
        ],
    )
    changed = (await clinic.put(path, body)).json()["data"]
    assert {key: changed[key] for key in body} == {
        **body,
        "contact_info": {"telecom": [email], "address": None},
    }
    assert (changed["version"], changed["created_at"]) == (2, made["created_at"])
    assert (await clinic.get(path)).json()["data"] == changed

    for specialization, found in (("Cardiology", 0), ("Nephrology", 1), ("Geriatrics", 1)):
        listed = await clinic.get("/providers", params={"specialization": specialization})
        assert len(listed.json()["data"]["items"]) == found

    left = (await clinic.put(path, writable(changed, facilities=[]))).json()["data"]
    assert left["facilities"] == []


async def test_if_match_refuses_a_change_of_an_older_version(clinic: Clinic) -> None:
    made = await clinic.provider()
    path, body = f"/providers/{made['id']}", writable(made)
    assert (await clinic.put(path, body, headers={"If-Match": '"1"'})).status_code == 200
    assert (await clinic.put(path, body, headers={"If-Match": '"1"'})).status_code == 412
    assert (await clinic.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await clinic.get(path, headers={"If-None-Match": '"2"'})).status_code == 304


async def test_the_same_idempotency_key_registers_one_provider(clinic: Clinic) -> None:
    body, headers = clinic.provider_body(), {"Idempotency-Key": "once"}
    first = await clinic.post("/providers", body, headers=headers)
    second = await clinic.post("/providers", body, headers=headers)
    assert first.json()["data"] == second.json()["data"]
    assert (second.status_code, second.headers["idempotent-replayed"]) == (201, "true")


async def test_a_removed_provider_is_gone(clinic: Clinic) -> None:
    path = f"/providers/{(await clinic.provider(npi='1234567893'))['id']}"
    await clinic.get(path)
    assert (await clinic.delete(path)).status_code == 200
    assert (await clinic.get("/providers")).json()["data"]["items"] == []
    for method in ("GET", "DELETE"):
        assert (await clinic.send(method, path)).status_code == 404
    assert (await clinic.put(path, clinic.provider_body())).status_code == 404
    assert (await clinic.get(f"{path}/availability")).status_code == 404
    assert (await clinic.put(f"{path}/availability", {"rules": []})).status_code == 404
    await clinic.provider(npi="1234567893")


async def test_a_provider_with_visits_to_come_cannot_be_removed(clinic: Clinic) -> None:
    provider = await clinic.provider()
    path = f"/providers/{provider['id']}"
    await book(clinic, provider, hours=-1)  # over
    await book(clinic, provider, status="no_show", hours=-0.25)
    await book(clinic, provider, status="confirmed", hours=24 * 300)
    refused = await clinic.delete(path)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "PROVIDER_IN_USE"
    await cancel_all(clinic, provider)
    assert (await clinic.delete(path)).status_code == 200


async def test_filters_narrow_the_list(clinic: Clinic) -> None:
    one = await clinic.provider(
        npi="1234567893", last_name="Özdemir", specializations=["Nephrology"], is_active=False
    )
    await clinic.provider(last_name="Rahman")
    params: dict[str, Any]
    for params in (
        {"npi": "1234567893"},
        {"name": "Özd"},
        {"specialization": "Nephrology"},
        {"facility_id": one["facilities"][0]["facility_id"]},
        {"is_active": "false"},
        {"id": [one["id"], str(new_id())]},
        {"name": "Özdemir", "npi": "1234567893", "is_active": "false"},
    ):
        items = (await clinic.get("/providers", params=params)).json()["data"]["items"]
        assert [provider["id"] for provider in items] == [one["id"]]
    nowhere: list[dict[str, Any]] = [
        {"name": "özd"}, {"name": "zdemir"}, {"name": "%"}, {"specialization": "nephrology"},
        {"npi": "1003000126"}, {"facility_id": str(new_id())}, {"id": str(new_id())},
    ]  # fmt: skip
    for params in nowhere:
        assert (await clinic.get("/providers", params=params)).json()["data"]["items"] == []


async def test_pages_are_complete_and_stable_while_providers_are_added(clinic: Clinic) -> None:
    names = [("Adams", "Bo"), ("Adams", "Cy"), ("Baker", "Al"), ("Baker", "Al"), ("Clark", "Al")]
    for last, first in names:
        await clinic.provider(last_name=last, first_name=first, facilities=[])
    seen, params = [], {"limit": 2}
    while True:
        data = (await clinic.get("/providers", params=params)).json()["data"]
        seen += [(provider["last_name"], provider["first_name"]) for provider in data["items"]]
        if data["next_cursor"] is None:
            break
        params = {"limit": 2, "cursor": data["next_cursor"]}
        await clinic.provider(last_name="Aaron", facilities=[])  # before the cursor
    assert seen == names
    other = await clinic.get("/providers", params={**params, "is_active": "true"})
    assert other.json()["error"]["details"][0]["field"] == "cursor"


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"npi": "123456789"}, "npi"),
    ({"npi": "3234567891"}, "npi"),
    ({"npi": "123456789٣"}, "npi"),
    ({"npi": 1234567893}, "npi"),
    ({"identifiers": [{"system": "x", "value": "1"}]}, "identifiers.0.type"),
    ({"first_name": ""}, "first_name"),
    ({"last_name": "a" * 101}, "last_name"),
    ({"specializations": ["a", "a"]}, "specializations"),
    ({"specializations": "Nephrology"}, "specializations"),
    ({"languages": ["english"]}, "languages.0"),
    ({"max_daily_capacity": -1}, "max_daily_capacity"),
    ({"max_daily_capacity": 10**30}, "max_daily_capacity"),
    ({"default_appointment_durations": {"a": 4}}, "default_appointment_durations.a"),
    ({"default_appointment_durations": {"a": 1441}}, "default_appointment_durations.a"),
    ({"facilities": [{"facility_id": "here"}]}, "facilities.0.facility_id"),
    ({"contact_info": {"telecom": [{"system": "email", "value": "a@"}]}}, "contact_info.telecom.0"),
    ({"tenant_id": "x"}, "tenant_id"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_FIELDS, ids=lambda value: str(value)[:60])
async def test_bad_input_is_refused_with_the_name_of_the_field(
    clinic: Clinic, fields: dict[str, Any], named: str
) -> None:
    response = await clinic.post("/providers", clinic.provider_body(**fields))
    assert response.status_code == 400
    assert [detail["field"] for detail in response.json()["error"]["details"]] == [named]


async def test_everything_against_a_rule_is_told_at_once(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    known, foreign = await clinic.facility(), await other_clinic.facility()
    removed = await clinic.facility()
    await clinic.delete(f"/facilities/{removed['id']}")
    us_npi = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893", "type": "NPI"}
    body = clinic.provider_body(
        npi="1234567890",
        identifiers=[LICENCE, {**LICENCE, "type": "PRN"}, us_npi],
        facilities=[
            {"facility_id": known["id"], "is_primary": True},
            {"facility_id": known["id"], "is_primary": True},
            {"facility_id": foreign["id"]},
            {"facility_id": removed["id"]},
        ],
    )
    made = await clinic.provider()
    for response in (
        await clinic.post("/providers", body),
        await clinic.put(f"/providers/{made['id']}", body),
    ):
        assert response.status_code == 422
        fields = {detail["field"] for detail in response.json()["error"]["details"]}
        assert fields == {
            "npi",
            "identifiers.1",
            "identifiers.2.system",
            "facilities.1.facility_id",
            "facilities.1.is_primary",
            "facilities.2.facility_id",
            "facilities.3.facility_id",
        }
    anonymous = await clinic.post("/providers", clinic.provider_body(npi=None))
    assert anonymous.status_code == 422
    assert anonymous.json()["error"]["details"][0]["field"] == "npi"


async def test_another_clinic_sees_nothing_of_a_provider(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    path = f"/providers/{(await clinic.provider())['id']}"
    await clinic.get(path)  # now in the cache
    assert (await other_clinic.get(path)).status_code == 404
    assert (await other_clinic.put(path, clinic.provider_body())).status_code == 404
    assert (await other_clinic.delete(path)).status_code == 404
    assert (await other_clinic.get(f"{path}/availability")).status_code == 404
    assert (await other_clinic.put(f"{path}/availability", {"rules": []})).status_code == 404
    assert (await other_clinic.get("/providers")).json()["data"]["items"] == []


async def test_each_change_is_audited_with_what_differed(clinic: Clinic) -> None:
    made = await clinic.provider(last_name="Old")
    path = f"/providers/{made['id']}"
    await clinic.put(path, writable(made, last_name="New"))
    await clinic.put(f"{path}/availability", {"rules": []})
    await clinic.delete(path)
    async with begin(clinic.caller) as tx:
        entries = await tx.all(audit.SEARCH, None, UUID(made["id"]), *[None] * 9, 10)
    actions = [entry.action for entry in entries]
    assert actions == ["delete", "update_availability", "update", "create"]
    changes = entries[2].changes
    assert (changes["before"]["last_name"], changes["after"]["last_name"]) == ("Old", "New")
    assert changes["before"].keys() == {"last_name", "version", "updated_at"}

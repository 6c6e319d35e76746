"""The clinic's own API keys, through the API."""

import httpx
import pytest

from tests.client import Clinic

BODY = {"key_name": "Billing", "scopes": ["patients:read"]}


async def test_a_key_is_made_read_listed_and_revoked(clinic: Clinic) -> None:
    made = await clinic.post("/api-keys", BODY, headers={"Idempotency-Key": "billing-0001"})
    assert made.status_code == 201
    given = made.json()["data"]
    secret = given.pop("key")
    again = await clinic.post("/api-keys", BODY, headers={"Idempotency-Key": "billing-0001"})
    assert again.json()["data"] == {**given, "key": None}
    path = made.headers["location"].removeprefix("/api/v1")
    read = await clinic.get(path)
    assert read.json()["data"] == given
    assert secret not in read.text
    program = {"X-API-Key": secret}
    assert (await clinic.get("/patients", headers=program)).status_code == 200
    assert (await clinic.get("/staff", headers=program)).status_code == 403
    assert (await clinic.delete(path)).status_code == 200
    clinic.app.state.authority.remembered.clear()  # as after a second
    assert (await clinic.get("/patients", headers=program)).status_code == 401
    revoked = (await clinic.get(path)).json()["data"]
    assert (revoked["is_active"], revoked["revoked_at"] is None) == (False, False)
    listed = (await clinic.get("/api-keys", params={"limit": 1})).json()["data"]
    assert [one["id"] for one in listed["items"]] == [given["id"]]


async def test_a_key_of_another_clinic_is_not_found(clinic: Clinic, other_clinic: Clinic) -> None:
    made = await clinic.make("/api-keys", BODY)
    path = f"/api-keys/{made['id']}"
    assert (await other_clinic.get(path)).status_code == 404
    assert (await other_clinic.delete(path)).status_code == 404
    assert (await clinic.get(path)).json()["data"]["is_active"] is True


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"scopes": ["patients:fly"]}, 422, "scopes"),
        ({"scopes": []}, 400, "scopes"),
        ({"networks": ["here"]}, 400, "networks"),
        ({"key_name": ""}, 400, "key_name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 400, "expires_at"),
    ],
)
async def test_what_cannot_be_is_named(
    clinic: Clinic, changed: dict[str, object], status: int, field: str
) -> None:
    answer = await clinic.post("/api-keys", BODY | changed)
    assert answer.status_code == status
    assert [one["field"].split(".")[0] for one in answer.json()["error"]["details"]] == [field]


async def test_a_key_is_good_from_its_networks_only(
    clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    far = await clinic.make("/api-keys", {**BODY, "networks": ["192.0.2.0/24"]})
    answer = await anonymous.get("/api/v1/patients", headers={"X-API-Key": far["key"]})
    assert answer.status_code == 401

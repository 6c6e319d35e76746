"""Who cares for a patient, through the public API."""

from typing import Any
from uuid import uuid4

from tests.client import Clinic


async def assign(clinic: Clinic, patient: str, provider: str, **fields: Any) -> dict[str, Any]:
    body = {"provider_id": provider, "relationship_type": "primary_care", **fields}
    return await clinic.make(f"/patients/{patient}/providers", body)


async def listed(clinic: Clinic, patient: str, **params: Any) -> list[dict[str, Any]]:
    response = await clinic.get(f"/patients/{patient}/providers", params=params)
    assert response.status_code == 200
    items: list[dict[str, Any]] = response.json()["data"]["items"]
    return items


async def test_a_provider_is_assigned_once_and_listed(clinic: Clinic) -> None:
    patient, provider = (await clinic.patient())["id"], (await clinic.provider())["id"]
    made = await assign(clinic, patient, provider)
    assert (made["patient_id"], made["provider_id"]) == (patient, provider)
    assert (made["is_primary"], made["ended_at"]) == (False, None)
    again = await assign(clinic, patient, provider, relationship_type="cardiology")
    assert again == {**made, "relationship_type": "cardiology"}
    assert await listed(clinic, patient) == [again]


async def test_a_new_primary_provider_takes_over_from_the_old_one(clinic: Clinic) -> None:
    patient = (await clinic.patient())["id"]
    first, second = [(await clinic.provider())["id"] for _ in range(2)]
    await assign(clinic, patient, first, is_primary=True)
    assert await found(clinic, first) == [patient]
    await assign(clinic, patient, second, is_primary=True)
    primary = {row["provider_id"]: row["is_primary"] for row in await listed(clinic, patient)}
    assert primary == {first: False, second: True}
    assert await found(clinic, first) == []
    assert await found(clinic, second) == [patient]


async def found(clinic: Clinic, provider: str) -> list[str]:
    """Return the patients whose primary provider this is."""
    response = await clinic.get("/patients", params={"primary_provider_id": provider})
    return [patient["id"] for patient in response.json()["data"]["items"]]


async def test_an_assignment_that_ended_stays_in_the_history(clinic: Clinic) -> None:
    patient, provider = (await clinic.patient())["id"], (await clinic.provider())["id"]
    await assign(clinic, patient, provider, is_primary=True)
    path = f"/patients/{patient}/providers/{provider}"
    assert (await clinic.delete(path)).json()["data"] is None
    assert await listed(clinic, patient) == []
    assert await found(clinic, provider) == []
    (ended,) = await listed(clinic, patient, include_ended=True)
    assert ended["ended_at"] is not None
    assert ended["is_primary"] is False
    assert (await clinic.delete(path)).status_code == 404
    # The provider may come back; both times are kept.
    await assign(clinic, patient, provider)
    assert len(await listed(clinic, patient, include_ended=True)) == 2
    assert len(await listed(clinic, patient)) == 1


async def test_only_providers_of_the_clinic_can_be_assigned(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    patient = (await clinic.patient())["id"]
    for provider in (str(uuid4()), (await other_clinic.provider())["id"]):
        body = {"provider_id": provider, "relationship_type": "primary_care"}
        refused = await clinic.post(f"/patients/{patient}/providers", body)
        assert refused.status_code == 422
        assert refused.json()["error"]["details"][0]["field"] == "provider_id"
    assert await listed(clinic, patient) == []


async def test_assignments_are_audited(clinic: Clinic) -> None:
    patient, provider = (await clinic.patient())["id"], (await clinic.provider())["id"]
    await assign(clinic, patient, provider)
    await listed(clinic, patient)
    await clinic.delete(f"/patients/{patient}/providers/{provider}")
    entries = (await clinic.get("/audit", params={"entity_id": patient})).json()["data"]["items"]
    assert [entry["action"] for entry in entries] == [
        "unassign", "read_providers", "assign", "create",
    ]  # fmt: skip


async def test_a_repeated_assignment_with_the_same_key_has_one_effect(clinic: Clinic) -> None:
    patient, provider = (await clinic.patient())["id"], (await clinic.provider())["id"]
    body = {"provider_id": provider, "relationship_type": "primary_care"}
    headers = {"Idempotency-Key": "once"}
    path = f"/patients/{patient}/providers"
    one, two = [await clinic.post(path, body, headers=headers) for _ in range(2)]
    assert one.json()["data"] == two.json()["data"]
    assert two.headers["idempotent-replayed"] == "true"

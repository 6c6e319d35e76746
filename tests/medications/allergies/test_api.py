"""Allergies: recorded, changed and removed, each time audited and told."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chroniccare.medications.allergies import actions
from chroniccare.platform.postgres import Query, begin
from tests.client import Clinic


@dataclass(frozen=True, slots=True)
class Event:
    event_type: str
    payload: dict[str, Any]


EVENTS = Query(
    Event,
    "SELECT event_type, payload FROM outbox WHERE entity_type = 'allergy' ORDER BY created_at, id",
)
BODY = {
    "substance": "penicillin",
    "drug_class": "penicillins",
    "criticality": "high",
    "verification": "confirmed",
    "note": "Rash as a child",
    "recorded_on": "2019-05-02",
}


async def test_the_life_of_an_allergy(clinic: Clinic) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/allergies"
    made = await clinic.make(path, BODY)
    assert made.items() >= {**BODY, "category": "medication", "rxnorm_code": None}.items()
    one = f"{path}/{made['id']}"
    read = await clinic.get(one)
    assert (read.json()["data"], read.headers["etag"]) == (made, '"1"')
    assert (await clinic.get(one, headers={"If-None-Match": '"1"'})).status_code == 304
    changed = await clinic.put(one, {**BODY, "criticality": "low"}, headers={"If-Match": '"1"'})
    assert (changed.json()["data"]["criticality"], changed.headers["etag"]) == ("low", '"2"')
    stale = {"If-Match": '"1"'}
    assert (await clinic.put(one, BODY, headers=stale)).status_code == 412
    assert (await clinic.delete(one, headers=stale)).status_code == 412
    assert (await clinic.delete(one)).status_code == 200
    assert (await clinic.get(one)).status_code == 404
    assert (await clinic.get(path)).json()["data"]["items"] == []
    async with begin(clinic.caller) as tx:
        events = await tx.all(EVENTS)
    assert [one.event_type for one in events] == [
        "allergy.created", "allergy.updated", "allergy.removed"
    ]  # fmt: skip
    assert all(one.payload["patient_id"] == patient["id"] for one in events)
    seen = await clinic.get("/audit", params={"entity_id": made["id"]})
    actions_ = [entry["action"] for entry in seen.json()["data"]["items"]]
    assert sorted(actions_) == ["create", "delete", "read", "read", "update"]


async def test_allergies_are_listed_page_by_page(clinic: Clinic) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/allergies"
    for substance in ("a", "b", "c"):
        await clinic.make(path, {"substance": substance})
    first = (await clinic.get(path, params={"limit": "2"})).json()["data"]
    rest = await clinic.get(path, params={"limit": "2", "cursor": first["next_cursor"]})
    items = first["items"] + rest.json()["data"]["items"]
    assert [one["substance"] for one in items] == ["a", "b", "c"]


async def test_a_repeated_key_records_one(clinic: Clinic) -> None:
    path = f"/patients/{(await clinic.patient())['id']}/allergies"
    headers = {"Idempotency-Key": "allergy-1"}
    first = await clinic.post(path, BODY, headers=headers)
    again = await clinic.post(path, BODY, headers=headers)
    assert first.json()["data"] == again.json()["data"]
    assert len((await clinic.get(path)).json()["data"]["items"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"drug_class": "antibiotics"}, 422, "drug_class"),
        ({"recorded_on": (datetime.now(UTC) + timedelta(days=3)).date().isoformat()}, 422,
         "recorded_on"),
        ({"rxnorm_code": "abc"}, 400, "rxnorm_code"),
        ({"criticality": "deadly"}, 400, "criticality"),
        ({"verification": "maybe"}, 400, "verification"),
        ({"category": "people"}, 400, "category"),
        ({"substance": " "}, 400, "substance"),
        ({"note": "x" * 4001}, 400, "note"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_and_nothing_written(
    clinic: Clinic, fields: dict[str, Any], status: int, field: str
) -> None:
    path = f"/patients/{(await clinic.patient())['id']}/allergies"
    refused = await clinic.post(path, {**BODY, **fields})
    assert refused.status_code == status
    assert refused.json()["error"]["details"][0]["field"] == field
    assert (await clinic.get(path)).json()["data"]["items"] == []


async def test_a_patient_has_so_many_and_no_more(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST", 1)
    path = f"/patients/{(await clinic.patient())['id']}/allergies"
    await clinic.make(path, BODY)
    assert (await clinic.post(path, BODY)).status_code == 422


async def test_another_patients_allergy_is_not_found(clinic: Clinic) -> None:
    patient, neighbour = await clinic.patient(), await clinic.patient()
    made = await clinic.make(f"/patients/{patient['id']}/allergies", BODY)
    for send in (clinic.get, clinic.delete):
        answer = await send(f"/patients/{neighbour['id']}/allergies/{made['id']}")
        assert answer.status_code == 404

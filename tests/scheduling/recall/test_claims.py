"""A recall is one person's at a time: claims that race, run out, are given back."""

import asyncio
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling.recall import queries
from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.recall.support import claim, code, day, listed, read, recalled
from tests.scheduling.recall.test_api import second_key

pytestmark = pytest.mark.usefixtures("clock")


async def test_a_claim_answers_the_card_of_the_next_patient(clinic: Clinic) -> None:
    await recalled(clinic, due=-3)
    first = await recalled(clinic, due=-9)
    card = await claim(clinic)
    assert card is not None
    assert (card["id"], card["days_overdue"], card["version"]) == (first["id"], 9, 2)
    assert card["patient"]["id"] == first["patient_id"]
    assert set(card["patient"]) == {"id", "first_name", "last_name", "age", "language", "phone"}
    assert "claimed_by" not in card
    logs = await clinic.get("/audit", params={"entity_id": first["id"], "action": "claim"})
    [entry] = logs.json()["data"]["items"]
    assert entry["changes"]["after"]["claimed_by"] == "Ada"
    seen = await clinic.get("/audit", params={"entity_id": first["patient_id"]})
    assert "read_recall" in {row["action"] for row in seen.json()["data"]["items"]}


async def test_a_claim_knows_the_last_visit_and_the_last_call(clinic: Clinic, clock: Clock) -> None:
    made = await recalled(clinic)
    await claim(clinic)
    body = {"worker": "Ada", "outcome": "no_answer", "note": "Engaged"}
    await clinic.post(f"/recalls/{made['id']}/calls", body)
    provider = await clinic.provider()
    visit = await clinic.make(
        "/appointments",
        {
            "patient_id": made["patient_id"], "provider_id": provider["id"],
            "facility_id": provider["facilities"][0]["facility_id"], "appointment_type": "lab",
            "scheduled_start": f"{day(0)}T18:00:00Z",
        },
    )  # fmt: skip
    await clinic.post(f"/appointments/{visit['id']}/checkin")
    clock.forward(days=3)
    card = await claim(clinic)
    assert card is not None
    assert card["last_call"]["note"] == "Engaged"
    assert card["last_visit"]["id"] == visit["id"]


async def test_each_recall_is_handed_out_once(clinic: Clinic) -> None:
    made = [await recalled(clinic, due=-number) for number in range(24)]
    claims = (claim(clinic, worker=f"W{number}") for number in range(30))
    cards = await asyncio.gather(*claims)
    ids = [card["id"] for card in cards if card is not None]
    assert sorted(ids) == sorted(one["id"] for one in made)
    assert cards.count(None) == 6
    assert await listed(clinic) == []


async def test_claims_that_saw_the_same_recall_get_different_ones(clinic: Clinic) -> None:
    """While the first is locked by a claim not yet committed, nobody waits for it."""
    first, second = [await recalled(clinic, due=-number) for number in (9, 5)]
    async with begin(clinic.caller) as tx:
        await tx.one(queries.GET_FOR_UPDATE, first["id"])
        async with asyncio.timeout(1.5):
            card = await claim(clinic)
    assert card is not None
    assert card["id"] == second["id"]
    card = await claim(clinic)
    assert card is not None
    assert card["id"] == first["id"]


async def test_who_renews_and_who_is_late_are_told_apart_by_the_row(clinic: Clinic) -> None:
    """Four claim one recall by its id at the same moment, behind one lock: one gets it."""
    made = await recalled(clinic)
    waiting = Command("SELECT count(*) FROM pg_locks WHERE NOT granted")
    body = {"recall_id": made["id"]}
    async with begin(clinic.caller) as tx:
        await tx.one(queries.GET_FOR_UPDATE, made["id"])
        racing = [
            asyncio.create_task(clinic.post("/recalls/claim", {"worker": f"W{number}", **body}))
            for number in range(4)
        ]
        async with asyncio.timeout(1.5):
            while await tx.value(waiting) < len(racing):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
    answers = await asyncio.gather(*racing)
    codes = [answer.json().get("error", {}).get("code", "claimed") for answer in answers]
    assert sorted(codes) == ["RECALL_CLAIMED"] * 3 + ["claimed"]


async def test_a_claim_runs_out_and_the_recall_is_handed_out_again(
    clinic: Clinic, clock: Clock
) -> None:
    made = await recalled(clinic)
    assert await claim(clinic, "Ada") is not None
    clock.forward(minutes=14, seconds=59)
    assert await claim(clinic, "Ben") is None
    assert await listed(clinic) == []
    clock.forward(seconds=1)
    path = f"/recalls/{made['id']}/calls"
    late = await clinic.post(path, {"worker": "Ada", "outcome": "no_answer"})
    assert code(late) == (409, "RECALL_NOT_HELD", [])
    card = await claim(clinic, "Ben")
    assert card is not None
    assert card["id"] == made["id"]
    late = await clinic.post(path, {"worker": "Ada", "outcome": "no_answer"})
    assert code(late) == (409, "RECALL_CLAIMED", [])
    assert (await clinic.post(path, {"worker": "Ben", "outcome": "no_answer"})).status_code == 200


async def test_a_claim_can_be_renewed(clinic: Clinic, clock: Clock) -> None:
    made = await recalled(clinic, due=4)  # by its id, before it is due
    assert await claim(clinic) is None
    assert await claim(clinic, recall_id=made["id"]) is not None
    clock.forward(minutes=10)
    assert await claim(clinic, recall_id=made["id"]) is not None
    clock.forward(minutes=10)
    body = {"worker": "Ada", "outcome": "agreed_to_visit"}
    assert (await clinic.post(f"/recalls/{made['id']}/calls", body)).status_code == 200


@pytest.mark.parametrize("who", ["another worker", "another key", "nobody"])
@pytest.mark.parametrize("what", ["calls", "release"])
async def test_only_the_holder_calls_and_gives_back(clinic: Clinic, who: str, what: str) -> None:
    made = await recalled(clinic)
    if who != "nobody":
        await claim(clinic, "Ada")
    body: dict[str, Any] = {"worker": "Ben" if who == "another worker" else "Ada"}
    if what == "calls":
        body["outcome"] = "no_answer"
    headers = {"X-API-Key": await second_key(clinic)} if who == "another key" else {}
    answer = await clinic.post(f"/recalls/{made['id']}/{what}", body, headers=headers)
    wanted = "RECALL_NOT_HELD" if who == "nobody" else "RECALL_CLAIMED"
    assert code(answer) == (409, wanted, [])
    assert "Ada" not in answer.text
    assert (await read(clinic, made))["calls"] == []


async def test_a_recall_given_back_is_free_at_once(clinic: Clinic) -> None:
    made = await recalled(clinic)
    await claim(clinic, "Ada")
    path = f"/recalls/{made['id']}/release"
    stale = await clinic.post(path, {"worker": "Ada"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    answer = await clinic.post(path, {"worker": "Ada"}, headers={"If-Match": '"2"'})
    assert answer.json()["data"]["claimed_until"] is None
    assert (await claim(clinic, "Ben") or {})["id"] == made["id"]


async def test_the_list_shows_a_worker_what_is_theirs(clinic: Clinic) -> None:
    made = await recalled(clinic)
    await claim(clinic, "Ada")
    assert await listed(clinic) == []
    assert await listed(clinic, worker="Ben") == []
    assert await listed(clinic, worker="Ada") == [made["id"]]
    headers = {"X-API-Key": await second_key(clinic)}
    theirs = await clinic.get("/recalls", params={"worker": "Ada"}, headers=headers)
    assert theirs.json()["data"]["items"] == []


async def test_a_claim_takes_filters(clinic: Clinic) -> None:
    place = await clinic.facility()
    await recalled(clinic, due=-90)
    wanted = await recalled(clinic, due=-5, facility_id=place["id"])
    assert await claim(clinic, facility_id=place["id"], overdue_at_least=6) is None
    assert await claim(clinic, has_phone=False) is None
    card = await claim(clinic, facility_id=place["id"], high_risk=False, overdue_at_most=5)
    assert card is not None
    assert card["id"] == wanted["id"]


async def test_a_claim_of_what_does_not_exist(clinic: Clinic, other_clinic: Clinic) -> None:
    theirs = await recalled(other_clinic)
    body = {"worker": "Ada", "recall_id": theirs["id"]}
    refused = await clinic.post("/recalls/claim", body)
    assert code(refused) == (422, "UNPROCESSABLE", ["recall_id"])
    assert await claim(clinic) is None

"""Who takes too little: the list of open episodes, in any order, page by page."""

from typing import Any

from tests.medications.adherence.support import taking
from tests.medications.adherence.test_low import DAY, go
from tests.notifications.support import NOON, Bench


async def one_by_one(bench: Bench, sort: str, order: str) -> list[dict[str, Any]]:
    """Return the whole list, a page for each entry."""
    found: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"sort": sort, "order": order, "limit": 1}
    while True:
        page = (await bench.clinic.get("/adherence/low", params=asked)).json()["data"]
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        asked["cursor"] = page["next_cursor"]


async def test_who_is_below_is_listed_in_the_order_asked_for(bench: Bench) -> None:
    courses = {"Zocor": "ttttttmmmt", "Metformin": "tmtmtmtmtm", "Statin": "tttttttttt"}
    for name, course in courses.items():
        bench.clock.at = NOON
        patient = await bench.patient(first_name="Ada", last_name=f"{name}son")
        made = await taking(bench.clinic, patient, bench.provider_id, name=name)
        await made.plan(*(NOON + n * DAY for n in range(20)))
        await go(made, bench, course)
    lists = {}
    for sort in ("rate", "since", "name", "medication"):
        found = await bench.clinic.get("/adherence/low", params={"sort": sort})
        lists[sort] = found.json()["data"]["items"]
    assert {sort: [one["medication_name"] for one in rows] for sort, rows in lists.items()} == {
        "rate": ["Metformin", "Zocor"],
        "since": ["Zocor", "Metformin"],
        "name": ["Metformin", "Zocor"],
        "medication": ["Metformin", "Zocor"],
    }
    for sort in (*lists, "threshold", "reason", "escalated"):
        there = await one_by_one(bench, sort, "asc")
        back = await one_by_one(bench, sort, "desc")
        assert there == back[::-1], sort
        assert len(there) == 2
    lowest = lists["rate"][0]
    assert (lowest["taken"], lowest["observed"], lowest["percent"]) == (5, 10, 50.0)
    assert (lowest["threshold"], lowest["reason"]) == (80, "rate")
    first = (await bench.clinic.get("/adherence/low", params={"limit": 1})).json()["data"]
    rest = {"limit": 1, "cursor": first["next_cursor"], "for_file": True}
    page = (await bench.clinic.get("/adherence/low", params=rest)).json()["data"]
    assert first["items"] + page["items"] == lists["rate"]
    noted = await bench.clinic.get("/audit-logs", params={"action": "export_adherence"})
    assert [entry["entity_id"] for entry in noted.json()["data"]["items"]] == [
        page["items"][0]["patient_id"]
    ]

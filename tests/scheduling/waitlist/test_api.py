"""Entries of the waitlist through the public API."""

from typing import Any

import pytest

from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.waitlist.desk import START, Desk

NOBODY = "01900000-0000-7000-8000-000000000000"


async def test_an_entry_is_kept_and_read_back(desk: Desk) -> None:
    body = {
        "patient_id": (await desk.clinic.patient())["id"], **desk.where,
        "appointment_type": "follow_up", "duration_minutes": 30, "earliest": "2031-03-05",
        "latest": "2031-04-01", "due_on": "2031-03-10", "days": ["monday", "friday"],
        "starts_from": "08:00", "starts_before": "24:00", "priority": "high", "notes": "Nights",
    }  # fmt: skip
    answer = await desk.clinic.post("/waitlist", body)
    made = answer.json()["data"]
    assert answer.headers["location"] == f"/api/v1/waitlist/{made['id']}"
    assert {name: made[name] for name in body} == body
    assert (made["status"], made["version"]) == ("waiting", 1)
    del made["free_times"]
    read = await desk.clinic.get(f"/waitlist/{made['id']}")
    assert (read.json()["data"], read.headers["etag"]) == (made, '"1"')
    header = {"If-None-Match": '"1"'}
    assert (await desk.clinic.get(f"/waitlist/{made['id']}", headers=header)).status_code == 304


async def test_the_list_is_in_order_and_pages(desk: Desk, clock: Clock) -> None:
    normal = await desk.waiting()
    clock.forward(minutes=1)
    later = await desk.waiting(provider_id=desk.provider["id"])
    due = await desk.waiting(due_on="2031-03-20")
    sooner = await desk.waiting(due_on="2031-03-10", facility_id=desk.where["facility_id"])
    low = await desk.waiting(priority="low")
    urgent = await desk.waiting(priority="urgent")
    order = [entry["id"] for entry in (urgent, sooner, due, normal, later, low)]

    async def ids(**params: Any) -> list[str]:
        answer = (await desk.clinic.get("/waitlist", params=params)).json()["data"]
        found = [row["id"] for row in answer["items"]]
        if answer["next_cursor"]:
            found += await ids(**{**params, "cursor": answer["next_cursor"]})
        return found

    assert await ids() == order
    assert await ids(limit=1) == order
    assert await ids(limit=4, status="waiting") == order
    assert await ids(patient_id=due["patient_id"]) == [due["id"]]
    assert await ids(provider_id=desk.provider["id"]) == [later["id"]]
    assert await ids(facility_id=desk.where["facility_id"]) == [sooner["id"]]
    assert await ids(status="booked") == []


BAD: list[tuple[dict[str, Any], str, str, int]] = [
    ({"patient_id": NOBODY}, "patient_id", "unknown", 422),
    ({"provider_id": NOBODY}, "provider_id", "unknown", 422),
    ({"facility_id": NOBODY}, "facility_id", "unknown", 422),
    ({"appointment_id": NOBODY}, "appointment_id", "unknown", 422),
    ({"earliest": "2031-03-09", "latest": "2031-03-08"}, "latest", "order", 422),
    ({"latest": "2031-03-02"}, "latest", "past", 422),
    ({"days": ["monday", "monday"]}, "days", "distinct", 400),
    ({"days": ["someday"]}, "days.0", "literal_error", 400),
    ({"starts_from": "24:00"}, "starts_from", "string_pattern_mismatch", 400),
    ({"starts_before": "24:01"}, "starts_before", "string_pattern_mismatch", 400),
    ({"duration_minutes": 4}, "duration_minutes", "greater_than_equal", 400),
    ({"priority": "asap"}, "priority", "literal_error", 400),
    ({"status": "booked"}, "status", "extra_forbidden", 400),
]


@pytest.mark.parametrize(("fields", "field", "code", "status"), BAD, ids=str)
async def test_a_bad_entry_names_the_field_and_writes_nothing(
    desk: Desk, fields: dict[str, Any], field: str, code: str, status: int
) -> None:
    body = {"patient_id": (await desk.clinic.patient())["id"], **fields}
    refused = await desk.clinic.post("/waitlist", body)
    assert refused.status_code == status
    [detail] = refused.json()["error"]["details"]
    assert (detail["field"], detail["code"]) == (field, code)
    assert await desk.sql("SELECT id FROM waitlist") == []


async def test_who_is_gone_or_works_elsewhere_cannot_be_waited_for(
    desk: Desk, other_clinic: Clinic
) -> None:
    elsewhere, gone = await desk.clinic.facility(), await desk.clinic.patient(is_active=False)
    retired = {"code": "old", "name": "Old", "duration_minutes": 30, "is_active": False}
    await desk.clinic.make("/visit-types", retired)
    patient = (await desk.clinic.patient())["id"]
    theirs = (await other_clinic.patient())["id"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"provider_id": desk.provider["id"], "facility_id": elsewhere["id"]}, "affiliation"),
        ({"patient_id": gone["id"]}, "inactive"),
        ({"appointment_type": "old"}, "inactive"),
        ({"patient_id": theirs}, "unknown"),
    ]
    for fields, code in wrong:
        refused = await desk.clinic.post("/waitlist", {"patient_id": patient, **fields})
        assert [one["code"] for one in refused.json()["error"]["details"]] == [code]


async def test_a_later_visit_gives_type_and_length_and_must_be_the_patients_own(
    desk: Desk, clock: Clock
) -> None:
    visit = await desk.visit(duration_minutes=45, appointment_type="review")
    body = {"patient_id": visit["patient_id"], "appointment_id": visit["id"]}
    made = await desk.clinic.make("/waitlist", body)
    assert (made["appointment_type"], made["duration_minutes"]) == ("review", 45)
    stranger = {**body, "patient_id": (await desk.clinic.patient())["id"]}
    refused = await desk.clinic.post("/waitlist", stranger)
    assert refused.json()["error"]["details"][0]["code"] == "patient"
    for field, value in (("appointment_type", "check"), ("duration_minutes", 30)):
        refused = await desk.clinic.post("/waitlist", {**body, field: value})
        [detail] = refused.json()["error"]["details"]
        assert (detail["field"], detail["code"]) == (field, "fixed")
    clock.at = START
    refused = await desk.clinic.post("/waitlist", body)
    assert refused.json()["error"]["details"][0]["code"] == "state"


async def test_an_entry_is_changed_while_it_waits(desk: Desk) -> None:
    entry = await desk.waiting()
    path, body = f"/waitlist/{entry['id']}", {"patient_id": entry["patient_id"], "priority": "high"}
    stale = await desk.clinic.put(path, body, headers={"If-Match": '"2"'})
    assert stale.status_code == 412
    changed = await desk.clinic.put(path, body, headers={"If-Match": '"1"'})
    assert (changed.json()["data"]["priority"], changed.headers["etag"]) == ("high", '"2"')
    other = {**body, "patient_id": (await desk.clinic.patient())["id"]}
    refused = await desk.clinic.put(path, other)
    assert refused.json()["error"]["details"][0]["code"] == "fixed"
    removed = await desk.clinic.delete(path)
    assert removed.json()["data"]["status"] == "removed"
    again = await desk.clinic.delete(path)
    assert again.json()["data"] == removed.json()["data"]
    closed = await desk.clinic.put(path, body)
    assert (closed.status_code, closed.json()["error"]["code"]) == (409, "WAITLIST_CLOSED")


async def test_every_look_and_change_is_audited(desk: Desk) -> None:
    entry = await desk.waiting()
    path = f"/waitlist/{entry['id']}"
    await desk.clinic.get(path)
    await desk.clinic.get("/waitlist")
    await desk.clinic.put(path, {"patient_id": entry["patient_id"], "notes": "Calls back"})
    await desk.clinic.delete(path)
    listed = await desk.clinic.get("/audit", params={"entity_id": entry["id"]})
    actions = [one["action"] for one in listed.json()["data"]["items"]]
    assert sorted(actions) == ["create", "list", "read", "remove", "update"]


async def test_the_same_key_adds_once(desk: Desk) -> None:
    body, header = {"patient_id": (await desk.clinic.patient())["id"]}, {"Idempotency-Key": "w-1"}
    first = await desk.clinic.post("/waitlist", body, headers=header)
    again = await desk.clinic.post("/waitlist", body, headers=header)
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await desk.sql("SELECT id FROM waitlist")) == 1

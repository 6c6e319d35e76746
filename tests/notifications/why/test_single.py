"""One message that staff ask for: about a visit, in a known text, once."""

from datetime import timedelta
from typing import Any, get_args

import pytest

from chroniccare.core.ids import new_id
from chroniccare.notifications.single.schemas import Kind
from chroniccare.notifications.templates.kinds import ABOUT_VISITS
from tests.notifications.support import NOON, Bench


async def asked(bench: Bench, **fields: Any) -> Any:
    if "appointment_id" not in fields:
        [visit] = await bench.visits([await bench.patient()], bench.clock.at + timedelta(days=4))
        fields["appointment_id"] = str(visit.appointment_id)
    body = {"notification_type": "appointment_reminder", **fields}
    return await bench.clinic.post("/notifications", body)


def test_the_kinds_are_those_about_a_visit() -> None:
    assert set(get_args(Kind)) == set(ABOUT_VISITS)


async def test_a_message_now_is_sent_once(bench: Bench) -> None:
    [visit] = await bench.visits([await bench.patient()], bench.clock.at + timedelta(days=4))
    body = {
        "appointment_id": str(visit.appointment_id), "notification_type": "appointment_reminder",
    }  # fmt: skip
    headers = {"Idempotency-Key": "once"}
    first = await bench.clinic.post("/notifications", body, headers=headers)
    again = await bench.clinic.post("/notifications", body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["data"] == again.json()["data"]
    assert first.headers["location"].endswith(first.json()["data"]["id"])
    await bench.drain()
    [kept] = await bench.outbox()
    assert "reminder of your visit" in kept.body
    assert await bench.statuses() == ["delivered"]


async def test_a_message_at_a_time_waits_and_is_checked_again(bench: Bench) -> None:
    at = NOON + timedelta(hours=3)
    response = await asked(bench, scheduled_send_time=at.isoformat())
    assert response.status_code == 201
    assert response.json()["data"]["next_attempt_at"] == "2031-03-04T20:00:00Z"
    await bench.drain()
    assert await bench.outbox() == []
    await bench.sql("UPDATE appointments SET status = 'cancelled'")
    bench.clock.at = at
    await bench.drain()
    assert await bench.statuses() == ["cancelled"]
    assert await bench.outbox() == []


async def test_who_cannot_be_reached_is_told_at_once(bench: Bench) -> None:
    nobody = await bench.patient(contact_info={"telecom": []})
    [visit] = await bench.visits([nobody], bench.clock.at + timedelta(days=4))
    data = (await asked(bench, appointment_id=str(visit.appointment_id))).json()["data"]
    assert (data["delivery_status"], data["reason"]) == ("suppressed", "no_contact_point")


@pytest.mark.parametrize(
    ("change", "fields", "status", "field"),
    [
        (None, {"appointment_id": str(new_id())}, 422, "appointment_id"),
        (None, {"scheduled_send_time": "2031-03-04T16:59:59Z"}, 422, "scheduled_send_time"),
        (None, {"scheduled_send_time": "2031-03-08T17:00:00Z"}, 422, "scheduled_send_time"),
        (None, {"notification_type": "waitlist_offer"}, 400, "notification_type"),
        (None, {"notification_type": "birthday"}, 400, "notification_type"),
        (None, {"notification_type": "appointment_cancelled"}, 409, None),
        ("UPDATE appointments SET status = 'cancelled'", {}, 409, None),
        ("UPDATE appointments SET status = 'completed'", {}, 409, None),
        ("UPDATE patients SET is_active = false", {}, 422, "appointment_id"),
    ],
)
async def test_what_has_no_point_is_refused_and_writes_nothing(
    bench: Bench, change: str | None, fields: dict[str, Any], status: int, field: str | None
) -> None:
    [visit] = await bench.visits([await bench.patient()], bench.clock.at + timedelta(days=4))
    if change:
        await bench.sql(change)
    response = await asked(bench, **{"appointment_id": str(visit.appointment_id), **fields})
    assert response.status_code == status, response.text
    if field is not None:
        assert response.json()["error"]["details"][0]["field"] == field
    assert await bench.rows() == []


async def test_a_visit_that_has_begun_is_refused(bench: Bench) -> None:
    [visit] = await bench.visits([await bench.patient()], bench.clock.at + timedelta(days=4))
    bench.clock.at = visit.starts_at
    response = await asked(bench, appointment_id=str(visit.appointment_id))
    assert response.json()["error"]["details"][0]["code"] == "past"

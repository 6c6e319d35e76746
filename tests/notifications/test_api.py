"""Notifications through the public API."""

from datetime import timedelta
from typing import Any

from chroniccare.core.ids import new_id
from tests.client import Clinic
from tests.notifications.support import NOON, Bench


async def listed(bench: Bench, **params: Any) -> list[dict[str, Any]]:
    response = await bench.clinic.get(f"/patients/{bench.patients[0]}/notifications", params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["data"]["items"]
    return items


async def test_a_message_shows_status_and_attempts_but_not_its_text(bench: Bench) -> None:
    visit = await bench.planned()
    await bench.drain()
    [*waiting, sent] = await listed(bench)
    response = await bench.clinic.get(f"/notifications/{sent['id']}")
    found = response.json()["data"]
    assert found == sent
    assert found["delivery_status"] == "delivered"
    assert found["appointment_id"] == str(visit.appointment_id)
    assert found["sent_at"] == "2031-03-04T17:00:00Z"
    assert found["next_attempt_at"] is None
    [attempt] = found["attempts"]
    assert (attempt["number"], attempt["driver"], attempt["status"]) == (1, "outbox", "accepted")
    for private in ("+1415555", "Maria", "Rahman", bench.facility_name):
        assert private not in response.text
    assert [item["next_attempt_at"] is None for item in waiting] == [False] * 3


async def test_why_a_message_was_not_sent_is_told(bench: Bench) -> None:
    await bench.planned(patient_id=await bench.patient(contact_info={"telecom": []}))
    told = {item["notification_type"]: item["reason"] for item in await listed(bench)}
    assert told == {"appointment_confirmation": "no_contact_point", "appointment_reminder": None}


async def test_a_list_is_filtered_and_paged(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    [confirmation] = await listed(bench, notification_type="appointment_confirmation")
    assert [confirmation] == await listed(bench, delivery_status="delivered")
    assert await listed(bench, delivery_status="failed") == []
    seen, cursor = [], None
    while True:
        path = f"/patients/{bench.patients[0]}/notifications"
        params: dict[str, Any] = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        data = (await bench.clinic.get(path, params=params)).json()["data"]
        seen += data["items"]
        cursor = data["next_cursor"]
        if cursor is None:
            break
    assert seen == await listed(bench)
    assert len(seen) == 4


async def test_bad_filters_are_named(bench: Bench) -> None:
    path = f"/patients/{await bench.patient()}/notifications"
    for params in ({"delivery_status": "lost"}, {"limit": "0"}, {"cursor": "x"}):
        response = await bench.clinic.get(path, params=params)
        assert response.status_code == 400
        assert response.json()["error"]["details"][0]["field"] == next(iter(params))


async def test_another_clinic_and_unknown_ids_get_404(bench: Bench, other_clinic: Clinic) -> None:
    await bench.planned()
    [*_, one] = await listed(bench)
    for clinic, path in (
        (other_clinic, f"/notifications/{one['id']}"),
        (other_clinic, f"/patients/{bench.patients[0]}/notifications"),
        (bench.clinic, f"/notifications/{new_id()}"),
        (bench.clinic, f"/patients/{new_id()}/notifications"),
    ):
        assert (await clinic.get(path)).status_code == 404


async def test_messages_are_counted_by_status_and_channel(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    response = await bench.clinic.get(
        "/notifications/delivery-status",
        params={"from": NOON.isoformat(), "to": (NOON + timedelta(days=9)).isoformat()},
    )
    assert response.json()["data"] == {
        "from": "2031-03-04T17:00:00Z",
        "to": "2031-03-13T17:00:00Z",
        "total": 4,
        "counts": [
            {"delivery_status": "delivered", "channel": "sms", "count": 1},
            {"delivery_status": "pending", "channel": "sms", "count": 3},
        ],
        "group_by": None,
        "time_zone": None,
        "groups": [],
    }
    bench.clock.forward(seconds=1)
    week = (await bench.clinic.get("/notifications/delivery-status")).json()["data"]
    assert week["total"] == 1
    later = {"from": (NOON + timedelta(hours=1)).isoformat()}
    found = await bench.clinic.get("/notifications/delivery-status", params=later)
    assert found.json()["data"]["total"] == 3


async def test_a_range_must_make_sense(bench: Bench) -> None:
    for params in (
        {"from": "2031-03-04T17:00:00Z", "to": "2031-03-04T17:00:00Z"},
        {"from": "2031-03-04T17:00:00Z", "to": "2033-03-04T17:00:00Z"},
    ):
        response = await bench.clinic.get("/notifications/delivery-status", params=params)
        assert response.status_code == 400
        assert response.json()["error"]["details"][0]["field"] == "to"
    response = await bench.clinic.get(
        "/notifications/delivery-status", params={"from": "2031-03-04T17:00:00"}
    )
    assert response.json()["error"]["details"][0]["field"] == "from"

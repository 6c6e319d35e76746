"""What a second look at booking found: each test stands for one fault."""

from datetime import datetime, timedelta
from typing import Any

from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.support import (
    ALWAYS,
    asked,
    book,
    booked,
    day,
    faults,
    found,
    kind,
    local,
    room,
    setting_aside,
    staffed,
    walls,
)

EXAM = [{"kind": "room", "category": "exam", "count": 1}]
CANCELLED = {"cancellation_reason": "Patient asked for it"}


async def put(clinic: Clinic, visit: dict[str, Any], **fields: Any) -> Any:
    """Write a visit back with `fields` changed."""
    names = (
        "patient_id provider_id facility_id appointment_type scheduled_start duration_minutes"
        " priority reason telehealth_details additional_provider_ids resource_ids"
    )
    body = {name: visit[name] for name in names.split()}
    return await clinic.put(f"/appointments/{visit['id']}", {**body, **fields})


async def reschedule(clinic: Clinic, visit: dict[str, Any], clock: str, **fields: Any) -> Any:
    body = {"scheduled_start": local(0, clock), **fields}
    return await clinic.post(f"/appointments/{visit['id']}/reschedule", body)


async def change_type(clinic: Clinic, made: dict[str, Any], **fields: Any) -> None:
    gone = {"id", "version", "created_at", "updated_at"}
    body = {name: value for name, value in made.items() if name not in gone}
    response = await clinic.put(f"/visit-types/{made['id']}", {**body, **fields})
    assert response.status_code == 200, response.text


async def policy(clinic: Clinic, **fields: Any) -> None:
    now = (await clinic.get("/scheduling-policy")).json()["data"]
    body = {name: value for name, value in now.items() if name not in {"version", "updated_at"}}
    response = await clinic.put("/scheduling-policy", {**body, **fields})
    assert response.status_code == 200, response.text


async def test_overbooking_does_not_stumble_over_a_room_that_is_not_there(clinic: Clinic) -> None:
    await kind(clinic, requirements=EXAM)
    provider = await staffed(clinic)
    body = await asked(clinic, provider, override=setting_aside("overbook"))
    refused = await clinic.post("/appointments", body)
    assert (refused.status_code, faults(refused)) == (409, [("resource_ids", "taken")])


async def test_a_visit_that_becomes_another_type_takes_what_that_needs(clinic: Clinic) -> None:
    await kind(clinic, "infusion", requirements=EXAM)
    provider = await staffed(clinic)
    visit = await booked(clinic, provider)
    refused = await put(clinic, visit, appointment_type="infusion")
    assert faults(refused) == [("resource_ids", "taken")]
    bay = await room(clinic, provider)
    changed = await put(clinic, visit, appointment_type="infusion")
    assert changed.json()["data"]["resource_ids"] == [bay["id"]]


async def test_what_is_noted_can_be_changed_when_the_type_has_other_buffers_now(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = datetime.fromisoformat(local(-1, "12:00"))
    made = await kind(clinic)
    provider = await staffed(clinic)
    first = await booked(clinic, provider, "09:00")
    await booked(clinic, provider, "09:30")
    await change_type(clinic, made, buffer_after_minutes=15, min_notice_minutes=7 * 24 * 60)
    changed = await put(clinic, first, reason="Blood pressure")
    assert changed.status_code == 200, changed.text
    assert changed.json()["data"]["buffer_after_minutes"] == 0
    # It keeps them in another room too, where the next visit begins at its end.
    bay = await room(clinic, provider)
    changed = await put(clinic, first, resource_ids=[bay["id"]])
    assert changed.status_code == 200, changed.text
    assert changed.json()["data"]["buffer_after_minutes"] == 0


async def test_two_of_a_category_are_two_rooms(clinic: Clinic) -> None:
    await kind(clinic, requirements=[{"kind": "room", "category": "exam", "count": 2}])
    provider = await staffed(clinic)
    await room(clinic, provider, capacity=2)
    refused = await clinic.post("/appointments", await asked(clinic, provider))
    assert refused.status_code == 409
    assert await walls(clinic, provider, appointment_type="follow_up") == []
    await room(clinic, provider)
    slots = await found(clinic, provider, appointment_type="follow_up")
    assert (await book(clinic, slots[0], await clinic.patient())).status_code == 201


async def test_a_slot_at_the_end_of_the_notice_can_be_booked(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(0, "08:00")) + timedelta(seconds=30)
    await kind(clinic, min_notice_minutes=60)
    provider = await staffed(clinic)
    slots = await found(clinic, provider, appointment_type="follow_up")
    made = await book(clinic, slots[0], await clinic.patient())
    assert made.status_code == 201, (slots[0]["local_start"], made.text)


async def test_a_hold_that_has_lapsed_is_not_moved(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(-2, "12:00"))
    provider = await staffed(clinic)
    held = await booked(clinic, provider, hold_minutes=1)
    clock.at += timedelta(minutes=1)
    for refused in (
        await reschedule(clinic, held, "10:00"),
        await put(clinic, held, scheduled_start=local(0, "10:00")),
        await put(clinic, held, reason="Blood pressure"),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "HOLD_EXPIRED")


async def test_a_hold_that_was_moved_was_never_promised(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(-2, "12:00"))
    provider = await staffed(clinic)
    await policy(clinic, max_reschedules=1)
    held = await booked(clinic, provider, hold_minutes=10)
    await reschedule(clinic, held, "09:30")
    visit = (await clinic.post(f"/appointments/{held['id']}/book")).json()["data"]
    assert visit["reschedule_count"] == 0
    assert (await reschedule(clinic, visit, "10:00")).status_code == 200


async def test_a_hold_is_not_booked_once_its_start_is_past(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(0, "08:55"))
    provider = await staffed(clinic)
    held = await booked(clinic, provider, hold_minutes=30)
    clock.at += timedelta(minutes=10)
    refused = await clinic.post(f"/appointments/{held['id']}/book")
    assert faults(refused) == [("scheduled_start", "past")]


async def test_who_sees_the_way_into_a_video_visit_can_take_it_away(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    link = {"link": "https://video.example.com/secret-room"}
    visit = await booked(clinic, provider, telehealth_details=link)
    moved = (await reschedule(clinic, visit, "10:00")).json()["data"]
    assert moved["telehealth_details"] == link
    changed = await put(clinic, moved, telehealth_details=None)
    assert changed.json()["data"]["telehealth_details"] is None


async def test_a_repeated_key_does_not_show_the_way_into_a_video_visit(
    clinic: Clinic, nurse_key: Clinic
) -> None:
    provider = await staffed(clinic)
    link = {"link": "https://video.example.com/secret-room"}
    visit = await booked(clinic, provider, telehealth_details=link)
    path, key = f"/appointments/{visit['id']}/confirm", {"Idempotency-Key": "confirm-1"}
    assert (await clinic.post(path, headers=key)).json()["data"]["telehealth_details"] == link
    again = await nurse_key.post(path, headers=key)
    assert "secret-room" not in again.text
    again = await clinic.post(path, headers=key)
    assert again.json()["data"]["telehealth_details"] == link


async def test_why_a_late_cancellation_was_allowed_is_audited(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(-1, "12:00"))
    provider = await staffed(clinic)
    visit = await booked(clinic, provider)
    await policy(clinic, cancel_notice_minutes=24 * 60)
    override = {"allow": ["late_change"], "reason": "The bridge is closed"}
    await clinic.delete(f"/appointments/{visit['id']}", json={**CANCELLED, "override": override})
    audit = await clinic.get("/audit", params={"entity_id": visit["id"], "action": "cancel"})
    assert "The bridge is closed" in audit.text


async def test_an_override_does_not_outlive_the_time_it_was_for(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = datetime.fromisoformat(local(-1, "12:00"))
    provider = await staffed(clinic)
    await booked(clinic, provider, "09:00")
    over = await booked(clinic, provider, "09:15", override=setting_aside("overbook"))
    moved = (await reschedule(clinic, over, "10:00")).json()["data"]
    assert moved["override"] is None
    clock.at = datetime.fromisoformat(local(0, "10:01"))
    await clinic.post(f"/appointments/{over['id']}/no-show")
    await booked(clinic, provider, "10:05", duration_minutes=10)
    refused = await clinic.post(f"/appointments/{over['id']}/undo")
    assert refused.json()["error"]["code"] == "SLOT_TAKEN"


async def test_a_visit_with_an_override_can_have_another_room(clinic: Clinic) -> None:
    provider = await staffed(clinic, max_daily_capacity=1)
    bay = await room(clinic, provider)
    await booked(clinic, provider, "09:00")
    over = await booked(
        clinic, provider, "09:15", override=setting_aside("overbook", "daily_maximum")
    )
    changed = await put(clinic, over, resource_ids=[bay["id"]])
    assert changed.status_code == 200, changed.text
    assert changed.json()["data"]["override"] == setting_aside("overbook", "daily_maximum")


async def test_a_visit_with_many_rooms_is_moved(clinic: Clinic) -> None:
    await kind(clinic, requirements=EXAM)
    provider = await staffed(clinic)
    await room(clinic, provider)
    many = [(await room(clinic, provider, "pump", kind="equipment"))["id"] for _ in range(10)]
    visit = await booked(clinic, provider, resource_ids=many)
    assert len(visit["resource_ids"]) == 11
    moved = await reschedule(clinic, visit, "10:00")
    assert len(moved.json()["data"]["resource_ids"]) == 11


async def test_a_visit_whose_room_is_out_of_service_can_be_moved(clinic: Clinic) -> None:
    await kind(clinic, requirements=EXAM)
    provider = await staffed(clinic)
    one = await room(clinic, provider)
    visit = await booked(clinic, provider)
    two = await room(clinic, provider)
    names = ("kind", "facility_id", "name", "category", "capacity")
    body = {**{name: one[name] for name in names}, "is_active": False, "keep_visits": True}
    assert (await clinic.put(f"/resources/{one['id']}", body)).status_code == 200
    noted = await put(clinic, visit, reason="Blood pressure")
    assert noted.status_code == 200, noted.text
    moved = await reschedule(clinic, visit, "10:00")
    assert moved.status_code == 200, moved.text
    assert moved.json()["data"]["resource_ids"] == [two["id"]]


async def test_a_provider_named_twice_is_searched_once(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    slots = await found(clinic, provider_id=[provider["id"], provider["id"]])
    starts = [slot["start"] for slot in slots]
    assert starts
    assert len(set(starts)) == len(starts)


async def test_checking_in_is_no_way_around_the_notice(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(-1, "22:00"))
    provider = await staffed(clinic)
    visit = await booked(clinic, provider)
    await policy(clinic, cancel_notice_minutes=24 * 60)
    await clinic.post(f"/appointments/{visit['id']}/checkin")
    refused = await clinic.delete(f"/appointments/{visit['id']}", json=CANCELLED)
    assert refused.json()["error"]["code"] == "LATE_CHANGE"


async def test_the_others_extra_hours_are_where_they_work(clinic: Clinic) -> None:
    doctor = await staffed(clinic)
    here, elsewhere = doctor["facilities"][0], await clinic.facility()
    both = [{"facility_id": elsewhere["id"]}, {"facility_id": here["facility_id"]}]
    nurse = await clinic.provider(always=False, facilities=both)
    extra = {
        "facility_id": here["facility_id"], "day": day(0), "is_available": True,
        "start_time": "09:00", "end_time": "11:00",
    }  # fmt: skip
    await clinic.make(f"/providers/{nurse['id']}/exceptions", extra)
    assert len(await found(clinic, doctor, additional_provider_id=nurse["id"])) == 4
    names = ["npi", "first_name", "last_name", "specializations", "contact_info"]
    left = {**{name: nurse[name] for name in names}, "facilities": both[:1]}
    response = await clinic.put(f"/providers/{nurse['id']}", left)
    assert response.status_code == 200, response.text
    assert await found(clinic, doctor, additional_provider_id=nurse["id"]) == []


async def test_what_ends_before_the_first_midnight_has_its_buffer(clinic: Clinic) -> None:
    await kind(clinic, buffer_before_minutes=60)
    place = await clinic.facility(operating_hours=ALWAYS, timezone="Pacific/Kiritimati")
    all_day = {"start_time": "00:00", "end_time": "24:00"}
    provider = await staffed(
        clinic, all_day, {**all_day, "day_of_week": 0}, facilities=[{"facility_id": place["id"]}]
    )
    late = await asked(clinic, provider)
    late["scheduled_start"] = f"{day(-1)}T23:30:00+14:00"
    await clinic.make("/appointments", {**late, "appointment_type": "home_visit"})
    assert (await walls(clinic, provider, appointment_type="follow_up"))[0] == "Mon 01:00"


async def test_a_visit_outlives_its_type(clinic: Clinic) -> None:
    made = await kind(clinic)
    provider = await staffed(clinic)
    visit = await booked(clinic, provider)
    await change_type(clinic, made, is_active=False)
    assert (await put(clinic, visit, reason="Blood pressure")).status_code == 200
    assert (await reschedule(clinic, visit, "10:00")).status_code == 200
    refused = await clinic.post("/appointments", await asked(clinic, provider))
    assert faults(refused) == [("appointment_type", "inactive")]


async def test_a_late_change_of_a_visit_that_has_begun_says_so(
    clinic: Clinic, clock: Clock
) -> None:
    clock.at = datetime.fromisoformat(local(-1, "12:00"))
    provider = await staffed(clinic)
    visit = await booked(clinic, provider)
    clock.at = datetime.fromisoformat(local(0, "09:05"))
    longer = await put(clinic, visit, duration_minutes=40)
    assert longer.status_code == 200, longer.text

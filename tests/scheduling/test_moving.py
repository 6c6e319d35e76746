"""Visits that are moved: identity kept, messages replaced, the clinic's rules for late changes."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.support import asked, booked, day, faults, local, setting_aside, staffed

CANCELLED = {"cancellation_reason": "Patient asked for it"}


async def reschedule(clinic: Clinic, visit: dict[str, Any], clock: str, **fields: Any) -> Any:
    body = {"scheduled_start": local(0, clock), **fields}
    return await clinic.post(f"/appointments/{visit['id']}/reschedule", body)


async def moved(clinic: Clinic, visit: dict[str, Any], clock: str, **fields: Any) -> dict[str, Any]:
    response = await reschedule(clinic, visit, clock, **fields)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def messages(clinic: Clinic, visit: dict[str, Any]) -> list[dict[str, Any]]:
    listed = await clinic.get(f"/patients/{visit['patient_id']}/notifications")
    items: list[dict[str, Any]] = listed.json()["data"]["items"]
    return items


async def policy(clinic: Clinic, **fields: Any) -> None:
    now = (await clinic.get("/scheduling-policy")).json()["data"]
    body = {name: value for name, value in now.items() if name not in {"version", "updated_at"}}
    response = await clinic.put("/scheduling-policy", {**body, **fields})
    assert response.status_code == 200, response.text


async def test_a_visit_keeps_its_identity_and_gets_new_messages(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    visit = await booked(clinic, provider, reason="Quarterly check")
    await clinic.post(f"/appointments/{visit['id']}/confirm")
    now = await moved(clinic, visit, "10:00", reschedule_reason="Provider is ill")
    assert now["id"] == visit["id"]
    assert (now["reschedule_count"], now["sequence"], now["version"]) == (1, 1, 3)
    # What the patient had confirmed was another time.
    assert (now["status"], now["confirmed_at"]) == ("scheduled", None)
    assert (now["reason"], now["duration_minutes"]) == ("Quarterly check", 30)
    sent = await messages(clinic, visit)
    pending = [one for one in sent if one["delivery_status"] == "pending"]
    kinds = sorted(one["notification_type"] for one in pending)
    assert kinds == ["appointment_reminder"] * 3 + ["appointment_rescheduled"]
    old = [one for one in sent if one not in pending]
    assert {one["delivery_status"] for one in old} == {"superseded"}
    due = {datetime.fromisoformat(one["scheduled_send_time"]) for one in pending}
    start = datetime.fromisoformat(now["scheduled_start"])
    assert {start - timedelta(hours=hours) for hours in (72, 24, 2)} <= due
    await booked(clinic, provider, "09:00")  # the old time is free
    audit = await clinic.get("/audit", params={"entity_id": visit["id"], "action": "reschedule"})
    [entry] = audit.json()["data"]["items"]
    assert entry["changes"]["before"]["scheduled_start"] == visit["scheduled_start"]
    assert entry["changes"]["after"]["reschedule_reason"] == "Provider is ill"


@pytest.mark.parametrize("by", ["put", "reschedule"])
async def test_another_length_alone_is_told_but_is_no_move(clinic: Clinic, by: str) -> None:
    provider = await staffed(clinic)
    await policy(clinic, max_reschedules=0, reschedule_notice_minutes=40_000)
    visit = await booked(clinic, provider)
    confirmed = (await clinic.post(f"/appointments/{visit['id']}/confirm")).json()["data"]
    if by == "put":
        longer = await asked(clinic, provider, patient_id=visit["patient_id"], duration_minutes=45)
        response = await clinic.put(f"/appointments/{visit['id']}", longer)
        assert response.status_code == 200, response.text
        now = response.json()["data"]
    else:
        now = await moved(clinic, visit, "09:00", duration_minutes=45)
    assert (now["status"], now["confirmed_at"]) == ("confirmed", confirmed["confirmed_at"])
    assert (now["reschedule_count"], now["sequence"]) == (0, 1)
    sent = await messages(clinic, visit)
    kinds = sorted(one["notification_type"] for one in sent if one["delivery_status"] == "pending")
    assert kinds == ["appointment_reminder"] * 3 + ["appointment_rescheduled"]
    # What is only noted about it is not told.
    noted = await asked(
        clinic, provider, patient_id=visit["patient_id"], duration_minutes=45, reason="Pain"
    )
    assert (await clinic.put(f"/appointments/{visit['id']}", noted)).status_code == 200
    assert len(await messages(clinic, visit)) == len(sent)


async def test_another_provider_and_place(clinic: Clinic) -> None:
    provider, other = await staffed(clinic), await staffed(clinic)
    visit = await booked(clinic, provider)
    place = other["facilities"][0]["facility_id"]
    refused = await reschedule(clinic, visit, "09:00", provider_id=other["id"])
    assert faults(refused) == [("facility_id", "affiliation")]
    now = await moved(clinic, visit, "09:00", provider_id=other["id"], facility_id=place)
    assert (now["provider_id"], now["facility_id"]) == (other["id"], place)
    await booked(clinic, provider)
    assert (await clinic.post("/appointments", await asked(clinic, other))).status_code == 409


async def test_a_time_that_is_taken_offers_the_three_nearest(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    visit = await booked(clinic, provider, "09:00")
    await booked(clinic, provider, "10:00")
    for refused in (
        await reschedule(clinic, visit, "10:00"),
        await clinic.post("/appointments", await asked(clinic, provider, "10:00")),
        await clinic.put(
            f"/appointments/{visit['id']}",
            await asked(clinic, provider, "10:00", patient_id=visit["patient_id"]),
        ),
    ):
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (409, "SLOT_TAKEN")
        offered = [slot["local_start"][11:16] for slot in error["data"]["alternatives"]]
        assert offered == ["09:30", "10:30", "09:00"]  # the last one a week later
        assert faults(refused) == [("provider_id", "taken")]
    slot = error["data"]["alternatives"][0]
    await clinic.make("/appointments", {
        **await asked(clinic, provider), "scheduled_start": slot["start"],
    })  # fmt: skip


async def test_a_visit_may_be_offered_a_part_of_its_own_time(clinic: Clinic) -> None:
    provider = await staffed(clinic, {"slot_duration": 15, "end_time": "10:30"})
    visit = await booked(clinic, provider, "09:00")
    await booked(clinic, provider, "09:45")
    refused = await reschedule(clinic, visit, "09:30")
    slots = refused.json()["error"]["data"]["alternatives"]
    assert [slot["local_start"][:16] for slot in slots][:1] == [f"{day(0)}T09:15"]
    assert (await clinic.post(
        f"/appointments/{visit['id']}/reschedule", {"scheduled_start": slots[0]["start"]}
    )).status_code == 200  # fmt: skip


async def test_late_changes_need_staff(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(-1, "12:00"))
    provider = await staffed(clinic)
    visit = await booked(clinic, provider)
    await policy(clinic, cancel_notice_minutes=24 * 60, reschedule_notice_minutes=24 * 60)
    path = f"/appointments/{visit['id']}"
    for refused in (
        await clinic.delete(path, json=CANCELLED),
        await reschedule(clinic, visit, "10:00"),
        await clinic.put(
            path, await asked(clinic, provider, "10:00", patient_id=visit["patient_id"])
        ),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "LATE_CHANGE")
    # What is noted about a visit can be changed until it begins.
    same = await asked(clinic, provider, patient_id=visit["patient_id"], reason="Blood pressure")
    assert (await clinic.put(path, same)).status_code == 200
    override = setting_aside("late_change")
    visit = await moved(clinic, visit, "10:00", override=override)
    assert (await clinic.delete(path, json=CANCELLED)).status_code == 409
    done = await clinic.delete(path, json={**CANCELLED, "override": override})
    assert done.json()["data"]["status"] == "cancelled"
    held = await booked(clinic, provider, hold_minutes=5)  # to hold a time promises nothing
    assert (await clinic.delete(f"/appointments/{held['id']}", json=CANCELLED)).status_code == 200


async def test_a_visit_is_moved_only_so_often(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    await policy(clinic, max_reschedules=1)
    visit = await moved(clinic, await booked(clinic, provider), "10:00")
    refused = await reschedule(clinic, visit, "09:00")
    assert refused.json()["error"]["code"] == "RESCHEDULE_LIMIT"
    visit = await moved(clinic, visit, "09:00", override=setting_aside("reschedule_limit"))
    assert visit["reschedule_count"] == 2


async def test_a_visit_that_has_begun_is_not_moved(clinic: Clinic, clock: Clock) -> None:
    clock.at = datetime.fromisoformat(local(0, "08:00"))
    provider = await staffed(clinic)
    visit = await booked(clinic, provider)
    await clinic.post(f"/appointments/{visit['id']}/checkin")
    refused = await reschedule(clinic, visit, "10:00")
    assert refused.json()["error"]["code"] == "APPOINTMENT_NOT_OPEN"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scheduled_start": "2020-01-01T09:00:00Z"}, "scheduled_start"),
        ({"scheduled_start": "2026-12-01T09:00:00"}, "scheduled_start"),
        ({"duration_minutes": 4}, "duration_minutes"),
        ({"duration_minutes": 1441}, "duration_minutes"),
        ({"provider_id": "nobody"}, "provider_id"),
        ({"override": {"allow": [], "reason": "x"}}, "override.allow"),
        ({"override": {"allow": ["everything"], "reason": "x"}}, "override.allow.0"),
        ({"override": {"allow": ["overbook"]}}, "override.reason"),
    ],
)
async def test_bad_moves_are_named_and_change_nothing(
    clinic: Clinic, fields: dict[str, Any], field: str
) -> None:
    visit = await booked(clinic, await staffed(clinic))
    refused = await reschedule(clinic, visit, "10:00", **fields)
    assert refused.status_code in {400, 422}
    assert refused.json()["error"]["details"][0]["field"] == field
    assert (await clinic.get(f"/appointments/{visit['id']}")).json()["data"] == visit


async def test_the_patient_is_told_of_a_cancellation_unless_not_wanted(clinic: Clinic) -> None:
    provider = await staffed(clinic)
    told, quiet = await booked(clinic, provider), await booked(clinic, provider, "10:00")
    await clinic.delete(f"/appointments/{told['id']}", json=CANCELLED)
    await clinic.delete(f"/appointments/{quiet['id']}", json={**CANCELLED, "notify_patient": False})
    for visit, kinds in ((told, ["appointment_cancelled"]), (quiet, [])):
        sent = await messages(clinic, visit)
        pending = [one for one in sent if one["delivery_status"] == "pending"]
        assert [one["notification_type"] for one in pending] == kinds


async def test_the_way_into_a_video_visit_needs_its_scope(
    clinic: Clinic, nurse_key: Clinic
) -> None:
    link = {"link": "https://video.example.com/secret-room"}
    provider = await staffed(clinic)
    visit = await booked(clinic, provider, telehealth_details=link)
    assert visit["telehealth_details"] == link
    path = f"/appointments/{visit['id']}"
    for _ in range(2):  # from the database, then from the cache, which must not mix them up
        assert (await clinic.get(path)).json()["data"]["telehealth_details"] == link
        assert (await nurse_key.get(path)).json()["data"]["telehealth_details"] is None
        for reader, shown in ((clinic, link), (nurse_key, None)):
            for listing in ("/appointments", f"/patients/{visit['patient_id']}/appointments"):
                [one] = (await reader.get(listing)).json()["data"]["items"]
                assert one["telehealth_details"] == shown
    # Who cannot see it does not erase it by writing back what they were shown.
    body = await asked(nurse_key, provider, patient_id=visit["patient_id"], reason="Moved rooms")
    assert (await nurse_key.put(path, body)).json()["data"]["telehealth_details"] is None
    assert (await clinic.get(path)).json()["data"]["telehealth_details"] == link
    audit = await clinic.get("/audit", params={"entity_id": visit["id"]})
    assert "secret-room" not in audit.text
    assert "hidden" in audit.text


@pytest.mark.parametrize(
    "link", ["http://video.example.com/x", "https://a b", "javascript:alert(1)", 7, "https://"]
)
async def test_a_link_that_cannot_be_sent_is_refused(clinic: Clinic, link: Any) -> None:
    body = await asked(clinic, await staffed(clinic), telehealth_details={"link": link})
    refused = await clinic.post("/appointments", body)
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["field"] == "telehealth_details"


async def test_what_was_set_aside_for_a_time_stays_so_beside_what_is_now(clinic: Clinic) -> None:
    provider = await staffed(clinic, max_daily_capacity=1)
    await booked(clinic, provider, "10:00")
    over = setting_aside("daily_maximum")
    visit = await booked(clinic, provider, override=over)
    body = await asked(clinic, provider, patient_id=visit["patient_id"], reason="Pain")
    for override in (None, setting_aside("overbook")):
        changed = await clinic.put(f"/appointments/{visit['id']}", {**body, "override": override})
        assert "daily_maximum" in changed.json()["data"]["override"]["allow"]
    assert changed.json()["data"]["override"]["allow"] == ["daily_maximum", "overbook"]

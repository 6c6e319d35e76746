"""What a visit plans, and how it is given up."""

from datetime import timedelta
from typing import Any

import pytest

from tests.notifications.support import NOON, Bench


async def test_a_visit_plans_a_confirmation_now_and_three_reminders(bench: Bench) -> None:
    starts_at = NOON + timedelta(days=4)
    await bench.planned(starts_at)
    rows = await bench.rows()
    assert [(row.notification_type, row.scheduled_send_time) for row in rows] == [
        ("appointment_reminder", starts_at - timedelta(hours=2)),
        ("appointment_reminder", starts_at - timedelta(hours=24)),
        ("appointment_reminder", starts_at - timedelta(hours=72)),
        ("appointment_confirmation", NOON),
    ]
    assert {row.delivery_status for row in rows} == {"pending"}
    assert {tuple(row.channel_plan) for row in rows} == {("sms", "email")}


@pytest.mark.parametrize(
    ("hours", "kinds"), [(73, 4), (72, 3), (25, 3), (24, 2), (2, 1), (0.1, 1), (0, 0), (-1, 0)]
)
async def test_nothing_is_planned_for_the_past(bench: Bench, hours: float, kinds: int) -> None:
    patient_id = await bench.patient()
    visits = await bench.visits([patient_id], NOON + timedelta(hours=hours))
    assert await bench.plan(visits) == kinds
    assert len(await bench.rows()) == kinds


async def test_planning_a_version_twice_adds_nothing_and_a_new_one_does(bench: Bench) -> None:
    patient_id = await bench.patient()
    [visit] = await bench.visits([patient_id], NOON + timedelta(days=4))
    assert await bench.plan([visit]) == 4
    assert await bench.plan([visit]) == 0
    assert await bench.plan([type(visit)(**{**_fields(visit), "version": 2})]) == 4


def _fields(visit: Any) -> dict[str, Any]:
    return {name: getattr(visit, name) for name in visit.__slots__}


async def test_many_visits_are_planned_in_one_statement(bench: Bench) -> None:
    patients = [await bench.patient() for _ in range(3)]
    visits = await bench.visits(patients, NOON + timedelta(days=4))
    assert await bench.plan(visits) == 12


@pytest.mark.parametrize(
    ("fields", "plan"),
    [
        ({"communication_preferences": {"channels": ["email", "sms"]}}, ["email", "sms"]),
        ({"communication_preferences": {"channels": ["push", "email"]}}, ["email"]),
        ({"consent_settings": {"sms": False}}, ["email"]),
        ({"consent_settings": {"sms": "no"}}, ["email"]),
        ({"consent_settings": {"sms": True, "email": True}}, ["sms", "email"]),
        ({"contact_info": {"telecom": [{"system": "email", "value": "a@example.com"}]}}, ["email"]),
    ],
)
async def test_the_plan_follows_preferences_consent_and_contact_points(
    bench: Bench, fields: dict[str, Any], plan: list[str]
) -> None:
    await bench.planned(patient_id=await bench.patient(**fields))
    *reminders, confirmation = await bench.rows()
    assert (confirmation.channel, confirmation.channel_plan) == (plan[0], plan)
    # What is sent later may find contact points and consent that are not there yet.
    preferences = fields.get("communication_preferences", {})
    wanted = preferences.get("channels", ["sms", "email"])
    assert [row.channel_plan for row in reminders] == [wanted] * 3
    assert {row.channel for row in reminders} == {wanted[0]}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"contact_info": {"telecom": []}}, "no_contact_point"),
        (
            {"contact_info": {"telecom": [{"system": "email", "value": "a@b.ch", "use": "old"}]}},
            "no_contact_point",
        ),
        ({"consent_settings": {"sms": False, "email": False}}, "no_consent"),
    ],
)
async def test_who_cannot_be_reached_is_shown_with_the_reason(
    bench: Bench, fields: dict[str, Any], reason: str
) -> None:
    await bench.planned(patient_id=await bench.patient(**fields))
    *reminders, confirmation = await bench.rows()
    assert (confirmation.delivery_status, confirmation.details["reason"]) == ("suppressed", reason)
    assert [row.delivery_status for row in reminders] == ["pending"] * 3
    for row in reversed(reminders):
        bench.clock.at = row.scheduled_send_time
        await bench.drain()
    rows = await bench.rows()
    assert [(row.delivery_status, row.details["reason"]) for row in rows] == [
        ("suppressed", reason)
    ] * 4
    assert await bench.attempts() == []


async def test_a_contact_point_added_after_the_booking_brings_the_reminders(bench: Bench) -> None:
    patient_id = await bench.patient(contact_info={"telecom": []})
    visit = await bench.planned(patient_id=patient_id)
    await bench.sql(
        "INSERT INTO contact_points (id, tenant_id, patient_id, system, value, use, rank,"
        " created_at) VALUES (gen_random_uuid(), $1, $2, 'phone', '+14155550199', 'mobile', 1,"
        " now())",
        bench.clinic.tenant_id,
        patient_id,
    )
    for hours in (72, 24, 2):
        bench.clock.at = visit.starts_at - timedelta(hours=hours)
        await bench.drain()
    assert await bench.statuses() == ["delivered"] * 3 + ["suppressed"]
    assert {kept.recipient for kept in await bench.outbox()} == {"+14155550199"}


async def test_consent_given_after_the_booking_brings_the_reminders(bench: Bench) -> None:
    refusing = {"consent_settings": {"sms": False, "email": False}}
    visit = await bench.planned(patient_id=await bench.patient(**refusing))
    await bench.sql('UPDATE patients SET consent_settings = \'{"email": true, "sms": false}\'')
    bench.clock.at = visit.starts_at - timedelta(hours=72)
    await bench.drain()
    assert [kept.channel for kept in await bench.outbox()] == ["email"]


@pytest.mark.parametrize("fields", [{"is_active": False}, {"treatment_status": "deceased"}])
async def test_nothing_is_planned_for_patients_who_must_not_be_written_to(
    bench: Bench, fields: dict[str, Any]
) -> None:
    await bench.planned(patient_id=await bench.patient(**fields))
    assert await bench.rows() == []


async def test_a_reminder_in_quiet_hours_waits_or_goes_out_before_them(bench: Bench) -> None:
    # 08:15 in New York: two hours before is night, and after eight would be too late.
    starts_at = NOON + timedelta(days=1, hours=-3, minutes=-45)
    await bench.planned(starts_at)
    late = (await bench.rows())[0]
    assert late.scheduled_send_time == starts_at - timedelta(hours=2)
    assert late.next_attempt_at == starts_at - timedelta(hours=12, minutes=15)  # 20:00
    # 09:30: at eight there is still an hour and a half.
    await bench.planned(starts_at + timedelta(minutes=75))
    waiting = (await bench.rows())[0]
    assert waiting.next_attempt_at == starts_at - timedelta(minutes=15)


async def test_cancelling_gives_up_what_is_not_on_its_way(bench: Bench) -> None:
    visit = await bench.planned()
    other = await bench.planned()
    await bench.drain()
    response = await bench.cancel(visit)
    assert response == 3
    rows = [row for row in await bench.rows() if row.appointment_id == visit.appointment_id]
    assert [row.delivery_status for row in rows] == ["cancelled"] * 3 + ["delivered"]
    rows = [row for row in await bench.rows() if row.appointment_id == other.appointment_id]
    assert [row.delivery_status for row in rows] == ["pending"] * 3 + ["delivered"]
    assert await bench.cancel(visit) == 0


async def test_a_row_that_is_being_sent_is_left_alone(bench: Bench) -> None:
    visit = await bench.planned()
    await bench.forge(
        "UPDATE notifications SET delivery_status = 'sending'"
        " WHERE notification_type = 'appointment_confirmation'"
    )
    assert await bench.cancel(visit, status="superseded") == 3
    assert await bench.statuses() == ["superseded"] * 3 + ["sending"]


async def test_a_cancellation_is_told_at_once_and_once(bench: Bench) -> None:
    bench.clock.forward(hours=12)  # midnight in New York: quiet hours
    visit = await bench.planned(NOON + timedelta(days=4))
    assert await bench.cancel_and_tell(visit) == 1
    assert await bench.cancel_and_tell(visit) == 0
    told = [row for row in await bench.rows() if row.notification_type == "appointment_cancelled"]
    [row] = told
    assert row.scheduled_send_time == row.next_attempt_at == bench.clock.at
    await bench.drain()
    [kept] = await bench.outbox()
    assert kept.body == (
        f"Hello Maria, your visit at {bench.facility_name} on Sat, Mar 8 at 12:00 PM EST"
        " will not take place. Questions? Please call us."
    )


async def test_nobody_is_told_of_a_cancellation_once_the_visit_would_have_begun(
    bench: Bench,
) -> None:
    visit = await bench.planned(NOON + timedelta(hours=1))
    assert await bench.cancel_and_tell(visit) == 1
    bench.clock.at = visit.starts_at
    await bench.drain()
    assert await bench.outbox() == []
    statuses = {row.notification_type: row.delivery_status for row in await bench.rows()}
    assert statuses["appointment_cancelled"] == "expired"
    [late] = await bench.visits([visit.patient_id], bench.clock.at)
    assert await bench.cancel_and_tell(late) == 0


async def test_staff_see_who_cannot_be_told_of_a_cancellation(bench: Bench) -> None:
    patient_id = await bench.patient(contact_info={"telecom": []})
    visit = await bench.planned(patient_id=patient_id)
    assert await bench.cancel_and_tell(visit) == 1
    [row] = [one for one in await bench.rows() if one.notification_type == "appointment_cancelled"]
    assert (row.delivery_status, row.details) == ("suppressed", {"reason": "no_contact_point"})
    gone = await bench.patient()
    visit = await bench.planned(patient_id=gone)
    await bench.sql("UPDATE patients SET is_active = false WHERE id = $1", gone)
    assert await bench.cancel_and_tell(visit) == 0

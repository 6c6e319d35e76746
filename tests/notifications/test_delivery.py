"""From due rows to the outbox: what is sent, what is not, and why."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.notifications import dispatch
from tests.notifications.support import NOON, Bench


async def test_a_confirmation_is_delivered_and_reminders_follow_in_time(bench: Bench) -> None:
    visit = await bench.planned()
    await bench.drain()
    assert await bench.statuses() == ["pending", "pending", "pending", "delivered"]
    [kept] = await bench.outbox()
    assert kept.channel == "sms"
    assert kept.recipient.startswith("+1415555")
    for hours in (72, 24, 2):
        bench.clock.at = visit.starts_at - timedelta(hours=hours, seconds=1)
        await bench.drain()
        before = len(await bench.outbox())
        bench.clock.forward(seconds=1)
        await bench.drain()
        assert len(await bench.outbox()) == before + 1
    assert await bench.statuses() == ["delivered"] * 4


async def test_the_text_is_local_and_tells_as_little_as_it_can(bench: Bench) -> None:
    preferring = {"communication_preferences": {"channels": ["email"]}, "language": "es-MX"}
    await bench.planned(NOON + timedelta(hours=1, minutes=5))
    await bench.planned(
        NOON + timedelta(hours=1, minutes=5), patient_id=await bench.patient(**preferring)
    )
    await bench.drain()
    sms, email = await bench.outbox()
    if sms.channel == "email":
        sms, email = email, sms
    assert sms.body == (
        f"Hello Maria, your visit at {bench.facility_name} is booked for"
        " Tue, Mar 4 at 1:05 PM EST. Questions? Please call us."
    )
    assert "Rahman" not in sms.body
    assert email.subject == "Su cita del martes 4 de marzo"
    assert "Aisha Rahman" in email.body
    assert "martes 4 de marzo a la 1:05 PM EST" in email.body
    assert "Endocrinology" not in email.body


async def test_after_an_outage_patients_get_one_reminder_not_three(bench: Bench) -> None:
    visit = await bench.planned()
    bench.clock.at = visit.starts_at - timedelta(hours=1)
    await bench.drain()
    assert await bench.statuses() == ["delivered", "expired", "expired", "delivered"]
    assert len(await bench.outbox()) == 2


async def test_nothing_goes_out_once_the_visit_has_begun(bench: Bench) -> None:
    visit = await bench.planned()
    bench.clock.at = visit.starts_at
    await bench.drain()
    assert await bench.statuses() == ["expired"] * 4
    assert await bench.outbox() == []


@pytest.mark.parametrize("status", ["cancelled", "completed", "no_show"])
async def test_a_visit_that_is_over_sends_nothing_even_if_its_rows_were_forgotten(
    bench: Bench, status: str
) -> None:
    await bench.planned()
    await bench.sql("UPDATE appointments SET status = $1", status)
    await bench.drain()
    assert (await bench.statuses())[-1] == "cancelled"
    assert (await bench.rows())[-1].details["reason"] == f"visit_{status}"
    assert await bench.outbox() == []


async def test_cancelling_between_plan_and_delivery_sends_nothing(bench: Bench) -> None:
    visit = await bench.planned()
    claims = await dispatch.claim()
    await bench.cancel(visit)
    for batch in dispatch.batches(claims):
        await dispatch.handle(batch, bench.channels)
    assert await bench.statuses() == ["cancelled"] * 4
    assert await bench.outbox() == []


async def test_a_message_about_the_old_time_is_not_sent(bench: Bench) -> None:
    await bench.planned()
    await bench.sql(
        "UPDATE appointments SET scheduled_start = scheduled_start + interval '1 hour',"
        " scheduled_end = scheduled_end + interval '1 hour'"
    )
    await bench.drain()
    assert (await bench.statuses())[-1] == "superseded"


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ("UPDATE patients SET is_active = false", "cancelled", "patient_inactive"),
        ("UPDATE patients SET deleted_at = now()", "cancelled", "patient_inactive"),
        ("UPDATE patients SET treatment_status = 'deceased'", "cancelled", "patient_inactive"),
        ("DELETE FROM contact_points", "suppressed", "no_contact_point"),
        (
            'UPDATE patients SET consent_settings = \'{"sms": false, "email": false}\'',
            "suppressed",
            "no_consent",
        ),
    ],
)
async def test_what_changed_since_planning_counts(
    bench: Bench, change: str, status: str, reason: str
) -> None:
    await bench.planned()
    await bench.sql(change)
    await bench.drain()
    last = (await bench.rows())[-1]
    assert (last.delivery_status, last.details["reason"]) == (status, reason)
    assert await bench.outbox() == []


async def test_sec_25_an_opted_out_number_is_passed_over_for_email(bench: Bench) -> None:
    await bench.planned()
    suppress = (
        "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at)"
        " SELECT gen_random_uuid(), tenant_id, $1, coalesce(value_index, value), 'opt_out',"
        " now() FROM contact_points"
        " WHERE system = $2 AND patient_id IS NOT NULL"
    )
    await bench.sql(suppress, "sms", "phone")
    await bench.drain()
    assert [kept.channel for kept in await bench.outbox()] == ["email"]
    assert (await bench.rows())[-1].details["skipped"] == {"sms": "opted_out"}
    await bench.sql(suppress, "email", "email")
    await bench.planned(patient_id=bench.patients[0])
    await bench.drain()
    assert (await bench.rows())[-1].delivery_status == "suppressed"


async def test_quiet_hours_hold_a_reminder_but_not_a_confirmation(bench: Bench) -> None:
    bench.clock.at = NOON + timedelta(hours=10)  # 22:00 in New York
    visit = await bench.planned(NOON + timedelta(days=2))
    await bench.sql("UPDATE notifications SET next_attempt_at = $1", bench.clock.at)
    await bench.drain()
    rows = await bench.rows()
    assert [row.delivery_status for row in rows] == ["held", "held", "delivered"]
    assert rows[1].next_attempt_at == NOON + timedelta(hours=20)  # 08:00
    await bench.cancel(visit)
    assert await bench.statuses() == ["cancelled", "cancelled", "delivered"]


async def test_a_reminder_that_quiet_hours_leave_no_room_for_expires(bench: Bench) -> None:
    bench.clock.at = NOON + timedelta(hours=11)  # 23:00; the visit is at 07:00
    await bench.planned(bench.clock.at + timedelta(hours=8))
    bench.clock.forward(hours=6)
    await bench.drain()
    rows = await bench.rows()
    assert (rows[0].delivery_status, rows[0].details["reason"]) == ("expired", "quiet_hours")


async def test_a_reminder_pulled_before_the_night_goes_out_a_little_late_too(bench: Bench) -> None:
    # 07:30 in New York: the reminder of 05:30 is pulled to 20:00 the evening before.
    await bench.planned(NOON + timedelta(days=2, hours=-4, minutes=-30))
    await bench.drain()
    row = (await bench.rows())[0]
    assert row.next_attempt_at == NOON + timedelta(days=1, hours=8)
    bench.clock.at = NOON + timedelta(days=1, hours=9, minutes=10)  # 21:10, after an outage
    await bench.drain()
    assert (await bench.rows())[0].delivery_status == "delivered"


async def test_urgent_messages_are_claimed_before_older_ones(bench: Bench) -> None:
    await bench.many(250)
    row = max(
        (r for r in await bench.rows() if r.notification_type == "appointment_confirmation"),
        key=lambda row: row.id,
    )
    bench.clock.forward(seconds=1)
    await bench.sql(
        "UPDATE notifications SET priority = 'urgent', next_attempt_at = $2 WHERE id = $1",
        row.id,
        bench.clock.at,
    )
    claims = await dispatch.claim()
    assert len(claims) == 200 + 1  # of each class a batch
    assert row.id in {claim.id for claim in claims}
    # However few are wanted and however many wait: the class goes before the age.
    assert [claim.id for claim in await dispatch.claim(1)] != [row.id]
    await bench.sql(
        "UPDATE notifications SET priority = 'urgent', next_attempt_at = $2"
        " WHERE id = (SELECT max(id::text)::uuid FROM notifications WHERE delivery_status ="
        " 'pending' AND next_attempt_at < $2 AND id <> $1)",
        row.id,
        bench.clock.at,
    )
    [urgent] = await dispatch.claim(1)
    assert urgent.priority == "urgent"


async def test_one_message_that_cannot_be_made_stops_no_other(bench: Bench) -> None:
    await bench.planned()
    await bench.planned()
    [odd, *_] = await bench.rows()
    await bench.sql(
        "UPDATE notifications SET notification_type = 'from_the_future', next_attempt_at = $2"
        " WHERE id = $1",
        odd.id,
        bench.clock.at,
    )
    await bench.drain()
    statuses = {row.id: row for row in await bench.rows()}
    assert statuses[odd.id].delivery_status == "failed"
    assert statuses[odd.id].details["reason"] == "cannot_be_made"
    assert len(await bench.outbox()) == 2


async def test_two_dispatchers_send_each_of_500_messages_once(bench: Bench) -> None:
    await bench.many(500)
    claimed = await asyncio.gather(*(bench.drain() for _ in range(2)))
    assert sum(claimed) >= 500
    assert min(claimed) > 0
    kept = await bench.outbox()
    assert len(kept) == len({entry.notification_id for entry in kept}) == 500


async def test_a_busy_clinic_does_not_keep_another_waiting(bench: Bench, other_clinic: Any) -> None:
    await bench.many(900)
    other = await bench.elsewhere(other_clinic)
    await other.planned()
    claims = await dispatch.claim()
    assert other_clinic.tenant_id in {claim.tenant_id for claim in claims}
    assert sum(claim.tenant_id == bench.clinic.tenant_id for claim in claims) <= 200
    for batch in dispatch.batches(claims):
        await dispatch.handle(batch, bench.channels)
    assert len(await other.outbox()) == 1


async def test_the_way_into_a_video_visit_stands_in_the_patients_messages(bench: Bench) -> None:
    await bench.planned()
    await bench.sql(
        "UPDATE appointments SET telehealth_details = $1",
        {"link": "https://video.example.com/r/7", "pin": "4711"},
    )
    await bench.drain()
    [sent] = await bench.outbox()
    assert "Join by video: https://video.example.com/r/7" in sent.body
    assert "4711" not in sent.body

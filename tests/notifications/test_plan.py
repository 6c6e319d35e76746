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
    for row in await bench.rows():
        assert row.channel_plan == plan
        assert row.channel == plan[0]


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
    rows = await bench.rows()
    assert {row.delivery_status for row in rows} == {"suppressed"}
    assert {row.details["reason"] for row in rows} == {reason}
    assert len(rows) == 4


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
    assert late.next_attempt_at == starts_at - timedelta(hours=11, minutes=16)  # 20:59
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
    await bench.sql(
        "UPDATE notifications SET delivery_status = 'sending'"
        " WHERE notification_type = 'appointment_confirmation'"
    )
    assert await bench.cancel(visit, status="superseded") == 3
    assert await bench.statuses() == ["superseded"] * 3 + ["sending"]

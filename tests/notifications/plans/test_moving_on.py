"""From one channel to the next: in time, once, and with receipts that come when they like."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.mesh.switchboard import Line
from chroniccare.notifications.receipts import actions, applying, rules
from chroniccare.platform.postgres import Command, begin, begin_system
from chroniccare.settings import Settings
from tests.conftest import Running
from tests.notifications.provider import Provider
from tests.notifications.support import Bench, Row

_IDS = Command("SELECT id FROM notification_attempts ORDER BY started_at, number")
_DUE = Command("SELECT evidence_due_at FROM notifications WHERE id = $1")
_HOLD = Command("SELECT FROM notifications WHERE id = $1 FOR UPDATE")
_CLEAR = Command("DELETE FROM receipt_inbox")
SMS = {"channel": "sms", "timeout_minutes": 30, "evidence": "delivered"}
EMAIL = {"channel": "email", "timeout_minutes": 60, "evidence": "delivered"}


@pytest.fixture(autouse=True)
async def listening(
    running: Running, settings: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receipts are forwarded, and the inbox is empty."""
    del bench
    made = Settings.model_validate(
        settings.model_dump()
        | {"receipts_secret": "a secret of thirty-two characters or more",
           "sms_configuration_set": "events"}
    )  # fmt: skip
    monkeypatch.setattr(running.platform.database, "settings", made)
    async with begin_system("test") as tx:
        await tx.run(_CLEAR)


def channels(bench: Bench, sms: Provider, email: Provider | None = None) -> Channels:
    """SMS by a driver that tells, email by one that does not (SMTP) or into the outbox."""
    drivers = {
        **bench.channels.drivers, "sms": (Line("sms", replace(sms.calls(), name="aws")),),
    }  # fmt: skip
    if email is not None:
        drivers["email"] = (Line("email", replace(email.calls(), name="smtp")),)
    return replace(bench.channels, drivers=drivers)


async def plan(bench: Bench, *steps: dict[str, Any], kind: str = "appointment_confirmation") -> Any:
    return await bench.clinic.make(
        "/notification-plans", {"notification_type": kind, "steps": list(steps)}
    )


async def row(bench: Bench) -> Row:
    return next(one for one in await bench.rows() if one.notification_type.endswith("ation"))


async def due_at(bench: Bench) -> datetime | None:
    async with begin(bench.clinic.caller) as tx:
        found: datetime | None = await tx.value(_DUE, (await row(bench)).id)
        return found


async def attempts(bench: Bench) -> list[UUID]:
    async with begin(bench.clinic.caller) as tx:
        return [UUID(str(one)) for one in await tx.values(_IDS)]


async def told(
    bench: Bench, kind: rules.Kind, attempt: UUID, code: str | None = None, driver: str = "aws"
) -> None:
    """Store a receipt; it is not applied yet."""
    await actions.store(
        [rules.Receipt(driver, kind, rules.event_id(kind, attempt), attempt, None, code, None)]
    )
    bench.clock.forward(seconds=2)


async def sweep(bench: Bench) -> None:
    await applying.reconcile(bench.clinic.tenant_id)


async def story(bench: Bench) -> list[dict[str, Any]]:
    found = await bench.clinic.get(f"/notifications/{(await row(bench)).id}/timeline")
    events: list[dict[str, Any]] = found.json()["data"]["events"]
    return events


async def test_what_is_not_delivered_in_time_goes_to_the_next_channel(bench: Bench) -> None:
    sms = Provider()
    await bench.planned()
    await dispatch.drain(channels(bench, sms))
    assert await due_at(bench) == bench.clock.at + timedelta(minutes=60)
    bench.clock.forward(minutes=59)
    await sweep(bench)
    assert (await row(bench)).delivery_status == "accepted"
    bench.clock.forward(minutes=1)
    await sweep(bench)
    moved = await row(bench)
    assert (moved.delivery_status, moved.channel, moved.channel_plan) == (
        "pending", "email", ["email"],
    )  # fmt: skip
    assert moved.details["reason"] == "not_delivered_in_time"
    await dispatch.drain(channels(bench, sms))
    last = await row(bench)
    assert (last.delivery_status, last.channel) == ("delivered", "email")
    assert len(sms.got) == 1
    assert len([one for one in await bench.outbox() if one.channel == "email"]) == 1
    [step] = [one for one in await story(bench) if one["reason"] == "not_delivered_in_time"]
    assert step["code"] == "next_channel"
    assert "not delivered within the time of its plan" in step["text"]
    assert await due_at(bench) is None


async def test_what_the_first_of_two_calls_brought_is_waited_for_like_any_other(
    bench: Bench,
) -> None:
    sms = Provider([Outcome("unknown", "timeout")] * 2)
    await bench.planned(bench.clock.at + timedelta(hours=3))
    await dispatch.drain(channels(bench, sms))
    bench.clock.forward(minutes=3)
    await sweep(bench)  # of today's visit: once more
    await dispatch.drain(channels(bench, sms))
    await told(bench, "accepted", (await attempts(bench))[0])
    await applying.apply_due()
    taken = await row(bench)
    assert (taken.delivery_status, taken.channel, len(sms.got)) == ("accepted", "sms", 2)
    bench.clock.forward(minutes=60)
    await sweep(bench)
    moved = await row(bench)
    assert (moved.delivery_status, moved.channel) == ("pending", "email")


async def test_what_is_known_not_to_have_arrived_is_failed_in_the_end(bench: Bench) -> None:
    await bench.planned()
    plans = channels(bench, Provider(), Provider([Outcome("rejected", "smtp_550")]))
    await dispatch.drain(plans)
    bench.clock.forward(minutes=60)
    await sweep(bench)
    await told(bench, "undelivered", (await attempts(bench))[0])
    await applying.apply_due()
    await dispatch.drain(plans)
    last = await row(bench)
    assert (last.delivery_status, last.details["reason"]) == ("failed", "smtp_550")


async def test_a_late_proof_of_the_first_channel_stops_the_second(bench: Bench) -> None:
    sms = Provider()
    await bench.planned()
    await dispatch.drain(channels(bench, sms))
    bench.clock.forward(minutes=60)
    await sweep(bench)
    [attempt] = await attempts(bench)
    await told(bench, "delivered", attempt)
    await applying.apply_due()
    await dispatch.drain(channels(bench, sms))
    last = await row(bench)
    assert (last.delivery_status, last.channel) == ("delivered", "sms")
    assert await bench.outbox() == []


async def test_a_proof_after_the_second_was_sent_is_better_evidence(bench: Bench) -> None:
    sms, email = Provider(), Provider()
    await bench.planned()
    await dispatch.drain(channels(bench, sms, email))
    bench.clock.forward(minutes=60)
    await sweep(bench)
    await dispatch.drain(channels(bench, sms, email))
    assert (await row(bench)).delivery_status == "accepted"
    await told(bench, "delivered", (await attempts(bench))[0])
    await applying.apply_due()
    assert (await row(bench)).delivery_status == "delivered"
    assert [one.status for one in await bench.attempts()] == ["delivered", "accepted"]
    assert (len(sms.got), len(email.got)) == (1, 1)


async def test_where_the_second_fails_the_first_may_still_arrive(bench: Bench) -> None:
    sms, email = Provider(), Provider([Outcome("rejected", "smtp_550")])
    await bench.planned()
    await dispatch.drain(channels(bench, sms, email))
    bench.clock.forward(minutes=60)
    await sweep(bench)
    await dispatch.drain(channels(bench, sms, email))
    last = await row(bench)
    assert (last.delivery_status, last.details["reason"]) == ("unconfirmed", "smtp_550")
    # Nothing that a provider may have is replayed.
    refused = await bench.clinic.post(f"/notifications/{last.id}/replay")
    assert refused.status_code == 409
    await told(bench, "delivered", (await attempts(bench))[0])
    await applying.apply_due()
    assert (await row(bench)).delivery_status == "delivered"


async def test_where_the_second_bounces_the_first_may_still_arrive(bench: Bench) -> None:
    plans = channels(bench, Provider(), Provider())
    plans.drivers["email"][0].driver = replace(plans.drivers["email"][0].driver, name="ses")
    await bench.planned()
    await dispatch.drain(plans)
    bench.clock.forward(minutes=60)
    await sweep(bench)
    await dispatch.drain(plans)
    first, second = await attempts(bench)
    await told(bench, "bounced_hard", second, driver="ses", code="5.1.1")
    await applying.apply_due()
    last = await row(bench)
    assert (last.delivery_status, last.details["reason"]) == ("unconfirmed", "5.1.1")
    await told(bench, "delivered", first)
    await applying.apply_due()
    assert (await row(bench)).delivery_status == "delivered"


async def test_where_there_is_no_address_for_the_second_it_is_unconfirmed(bench: Bench) -> None:
    sms = Provider()
    await bench.planned()
    await dispatch.drain(channels(bench, sms))
    bench.clock.forward(minutes=60)
    await sweep(bench)
    await bench.sql("UPDATE contact_points SET use = 'old' WHERE system = 'email'")
    await dispatch.drain(channels(bench, sms))
    last = await row(bench)
    assert (last.delivery_status, last.details["reason"]) == ("unconfirmed", "no_channel_left")


async def test_a_driver_that_tells_nothing_is_not_waited_for(
    bench: Bench, running: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plan(bench, EMAIL, SMS)  # SMTP first
    await bench.planned()
    await dispatch.drain(channels(bench, Provider(), Provider()))
    assert (await row(bench)).channel == "email"
    assert await due_at(bench) is None
    # Nor one that would tell, while nobody listens.
    monkeypatch.setattr(running.platform.database, "settings", settings)
    patient = await bench.patient(communication_preferences={"channels": ["sms", "email"]})
    await bench.planned(patient_id=patient)
    await dispatch.drain(channels(bench, Provider(), Provider()))
    assert [one.channel for one in await bench.attempts()].count("sms") == 1
    bench.clock.forward(hours=3)
    await sweep(bench)
    assert "pending" not in [
        one.delivery_status for one in await bench.rows() if one.notification_type.endswith("ation")
    ]


async def test_evidence_accepted_is_enough_where_the_plan_says_so(bench: Bench) -> None:
    await plan(bench, {**SMS, "evidence": "accepted"}, EMAIL)
    await bench.planned()
    await dispatch.drain(channels(bench, Provider()))
    assert await due_at(bench) is None


async def test_the_clinics_plan_counts_when_it_is_sent(bench: Bench) -> None:
    await bench.planned(bench.clock.at + timedelta(hours=25))
    made = await plan(bench, EMAIL, SMS, kind="appointment_reminder")
    await plan(bench, {**SMS, "timeout_minutes": 20}, EMAIL)
    await dispatch.drain(channels(bench, Provider()))
    assert await due_at(bench) == bench.clock.at + timedelta(minutes=20)
    bench.clock.forward(hours=1)
    await dispatch.drain(channels(bench, Provider()))
    reminders = [one for one in await bench.rows() if one.notification_type.endswith("reminder")]
    assert ("delivered", "email") in {(one.delivery_status, one.channel) for one in reminders}
    gone = await bench.clinic.delete(f"/notification-plans/{made['id']}")
    assert gone.status_code == 200


@pytest.mark.parametrize(
    ("preferred", "expected"), [(["push", "email"], "email"), (["push"], "push"), ([], "sms")]
)
async def test_a_patients_own_channels_come_first(
    bench: Bench, preferred: list[str], expected: str
) -> None:
    await plan(bench, SMS, EMAIL)
    patient = await bench.patient(
        communication_preferences={"channels": preferred} if preferred else {},
        contact_info={
            "telecom": [
                {"system": "phone", "value": "+14155550177"},
                {"system": "email", "value": "maria@example.com"},
                {"system": "push", "value": "device-1"},
            ]
        },
    )
    await bench.planned(patient_id=patient)
    await dispatch.drain(channels(bench, Provider()))
    assert (await row(bench)).channel == expected


async def test_the_wait_leaves_time_for_the_next_channel_and_no_step_comes_too_late(
    bench: Bench,
) -> None:
    await bench.planned(bench.clock.at + timedelta(minutes=50))
    await dispatch.drain(channels(bench, Provider()))
    assert await due_at(bench) == bench.clock.at + timedelta(minutes=20)
    await bench.sql("UPDATE notifications SET evidence_due_at = $1", bench.clock.at)
    bench.clock.forward(minutes=51)  # the worker was away
    await sweep(bench)
    last = await row(bench)
    assert (last.delivery_status, last.channel) == ("accepted", "sms")
    assert await due_at(bench) is None


async def test_too_little_time_means_no_second_channel(bench: Bench) -> None:
    await bench.planned(bench.clock.at + timedelta(minutes=34))
    await dispatch.drain(channels(bench, Provider()))
    assert await due_at(bench) is None


async def test_what_follows_at_night_waits_for_the_morning(bench: Bench) -> None:
    bench.clock.forward(hours=8, minutes=45)  # 20:45 in New York
    await bench.planned()
    await dispatch.drain(channels(bench, Provider()))
    bench.clock.forward(minutes=60)
    await sweep(bench)
    await dispatch.drain(channels(bench, Provider()))
    last = await row(bench)
    assert (last.delivery_status, last.channel) == ("held", "email")
    bench.clock.at = last.next_attempt_at
    await dispatch.drain(channels(bench, Provider()))
    assert (await row(bench)).delivery_status == "delivered"


async def test_a_cancelled_visit_is_not_followed_up(bench: Bench) -> None:
    visit = await bench.planned()
    await dispatch.drain(channels(bench, Provider()))
    bench.clock.forward(minutes=60)
    await sweep(bench)
    await bench.cancel(visit)
    await dispatch.drain(channels(bench, Provider()))
    assert (await row(bench)).delivery_status == "cancelled"
    assert await bench.outbox() == []


async def test_a_doubt_that_an_echo_ends_waits_for_its_receipt_too(bench: Bench) -> None:
    await bench.planned()
    await dispatch.drain(channels(bench, Provider([Outcome("unknown", "timeout")])))
    [attempt] = await attempts(bench)
    await told(bench, "accepted", attempt)
    await applying.apply_due()
    assert (await row(bench)).delivery_status == "accepted"
    bench.clock.forward(minutes=60)
    await sweep(bench)
    assert (await row(bench)).channel == "email"


async def test_the_forecast_knows_plans_and_what_may_follow(bench: Bench) -> None:
    await bench.planned()
    chose = await bench.patient(communication_preferences={"channels": ["sms"]})
    await bench.planned(patient_id=chose)
    await dispatch.drain(channels(bench, Provider()))

    async def forecast() -> tuple[int, dict[str, int]]:
        data = (await bench.clinic.get("/notifications/forecast")).json()["data"]
        by_channel: dict[str, int] = {}
        for line in (line for day in data["by_day"] for line in day["planned"]):
            by_channel[line["channel"]] = by_channel.get(line["channel"], 0) + line["count"]
        return data["follow_ups_at_most"], by_channel

    # One of two confirmations has a channel that may follow.
    assert await forecast() == (1, {"sms": 6})
    await plan(bench, EMAIL, SMS, kind="appointment_reminder")
    assert await forecast() == (1, {"email": 3, "sms": 3})
    bench.clock.forward(minutes=60)
    await sweep(bench)
    assert (await forecast())[0] == 0


# --- a receipt at the same moment ---------------------------------------------------------------


async def _at_once(bench: Bench) -> tuple[Row, int]:
    """Sweep and apply a receipt while a third holds the row, so that both meet it at once."""
    sms = Provider()
    await bench.planned()
    await dispatch.drain(channels(bench, sms))
    [attempt] = await attempts(bench)
    bench.clock.forward(minutes=60)
    await told(bench, "delivered", attempt)
    held = asyncio.Event()
    let_go = asyncio.Event()

    async def hold() -> None:
        async with begin(bench.clinic.caller) as tx:
            await tx.run(_HOLD, (await row(bench)).id)
            held.set()
            await let_go.wait()

    holder = asyncio.create_task(hold())
    await held.wait()
    await asyncio.gather(sweep(bench), applying.apply_due())  # neither waits, neither decides
    assert (await row(bench)).delivery_status == "accepted"
    let_go.set()
    await holder
    for _ in range(3):
        bench.clock.forward(seconds=31)
        await asyncio.gather(sweep(bench), applying.apply_due())
    await dispatch.drain(channels(bench, sms))
    return await row(bench), len(sms.got)


@pytest.mark.parametrize("_number", range(3))
async def test_a_receipt_at_the_same_moment_wins_or_loses_cleanly(
    bench: Bench, _number: int
) -> None:
    last, sent = await _at_once(bench)
    assert (last.delivery_status, last.channel, sent) == ("delivered", "sms", 1)
    assert [one.status for one in await bench.attempts()] == ["delivered"]
    assert await bench.outbox() == []


async def test_several_workers_move_a_message_on_once(bench: Bench) -> None:
    await bench.planned()
    await dispatch.drain(channels(bench, Provider()))
    bench.clock.forward(minutes=60)
    await asyncio.gather(*(sweep(bench) for _ in range(4)))
    await dispatch.drain(channels(bench, Provider()))
    await asyncio.gather(*(sweep(bench) for _ in range(4)))
    assert [one["code"] for one in await story(bench)].count("next_channel") == 1
    assert len(await bench.outbox()) == 1


async def test_what_arrived_before_its_time_was_over_is_left_alone(bench: Bench) -> None:
    await bench.planned()
    await dispatch.drain(channels(bench, Provider()))
    await told(bench, "delivered", (await attempts(bench))[0])
    await applying.apply_due()
    bench.clock.forward(minutes=60)
    await sweep(bench)
    last = await row(bench)
    assert (last.delivery_status, last.channel_plan) == ("delivered", ["sms", "email"])

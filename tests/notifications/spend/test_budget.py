"""What SMS cost is reserved before they go, given back if they do not, and never above a limit."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chroniccare.notifications import dispatch
from chroniccare.notifications.batch import notify
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.spend import queries
from chroniccare.platform.postgres import Command, Tx, begin
from tests.notifications.provider import Provider, by_sms, claimed
from tests.notifications.spend.support import (
    by_phone,
    check_ledger,
    entries,
    limit,
    spend,
    this_month,
    told,
)
from tests.notifications.support import NOON, Bench
from tests.notifications.why.support import check_history, timeline

APRIL = datetime(2031, 4, 1, tzinfo=UTC)
_WAITING = Command("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")


async def plan(bench: Bench, count: int, *, days: int = 40) -> None:
    """Plan a visit for each of `count` patients who have a phone alone."""
    patients = await by_phone(bench, count)
    await bench.plan(await bench.visits(patients, NOON + timedelta(days=days)))


async def confirmations(bench: Bench) -> list[Any]:
    return [
        row for row in await bench.rows() if row.notification_type == "appointment_confirmation"
    ]


def statuses(rows: list[Any]) -> list[str]:
    return sorted(row.delivery_status for row in rows)


async def test_every_sms_is_counted_whether_there_is_a_limit_or_not(bench: Bench) -> None:
    await limit(bench, segment_price=0.0079)
    await plan(bench, 2)
    nobody = await bench.patient(
        contact_info={"telecom": [{"system": "email", "value": "ana@example.com"}]}
    )
    await bench.planned(patient_id=nobody)
    await bench.drain()
    month = await this_month(bench)
    assert (month["messages"], month["segments"], month["amount"]) == (2, 2, 0.0158)
    assert (month["month"], month["reserved_segments"]) == ("2031-03", 0)
    assert [(one.channel, one.segments, one.country) for one in await entries(bench)] == [
        ("sms", 1, "US"), ("sms", 1, "US"), ("email", None, None)
    ]  # fmt: skip
    await check_ledger(bench)


async def test_a_long_text_takes_the_segments_that_its_alphabet_needs(bench: Bench) -> None:
    await bench.patient(
        first_name="Ñandú",
        language="es",
        contact_info={"telecom": [{"system": "phone", "value": "+14155560009"}]},
    )
    await bench.plan(await bench.visits(bench.patients, NOON + timedelta(days=40)))
    await bench.drain()
    [kept], [entry] = await bench.outbox(), await entries(bench)
    units = len(kept.body)
    assert "ú" in kept.body
    assert units > 70
    assert entry.segments == -(-units // 67)


async def test_what_does_not_fit_waits_for_the_next_month_and_says_why(bench: Bench) -> None:
    await limit(bench, monthly_segments=1)
    await plan(bench, 2)
    await bench.drain()
    rows = await confirmations(bench)
    assert statuses(rows) == ["delivered", "held"]
    [held] = [row for row in rows if row.delivery_status == "held"]
    assert held.next_attempt_at == APRIL
    shown = (await bench.clinic.get(f"/notifications/{held.id}")).json()["data"]
    assert (shown["reason"], shown["channel"]) == ("budget", "sms")
    told = (await timeline(bench, held.id))["events"][-1]
    assert (told["code"], told["reason"]) == ("held", "budget")
    assert told["text"] == (
        "Held until 2031-03-31 20:00 (America/New_York): the month's limit of SMS is reached."
    )
    bench.clock.at = APRIL
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["delivered"] * 2
    shown = (await bench.clinic.get(f"/notifications/{held.id}")).json()["data"]
    assert shown["reason"] is None
    assert [m["segments"] for m in (await spend(bench))["months"]] == [1, 1, 0]
    await check_history(bench)


async def test_held_twice_it_says_so_twice(bench: Bench) -> None:
    await limit(bench, monthly_segments=0)
    await plan(bench, 1, days=100)
    await bench.drain()
    bench.clock.at = APRIL
    await bench.drain()
    [row] = await confirmations(bench)
    assert row.next_attempt_at == datetime(2031, 5, 1, tzinfo=UTC)
    held = [e for e in (await timeline(bench, row.id))["events"] if e["code"] == "held"]
    assert [event["reason"] for event in held] == ["budget", "budget"]


async def test_what_would_come_too_late_takes_a_channel_that_costs_nothing(bench: Bench) -> None:
    await limit(bench, monthly_segments=0)
    soon, later = await bench.patient(), await bench.patient()
    await bench.plan(await bench.visits([soon], NOON + timedelta(days=4)))
    await bench.plan(await bench.visits([later], NOON + timedelta(days=40)))
    await bench.drain()
    rows = await confirmations(bench)
    stand = sorted((row.delivery_status, row.channel) for row in rows)
    assert stand == [("delivered", "email"), ("held", "sms")]
    [sent] = [row for row in rows if row.channel == "email"]
    skipped = [e for e in (await timeline(bench, sent.id))["events"] if e["code"] ==
               "channel_skipped"]  # fmt: skip
    assert [(e["channel"], e["reason"]) for e in skipped] == [("sms", "budget")]
    assert (await check_ledger(bench)).messages == 0


async def test_what_has_no_other_channel_waits_in_case_the_limit_is_raised(bench: Bench) -> None:
    await limit(bench, monthly_segments=0)
    await plan(bench, 2, days=4)
    await bench.drain()
    rows = await confirmations(bench)
    assert statuses(rows) == ["held", "held"]
    assert {row.next_attempt_at for row in rows} == {NOON + timedelta(days=4)}
    await limit(bench, monthly_segments=1)
    assert await dispatch.next_due_in() < 1
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["delivered", "held"]
    bench.clock.forward(days=4)
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["delivered", "expired"]


async def test_urgent_messages_go_beyond_the_limit_and_are_counted(bench: Bench) -> None:
    await limit(bench, monthly_segments=0)
    patients = await by_phone(bench, 1)
    await bench.plan(await bench.visits(patients, NOON + timedelta(hours=3)))
    bench.clock.forward(hours=1)
    await bench.drain()
    found = {row.notification_type: row.delivery_status for row in await bench.rows()}
    assert found == {"appointment_confirmation": "held", "appointment_reminder": "delivered"}
    assert (await check_ledger(bench)).segments == 1
    assert (await told(bench))[-1].payload["urgent_goes_on"] is True


async def test_money_is_a_limit_of_its_own(bench: Bench) -> None:
    await limit(bench, monthly_amount=0.025, segment_price=0.01, monthly_segments=1000)
    await plan(bench, 3)
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["delivered", "delivered", "held"]
    found = await spend(bench)
    assert (found["percent"], found["months"][0]["amount"]) == (80.0, 0.02)


async def test_a_near_limit_is_told_once_and_a_reached_one_once(bench: Bench) -> None:
    await limit(bench, monthly_segments=5)
    await plan(bench, 3)
    await bench.drain()
    assert await told(bench) == []
    await plan(bench, 1)
    await bench.drain()
    [alert] = await told(bench)
    assert alert.event_type == "spend.alert"
    assert (alert.payload["month"], alert.payload["percent"]) == ("2031-03", 80.0)
    assert (alert.payload["segments"], alert.payload["limit_segments"]) == (4, 5)
    await plan(bench, 2)
    await bench.drain()
    await plan(bench, 1)
    await bench.drain()
    assert [one.event_type for one in await told(bench)] == ["spend.alert", "spend.exhausted"]
    month = await this_month(bench)
    assert month["alerted_at"] == month["exhausted_at"] == "2031-03-04T17:00:00Z"


async def test_a_limit_that_was_raised_is_told_of_anew(bench: Bench) -> None:
    await limit(bench, monthly_segments=2)
    await plan(bench, 3)
    await bench.drain()
    await limit(bench, monthly_segments=10)
    month = await this_month(bench)
    assert (month["alerted_at"], month["exhausted_at"]) == (None, None)
    await plan(bench, 5)
    await bench.drain()
    names = [one.event_type for one in await told(bench)]
    assert names == ["spend.alert", "spend.exhausted", "spend.alert"]


async def test_sms_go_to_the_countries_of_the_clinic_alone(bench: Bench) -> None:
    both = await bench.patient(
        contact_info={
            "telecom": [
                {"system": "phone", "value": "+18765551234"},
                {"system": "email", "value": "usain@example.com"},
            ]
        }
    )
    [phone] = await by_phone(bench, 1, "+1876556")
    await bench.plan(await bench.visits([both, phone], NOON + timedelta(days=4)))
    await bench.drain()
    rows = {row.channel: row for row in await confirmations(bench)}
    assert (rows["email"].delivery_status, rows["sms"].delivery_status) == (
        "delivered", "suppressed"
    )  # fmt: skip
    assert rows["sms"].details["reason"] == "country_not_allowed"
    events = (await timeline(bench, rows["email"].id))["events"]
    [skipped] = [event for event in events if event["code"] == "channel_skipped"]
    assert skipped["text"] == "Passed over sms: SMS to that country are not allowed."
    found = await limit(bench, countries=[{"country": "JM"}, {"country": "US"}])
    assert found["allowed_countries"] == ["JM", "US"]
    await bench.plan(await bench.visits([phone], NOON + timedelta(days=5)))
    await bench.drain()
    assert [one.country for one in await entries(bench)] == [None, "JM"]
    await limit(bench, countries=[])
    await bench.plan(await bench.visits([phone], NOON + timedelta(days=6)))
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["delivered"] * 2 + ["suppressed"] * 2


async def test_the_first_number_that_may_be_reached_is_taken(bench: Bench) -> None:
    patient = await bench.patient(
        contact_info={
            "telecom": [
                {"system": "phone", "value": "+18765551234"},
                {"system": "phone", "value": "+14155550123", "rank": 2},
            ]
        }
    )
    await bench.planned(patient_id=patient)
    await bench.drain()
    assert [kept.recipient for kept in await bench.outbox()] == ["+14155550123"]


async def test_a_country_takes_no_more_than_its_day_allows(bench: Bench) -> None:
    await limit(
        bench,
        daily_segments=5,
        countries=[{"country": "US", "daily_segments": 1}, {"country": "CA"}],
    )
    await plan(bench, 2)
    await bench.plan(
        await bench.visits(await by_phone(bench, 2, "+1416555"), NOON + timedelta(days=40))
    )
    await bench.drain()
    rows = await confirmations(bench)
    assert statuses(rows) == ["delivered"] * 3 + ["held"]
    [held] = [row for row in rows if row.delivery_status == "held"]
    assert held.next_attempt_at == datetime(2031, 3, 5, tzinfo=UTC)
    assert held.details["reason"] == "country_limit"
    bench.clock.at = held.next_attempt_at
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["delivered"] * 4
    assert await told(bench) == []  # the month has no limit


@pytest.mark.parametrize(
    ("outcome", "kept", "reserved"),
    [
        (Outcome("rejected", "invalid"), 0, 0),
        (Outcome("transient", "throttled"), 0, 0),
        (Outcome("accepted"), 1, 0),
        (Outcome("unknown", "timeout"), 1, 1),
    ],
    ids=["rejected", "transient", "accepted", "unknown"],
)
async def test_an_answer_settles_or_gives_back_what_was_reserved(
    bench: Bench, outcome: Outcome, kept: int, reserved: int
) -> None:
    provider = Provider([outcome], slow=asyncio.Event())
    await plan(bench, 1)
    working = asyncio.create_task(
        dispatch.handle(await claimed(bench), by_sms(bench, provider.calls()))
    )
    await provider.called.wait()
    month = await this_month(bench)
    assert (month["segments"], month["reserved_segments"]) == (1, 1)
    assert provider.slow is not None
    provider.slow.set()
    await working
    month = await this_month(bench)
    assert (month["segments"], month["reserved_segments"]) == (kept, reserved)
    assert (await check_ledger(bench)).segments == kept


async def test_a_call_that_was_not_made_gives_back_what_it_reserved(bench: Bench) -> None:
    await limit(bench, monthly_segments=1)
    await plan(bench, 1)
    stop, provider = asyncio.Event(), Provider()
    stop.set()
    channels = by_sms(bench, provider.calls())
    await dispatch.handle(await claimed(bench), channels, stop=stop)
    assert [(one.status, one.segments) for one in await entries(bench)] == [("prepared", None)]
    assert (await check_ledger(bench)).segments == 0
    await dispatch.drain(channels)
    assert [(one.status, one.segments) for one in await entries(bench)] == [("accepted", 1)]
    assert (await check_ledger(bench)).segments == 1


async def test_a_worker_that_dies_before_the_call_leaves_nothing_reserved(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limit(bench, monthly_segments=1)
    await plan(bench, 1)
    channels = by_sms(bench, Provider().calls())
    batch = await claimed(bench)

    async def dies(*_args: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("chroniccare.notifications.delivery._call", dies)
        with pytest.raises(RuntimeError):
            await dispatch.handle(batch, channels)
    assert (await check_ledger(bench)).segments == 1
    bench.clock.forward(seconds=61)
    await dispatch.drain(channels)
    assert statuses(await confirmations(bench)) == ["accepted"]
    assert (await check_ledger(bench)).segments == 1


async def test_a_reservation_is_settled_in_the_month_it_was_made_in(bench: Bench) -> None:
    bench.clock.at = APRIL - timedelta(seconds=1)
    provider = Provider([Outcome("rejected", "invalid")], slow=asyncio.Event())
    await limit(bench, monthly_segments=2)
    await plan(bench, 2)
    working = asyncio.create_task(
        dispatch.handle(await claimed(bench), by_sms(bench, provider.calls()))
    )
    await provider.called.wait()
    bench.clock.at = APRIL + timedelta(seconds=1)
    months = (await spend(bench))["months"]
    assert [(m["month"], m["segments"]) for m in months[:2]] == [("2031-04", 0), ("2031-03", 2)]
    assert provider.slow is not None
    provider.slow.set()
    await working
    months = (await spend(bench))["months"]
    assert [(m["month"], m["segments"]) for m in months[:2]] == [("2031-04", 0), ("2031-03", 1)]
    await check_ledger(bench)


async def test_batches_at_the_same_time_never_spend_more_than_the_limit(bench: Bench) -> None:
    await limit(bench, monthly_segments=5)
    await plan(bench, 12)
    tenant_id, claims = await claimed(bench)
    batches = [(tenant_id, claims[start : start + 4]) for start in (0, 4, 8)]
    async with begin(bench.clinic.caller) as tx:
        await tx.one(queries.LOCK_LIMITS)
        racing = [asyncio.create_task(dispatch.handle(b, bench.channels)) for b in batches]
        await _until_waiting(tx, len(batches))
    await asyncio.gather(*racing)
    assert statuses(await confirmations(bench)) == ["delivered"] * 5 + ["held"] * 7
    assert (await check_ledger(bench)).segments == 5
    assert [one.event_type for one in await told(bench)] == ["spend.alert", "spend.exhausted"]


async def test_batches_without_a_limit_do_not_wait_for_each_other(bench: Bench) -> None:
    await limit(bench, segment_price=0.01)
    await plan(bench, 2)
    async with begin(bench.clinic.caller) as tx:
        await tx.one(queries.LOCK_LIMITS)
        await dispatch.handle(await claimed(bench), bench.channels)
        assert await tx.value(_WAITING) == 0
    assert statuses(await confirmations(bench)) == ["delivered"] * 2


async def _until_waiting(tx: Tx, count: int) -> None:
    async with asyncio.timeout(1.5):  # within the lock's own limit
        while await tx.value(_WAITING) < count:  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", range(3))
async def test_counters_and_entries_agree_whatever_becomes_of_messages(
    bench: Bench, seed: int
) -> None:
    random = Random(seed)  # noqa: S311  a test that can be repeated
    await limit(bench, monthly_segments=9, segment_price=0.01)
    kinds: list[Any] = ["accepted", "rejected", "transient", "unknown"]
    provider = Provider([Outcome(random.choice(kinds), "code") for _ in range(40)])
    channels = by_sms(bench, provider.calls())
    for _ in range(3):
        await plan(bench, 6, days=random.choice([4, 40]))
        await dispatch.drain(channels)
        assert (await check_ledger(bench)).segments <= 9
        bench.clock.forward(minutes=random.randrange(1, 20))
    month = await this_month(bench)
    sums = await check_ledger(bench)
    assert (month["messages"], month["segments"]) == (sums.messages, sums.segments)
    assert month["amount"] == round(sums.micros / 1e6, 6)
    await check_history(bench)


async def test_a_replay_that_would_wait_in_vain_is_refused(bench: Bench) -> None:
    patients = await by_phone(bench, 2)
    await bench.plan(await bench.visits(patients[:1], NOON + timedelta(days=4)))
    await bench.plan(await bench.visits(patients[1:], NOON + timedelta(days=40)))
    refuses = Provider([Outcome("rejected", "smpp_11"), Outcome("rejected", "smpp_11")])
    await dispatch.drain(by_sms(bench, refuses.calls()))
    soon, later = sorted(await confirmations(bench), key=lambda row: row.id)
    assert statuses([soon, later]) == ["failed", "failed"]
    await limit(bench, monthly_segments=0)
    refused = await bench.clinic.post(f"/notifications/{soon.id}/replay")
    assert refused.status_code == 422
    [detail] = refused.json()["error"]["details"]
    assert "limit of SMS is reached" in str(detail)
    assert (await bench.clinic.post(f"/notifications/{later.id}/replay")).status_code == 200
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["failed", "held"]
    await limit(bench, monthly_segments=1)
    assert (await bench.clinic.post(f"/notifications/{soon.id}/replay")).status_code == 200


async def test_a_file_does_not_wait_for_the_next_month(bench: Bench, tmp_path: Path) -> None:
    await limit(bench, monthly_segments=1)
    starts = (NOON + timedelta(days=60)).isoformat()
    rows = [
        {"patientId": f"P{n}", "phoneNumber": f"+1415555010{n}", "appointmentTime": starts,
         "doctorName": "Lee", "location": "Oak", "appointmentId": f"A{n}", **more}
        for n, more in enumerate([{}, {}, {"email": "ana@example.com"}])
    ]  # fmt: skip
    path = tmp_path / "list.json"
    path.write_text(json.dumps(rows))
    async with asyncio.timeout(5):
        result = await notify(path, tenant_id=bench.clinic.tenant_id, channels=bench.channels)
    # Which of them fits is a matter of their ids, which are made in one millisecond.
    assert result.success == 1
    assert result.fallback + result.failed == 2
    assert {problem.reason for problem in result.problems} <= {"budget"}
    assert (await check_ledger(bench)).segments == 1
    await limit(bench, monthly_segments=3)
    again = await notify(path, tenant_id=bench.clinic.tenant_id, channels=bench.channels)
    assert (again.success, again.already_sent) == (result.failed, 1 + result.fallback)


async def test_without_valkey_limits_hold(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise ConnectionError

    await limit(bench, monthly_segments=1)
    await plan(bench, 2)
    monkeypatch.setattr("chroniccare.platform.cache.cache", away)
    monkeypatch.setattr("chroniccare.platform.cache._cache", None)
    await bench.drain()
    assert statuses(await confirmations(bench)) == ["delivered", "held"]

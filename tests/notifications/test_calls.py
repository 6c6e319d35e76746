"""When a provider is called, how often, and when not any more."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Unavailable
from chroniccare.notifications import delivery, dispatch, rules
from chroniccare.notifications.batch import notify
from chroniccare.notifications.channels.message import Outcome
from chroniccare.platform.postgres import Tx, begin
from tests.notifications.provider import Provider, by_sms, claimed
from tests.notifications.support import NOON, Bench, eventually


@pytest.mark.parametrize(
    "change",
    [
        (
            "UPDATE appointments SET status = 'cancelled', cancelled_at = now(),"
            " cancellation_reason = 'x' WHERE id = $1"
        ),
        (
            "UPDATE appointments SET scheduled_start = scheduled_start + interval '1 hour',"
            " scheduled_end = scheduled_end + interval '1 hour' WHERE id = $1"
        ),
        (
            'UPDATE patients p SET consent_settings = \'{"sms": false, "email": false}\''
            " FROM appointments a WHERE a.id = $1 AND p.id = a.patient_id"
        ),
        (
            "UPDATE patients p SET treatment_status = 'deceased'"
            " FROM appointments a WHERE a.id = $1 AND p.id = a.patient_id"
        ),
        (
            "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at)"
            " SELECT gen_random_uuid(), c.tenant_id, k, coalesce(c.value_index, c.value),"
            " 'opt_out', now()"
            " FROM unnest(ARRAY['sms', 'email']) k, contact_points c JOIN appointments a"
            " ON a.patient_id = c.patient_id WHERE a.id = $1"
        ),
    ],
    ids=["cancelled", "moved", "consent", "deceased", "opted_out"],
)
async def test_what_is_committed_while_a_message_waits_for_its_turn_counts(
    bench: Bench, change: str
) -> None:
    provider = Provider(slow=asyncio.Event())
    channels = by_sms(bench, provider.calls())
    visits = [
        await bench.planned(
            patient_id=await bench.patient(
                contact_info={"telecom": [{"system": "phone", "value": f"+1415555018{n}"}]}
            )
        )
        for n in range(2)
    ]
    working = asyncio.create_task(dispatch.handle(await claimed(bench), channels))
    await provider.called.wait()
    of = {row.id: row.appointment_id for row in await bench.rows()}
    called = of[provider.got[0].notification_id]
    [waiting] = [visit for visit in visits if visit.appointment_id != called]
    await bench.sql(change, waiting.appointment_id)
    assert provider.slow is not None
    provider.slow.set()
    await working
    await dispatch.drain(channels)
    assert len(provider.got) == 1
    statuses = {row.appointment_id: row.delivery_status for row in (await bench.rows())[-2:]}
    assert statuses[called] == "accepted"
    assert statuses[waiting.appointment_id] in {"cancelled", "superseded", "suppressed", "failed"}


async def test_a_message_that_expires_while_it_waits_is_not_sent(bench: Bench) -> None:
    provider = Provider()
    channels = by_sms(bench, provider.calls())
    slots = channels.drivers["sms"][0].driver.slots  # type: ignore[union-attr]
    await bench.planned(bench.clock.at + timedelta(seconds=30))
    await slots.acquire()
    working = asyncio.create_task(dispatch.handle(await claimed(bench), channels))
    await eventually(bench.attempts)
    bench.clock.forward(seconds=31)
    slots.release()
    await working
    await dispatch.drain(channels)
    assert provider.got == []
    assert await bench.statuses() == ["expired"]


async def test_a_doubt_that_is_recorded_while_others_recover_the_row_stays_one(
    bench: Bench,
) -> None:
    provider = Provider([Outcome("unknown", "timeout")], slow=asyncio.Event())
    channels = by_sms(bench, provider.calls())
    await bench.planned()
    working = asyncio.create_task(dispatch.handle(await claimed(bench), channels))
    await provider.called.wait()
    bench.clock.forward(seconds=61)
    late = await claimed(bench)
    assert [claim.was for claim in late[1]] == ["sending"]
    assert provider.slow is not None
    provider.slow.set()  # the doubt is recorded between the claim and the decision
    await working
    await dispatch.handle(late, channels)
    await dispatch.drain(channels)
    assert len(provider.got) == 1
    assert (await bench.statuses())[-1] == "unknown"
    assert [tried.status for tried in await bench.attempts()] == ["unknown"]


async def test_a_worker_that_lost_its_row_does_not_unmark_anothers_call(bench: Bench) -> None:
    first, second = Provider(), Provider(slow=asyncio.Event())
    one, two = first.calls(), second.calls()
    await bench.planned()
    await one.slots.acquire()
    stale = asyncio.create_task(dispatch.handle(await claimed(bench), by_sms(bench, one)))
    await eventually(bench.attempts)
    bench.clock.forward(seconds=61)
    working = asyncio.create_task(dispatch.drain(by_sms(bench, two)))
    await second.called.wait()
    one.slots.release()
    await stale
    assert [tried.status for tried in await bench.attempts()] == ["in_flight"]
    working.cancel()  # kill -9 in the call
    await asyncio.wait([working])
    bench.clock.forward(seconds=61)
    third = Provider()
    await dispatch.drain(by_sms(bench, third.calls()))
    assert (first.got, third.got, len(second.got)) == ([], [], 1)
    assert (await bench.statuses())[-1] == "unknown"


async def test_a_lost_commit_before_the_call_leaves_no_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    @asynccontextmanager
    async def losing(caller: Caller) -> AsyncIterator[Tx]:
        async with begin(caller) as tx:
            yield tx
        if not begun and [tried.status for tried in await bench.attempts()] == ["in_flight"]:
            begun.append("in_flight")
            raise Unavailable

    provider = Provider()
    await bench.planned()
    batch = await claimed(bench)
    monkeypatch.setattr(delivery, "begin", losing)
    await dispatch.handle(batch, by_sms(bench, provider.calls()))
    assert (begun, provider.got) == (["in_flight"], [])
    assert [tried.status for tried in await bench.attempts()] == ["prepared"]
    assert (await bench.statuses())[-1] == "pending"
    await dispatch.drain(by_sms(bench, provider.calls()))
    assert len(provider.got) == 1
    assert [(tried.number, tried.status) for tried in await bench.attempts()] == [(1, "accepted")]


async def test_after_a_stop_no_call_begins_and_what_waits_is_due_at_once(bench: Bench) -> None:
    provider = Provider(slow=asyncio.Event())
    channels = by_sms(bench, provider.calls())
    patient_id = await bench.patient()
    visits = await bench.visits([patient_id] * 20, bench.clock.at + timedelta(hours=1))
    await bench.plan(visits)
    stop, bell = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(dispatch.run_here(channels, bell=bell, stop=stop))
    await provider.called.wait()
    stop.set()
    assert provider.slow is not None
    provider.slow.set()
    await asyncio.wait_for(running, 10)
    assert len(provider.got) == 1  # the call on the wire was finished
    assert Counter(await bench.statuses()) == {"accepted": 1, "pending": 19}
    assert {
        row.next_attempt_at for row in await bench.rows() if row.delivery_status == "pending"
    } == {bench.clock.at}
    await dispatch.drain(channels)
    assert len(provider.got) == 20
    assert {tried.number for tried in await bench.attempts()} == {1}


async def test_a_call_that_hangs_does_not_hold_up_a_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LAST_CALL_S", 0.05)
    provider = Provider(slow=asyncio.Event())
    await bench.planned()
    stop, bell = asyncio.Event(), asyncio.Event()
    channels = by_sms(bench, provider.calls())
    running = asyncio.create_task(dispatch.run_here(channels, bell=bell, stop=stop))
    await provider.called.wait()
    stop.set()
    await asyncio.wait_for(running, 5)
    assert (await bench.rows())[-1].details["reason"] == "timeout"


async def test_a_file_row_that_is_taken_up_again_gets_all_its_tries(
    bench: Bench, tmp_path: Path
) -> None:
    provider = Provider([Outcome("transient", "busy")] * 9)
    channels = by_sms(bench, provider.calls())
    file = tmp_path / "reminders.json"
    row = {
        "patientId": "P1",
        "phoneNumber": "4155550101",
        "appointmentTime": (NOON + timedelta(days=1)).isoformat(),
        "appointmentId": "A1",
    }
    file.write_text(json.dumps([row]))
    for run in (1, 2):
        sending = asyncio.create_task(
            notify(file, tenant_id=bench.clinic.tenant_id, channels=channels)
        )

        async def over(sending: "asyncio.Task[Any]" = sending) -> bool:
            bench.clock.forward(seconds=30)
            return sending.done()

        await eventually(over)
        assert (await sending).failed == 1
        assert len(provider.got) == 3 * run


async def test_a_passing_failure_of_the_last_channel_is_tried_until_the_visit(
    bench: Bench,
) -> None:
    provider = Provider([Outcome("transient", "busy")] * 99)
    channels = by_sms(bench, provider.calls())
    texting = {"contact_info": {"telecom": [{"system": "phone", "value": "+14155550177"}]}}
    await bench.planned(
        bench.clock.at + timedelta(hours=1), patient_id=await bench.patient(**texting)
    )
    for _ in range(12):
        await dispatch.drain(channels)
        assert await bench.statuses() == ["pending"]
        bench.clock.at = (await bench.rows())[0].next_attempt_at
        assert len(provider.got) < rules.LAST_TRIES
    provider.outcomes.clear()
    await dispatch.drain(channels)
    assert await bench.statuses() == ["accepted"]


async def test_the_tries_of_the_last_channel_are_bounded(bench: Bench) -> None:
    provider = Provider([Outcome("transient", "busy")] * 99)
    channels = by_sms(bench, provider.calls())
    texting = {"contact_info": {"telecom": [{"system": "phone", "value": "+14155550177"}]}}
    await bench.planned(patient_id=await bench.patient(**texting))
    while (await bench.statuses())[-1] == "pending":
        bench.clock.at = (await bench.rows())[-1].next_attempt_at
        await dispatch.drain(channels)
    assert len(provider.got) == rules.LAST_TRIES
    last = (await bench.rows())[-1]
    assert (last.delivery_status, last.details["reason"]) == ("failed", "busy")


async def test_a_passing_failure_is_tried_three_times_then_the_next_channel(bench: Bench) -> None:
    provider = Provider([Outcome("transient", "busy")] * 9)
    channels = by_sms(bench, provider.calls())
    await bench.planned()
    for count in (1, 2, 3):
        await dispatch.drain(channels)
        row = (await bench.rows())[-1]
        assert (len(provider.got), row.retry_count) == (count, count)
        bench.clock.forward(seconds=301)
    await dispatch.drain(channels)
    assert len(provider.got) == 3
    row = (await bench.rows())[-1]
    assert (row.delivery_status, row.channel, row.channel_plan) == ("delivered", "email", ["email"])
    statuses = [(tried.channel, tried.status) for tried in await bench.attempts()]
    assert statuses == [("sms", "transient")] * 3 + [("email", "accepted")]

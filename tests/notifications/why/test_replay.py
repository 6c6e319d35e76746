"""What reached nobody is listed with its cause, and sent after all if it still has a point."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare.core.ids import new_id
from chroniccare.notifications import delivery, dispatch
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.replay import queries
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.notifications.provider import Provider, by_sms
from tests.notifications.support import Bench, Row
from tests.notifications.why.support import check_history, codes, timeline

_ALL = {"limit": 1000}
_MOVE = (
    "UPDATE appointments SET scheduled_start = scheduled_start + interval '5 min',"
    " scheduled_end = scheduled_end + interval '5 min'"
)
_OPT_OUT = (
    "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at)"
    " SELECT gen_random_uuid(), tenant_id, 'sms', coalesce(value_index, value), 'stop', now()"
    " FROM contact_points"
)
_WAITING = Command(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND datname = current_database()"
)


async def failed_one(bench: Bench) -> Row:
    """Return a confirmation that both providers refused."""
    await bench.planned()
    await bench.sql("DELETE FROM contact_points WHERE system = 'email'")
    await dispatch.drain(by_sms(bench, Provider([Outcome("rejected", "smpp_11")]).calls()))
    last = (await bench.rows())[-1]
    assert last.delivery_status == "failed"
    return last


async def replayed(bench: Bench, notification_id: UUID, **options: Any) -> Any:
    return await bench.clinic.post(f"/notifications/{notification_id}/replay", **options)


async def test_failures_are_listed_by_cause_and_page_by_page(bench: Bench) -> None:
    one = await failed_one(bench)
    nobody = await bench.patient(contact_info={"telecom": []})
    await bench.planned(patient_id=nobody)
    data = (await bench.clinic.get("/notifications/failed")).json()["data"]
    assert {(g["cause"], g["channel"], g["count"]) for g in data["groups"]} == {
        ("smpp_11", "sms", 1),
        ("no_contact_point", "sms", 1),
    }
    assert len(data["items"]) == 2
    [item] = (await bench.clinic.get("/notifications/failed?cause=smpp_11")).json()["data"]["items"]
    assert (item["id"], item["attempts"], item["replays"]) == (str(one.id), 1, 0)
    for only in ({"channel": "email"}, {"since": "2031-03-05T00:00:00Z"}, {"cause": "none"}):
        found = (await bench.clinic.get("/notifications/failed", params=only)).json()["data"]
        assert (found["groups"], found["items"]) == ([], [])
    seen, cursor = [], None
    while True:
        params: dict[str, Any] = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await bench.clinic.get("/notifications/failed", params=params)).json()["data"]
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == data["items"]


async def test_a_check_says_what_a_replay_would_do_and_changes_nothing(bench: Bench) -> None:
    one = await failed_one(bench)
    nobody = await bench.patient(contact_info={"telecom": []})
    await bench.planned(patient_id=nobody)
    before = await bench.rows()
    checked = (await bench.clinic.get("/notifications/failed/check")).json()["data"]
    assert [row.delivery_status for row in await bench.rows()] == [
        row.delivery_status for row in before
    ]
    assert (checked["requeued"], checked["refused"]) == (1, 1)
    reasons = {verdict["id"]: verdict["reason"] for verdict in checked["results"]}
    assert reasons[str(one.id)] is None
    assert "no_contact_point" in reasons.values()
    done = (await bench.clinic.post("/notifications/failed/replay", _ALL)).json()["data"]
    assert done["results"] == checked["results"]


async def test_a_replay_sends_the_same_row_once_and_says_who(bench: Bench) -> None:
    one = await failed_one(bench)
    count = len(await bench.rows())
    answers = [
        await replayed(bench, one.id, headers={"Idempotency-Key": "again"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    assert answers[0].json()["data"]["outcome"] == "requeued"
    assert (await replayed(bench, one.id)).status_code == 409  # it is waiting by now
    await bench.drain()
    row = next(row for row in await bench.rows() if row.id == one.id)
    assert (row.delivery_status, row.retry_count) == ("delivered", 0)
    assert "reason" not in row.details
    assert len(await bench.rows()) == count
    assert len([m for m in await bench.outbox() if m.notification_id == one.id]) == 1
    found = await timeline(bench, one.id)
    assert codes(found)[-7:] == [
        "replayed", "taken_up", "channel_skipped", "sending", "attempt_begun",
        "attempt_accepted", "delivered",
    ]  # fmt: skip
    [by] = [event["by"] for event in found["events"] if event["by"]]
    assert by.startswith("api_key:")
    await check_history(bench)
    again = await replayed(bench, one.id)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "NOT_REPLAYABLE")


async def test_all_channels_are_tried_again(bench: Bench) -> None:
    one = await failed_one(bench)
    assert one.channel_plan == ["sms"]
    await replayed(bench, one.id)
    row = next(row for row in await bench.rows() if row.id == one.id)
    assert row.channel_plan == ["sms", "email"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE appointments SET status = 'cancelled'", "visit_cancelled"),
        (_MOVE, "visit_moved"),
        ("UPDATE notifications SET expires_at = '2031-03-04T17:00:00Z'", "too_late"),
        ('UPDATE patients SET consent_settings = \'{"sms": false}\'', "no_consent"),
        ("UPDATE patients SET is_active = false", "patient_inactive"),
        (_OPT_OUT, "opted_out"),
    ],
)  # fmt: skip
async def test_what_would_not_be_sent_is_refused_with_the_reason(
    bench: Bench, change: str, reason: str
) -> None:
    one = await failed_one(bench)
    await bench.sql(change)
    single = await replayed(bench, one.id)
    assert single.status_code == 422
    assert single.json()["error"]["details"][0]["code"] == reason
    many = (await bench.clinic.post("/notifications/failed/replay", _ALL)).json()["data"]
    assert (many["requeued"], many["refused"]) == (0, 1)
    assert many["results"][0]["reason"] == reason
    row = next(row for row in await bench.rows() if row.id == one.id)
    assert (row.delivery_status, row.details) == ("failed", one.details)


async def test_quiet_hours_hold_a_replayed_reminder(bench: Bench) -> None:
    one = await failed_one(bench)
    await bench.sql(
        "UPDATE notifications SET notification_type = 'appointment_reminder',"
        " scheduled_send_time = '2031-03-05T16:00:00Z' WHERE id = $1",
        one.id,
    )
    bench.clock.at += timedelta(hours=11)  # 23:00 in New York
    found = (await replayed(bench, one.id)).json()["data"]
    assert (found["outcome"], found["next_attempt_at"]) == ("requeued", "2031-03-05T13:00:00Z")


@pytest.mark.parametrize("status", ["unknown", "accepted", "delivered", "pending", "cancelled"])
async def test_what_may_have_been_sent_is_not_replayed(bench: Bench, status: str) -> None:
    one = await failed_one(bench)
    await bench.forge("UPDATE notifications SET delivery_status = $2 WHERE id = $1", one.id, status)
    assert (await replayed(bench, one.id)).status_code == 409
    assert (await replayed(bench, new_id())).status_code == 404


@pytest.mark.parametrize("status", ["unknown", "accepted", "in_flight"])
async def test_nor_is_one_whose_last_attempt_may_have_arrived(bench: Bench, status: str) -> None:
    one = await failed_one(bench)
    await bench.sql("UPDATE notification_attempts SET status = $1", status)
    assert (await replayed(bench, one.id)).status_code == 409


async def test_another_clinic_can_neither_see_nor_replay(
    bench: Bench, other_clinic: Clinic
) -> None:
    one = await failed_one(bench)
    assert (await other_clinic.get("/notifications/failed")).json()["data"]["items"] == []
    assert (await other_clinic.post(f"/notifications/{one.id}/replay")).status_code == 404
    many = (await other_clinic.post("/notifications/failed/replay", _ALL)).json()["data"]
    assert many["results"] == []


async def test_a_thousand_are_put_back_in_one_statement_and_page_by_page(bench: Bench) -> None:
    await bench.many(1003)
    await bench.sql(
        "UPDATE notifications SET delivery_status = 'failed',"
        ' delivery_details = \'{"reason": "smtp_550"}\', updated_at = $1'
        " WHERE notification_type = 'appointment_confirmation'",
        bench.clock.at,
    )
    first = (await bench.clinic.post("/notifications/failed/replay", _ALL)).json()["data"]
    assert (first["requeued"], first["refused"]) == (1000, 0)
    body = {**_ALL, "cursor": first["next_cursor"], "cause": None}
    second = (await bench.clinic.post("/notifications/failed/replay", body)).json()["data"]
    assert (second["requeued"], second["next_cursor"]) == (3, None)
    await check_history(bench)
    await bench.drain()
    outbox = await bench.outbox()
    assert len(outbox) == len({kept.notification_id for kept in outbox}) >= 1003


async def test_two_replays_at_once_put_it_back_once(bench: Bench) -> None:
    """Both wait for the row, which is held until they do."""
    one = await failed_one(bench)
    answers = await _raced(bench, one.id)
    while any(answer.status_code == 409 and "CONFLICT" in answer.text for answer in answers):
        answers = await _raced(bench, one.id)  # a busy machine: one waited longer than it may
    put_back = [
        answer
        for answer in answers
        if answer.status_code == 200
        and (answer.json()["data"].get("outcome") or answer.json()["data"]["requeued"])
    ]
    assert len(put_back) == 1
    row = next(row for row in await bench.rows() if row.id == one.id)
    assert row.details["replay"]["count"] == 1
    await bench.drain()
    assert len([m for m in await bench.outbox() if m.notification_id == one.id]) == 1


async def _raced(bench: Bench, message_id: UUID) -> list[httpx.Response]:
    """Return what both are told; each waits for the row at most two seconds."""
    async with begin(bench.clinic.caller) as tx:
        await tx.all(queries.LOCK, [message_id])
        rivals = [
            asyncio.create_task(replayed(bench, message_id)),
            asyncio.create_task(bench.clinic.post("/notifications/failed/replay", _ALL)),
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                while await tx.value(_WAITING) < len(rivals):  # noqa: ASYNC110  PostgreSQL tells nobody
                    await asyncio.sleep(0.01)
    return [await rival for rival in rivals]


async def test_a_late_answer_of_the_old_attempt_changes_nothing(bench: Bench) -> None:
    """The worker that had it before is slow, and records after the replay."""
    slow = Provider([Outcome("rejected", "smpp_11")], slow=asyncio.Event())
    await bench.planned()
    await bench.sql("DELETE FROM contact_points WHERE system = 'email'")
    calls = slow.calls()
    task = asyncio.create_task(dispatch.drain(by_sms(bench, calls)))
    await asyncio.wait_for(slow.called.wait(), 10)
    one = (await bench.rows())[-1]
    await bench.sql(
        "UPDATE notifications SET delivery_status = 'failed', fence = fence + 1 WHERE id = $1",
        one.id,
    )
    await bench.sql("UPDATE notification_attempts SET status = 'rejected'")
    assert (await replayed(bench, one.id)).status_code == 200
    assert slow.slow is not None
    slow.slow.set()
    await task
    row = next(row for row in await bench.rows() if row.id == one.id)
    assert row.delivery_status in {"pending", "accepted"}
    assert "reason" not in row.details
    await check_history(bench)


async def test_rows_that_a_rival_looks_at_are_waited_for(bench: Bench) -> None:
    """A claim beside ours locks rows that it cannot have; they are delivered all the same."""
    await bench.planned()
    claims = [c for c in await dispatch.claim() if c.tenant_id == bench.clinic.tenant_id]
    async with begin(bench.clinic.caller) as tx:
        await tx.all(queries.LOCK, [claims[0].id])
        task = asyncio.create_task(
            delivery.deliver(bench.clinic.tenant_id, [claims[0].id], bench.channels)
        )
        await asyncio.sleep(0.05)
    assert await task == 1

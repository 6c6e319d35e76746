"""From a stored receipt to what the clinic sees, on the real engines."""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare import worker
from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.plan import LOOP as DISPATCH
from chroniccare.notifications.receipts import actions, applying, queries, rules
from chroniccare.platform.postgres import Command, Query, begin, begin_system
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.notifications.optouts import opt_outs
from tests.notifications.provider import Provider, by_sms
from tests.notifications.support import Bench, Row, eventually


@dataclass(frozen=True, slots=True)
class Kept:
    kind: str
    code: str | None


@dataclass(frozen=True, slots=True)
class Barred:
    channel: str
    value: str
    reason: str


_IDS = Command("SELECT id FROM notification_attempts ORDER BY started_at, id")
_KEPT = Query(Kept, "SELECT status AS kind, code FROM notification_receipts ORDER BY id")
_EVENTS = Command("SELECT payload FROM outbox WHERE event_type = 'contact.suppressed'")
_AUDITED = Command("SELECT changes FROM audit_logs WHERE entity_type = 'suppression'")
_WAITING = Command("SELECT count(*) FROM receipt_inbox")
_CLEAR = Command("DELETE FROM receipt_inbox")
_ENDED = Command("UPDATE notification_attempts SET status = $2 WHERE id = $1")


@pytest.fixture(autouse=True)
async def empty(bench: Bench) -> None:
    del bench
    async with begin_system("test") as tx:
        await tx.run(_CLEAR)


async def waiting() -> int:
    async with begin_system("test") as tx:
        return int(await tx.value(_WAITING))


def told(kind: rules.Kind, attempt: UUID | str, *, event: str = "", driver: str = "aws",
         code: str | None = None) -> rules.Receipt:  # fmt: skip
    """Return a receipt; an attempt that is a text is the provider's id."""
    echo = attempt if isinstance(attempt, UUID) else None
    return rules.Receipt(
        driver, kind, rules.event_id(event or f"{kind} {attempt}"), echo,
        None if echo else str(attempt), code, None,
    )  # fmt: skip


async def tell(bench: Bench, *receipts: rules.Receipt) -> None:
    """Store the receipts and apply what is due."""
    await actions.store(list(receipts))
    bench.clock.forward(seconds=2)
    await applying.apply_due()


def calling(bench: Bench, provider: Provider, name: str = "aws") -> Channels:
    return by_sms(bench, replace(provider.calls(), name=name))


async def sent(
    bench: Bench, provider: Provider | None = None, *, name: str = "aws", **patient: Any
) -> UUID:
    """Send one confirmation by SMS; return the attempt's id."""
    await bench.planned(patient_id=await bench.patient(**patient))
    await dispatch.drain(calling(bench, provider or Provider(), name))
    return (await attempts(bench))[-1]


async def attempts(bench: Bench) -> list[UUID]:
    async with begin(bench.clinic.caller) as tx:
        return [UUID(str(one)) for one in await tx.values(_IDS)]


async def kept(bench: Bench) -> list[Kept]:
    async with begin(bench.clinic.caller) as tx:
        return await tx.all(_KEPT)


async def barred(bench: Bench) -> list[Barred]:
    found = await opt_outs(bench.clinic.caller)
    return [Barred(one.channel, one.address, one.reason) for one in found]


async def last(bench: Bench) -> Row:
    return (await bench.rows())[-1]


TEXTING: dict[str, Any] = {
    "contact_info": {"telecom": [{"system": "phone", "value": "+14155550177"}]}
}


async def test_a_delivered_message_is_delivered_and_stays_so(bench: Bench) -> None:
    attempt = await sent(bench)
    assert (await last(bench)).delivery_status == "accepted"
    await tell(bench, told("delivered", attempt), told("accepted", attempt))
    await tell(bench, told("undelivered", attempt), told("delivered", attempt))
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("delivered", "sms")
    assert [one.status for one in await bench.attempts()] == ["delivered"]
    assert [one.kind for one in await kept(bench)] == ["delivered", "accepted", "undelivered"]
    shown = (await bench.clinic.get(f"/notifications/{row.id}")).json()["data"]
    assert (shown["delivery_status"], shown["attempts"][0]["status"]) == ("delivered", "delivered")
    assert await waiting() == 0


async def test_an_undelivered_message_goes_to_the_next_channel_at_once(bench: Bench) -> None:
    attempt = await sent(bench)
    await tell(bench, told("undelivered", attempt, code="UNREACHABLE"))
    row = await last(bench)
    assert (row.delivery_status, row.channel, row.channel_plan) == ("pending", "email", ["email"])
    await bench.drain()
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("delivered", "email")
    assert [one.status for one in await bench.attempts()] == ["undelivered", "accepted"]


async def test_an_undelivered_message_without_another_channel_has_failed(bench: Bench) -> None:
    attempt = await sent(bench, **TEXTING)
    await tell(bench, told("undelivered", attempt, code="UNREACHABLE"))
    row = await last(bench)
    assert (row.delivery_status, row.details["reason"]) == ("failed", "UNREACHABLE")
    assert await barred(bench) == []
    await tell(bench, told("delivered", attempt))
    row = await last(bench)
    assert (row.delivery_status, row.details.get("reason")) == ("delivered", None)


async def test_a_proof_takes_back_the_next_channel_that_has_not_gone_out(bench: Bench) -> None:
    attempt = await sent(bench)
    await tell(bench, told("undelivered", attempt))
    await tell(bench, told("delivered", attempt))
    await bench.drain()
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("delivered", "sms")
    assert await bench.outbox() == []


@pytest.mark.parametrize("kind", ["bounced_hard", "complained", "opted_out"])
async def test_an_address_that_is_barred_gets_no_further_message(
    bench: Bench, kind: rules.Kind
) -> None:
    patient_id = await bench.patient(**TEXTING)
    await bench.planned(patient_id=patient_id)
    provider = Provider()
    await dispatch.drain(calling(bench, provider))
    [attempt] = await attempts(bench)
    await tell(bench, told(kind, attempt), told(kind, attempt, event="told twice"))
    assert await barred(bench) == [Barred("sms", "+14155550177", kind)]
    assert (await last(bench)).details["flag"] == kind
    async with begin(bench.clinic.caller) as tx:
        [payload] = await tx.values(_EVENTS)
        [audited] = await tx.values(_AUDITED)
    assert (payload["reason"], payload["patient_id"]) == (kind, str(patient_id))
    assert "14155550177" not in f"{payload}{audited}"
    await bench.planned(patient_id=patient_id)
    await dispatch.drain(calling(bench, provider))
    assert len(provider.got) == 1
    assert "suppressed" in await bench.statuses()


async def test_an_address_that_was_let_in_again_is_not_barred_by_an_old_receipt(
    bench: Bench,
) -> None:
    attempt = await sent(bench, **TEXTING)
    await tell(bench, told("bounced_hard", attempt))
    await bench.sql("UPDATE suppressions SET lifted_at = $1", bench.clock.at)
    await tell(bench, told("bounced_hard", attempt))
    assert len(await barred(bench)) == 1


async def test_the_address_that_was_written_to_is_barred_not_the_new_one(bench: Bench) -> None:
    attempt = await sent(bench, **TEXTING)
    await bench.sql("UPDATE contact_points SET value = '+14155550188' WHERE system = 'phone'")
    await tell(bench, told("bounced_hard", attempt))
    assert [one.value for one in await barred(bench)] == ["+14155550177"]


async def test_an_echo_ends_a_doubt(bench: Bench) -> None:
    attempt = await sent(bench, Provider([Outcome("unknown", "timeout")]))
    assert (await last(bench)).delivery_status == "unknown"
    await tell(bench, told("accepted", attempt))
    row = await last(bench)
    assert (row.delivery_status, row.details.get("reason")) == ("accepted", None)
    bench.clock.forward(hours=1)
    await applying.reconcile(bench.clinic.tenant_id)
    assert (await last(bench)).delivery_status == "accepted"
    await tell(bench, told("delivered", attempt))
    assert (await last(bench)).delivery_status == "delivered"


async def test_a_receipt_that_comes_before_our_own_commit_is_not_lost(bench: Bench) -> None:
    provider = Provider(slow=asyncio.Event())
    await bench.planned()
    working = asyncio.create_task(dispatch.drain(calling(bench, provider)))
    await provider.called.wait()
    attempt = provider.got[0].attempt_id
    await tell(bench, told("accepted", attempt), told("undelivered", attempt))
    assert (await last(bench)).delivery_status == "sending"
    assert await waiting() == 1
    assert provider.slow is not None
    provider.slow.set()
    await working
    bench.clock.forward(seconds=2)
    await applying.apply_due()
    assert ((await last(bench)).delivery_status, await waiting()) == ("pending", 0)
    assert (await last(bench)).channel == "email"


async def test_a_proof_before_our_own_commit_counts_at_once(bench: Bench) -> None:
    provider = Provider([Outcome("unknown", "timeout")], slow=asyncio.Event())
    await bench.planned()
    working = asyncio.create_task(dispatch.drain(calling(bench, provider)))
    await provider.called.wait()
    await tell(bench, told("delivered", provider.got[0].attempt_id))
    assert (await last(bench)).delivery_status == "delivered"
    assert provider.slow is not None
    provider.slow.set()
    await working
    assert (await last(bench)).delivery_status == "delivered"
    assert [one.status for one in await bench.attempts()] == ["delivered"]


async def test_an_echo_during_a_call_that_ends_in_doubt_ends_the_doubt(bench: Bench) -> None:
    provider = Provider([Outcome("unknown", "timeout")], slow=asyncio.Event())
    await bench.planned()
    working = asyncio.create_task(dispatch.drain(calling(bench, provider)))
    await provider.called.wait()
    await tell(bench, told("accepted", provider.got[0].attempt_id))
    assert provider.slow is not None
    provider.slow.set()
    await working
    assert (await last(bench)).delivery_status == "unknown"
    await applying.reconcile(bench.clinic.tenant_id)
    assert (await last(bench)).delivery_status == "accepted"


async def test_a_receipt_by_the_providers_id_waits_until_that_is_known(bench: Bench) -> None:
    await tell(bench, told("delivered", "p-1", driver="sns"))
    for _ in range(5):
        bench.clock.forward(minutes=2)
        await applying.apply_due()
    assert await waiting() == 1
    await sent(bench, name="sns")
    bench.clock.forward(minutes=10)
    await applying.apply_due()
    assert ((await last(bench)).delivery_status, await waiting()) == ("delivered", 0)


async def test_a_receipt_of_nobodys_message_is_given_up_after_a_week(bench: Bench) -> None:
    await tell(bench, told("delivered", new_id()), told("delivered", "p-unknown"))
    bench.clock.forward(days=6, hours=23)
    await applying.apply_due()
    assert await waiting() == 2
    bench.clock.forward(hours=2)
    await applying.apply_due()
    assert await waiting() == 0


async def test_a_receipt_of_another_driver_changes_nothing(bench: Bench) -> None:
    attempt = await sent(bench)
    await tell(bench, told("delivered", attempt, driver="http"), told("delivered", "p-1"))
    assert (await last(bench)).delivery_status == "delivered"  # by the provider's id
    assert await waiting() == 1


async def test_a_receipt_reaches_its_own_clinic_alone(bench: Bench, other_clinic: Clinic) -> None:
    other = await bench.elsewhere(other_clinic)
    mine, provider = await sent(bench), Provider()
    await other.planned()
    await dispatch.drain(calling(other, provider))
    [theirs] = await attempts(other)
    await tell(bench, told("delivered", mine), told("bounced_hard", theirs))
    assert ((await last(bench)).delivery_status, await barred(bench)) == ("delivered", [])
    assert (await last(other)).delivery_status == "pending"
    assert len(await barred(other)) == len(await kept(other)) == 1


async def test_two_workers_apply_a_receipt_once(bench: Bench) -> None:
    attempt = await sent(bench, **TEXTING)
    await actions.store([told("bounced_hard", attempt)])
    bench.clock.forward(seconds=2)
    async with begin_system("test") as tx:  # both workers believe that it is theirs
        rows = await tx.all(queries.TAKE, tx.now, tx.now, applying.BATCH)
    tenant_id = bench.clinic.tenant_id
    for _ in range(3):
        fates = await asyncio.gather(
            *(applying._apply_all(tenant_id, rows, bench.clock.at) for _ in range(6))
        )
        assert all(len(done) + len(early) == 1 for done, early in fates)
    assert len(await kept(bench)) == len(await barred(bench)) == 1


async def test_two_receipts_at_once_end_like_one_after_the_other(bench: Bench) -> None:
    attempt = await sent(bench)
    receipts = [told("undelivered", attempt), told("delivered", attempt), told("accepted", attempt)]
    await asyncio.gather(*(actions.store([receipt]) for receipt in receipts))
    for _ in range(4):
        bench.clock.forward(seconds=2)
        await asyncio.gather(*(applying.apply_due(1) for _ in range(4)))
    assert ((await last(bench)).delivery_status, await waiting()) == ("delivered", 0)
    assert len(await kept(bench)) == 3


async def test_a_row_in_anothers_hands_is_looked_at_again(bench: Bench) -> None:
    attempt = await sent(bench)
    await actions.store([told("delivered", attempt)])
    async with begin(bench.clinic.caller) as tx:
        await tx.run(Command("SELECT FROM notifications FOR UPDATE"))
        await applying.apply_due()
        assert await waiting() == 1
    bench.clock.forward(seconds=2)
    await applying.apply_due()
    assert ((await last(bench)).delivery_status, await waiting()) == ("delivered", 0)


async def test_a_receipt_that_cannot_be_applied_stands_in_no_others_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await sent(bench)
    second = await sent(bench, Provider(got=[None] * 7))  # type: ignore[list-item]
    follow = rules.follow

    def poisoned(now: rules.Standing, kind: rules.Kind, code: str | None) -> Any:
        if code == "poison":
            raise ValueError(code)
        return follow(now, kind, code)

    monkeypatch.setattr(rules, "follow", poisoned)
    await tell(bench, told("undelivered", first, code="poison"), told("delivered", second))
    assert sorted((await bench.statuses())[-2:]) == ["accepted", "delivered"]
    assert await waiting() == 1
    monkeypatch.setattr(rules, "follow", follow)
    bench.clock.forward(seconds=31)
    await applying.apply_due()
    assert await waiting() == 0


# --- doubts ---------------------------------------------------------------------------------------


async def _reconciled(bench: Bench, after: float) -> Row:
    bench.clock.forward(seconds=after)
    await applying.reconcile(bench.clinic.tenant_id)
    return await last(bench)


async def test_a_doubt_without_echo_goes_to_the_next_channel_after_two_minutes(
    bench: Bench,
) -> None:
    attempt = await sent(bench, Provider([Outcome("unknown", "timeout")]))
    assert (await _reconciled(bench, 119)).delivery_status == "unknown"
    row = await _reconciled(bench, 2)
    assert (row.delivery_status, row.channel) == ("pending", "email")
    await tell(bench, told("accepted", attempt))  # in time: the email has not gone out
    row = await last(bench)
    assert (row.delivery_status, row.channel, row.channel_plan) == (
        "accepted", "sms", ["sms", "email"],
    )  # fmt: skip


async def test_a_same_day_message_in_doubt_is_sent_once_more(bench: Bench) -> None:
    provider = Provider([Outcome("unknown", "timeout")] * 2)
    await bench.planned(
        bench.clock.at + timedelta(hours=2), patient_id=await bench.patient(**TEXTING)
    )
    channels = calling(bench, provider)
    await dispatch.drain(channels)
    assert (await _reconciled(bench, 121)).delivery_status == "pending"
    await dispatch.drain(channels)
    assert (len(provider.got), (await last(bench)).delivery_status) == (2, "unknown")
    assert provider.got[0].attempt_id != provider.got[1].attempt_id
    assert (await _reconciled(bench, 121)).delivery_status == "unconfirmed"
    await dispatch.drain(channels)
    assert len(provider.got) == 2


async def _second_prepared(bench: Bench, kind: rules.Kind, *, applied: bool) -> Provider:
    """Have a receipt of the first attempt come when the second is about to be made."""
    provider = Provider([Outcome("unknown", "timeout")])
    await bench.planned(
        bench.clock.at + timedelta(hours=2), patient_id=await bench.patient(**TEXTING)
    )
    channels = calling(bench, provider)
    await dispatch.drain(channels)
    [attempt] = await attempts(bench)
    assert (await _reconciled(bench, 121)).delivery_status == "pending"
    slots = channels.drivers["sms"][0].driver.slots  # type: ignore[union-attr]
    await slots.acquire()
    [claimed] = dispatch.batches(await dispatch.claim())
    working = asyncio.create_task(dispatch.handle(claimed, channels))
    while len(await attempts(bench)) < 2:  # noqa: ASYNC110  the second is being prepared
        await asyncio.sleep(0.02)
    await actions.store([told(kind, attempt)])
    if applied:
        await applying.apply_due()
    slots.release()
    await working
    assert len(provider.got) == 1
    if not applied:
        assert (await last(bench)).delivery_status == "pending"
        assert await dispatch.claim() == []  # not at once: the receipt takes a moment
        await applying.apply_due()
    bench.clock.forward(seconds=1)
    await dispatch.drain(channels)
    return provider


@pytest.mark.parametrize("applied", [True, False])
async def test_an_echo_that_comes_just_before_the_second_call_prevents_it(
    bench: Bench, applied: bool
) -> None:
    provider = await _second_prepared(bench, "accepted", applied=applied)
    assert len(provider.got) == 1
    assert (await last(bench)).delivery_status == "accepted"


async def _doubted_twice(bench: Bench, provider: Provider, **patient: Any) -> list[UUID]:
    """Have a message of today sent twice, and both calls end as the provider has it."""
    await bench.planned(
        bench.clock.at + timedelta(hours=2), patient_id=await bench.patient(**patient)
    )
    await dispatch.drain(calling(bench, provider))
    assert (await _reconciled(bench, 121)).delivery_status == "pending"
    await dispatch.drain(calling(bench, provider))
    return await attempts(bench)


async def _ended(bench: Bench, attempt: UUID, status: str) -> None:
    """Let a worker whose lease has ended write what its call came to."""
    async with begin(bench.clinic.caller) as tx:
        await tx.run(_ENDED, attempt, status)


async def test_an_echo_of_the_first_of_two_in_doubt_prevents_a_third_call(bench: Bench) -> None:
    provider = Provider([Outcome("unknown", "timeout")] * 2)
    first, _ = await _doubted_twice(bench, provider, **TEXTING)
    await tell(bench, told("accepted", first))
    assert (await last(bench)).delivery_status == "accepted"
    assert (await _reconciled(bench, 121)).delivery_status == "accepted"
    await dispatch.drain(calling(bench, provider))
    assert len(provider.got) == 2


async def test_an_echo_while_the_second_call_is_on_the_wire_ends_what_would_follow(
    bench: Bench,
) -> None:
    await bench.planned(bench.clock.at + timedelta(hours=2))
    await dispatch.drain(calling(bench, Provider([Outcome("unknown", "timeout")])))
    [first] = await attempts(bench)
    assert (await _reconciled(bench, 121)).channel == "sms"
    provider = Provider([Outcome("transient", "throttled")], slow=asyncio.Event())
    channels = calling(bench, provider)
    [claimed] = dispatch.batches(await dispatch.claim())
    working = asyncio.create_task(dispatch.handle(claimed, channels))
    await provider.called.wait()
    await tell(bench, told("accepted", first))
    assert ((await last(bench)).delivery_status, await waiting()) == ("sending", 1)
    assert provider.slow is not None
    provider.slow.set()
    await working
    assert (await last(bench)).delivery_status == "pending"
    bench.clock.forward(seconds=2)
    await applying.apply_due()
    row = await last(bench)
    assert (row.delivery_status, row.channel, await waiting()) == ("accepted", "sms", 0)
    await dispatch.drain(channels)
    assert len(provider.got) == 1


@pytest.mark.parametrize("which", [0, 1])
async def test_a_bounce_after_the_echo_of_two_in_doubt_goes_to_the_next_channel(
    bench: Bench, which: int
) -> None:
    provider = Provider([Outcome("unknown", "timeout")] * 2)
    both = await _doubted_twice(bench, provider)
    await tell(bench, told("accepted", both[0]))
    assert (await last(bench)).delivery_status == "accepted"
    await tell(bench, told("undelivered", both[which]))
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("pending", "email")
    await dispatch.drain(calling(bench, provider))
    assert ((await last(bench)).delivery_status, len(provider.got)) == ("delivered", 2)


@pytest.mark.parametrize("together", [True, False])
async def test_an_echo_after_a_bounce_of_the_second_keeps_the_next_channel(
    bench: Bench, together: bool
) -> None:
    provider = Provider([Outcome("unknown", "timeout")] * 2)
    first, second = await _doubted_twice(bench, provider)
    bounce, echo = told("undelivered", second), told("accepted", first)
    if together:
        await tell(bench, bounce, echo)
    else:
        await tell(bench, bounce)
        await tell(bench, echo)
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("pending", "email")


async def test_a_late_word_of_the_first_worker_stops_what_was_to_follow(bench: Bench) -> None:
    provider = Provider([Outcome("unknown", "timeout")] * 2)
    first, second = await _doubted_twice(bench, provider, **TEXTING)
    await _ended(bench, first, "accepted")
    await _ended(bench, second, "transient")
    await bench.sql("UPDATE notifications SET delivery_status = 'pending', next_attempt_at ="
                    " updated_at WHERE delivery_status = 'unknown'")  # fmt: skip
    await dispatch.drain(calling(bench, provider))
    row = await last(bench)
    assert (row.delivery_status, row.details.get("reason")) == ("accepted", "accepted_late")
    assert len(provider.got) == 2


async def test_a_message_in_doubt_of_which_an_earlier_call_was_taken_is_not_sent_again(
    bench: Bench,
) -> None:
    provider = Provider([Outcome("unknown", "timeout")] * 2)
    first, _ = await _doubted_twice(bench, provider, **TEXTING)
    await _ended(bench, first, "accepted")
    row = await _reconciled(bench, 121)
    assert (row.delivery_status, row.channel) == ("accepted", "sms")


async def test_an_echo_of_a_call_whose_repetition_was_refused_keeps_the_next_channel(
    bench: Bench,
) -> None:
    provider = Provider([Outcome("unknown", "timeout"), Outcome("rejected", "invalid_number")])
    await bench.planned(bench.clock.at + timedelta(hours=2))
    channels = calling(bench, provider)
    await dispatch.drain(channels)
    [first] = await attempts(bench)
    assert (await _reconciled(bench, 121)).channel == "sms"
    [claimed] = dispatch.batches(await dispatch.claim())
    await dispatch.handle(claimed, channels)
    await tell(bench, told("accepted", first))
    row = await last(bench)
    assert (row.delivery_status, row.channel) == ("pending", "email")
    await dispatch.drain(channels)
    assert (await last(bench)).delivery_status == "delivered"


@pytest.mark.parametrize("applied", [True, False])
async def test_a_bounce_that_comes_just_before_the_second_call_prevents_it(
    bench: Bench, applied: bool
) -> None:
    provider = await _second_prepared(bench, "bounced_hard", applied=applied)
    bench.clock.forward(minutes=3)
    await applying.apply_due()
    await dispatch.drain(calling(bench, provider))
    assert (len(provider.got), await waiting()) == (1, 0)
    assert [one.reason for one in await barred(bench)] == ["bounced_hard"]
    assert (await last(bench)).delivery_status == "failed"


async def test_a_receipt_that_can_never_be_applied_holds_its_message_up_for_ten_minutes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider([Outcome("unknown", "timeout")])
    await bench.planned(
        bench.clock.at + timedelta(hours=2), patient_id=await bench.patient(**TEXTING)
    )
    await dispatch.drain(calling(bench, provider))
    [attempt] = await attempts(bench)
    assert (await _reconciled(bench, 121)).delivery_status == "pending"

    def poisoned(*_: object) -> Any:
        raise ValueError("poison")

    monkeypatch.setattr(rules, "follow", poisoned)
    await actions.store([told("accepted", attempt)])
    for _ in range(19):
        await applying.apply_due()
        bench.clock.forward(seconds=32)
        await dispatch.drain(calling(bench, provider))
    assert (len(provider.got), await waiting()) == (1, 1)
    await applying.apply_due()
    bench.clock.forward(seconds=2)
    await dispatch.drain(calling(bench, provider))
    assert (len(provider.got), await waiting()) == (2, 0)


async def test_a_sensitive_message_in_doubt_waits_for_staff(bench: Bench) -> None:
    attempt = await sent(bench, Provider([Outcome("unknown", "timeout")]))
    await bench.sql("UPDATE notifications SET notification_type = 'low_adherence'")
    row = await _reconciled(bench, 121)
    assert (row.delivery_status, row.details["reason"]) == ("needs_staff", "timeout")
    shown = await bench.clinic.get(f"/notifications/{row.id}")
    assert shown.json()["data"]["delivery_status"] == "needs_staff"
    await tell(bench, told("accepted", attempt))
    assert (await last(bench)).delivery_status == "accepted"


@pytest.mark.parametrize(("name", "status"), [("aws", "unconfirmed"), ("smtp", "accepted")])
async def test_what_nobody_confirms_in_three_days_is_unconfirmed_where_somebody_could(
    bench: Bench, name: str, status: str
) -> None:
    attempt = await sent(bench, name=name)
    assert (await _reconciled(bench, 72 * 3600 - 1)).delivery_status == "accepted"
    assert (await _reconciled(bench, 2)).delivery_status == status
    await tell(bench, told("undelivered", attempt, driver=name))
    assert (await last(bench)).delivery_status == ("unconfirmed" if name == "aws" else "pending")
    await tell(bench, told("delivered", attempt, driver=name))
    assert (await last(bench)).delivery_status == "delivered"


# --- any order, and how soon ----------------------------------------------------------------------

_KINDS: list[rules.Kind] = ["accepted", "delayed", "undelivered", "bounced_hard", "delivered"]


_ANSWERS = [Outcome("accepted"), Outcome("unknown", "timeout")]


@pytest.mark.parametrize("answer", _ANSWERS, ids=["accepted", "unknown"])
@pytest.mark.parametrize("seed", range(3))
async def test_any_order_and_duplication_ends_the_same(
    bench: Bench, answer: Outcome, seed: int
) -> None:
    kinds: list[rules.Kind] = _KINDS[: (5, 4, 3)[seed]]
    ends = set()
    orders = [kinds, kinds[::-1], kinds[1:] + kinds[:1], [*kinds, *kinds[::-1]]]
    for order in orders:
        attempt = await sent(bench, Provider([answer]))
        for kind in order:
            await tell(bench, told(kind, attempt))
        async with begin(bench.clinic.caller) as tx:
            ends.add(await tx.value(_END, attempt))
        await bench.sql("UPDATE suppressions SET lifted_at = $1", bench.clock.at)
    assert len(ends) == 1


_END = Command(
    "SELECT concat_ws(' ', n.delivery_status, n.channel, n.channel_plan, a.status,"
    " n.delivery_details ->> 'reason') FROM notification_attempts a"
    " JOIN notifications n ON n.id = a.notification_id WHERE a.id = $1"
)


async def test_a_receipt_is_visible_within_two_seconds(
    bench: Bench, settings: Settings, running: Any
) -> None:
    """Through the worker's own loop, from the call to what the API answers."""
    del running
    channels, stop, bell = calling(bench, Provider()), asyncio.Event(), asyncio.Event()
    await bench.many(40)
    await dispatch.drain(channels)
    ids = await attempts(bench)
    loops = worker.loops(settings, channels, {DISPATCH: asyncio.Event(), actions.LOOP: bell}, stop)
    task = asyncio.create_task(worker.keep({"receipts": loops["receipts"]}, stop))
    took: list[float] = []
    for attempt in ids[:40]:
        started = time.perf_counter()
        await actions.store([told("delivered", attempt)])
        bell.set()

        async def delivered(wanted: int = len(took) + 1) -> bool:
            return len(await kept(bench)) >= wanted

        await eventually(delivered)
        took.append(time.perf_counter() - started)
    stop.set()
    await task
    took.sort()
    assert took[int(len(took) * 0.95)] < 2

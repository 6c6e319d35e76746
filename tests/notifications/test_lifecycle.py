"""One message through everything that can happen to it, in any order, on the real database."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from itertools import pairwise, permutations
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.plan import Visit, restore_visit
from chroniccare.notifications.receipts import actions, applying, rules
from chroniccare.notifications.replay import actions as replay
from chroniccare.platform.postgres import Command, Query, begin, begin_system
from tests.notifications.edges import LEGAL, STATES
from tests.notifications.provider import Provider, by
from tests.notifications.receipts.test_rules import KINDS
from tests.notifications.support import Bench, clear_the_desk

_ANSWERS = ("accepted", "rejected", "transient", "unknown", "broken")
_TAKEN = {"accepted", "delivered"}
_ELSE = (
    "apply", "reconcile", "reconcile", "wait", "wait", "cancel", "restore", "replay", "consent",
    "claim_and_die", "answer_late",
)  # fmt: skip
_TOLD = (*KINDS, "delivered", "delivered", "undelivered", "bounced_hard")
_NO_RECEIPTS = Command("DELETE FROM receipt_inbox")


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the history."""

    notification_id: UUID
    from_status: str | None
    to_status: str


@dataclass(frozen=True, slots=True)
class Stand:
    """A message and its last attempt."""

    id: UUID
    status: str
    fence: int
    attempts: int
    attempt_status: str | None


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt."""

    id: UUID
    driver: str
    status: str


_STEPS = Query(
    Step,
    "SELECT h.notification_id, h.from_status, h.to_status FROM notification_history h"
    " JOIN notifications n ON n.id = h.notification_id WHERE n.appointment_id = $1"
    " ORDER BY h.notification_id, h.seq",
)
_STANDS = Query(
    Stand,
    "SELECT n.id, n.delivery_status AS status, n.fence, (SELECT count(*) FROM"
    " notification_attempts t WHERE t.notification_id = n.id) AS attempts, (SELECT t.status FROM"
    " notification_attempts t WHERE t.notification_id = n.id ORDER BY t.number DESC LIMIT 1)"
    " AS attempt_status FROM notifications n WHERE n.appointment_id = $1 ORDER BY n.id",
)
_SET = "UPDATE notifications SET delivery_status = $2 WHERE id = $1"
_TRIED = Query(
    Tried,
    "SELECT t.id, t.driver, t.status FROM notification_attempts t JOIN notifications n"
    " ON n.id = t.notification_id WHERE n.appointment_id = $1 ORDER BY t.started_at, t.id",
)


class Life(RuleBasedStateMachine):
    """The messages of one visit; `bench` and `loop` are the test's own."""

    bench: Bench
    loop: asyncio.AbstractEventLoop

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Run on the test's loop, which waits for us in another thread."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    @initialize(hours=st.sampled_from([1, 5, 30, 80]))
    def book(self, hours: int) -> None:
        self.visit: Visit = self._do(self._booked(hours))
        self.providers: list[Provider] = []
        self.stands: dict[UUID, Stand] = {}
        self.tried: dict[UUID, str] = {}
        self.open: list[tuple[asyncio.Task[None], asyncio.Event]] = []

    async def _booked(self, hours: int) -> Visit:
        await clear_the_desk()
        async with begin_system("test") as tx:
            await tx.run(_NO_RECEIPTS)
        self.bench.clock.forward(hours=-self.bench.clock.at.hour + 41)  # noon in New York
        starts_at = self.bench.clock.at.replace(minute=0)
        self.bench.clock.forward(hours=-hours)
        return await self.bench.planned(starts_at)

    def _channels(self, answer: str) -> tuple[Channels, Provider]:
        outcome = {"broken": ValueError("a fault of ours")}.get(answer) or Outcome(answer, "code")  # type: ignore[arg-type]
        provider = Provider([outcome] * 6)
        self.providers.append(provider)
        calls = replace(provider.calls(), name="aws")
        return by(self.bench, sms=calls, email=calls), provider

    @rule(answer=st.sampled_from(("accepted", "accepted", *_ANSWERS)))
    def deliver(self, answer: str) -> None:
        channels, _ = self._channels(answer)
        taken = {one.id: one.attempts for one in self._stands() if one.attempt_status in _TAKEN}
        self._do(dispatch.drain(channels))
        for one in self._stands():
            # Only a refusal that is heard of later opens the way to another attempt.
            assert one.attempts == taken.get(one.id, one.attempts), "sent although it was taken"

    @rule(answer=st.sampled_from(_ANSWERS), dies=st.booleans())
    def hang(self, answer: str, dies: bool) -> None:
        """Begin a call; its worker dies in it, or has the answer when its lease is long over."""
        channels, provider = self._channels(answer)
        provider.slow = asyncio.Event()
        self._do(self._hang(channels, provider, dies=dies))

    async def _hang(self, channels: Channels, provider: Provider, *, dies: bool) -> None:
        assert provider.slow is not None
        for batch in dispatch.batches(await dispatch.claim()):
            working = asyncio.create_task(dispatch.handle(batch, channels))
            called = asyncio.create_task(provider.called.wait())
            await asyncio.wait([working, called], return_when=asyncio.FIRST_COMPLETED)
            called.cancel()
            if dies:
                working.cancel()
                await asyncio.wait([working])
            else:
                self.open.append((working, provider.slow))
        self.bench.clock.forward(seconds=61)

    def answer_late(self) -> None:
        if not self.open:
            return
        working, slow = self.open.pop(0)
        self._do(self._let_go(working, slow))

    async def _let_go(self, working: "asyncio.Task[None]", slow: asyncio.Event) -> None:
        slow.set()
        await working

    def teardown(self) -> None:
        for working, slow in getattr(self, "open", ()):
            self._do(self._let_go(working, slow))

    def claim_and_die(self) -> None:
        self._do(dispatch.claim())
        self.bench.clock.forward(seconds=61)

    # Which attempt is a number, not a choice among those that there are: how many is not the same
    # in every run, and Hypothesis takes that for a fault of the test.
    @rule(which=st.integers(0, 59), kinds=st.lists(st.sampled_from(_TOLD), min_size=1, max_size=4),
          at_once=st.booleans())  # fmt: skip
    def receipts(self, which: int, kinds: list[rules.Kind], at_once: bool) -> None:
        """Have the provider tell of one attempt; what is not applied at once is later."""
        tried = self._do(self._read(_TRIED))
        if not tried:
            return
        one = tried[which % len(tried)]
        for kind in kinds:
            event = rules.event_id(kind, one.id)
            told = rules.Receipt(one.driver, kind, event, one.id, None, None, None)
            self._do(actions.store([told, told]))
            if at_once:
                self.apply()

    def apply(self) -> None:
        self.bench.clock.forward(seconds=2)
        self._do(applying.apply_due())
        self.what_is_proved_or_superseded_stays_so_and_fences_grow()
        self.a_delivered_attempt_stays_so()

    def reconcile(self) -> None:
        self._do(applying.reconcile(self.bench.clinic.tenant_id))

    @rule(data=st.data(), what=st.sampled_from(_ELSE))
    def something_else(self, data: st.DataObject, what: str) -> None:
        """One rule for many, so that sends and receipts are not drowned."""
        if what == "wait":
            self.bench.clock.forward(seconds=data.draw(st.sampled_from([61, 180, 25_000, 270_000])))
        elif what == "consent":
            self.consent(sms=data.draw(st.booleans()))
        elif what == "cancel":
            self.cancel(data.draw(st.sampled_from(["cancelled", "cancelled", "superseded"])))
        else:
            getattr(self, what)()

    def cancel(self, status: str) -> None:
        if self.was_sent():
            self._do(self.bench.cancel(self.visit, status=status))

    def was_sent(self) -> bool:
        """Say whether anything was tried: a visit that is cancelled at once shows little."""
        return bool(self.tried)

    def restore(self) -> None:
        self._do(self._restore())

    async def _restore(self) -> None:
        async with begin(self.bench.clinic.caller) as tx:
            await restore_visit(tx, self.visit.appointment_id)

    def replay(self) -> None:
        self._do(self._replay())

    async def _replay(self) -> None:
        async with begin(self.bench.clinic.caller) as tx:
            await replay.replay_many(tx, [None, None, None])

    def consent(self, *, sms: bool) -> None:
        self._do(
            self.bench.sql(
                "UPDATE patients SET consent_settings = jsonb_build_object('sms', $2::boolean)"
                " WHERE id = $1", self.visit.patient_id, sms,
            )
        )  # fmt: skip

    async def _read(self, query: Query[Any]) -> list[Any]:
        async with begin(self.bench.clinic.caller) as tx:
            return await tx.all(query, self.visit.appointment_id)

    def _stands(self) -> list[Stand]:
        found: list[Stand] = self._do(self._read(_STANDS))
        return found

    @invariant()
    def every_change_is_legal_and_none_is_missing(self) -> None:
        steps: list[Step] = self._do(self._read(_STEPS))
        for one, following in pairwise(steps):
            if one.notification_id == following.notification_id:
                assert following.from_status == one.to_status
                assert (following.from_status, following.to_status) in LEGAL
            else:
                assert following.from_status is None

    @invariant()
    def what_is_proved_or_superseded_stays_so_and_fences_grow(self) -> None:
        for now in self._stands():
            was = self.stands.get(now.id, now)
            assert was.status not in {"delivered", "superseded"} or now.status == was.status
            assert now.fence >= was.fence
            self.stands[now.id] = now

    @invariant()
    def a_delivered_attempt_stays_so(self) -> None:
        for one in self._do(self._read(_TRIED)):
            assert self.tried.get(one.id) != "delivered" or one.status == "delivered"
            self.tried[one.id] = one.status

    @invariant()
    def an_attempt_is_one_call(self) -> None:
        called = [message.attempt_id for one in self.providers for message in one.got]
        assert len(called) == len(set(called))


async def test_no_order_of_events_breaks_the_state_machine(bench: Bench) -> None:
    Life.bench, Life.loop = bench, asyncio.get_running_loop()
    how = settings(max_examples=40, stateful_step_count=16, deadline=None,
                   suppress_health_check=list(HealthCheck))  # fmt: skip
    await asyncio.to_thread(run_state_machine_as_test, Life, settings=how)


class UndoneError(Exception):
    """Takes a change back."""


async def test_the_database_takes_exactly_the_changes_of_the_table(bench: Bench) -> None:
    await bench.many(8)
    at = dict(zip(sorted(STATES), [row.id for row in await bench.rows()], strict=False))
    assert len(at) == len(STATES)
    for state, notification_id in at.items():
        await bench.forge(_SET, notification_id, state)
    taken: set[tuple[str, str]] = set()
    for state, following in permutations(sorted(STATES), 2):
        with suppress(asyncpg.CheckViolationError, UndoneError):
            async with begin(bench.clinic.caller) as tx:
                assert await tx.run(Command(_SET), at[state], following) == 1
                taken.add((state, following))
                raise UndoneError
    assert taken == LEGAL


async def test_a_statement_of_many_rows_with_one_illegal_change_changes_none(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    before = [astuple(row) for row in await bench.rows()]
    assert {row.delivery_status for row in await bench.rows()} == {"pending", "delivered"}
    with pytest.raises(asyncpg.CheckViolationError):
        await bench.sql("UPDATE notifications SET delivery_status = 'failed'")
    assert [astuple(row) for row in await bench.rows()] == before

"""What follows from stored receipts, and from doubts that none has ended.

    system    take receipts from the inbox, each for half a minute, with the tenant they belong to
    tenant    lock the messages, decide (`rules.follow`), write everything in one transaction
    system    remove what was applied; put back what came too early

A worker that dies between the last two applies them again: they stand in `notification_receipts`
by then, and what stands there changes nothing.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Unavailable
from chroniccare.core.time import to_local, zone
from chroniccare.notifications.doubts import staff
from chroniccare.notifications.plan import LOOP as DISPATCH
from chroniccare.notifications.plans import actions as plans
from chroniccare.notifications.preferences import optouts
from chroniccare.notifications.receipts import queries, rules
from chroniccare.notifications.spend import queries as spending
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.webhooks.actions import emit

log = logging.getLogger(__name__)

BATCH = 200
_OURS_FOR = timedelta(seconds=30)
_IN_A_MOMENT = timedelta(seconds=1)
_RARELY = timedelta(minutes=10)
GIVE_UP = timedelta(days=7)
"""A receipt whose attempt has not been seen by then is of somebody else's message."""
_MOST_FAILURES = 20
"""Looks at a receipt that cannot be applied; until it is given up, it holds up its message."""
_UNCONFIRMED_BATCH = 1000


async def apply_due(limit: int = BATCH) -> int:
    """Apply the receipts that are due; return how many there were."""
    async with begin_system("receipts") as tx:
        taken = await tx.all(queries.TAKE, tx.now, tx.now + _OURS_FOR, limit)
        now = tx.now
    done: list[UUID] = []
    back: dict[UUID, datetime] = {}
    known = [row for row in taken if row.tenant_id is not None]
    for row in taken:
        if row.tenant_id is None:
            if row.received_at + GIVE_UP <= now:
                log.warning("receipt of no message of ours", extra={"driver": row.driver})
                done.append(row.id)
            else:
                pause = timedelta(seconds=1 << min(row.looks - 1, 10))
                back[row.id] = now + min(pause, _RARELY)
    for tenant_id, group in groupby(sorted(known, key=_by_tenant), key=lambda row: row.tenant_id):
        assert tenant_id is not None  # noqa: S101  sorted out above
        applied, early = await _apply_all(tenant_id, list(group), now)
        done += applied
        back |= dict.fromkeys(early, now + _IN_A_MOMENT)
    if taken:
        async with begin_system("receipts") as tx:
            await tx.run(queries.REMOVE, done)
            await tx.run(queries.PUT_BACK, list(back), list(back.values()))
    return len(taken)


def _by_tenant(row: queries.Waiting) -> tuple[str, UUID]:
    return str(row.tenant_id), row.id


Fate = tuple[list[UUID], list[UUID]]
"""The receipts that are dealt with, and those that came too early."""


async def _apply_all(tenant_id: UUID, rows: list[queries.Waiting], now: datetime) -> Fate:
    """Apply a tenant's receipts; one that cannot be applied stands in no other's way."""
    try:
        return await _apply(tenant_id, rows)
    except Exception as error:
        if len(rows) == 1:
            log.exception("receipt not applied", extra={"kind": type(error).__name__})
            if not _is_hopeless(rows[0], error, now):
                return [], []  # it is looked at again when its half minute is over
            log.warning("receipt given up", extra={"attempt_id": str(rows[0].attempt_id)})
            return [rows[0].id], []
    fates = [await _apply_all(tenant_id, [row], now) for row in rows]
    return [one for fate in fates for one in fate[0]], [one for fate in fates for one in fate[1]]


def _is_hopeless(row: queries.Waiting, error: Exception, now: datetime) -> bool:
    """Return whether a receipt has failed for ten minutes, and not for what will pass.

    Both are asked: one that came early was looked at every second, one of a backlog is old.
    """
    passing = isinstance(error, Conflict | Unavailable)
    old = row.received_at + _MOST_FAILURES * _OURS_FOR <= now
    return not passing and row.looks >= _MOST_FAILURES and old


@dataclass(slots=True)
class Desk:
    """The messages and attempts of one batch, as they stand while its receipts are read."""

    before: dict[UUID, queries.State]
    standings: dict[UUID, rules.Standing] = field(default_factory=dict)
    flags: dict[UUID, str] = field(default_factory=dict)
    provider_ids: dict[UUID, str | None] = field(default_factory=dict)
    kept: list[dict[str, Any]] = field(default_factory=list)
    suppressed: list[tuple[queries.State, str]] = field(default_factory=list)
    bills: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def standing(self, state: queries.State) -> rules.Standing:
        """Return how the attempt's message stands now, after the receipts read so far."""
        own = self.standings.get(state.attempt_id, _standing(state))
        for attempt_id, other in self.standings.items():
            its = self.before[attempt_id]
            if its.notification_id == state.notification_id and attempt_id != state.attempt_id:
                later, taken = its.number > state.number, other.attempt_status == "accepted"
                own = replace(
                    own, status=other.status, channel=other.channel, plan=other.plan,
                    reason=other.reason, hoped=own.hoped or (taken and not later),
                    beyond=own.beyond or (taken and later),
                    left=own.left or (later and other.attempt_status in rules.REFUSED),
                )  # fmt: skip
        return own

    def take(self, row: queries.Waiting, state: queries.State) -> bool:
        """Read one receipt; return False when it came too early."""
        kind: Any = row.kind
        then = rules.follow(self.standing(state), kind, row.code)
        if isinstance(then, rules.Later):
            return False
        for attempt_id in self.standings:
            if self.before[attempt_id].notification_id == state.notification_id:
                self.standings[attempt_id] = replace(
                    self.standings[attempt_id], status=then.status, channel=then.channel,
                    plan=then.plan, reason=then.reason,
                )  # fmt: skip
        self.standings[state.attempt_id] = then
        self.provider_ids.setdefault(state.attempt_id, row.provider_message_id)
        if row.kind in rules.SUPPRESSING:
            self.flags[state.notification_id] = row.kind
            self.suppressed.append((state, row.kind))
        self.kept.append(_kept(row))
        if row.segments is not None or row.micros is not None:
            self.bills[state.attempt_id] = _bill(row, state)
        return True


def _standing(state: queries.State) -> rules.Standing:
    return rules.Standing(
        state.delivery_status, state.channel, tuple(state.channel_plan), state.reason,
        state.attempt_status, state.attempt_channel, state.last, state.hoped, state.coming,
        state.beyond, state.left,
    )  # fmt: skip


def _bill(row: queries.Waiting, state: queries.State) -> dict[str, Any]:
    return {
        "id": state.attempt_id,
        "segments": row.segments,
        "micros": row.micros,
        "dollars": row.driver != "http",
    }


def _kept(row: queries.Waiting) -> dict[str, Any]:
    return {
        "id": row.id,
        "attempt_id": row.attempt_id,
        "driver": row.driver,
        "event_id": row.event_id,
        "kind": row.kind,
        "code": row.code,
        "occurred_at": row.occurred_at,
        "received_at": row.received_at,
    }


async def _apply(tenant_id: UUID, rows: Sequence[queries.Waiting]) -> Fate:
    async with begin(system(tenant_id, job="receipts")) as tx:
        await tx.plan_afresh()
        attempts = list({row.attempt_id for row in rows})
        if any(row.kind in rules.SUPPRESSING for row in rows):
            await optouts.lock_owners_of(tx, [one for one in attempts if one is not None])
        locked = await tx.values(queries.LOCK, attempts)
        states = {one.attempt_id: one for one in await tx.all(queries.STATES, attempts, locked)}
        seen = set(await tx.values(queries.SEEN, [row.event_id for row in rows]))
        desk, done, early = Desk(states), list[UUID](), list[UUID]()
        for row in rows:
            state = states.get(row.attempt_id) if row.attempt_id else None
            if f"{row.driver} {row.event_id}" in seen or (state and desk.take(row, state)):
                done.append(row.id)
            else:
                early.append(row.id)
        await _write(tx, desk)
    return done, early


async def _write(tx: Tx, desk: Desk) -> None:
    await tx.run(queries.KEEP, desk.kept, tx.caller.tenant_id)
    changed = {
        state.notification_id: _changed(state.notification_id, attempt_id, _standing(state), then)
        for attempt_id, then in desk.standings.items()
        for state in (desk.before[attempt_id],)
        if _of_message(then) != _of_message(_standing(state))
    }
    await change(tx, changed.values())
    attempts = [
        {
            "id": attempt_id,
            "was": desk.before[attempt_id].attempt_status,
            "status": then.attempt_status,
            "provider_message_id": desk.provider_ids[attempt_id],
        }
        for attempt_id, then in desk.standings.items()
        if then.attempt_status != desk.before[attempt_id].attempt_status
    ]
    await tx.run(queries.CHANGE_ATTEMPTS, attempts, tx.now)
    if desk.bills:
        await tx.run(spending.BILL, list(desk.bills.values()))
    if desk.flags:
        await tx.run(queries.FLAG, list(desk.flags), list(desk.flags.values()), tx.now)
    for state, reason in desk.suppressed:
        await _suppress(tx, state, reason)


def _of_message(standing: rules.Standing) -> tuple[object, ...]:
    return standing.status, standing.channel, standing.plan, standing.reason


def _changed(
    notification_id: UUID, attempt_id: UUID, before: rules.Standing, then: rules.Standing
) -> dict[str, Any]:
    return {
        "id": notification_id,
        "attempt_id": attempt_id,
        "was": before.status,
        "status": then.status,
        "channel": then.channel,
        "channel_plan": then.plan,
        "details": {"reason": then.reason} if then.reason else {},
    }


async def change(tx: Tx, changes: Iterable[dict[str, Any]]) -> None:
    """Write what became of messages: what is due again is sent at once, staff are told."""
    rows = list(changes)
    if rows:
        await tx.run(queries.CHANGE, rows, tx.now)
        await staff.tell(tx, rows)
    if any(row["status"] == "pending" for row in rows):
        tx.wake(DISPATCH)


async def _suppress(tx: Tx, state: queries.State, reason: str) -> None:
    """Let nothing more be sent to the address that the attempt went to."""
    if state.recipient is None:  # an attempt from before addresses were kept
        return
    entry = await optouts.entry(tx, channel=state.attempt_channel, address=state.recipient)
    made = await tx.one(
        queries.SUPPRESS, *entry, tx.caller.tenant_id, state.attempt_channel, reason, tx.now
    )
    if made is None:
        return
    await record(
        tx, action="create", entity_type="suppression", entity_id=made.id,
        after={"channel": made.channel, "reason": made.reason},
    )  # fmt: skip
    await optouts.recorded(tx, channel=made.channel, address=state.recipient, reason=made.reason)
    await emit(
        tx, "contact.suppressed", entity_type="suppression", entity_id=made.id,
        payload={
            "channel": made.channel,
            "reason": made.reason,
            "patient_id": state.patient_id,
            "notification_id": state.notification_id,
        },
    )  # fmt: skip


async def reconcile(tenant_id: UUID) -> None:
    """Decide about a tenant's messages in doubt, move on from late ones, give up the oldest."""
    async with begin(system(tenant_id, job="receipts")) as tx:
        waited = tx.now - timedelta(seconds=tx.settings.doubt_seconds)
        rows = await tx.all(queries.DOUBTFUL, waited, BATCH)
        resolved = [(row, rules.resolve(_doubt(row, tx.now))) for row in rows]
        await change(
            tx,
            (
                _changed(row.notification_id, row.attempt_id, _doubt(row, tx.now).standing, then)
                for row, then in resolved
            ),
        )
        await plans.move_on(tx, BATCH)
        since = tx.now - timedelta(hours=tx.settings.unconfirmed_hours)
        await tx.run(queries.UNCONFIRM, since, tx.now, _UNCONFIRMED_BATCH)


def _doubt(row: queries.Doubtful, now: datetime) -> rules.Doubt:
    same_day = False
    if row.visit_start is not None and row.facility_zone is not None:
        home = zone(row.facility_zone)
        same_day = to_local(row.visit_start, home).date() == to_local(now, home).date()
    return rules.Doubt(
        row.notification_type,
        same_day=same_day,
        expired=row.expires_at is not None and row.expires_at <= now,
        doubts=row.doubts,
        standing=rules.Standing(
            "unknown", row.channel, tuple(row.channel_plan), row.reason, row.attempt_status,
            row.attempt_channel,
        ),
        taken=row.taken is not None,
    )  # fmt: skip

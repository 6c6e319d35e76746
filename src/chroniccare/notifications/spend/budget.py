"""What a batch may spend: asked by delivery just before its attempts are written.

The attempts are the reservations. Batches of a tenant with limits wait for each other at the row
of its limits, from here until they commit; those of a tenant without any do not.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.notifications import decide, queries_due
from chroniccare.notifications.mesh import switchboard
from chroniccare.notifications.mesh.routing import Planned, Verdict
from chroniccare.notifications.spend import queries, rules
from chroniccare.platform.postgres import Command, Tx
from chroniccare.settings import Settings
from chroniccare.webhooks.actions import EventType, emit

log = logging.getLogger(__name__)

Costs = dict[UUID, rules.Cost]


async def within(
    tx: Tx, planned: Planned, decided: Callable[[queries_due.Due], Verdict]
) -> tuple[Planned, Costs]:
    """Return what is to become of each message within the budget, and what SMS among them cost.

    A message that does not fit waits; where it would lose its point it takes another channel of
    its plan, for which `decided` looks at it again.
    """
    costs = _costs(planned, tx.settings)
    refused = await _refused(tx, [due for due, _ in planned], costs)
    if not refused:
        return planned, costs
    kept = [
        (due, _instead(due, verdict, refused[due.id], tx.now, decided))
        if due.id in refused
        else (due, verdict)
        for due, verdict in planned
    ]
    return kept, {key: cost for key, cost in costs.items() if key not in refused}


async def hopeless(tx: Tx, sends: Sequence[tuple[queries_due.Due, decide.Send]]) -> dict[UUID, str]:
    """Return which messages, as things stand, would wait until they have lost their point, and why.

    Nothing is locked or reserved, and each is taken for one segment: delivery counts.
    """
    costs: Costs = {
        due.id: rules.cost("", send.recipient, countries=due.sms_countries,
                           segment_micros=_price(due, tx.settings))
        for due, send in sends
        if send.channel == "sms" and len(send.plan) == 1 and due.expires_at is not None
    }  # fmt: skip
    if not costs:
        return {}
    row = await tx.one(queries.LIMITS)
    if row is None:
        return {}
    rows = [due for due, _ in sends]
    refused = rules.admit(limits_of(row), await used_now(tx), wishes(rows, costs))
    return {
        due.id: refused[due.id]
        for due in rows
        if due.id in refused
        and due.expires_at is not None
        and due.expires_at <= rules.until(refused[due.id], tx.now)
    }


def entry(cost: rules.Cost | None, at: datetime) -> dict[str, Any]:
    """Return the columns of an attempt that say what it costs; nothing but SMS costs anything."""
    if cost is None:
        return {}
    return {
        "segments": cost.segments,
        "micros": cost.micros,
        "country": cost.country,
        "spend_day": at.date(),
    }


def _costs(planned: Planned, settings: Settings) -> Costs:
    found: Costs = {}
    for due, verdict in planned:
        if isinstance(verdict, tuple) and verdict[0].send.channel == "sms":
            routed, text = verdict
            found[due.id] = rules.cost(
                text.body, routed.send.recipient, countries=due.sms_countries,
                segment_micros=_price(due, settings),
            )  # fmt: skip
    return found


def _price(due: queries_due.Due, settings: Settings) -> int | None:
    """Return the price of a segment where its country has none of its own."""
    own: int | None = (due.spend_limits or {}).get("segment_micros")
    return rules.micros_of(settings.sms_segment_price) if own is None else own


async def _refused(tx: Tx, rows: Sequence[queries_due.Due], costs: Costs) -> dict[UUID, str]:
    """Return which messages do not fit and why; what fits is reserved once attempts are written."""
    limited = next((due.spend_limits for due in rows if due.id in costs), None)
    if limited is None or not _limits(limited).bind:
        return {}
    row = await tx.one(queries.LOCK_LIMITS)
    if row is None:
        return {}
    limits = limits_of(row)
    used = await used_now(tx)
    refused = rules.admit(limits, used, wishes(rows, costs))
    await _tell(tx, limits, used, spent=rules.BUDGET in refused.values())
    return refused


def wishes(rows: Sequence[queries_due.Due], costs: Costs) -> list[rules.Wish]:
    """Return the messages among `rows` that cost something."""
    return [
        rules.Wish(due.id, costs[due.id], due.priority == "urgent", due.scheduled_send_time)
        for due in rows
        if due.id in costs
    ]


def _limits(row: dict[str, Any]) -> rules.Limits:
    return rules.Limits(
        row["monthly_segments"], row["monthly_micros"], row["alert_percent"],
        row["daily_segments"], row["countries"],
    )  # fmt: skip


def limits_of(row: queries.Limits) -> rules.Limits:
    """Return the limits of a row."""
    return rules.Limits(
        row.monthly_segments, row.monthly_micros, row.alert_percent, row.daily_segments,
        row.countries,
    )  # fmt: skip


async def used_now(tx: Tx) -> rules.Used:
    """Return what this month has taken, and each country today."""
    rows = await tx.all(queries.USED, rules.month_of(tx.now), tx.now.date())
    return rules.Used(
        sum(row.segments for row in rows), sum(row.micros for row in rows),
        {row.country: row.today for row in rows},
    )  # fmt: skip


async def _tell(tx: Tx, limits: rules.Limits, used: rules.Used, *, spent: bool) -> None:
    """Say once a month that the limit comes near, and once that it is reached."""
    share = rules.percent(limits, used)
    if share is None:
        return
    figures = {
        "percent": round(share, 1),
        "segments": used.segments,
        "amount": rules.amount_of(used.micros),
        "limit_segments": limits.monthly_segments,
        "limit_amount": rules.amount_of(limits.monthly_micros),
        "urgent_goes_on": True,
    }
    if share >= limits.alert_percent or spent:
        await _say(tx, "spend.alert", queries.ALERT, figures)
    if share >= 100 or spent:  # noqa: PLR2004  per cent
        await _say(tx, "spend.exhausted", queries.EXHAUST, figures)


async def _say(tx: Tx, name: EventType, mark: Command, figures: dict[str, Any]) -> None:
    month = rules.month_of(tx.now)
    first = await tx.value(mark, new_id(), tx.caller.tenant_id, month, tx.now)
    if first is None:
        return
    payload = {"month": rules.name_of(month), **figures}
    await emit(tx, name, entity_type="spend_month", entity_id=first, payload=payload)
    log.warning(name, extra={"tenant_id": str(tx.caller.tenant_id), "percent": figures["percent"]})


def _instead(
    due: queries_due.Due, verdict: Verdict, reason: str, now: datetime,
    decided: Callable[[queries_due.Due], Verdict],
) -> Verdict:  # fmt: skip
    assert isinstance(verdict, tuple)  # noqa: S101  nothing else has a cost
    send, again = verdict[0].send, rules.until(reason, now)
    switchboard.dropped(verdict[0].line, due.id)
    free = [channel for channel in send.plan if channel != send.channel]
    # Whoever runs `notify` waits for the rows of the file (they have no patient).
    waits = due.patient_id is not None
    if free and (not waits or (due.expires_at is not None and due.expires_at <= again)):
        other = decided(replace(due, channel_plan=free))
        if isinstance(other, tuple):
            routed = other[0]
            skipped = {**routed.send.skipped, **send.skipped, send.channel: reason}
            return replace(routed, send=replace(routed.send, skipped=skipped)), other[1]
    if not waits:
        return decide.Stop("suppressed", reason)
    # Looked at when it has lost its point, so that its end is recorded then.
    return decide.Hold(min(again, due.expires_at or again), reason)

"""From what is to be sent to the driver that sends it, or to waiting for one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.core.time import LATEST
from chroniccare.notifications import decide, queries_due
from chroniccare.notifications.mesh import rules, switchboard, throttle
from chroniccare.notifications.mesh.switchboard import Line, Lines
from chroniccare.notifications.templates.text import Text

DOWN = "provider_down"
RATE = "sender_rate"


@dataclass(frozen=True, slots=True)
class Routed:
    """What is sent, and by whom."""

    send: decide.Send
    line: Line


def route(
    due: queries_due.Due, send: decide.Send, drivers: Mapping[str, Lines], now: datetime,
    again: Callable[[list[str]], decide.Send | decide.Stop | decide.Hold],
) -> Routed | decide.Hold | decide.Stop:  # fmt: skip
    """Return the driver for a message that may be sent, or until when it waits for one.

    `again` decides afresh about other channels: they are looked at when waiting for the drivers of
    one has lasted too long, or would. A row of a file has no patient, but somebody who waits for
    `notify` to end: it takes the next channel at once, and gives the last one up soon.
    """
    since = due.held_since or now
    earliest: datetime | None = None
    while True:
        chosen = _chosen(due, send.channel, drivers[send.channel], now)
        if isinstance(chosen, Line):
            return Routed(send, chosen)
        earliest = chosen if earliest is None else min(earliest, chosen)
        rest = send.plan[1:]
        hurried = due.patient_id is None
        if hurried and not rest and now - since >= rules.HURRIED_PATIENCE:
            return decide.Stop("failed", DOWN)
        if not (hurried and rest) and rules.waits(
            now=now, until=chosen, since=since, expires_at=due.expires_at, last=not rest
        ):
            return decide.Hold(rules.spread(earliest, due.id), DOWN, since)
        following = again(rest)
        if not isinstance(following, decide.Send):
            return decide.Hold(rules.spread(earliest, due.id), DOWN, since)
        send = replace(following, skipped={**following.skipped, **send.skipped, send.channel: DOWN})


def _chosen(due: queries_due.Due, channel: str, lines: Lines, now: datetime) -> Line | datetime:
    same = due.attempt_channel == channel
    return switchboard.choose(
        lines, due.id, now,
        kept=due.attempt_driver if same and due.attempt_status == "prepared" else None,
        left=due.attempt_driver if same and due.attempt_status == "transient" else None,
    )  # fmt: skip


Verdict = tuple[Routed, Text] | decide.Stop | decide.Hold
Planned = list[tuple[queries_due.Due, Verdict]]


async def in_turn(
    planned: Planned, now: datetime, *, processes: int
) -> tuple[Planned, dict[UUID, float]]:
    """Hold what is too much for its sender now; return also in how many seconds others have turns.

    The cache is asked once for each sender that has a rate, and answers within half a second or is
    done without: short enough for the transaction around this. A row that is held here was never
    `sending`, and has no attempt.
    """
    asked = [
        (due, verdict[0].line, verdict[1].body)
        for due, verdict in planned
        if isinstance(verdict, tuple) and verdict[0].line.parts_per_second
    ]
    if not asked:
        return planned, {}
    # What loses its point soonest goes first.
    asked.sort(key=lambda one: (one[0].expires_at or LATEST, one[0].scheduled_send_time))
    ready: dict[UUID, float] = {}
    held: dict[UUID, decide.Hold] = {}
    for line in {id(line): line for _, line, _ in asked}.values():
        own = [(due, text) for due, one, text in asked if one is line]
        count, waits = await throttle.turns(line, [text for _, text in own], processes=processes)
        for number, ((due, _), wait) in enumerate(zip(own, waits, strict=True)):
            if number < count:
                ready[due.id] = wait
            else:
                switchboard.dropped(line, due.id)
                held[due.id] = decide.Hold(_back(due, now, wait), RATE)
    return [(due, held.get(due.id, verdict)) for due, verdict in planned], ready


def _back(due: queries_due.Due, now: datetime, wait: float) -> datetime:
    """Return when to ask again: while it still has a point."""
    until = now + timedelta(seconds=wait)
    return until if due.expires_at is None else min(until, now + (due.expires_at - now) / 2)

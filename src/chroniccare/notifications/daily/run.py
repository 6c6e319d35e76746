"""Sends a batch: each row by the first of its channels that takes it, many rows side by side.

    claim    the row's item in the delivery log becomes this attempt's, or it is left alone
    call     the provider, once; the answer of no call is asked for twice
    settle   what became of it stands in the log before the row counts

A run may die at any point. What it had claimed and not settled is in doubt: its channel is not
tried again, the next one is.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import SystemRandom
from uuid import UUID, uuid5

from chroniccare.core.ids import new_id
from chroniccare.notifications import rules as sending
from chroniccare.notifications.batch_file import Row, RowProblem
from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.notifications.daily import rules
from chroniccare.notifications.daily.log import Log, key_of
from chroniccare.notifications.daily.rules import Entry, Over, Report, Wait
from chroniccare.notifications.mesh import rules as breakers
from chroniccare.notifications.mesh import switchboard
from chroniccare.notifications.mesh.switchboard import Line
from chroniccare.notifications.templates.making import make
from chroniccare.notifications.templates.text import Facts
from chroniccare.platform.aws_error import AwsError

log = logging.getLogger(__name__)
_jitter = SystemRandom().random

KIND = "appointment_reminder"
_NOBODYS = UUID(int=0)
"""The messages of a list belong to no tenant of the database."""
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with.

    Attributes:
        lines: the driver of each channel.
        clock: returns the time (UTC).
        time_left: returns the seconds until nothing new may begin.
    """

    log: Log
    lines: Mapping[str, Line]
    clock: Callable[[], datetime]
    time_left: Callable[[], float]


@dataclass(slots=True)
class _Run:
    means: Means
    report: Report
    seen: dict[tuple[str, int], Entry]
    repeats: dict[str, list[int]] = field(default_factory=dict)
    elsewhere: list[Row] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def settle(
        self, row: Row, what: rules.What, reason: str | None = None, *, earlier: bool = False
    ) -> None:
        """Count a row, and with it the later ones that say the same."""
        told = "; ".join(filter(None, [reason, *row.remarks]))
        self.report.settle(row.line, what, told, earlier=earlier)
        for line in self.repeats.pop(row.key, ()):
            self.report.settle(
                line, what, f"the same appointment as on line {row.line}", earlier=True
            )

    def wait_for(self, row: Row) -> None:
        """Look at a row again that another run has, as long as there is time."""
        if self.means.time_left() <= 0:
            self.leave(row)
        else:
            self.elsewhere.append(row)

    def leave(self, row: Row) -> None:
        """Keep a row for the next run, as there is no time for it."""
        self.left += [row.line, *self.repeats.pop(row.key, ())]


async def send(batch_id: str, rows: Sequence[Row | RowProblem], means: Means
               ) -> tuple[Report, list[int]]:  # fmt: skip
    """Send what is not sent yet; return the report, and the lines for which there was no time.

    Raises:
        AwsError: the delivery log cannot be read, so nothing was sent.
    """
    report, now = Report(batch_id), means.clock()
    good: dict[str, Row] = {}
    run = _Run(means, report, {})
    for row in rows:
        if isinstance(row, RowProblem):
            report.invalid += 1
            report.settle(row.line, "failed", row.reason)
        elif row.starts_at <= now:
            report.invalid += 1
            report.settle(row.line, "failed", "appointmentTime lies in the past")
        elif row.key not in good:
            good[row.key] = row
        elif row.recipient and not good[row.key].recipient:
            # A row that nobody can be reached by makes room for one that somebody can.
            run.repeats.setdefault(row.key, []).append(good[row.key].line)
            good[row.key] = row
        else:
            run.repeats.setdefault(row.key, []).append(row.line)
    run.seen = await means.log.read(key_of(row) for row in good.values())
    waiting = list(good.values())
    while waiting:
        await asyncio.gather(*(_settled(run, row) for row in waiting))
        waiting, run.elsewhere = run.elsewhere, []
        if waiting:
            await asyncio.sleep(_LOOK_AGAIN_S)
            run.seen |= await means.log.read(key_of(row) for row in waiting)
    report.remaining = len(run.left)
    return report, run.left


async def _settled(run: _Run, row: Row) -> None:
    """Send a row; one that cannot be handled fails alone."""
    try:
        await _sent(run, row)
    except AwsError as error:  # the log: without it nothing is sent
        log.error("delivery log", extra={"line": row.line, "aws_code": error.aws})  # noqa: TRY400
        run.report.unlogged += 1
        run.settle(row, "failed", f"delivery log: {error.code}")
    except Exception as error:
        log.exception("row failed", extra={"line": row.line, "kind": type(error).__name__})
        run.settle(row, "failed", "cannot_be_made")


async def _sent(run: _Run, row: Row) -> None:
    means, seen = run.means, run.seen.get(key_of(row))
    plan = rules.left(seen, rules.channels(row.recipient), means.clock())
    if isinstance(plan, Wait):
        run.wait_for(row)
    elif isinstance(plan, Over):
        run.settle(row, plan.what, plan.reason, earlier=True)
    elif not plan:
        await means.log.unreachable(
            row, rules.NO_CONTACT, batch_id=run.report.batch_id, now=means.clock()
        )
        run.settle(row, "failed", "no_contact_point")
    else:
        await _through(run, row, plan)


async def _through(run: _Run, row: Row, plan: Sequence[str]) -> None:
    """Try the channels in turn, until one has taken it or there is no more to do."""
    reason: str | None = None
    for channel in plan:
        reason = await _by(run, row, channel)
        if reason is None:
            return
    run.settle(row, "failed", reason)


async def _by(run: _Run, row: Row, channel: str) -> str | None:
    """Try one channel; return why the next one is to be tried, None: there is no more to do."""
    means, line = run.means, run.means.lines[channel]
    reason = "refused"
    for number in range(1, sending.MAX_TRIES + 1):
        outcome = await _attempt(run, row, line)
        if outcome is None:
            return None
        if outcome.status in {"accepted", "delivered"}:
            run.settle(row, rules.sent_by(channel))
            return None
        reason = outcome.error_code or "refused"
        # What may have gone out is not sent again; what was refused would be refused again.
        last = outcome.status != "transient" or number == sending.MAX_TRIES
        if last or not breakers.permits(line.breaker, means.clock()):
            break
        pause = sending.backoff(number, jitter=_jitter()).total_seconds()
        if pause >= means.time_left():
            run.leave(row)
            return None
        await asyncio.sleep(pause)
    return reason


async def _attempt(run: _Run, row: Row, line: Line) -> Outcome | None:
    """Claim the row and call the provider once; None: there is no time, or another run is at it."""
    means, driver = run.means, line.driver
    assert isinstance(driver, Calls)  # noqa: S101  see `entry.means`
    async with driver.slots:
        if means.time_left() <= 0:
            run.leave(row)
            return None
        now = means.clock()
        if not breakers.permits(line.breaker, now):
            return Outcome("transient", line.breaker.reason or "provider_down")
        attempt_id = new_id()
        line.breaker = breakers.begun(line.breaker, now, attempt_id)
        attempt = Entry(rules.SENDING, line.channel, str(attempt_id))
        claimed = False
        try:
            claimed = await means.log.claim(
                row, run.seen.get(key_of(row)), attempt, batch_id=run.report.batch_id, now=now
            )
        finally:
            if not claimed:
                line.breaker = breakers.dropped(line.breaker, attempt_id)
        if not claimed:
            run.wait_for(row)
            return None
        outcome = await _called(driver, _message(row, line.channel, attempt_id, now))
        switchboard.ended(line, attempt_id, outcome, means.clock())
    await _write(run, row, attempt, outcome)
    return outcome


async def _called(driver: Calls, message: Message) -> Outcome:
    try:
        async with asyncio.timeout(driver.budget.total_seconds()):
            return await driver.send(message)
    except TimeoutError:
        return Outcome("unknown", "timeout")
    except Exception as error:
        log.exception("driver failed", extra={"kind": type(error).__name__})
        return Outcome("unknown", "driver_failed")


async def _write(run: _Run, row: Row, attempt: Entry, outcome: Outcome) -> None:
    """Write what became of an attempt; a row that was sent counts as sent all the same."""
    status = rules.FAILED
    if outcome.status in {"accepted", "delivered"}:
        status = rules.SENT[attempt.channel]
    elif outcome.status == "unknown":
        status = rules.IN_DOUBT
    try:
        await run.means.log.settle(
            row, status, attempt, code=outcome.error_code,
            message_id=outcome.provider_message_id, now=run.means.clock(),
        )  # fmt: skip
    except AwsError as error:
        log.error("outcome not written", extra={"line": row.line, "aws_code": error.aws})  # noqa: TRY400
        run.report.unlogged += 1
        status = rules.SENDING
    run.seen[key_of(row)] = Entry(status, attempt.channel, attempt.attempt)


def _message(row: Row, channel: str, attempt_id: UUID, now: datetime) -> Message:
    facts = Facts(row.local, facility_name=row.location, provider_name=row.doctor, now=now)
    to = row.recipient[sending.SYSTEM_OF[channel]]
    text = make(KIND, channel, None, facts)
    return Message(
        attempt_id, uuid5(_NOBODYS, row.key), _NOBODYS, channel, to, text, now, row.starts_at
    )

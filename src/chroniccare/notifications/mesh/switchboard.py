"""The drivers of one process: which of them a message goes to, and what their breakers know."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import SystemRandom
from uuid import UUID

from chroniccare.notifications.channels.message import Calls, Driver, Outcome
from chroniccare.notifications.mesh import rules

log = logging.getLogger(__name__)
_jitter = SystemRandom().random


@dataclass(slots=True)
class Line:
    """One driver of a channel, with what this process knows about it.

    Attributes:
        weight: its share as the settings have it; `eased` is the share now.
        parts_per_second: message parts a second that it may send; 0: no limit.
        free_at: while the cache is away, when its sender is free (seconds of the loop's clock).
    """

    channel: str
    driver: Driver
    weight: int = 100
    parts_per_second: int = 0
    eased: int = field(default=0)
    breaker: rules.Breaker = rules.CLOSED
    free_at: float = 0.0

    def __post_init__(self) -> None:
        self.eased = self.weight

    @property
    def name(self) -> str:
        """The driver's name."""
        return self.driver.name


Lines = tuple[Line, ...]


def alone(channel: str, driver: Driver) -> Lines:
    """Return the lines of a channel that has one driver."""
    return (Line(channel, driver),)


def choose(
    lines: Lines, message: UUID, now: datetime, *, kept: str | None = None, left: str | None = None
) -> Line | datetime:
    """Return the driver for a message, or when to look again while every breaker is open.

    `kept` is the driver of an attempt that was prepared and never made, `left` the one that has
    just failed: another is tried before it.
    """
    open_to_it = [line for line in lines if rules.permits(line.breaker, now)]
    if not open_to_it:
        return min(rules.look_again(line.breaker, now) for line in lines)
    chosen = next((line for line in open_to_it if line.name == kept), None)
    if chosen is None:
        others = [line for line in open_to_it if line.name != left] or open_to_it
        chosen = others[0] if len(others) == 1 else _picked(others, message)
    chosen.breaker = rules.begun(chosen.breaker, now, message)
    return chosen


def _picked(lines: Sequence[Line], message: UUID) -> Line:
    name = rules.pick({line.name: line.eased for line in lines}, message)
    return next(line for line in lines if line.name == name)


def has_another(lines: Lines, line: Line, now: datetime) -> bool:
    """Return whether another driver of the channel can be called now."""
    return any(one is not line and rules.permits(one.breaker, now) for one in lines)


def may_call(line: Line, message: UUID) -> bool:
    """Return whether the driver may still be called: its breaker may have opened meanwhile."""
    return rules.may_call(line.breaker, message)


def dropped(line: Line, message: UUID) -> None:
    """Note that the call was not made."""
    line.breaker = rules.dropped(line.breaker, message)


def ended(line: Line, message: UUID, outcome: Outcome, now: datetime) -> None:
    """Note what became of a call; the operator is told when the breaker opens or closes."""
    if not isinstance(line.driver, Calls):
        return
    was, code = line.breaker, outcome.error_code
    line.breaker = rules.ended(
        was, now, message, rules.verdict(outcome.status, code), code=code, jitter=_jitter()
    )
    now_open, was_open = line.breaker.state == "open", was.state != "closed"
    facts = {"channel": line.channel, "driver": line.name}
    if now_open and line.breaker is not was:
        log.error(
            "driver is left alone until it answers again; see `chroniccare doctor`",
            extra={**facts, "code": code, "until": line.breaker.until},
        )
    elif was_open and line.breaker.state == "closed":
        log.warning("driver is used again", extra=facts)

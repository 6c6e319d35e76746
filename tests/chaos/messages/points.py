"""Where a worker dies or freezes: by name, in the worker itself, with nothing of it in production.

The worker's own functions and statements are wrapped in the child process. At its point a worker
ends itself by SIGKILL, which no code of its can notice, or stops itself by SIGSTOP.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from chroniccare.notifications import delivery, dispatch, queries_due, relay
from chroniccare.notifications.receipts import applying
from chroniccare.notifications.receipts import queries as receipts
from chroniccare.platform.broker import Broker, Delivery
from chroniccare.platform.postgres import Tx

# A statement of an open transaction: what it did is lost with the worker.
_STATEMENTS: dict[object, str] = {
    queries_due.CLAIM: "claim, not committed",
    queries_due.PREPARE_ATTEMPTS: "attempts prepared, not committed",
    queries_due.START: "call begun, not committed",
    queries_due.RECORD_ATTEMPTS: "outcome, not committed",
    queries_due.RECOVER: "recovery, not committed",
    receipts.TAKE: "receipts taken, not committed",
    receipts.KEEP: "receipts kept, not committed",
    receipts.REMOVE: "receipts removed, not committed",
}
_BEFORE: tuple[tuple[Any, str, str], ...] = (
    (delivery, "_started", "about to begin the call"),
    (delivery, "_tried", "call begun, before the socket"),
    (applying, "_apply_all", "receipts taken"),
)
_AFTER: tuple[tuple[Any, str, str], ...] = (
    (dispatch, "claim", "claimed"),
    (delivery, "prepare", "attempts prepared"),
    (delivery, "_record", "outcome recorded"),
    (delivery, "recover", "recovered"),
    (applying, "_write", "receipts applied, not committed"),
    (applying, "_apply", "receipts applied, still in the inbox"),
)
_ON_THE_WIRE, _ANSWERED, _DOUBTS = "on the wire", "answered", "doubts decided, not committed"
_RABBITMQ = ("published, before the confirm", "confirmed", "received", "before the ack")

POINTS = (
    *_STATEMENTS.values(), *(name for *_, name in (*_BEFORE, *_AFTER)),
    _ON_THE_WIRE, _ANSWERED, _DOUBTS,
)  # fmt: skip
"""Points on the way of every message; `BROKER` are those that only RabbitMQ brings."""
BROKER = _RABBITMQ
FREEZES = ("claimed", "attempts prepared", "about to begin the call", _ON_THE_WIRE, _ANSWERED)
"""Points at which a worker that sleeps over its lease must not send, or must not harm."""
_ON_THE_WIRE_S = 0.004


@dataclass(slots=True)
class Trigger:
    """What happens at the `after`-th time that `point` is reached; told in the file `journal`."""

    point: str
    after: int
    freeze: bool
    journal: Path

    def hit(self, point: str) -> None:
        """Note that a point was reached."""
        if point != self.point or self.after < 1:
            return
        self.after -= 1
        if self.after == 0:
            self.act()

    def act(self) -> None:
        """Die, or stop until somebody lets the process go on."""
        line = {"pid": os.getpid(), "point": self.point, "freeze": self.freeze, "at": time.time()}
        with self.journal.open("ab", buffering=0) as file:
            file.write(orjson.dumps(line) + b"\n")
        os.kill(os.getpid(), signal.SIGSTOP if self.freeze else signal.SIGKILL)


def arm(trigger: Trigger) -> None:
    """Wrap the worker's functions, in a process that runs nothing yet."""
    _arm_statements(trigger)
    for owner, name, point in _BEFORE:
        setattr(owner, name, _before(getattr(owner, name), point, trigger))
    for owner, name, point in _AFTER:
        setattr(owner, name, _after(getattr(owner, name), point, trigger))
    _arm_calls(trigger)
    _arm_broker(trigger)


Made = Callable[..., Awaitable[Any]]


def _before(made: Made, point: str, trigger: Trigger) -> Made:
    async def wrapped(*args: Any, **options: Any) -> Any:
        trigger.hit(point)
        return await made(*args, **options)

    return wrapped


def _after(made: Made, point: str, trigger: Trigger) -> Made:
    """Wrap; a call that found nothing to do is none."""

    async def wrapped(*args: Any, **options: Any) -> Any:
        result = await made(*args, **options)
        if result is None or result:
            trigger.hit(point)
        return result

    return wrapped


def _arm_statements(trigger: Trigger) -> None:
    deciding = False

    def seen(statement: object, result: Any) -> None:
        nonlocal deciding
        if statement in _STATEMENTS and result:
            trigger.hit(_STATEMENTS[statement])
        # Every round ends with UNCONFIRM; only those that found a doubt count.
        if statement == receipts.DOUBTFUL:
            deciding = bool(result)
        elif statement == receipts.UNCONFIRM and deciding:
            trigger.hit(_DOUBTS)

    for name in ("run", "all", "values"):
        setattr(Tx, name, _watched(getattr(Tx, name), seen))


def _watched(made: Made, seen: Callable[[object, Any], None]) -> Made:
    async def wrapped(tx: Tx, statement: object, *args: Any) -> Any:
        result = await made(tx, statement, *args)
        seen(statement, result)
        return result

    return wrapped


def _arm_calls(trigger: Trigger) -> None:
    tried = delivery._tried

    async def wrapped(*args: Any, **options: Any) -> Any:
        if trigger.point == _ON_THE_WIRE:
            asyncio.get_running_loop().call_later(_ON_THE_WIRE_S, trigger.hit, _ON_THE_WIRE)
        outcome = await tried(*args, **options)
        trigger.hit(_ANSWERED)
        return outcome

    delivery._tried = wrapped


def _arm_broker(trigger: Trigger) -> None:
    early, late, received, ack = _RABBITMQ
    publish = Broker.publish

    async def published(broker: Broker, queue: str, messages: list[Any]) -> None:
        if messages and trigger.point == early:
            asyncio.get_running_loop().call_later(0.002, trigger.hit, early)
        await publish(broker, queue, messages)
        if messages:
            trigger.hit(late)

    Broker.publish = published  # type: ignore[assignment,method-assign]
    relay._deliver = _before(relay._deliver, received, trigger)  # type: ignore[assignment]
    Delivery.done = _before(Delivery.done, ack, trigger)  # type: ignore[assignment,method-assign]

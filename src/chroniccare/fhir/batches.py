"""When each entry of a Bundle has its turn.

Those of a batch do not depend on one another, so those that make records go at once: each has a
transaction of its own, and most of its time is spent waiting for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from chroniccare.fhir.registry import KINDS

_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_LAST = {
    "PractitionerRole": 1, "Appointment": 2, "MedicationRequest": 2,
    "CommunicationRequest": 3, "MedicationAdministration": 3, "MedicationDispense": 3,
}  # fmt: skip
"""Types that refer to others, and so are made after them, and after those before."""
_STORED = 4

AT_ONCE = 4
"""Entries of one batch: connections that it takes from the pool of the process."""


class Step(Protocol):
    """An entry, as far as the order goes."""

    @property
    def method(self) -> str:
        """Its method of HTTP."""
        ...

    @property
    def path(self) -> list[str]:
        """What its address names: the type, the id."""
        ...

    @property
    def place(self) -> int:
        """Where in the Bundle it stands."""
        ...


S = TypeVar("S", bound=Step)
T = TypeVar("T")


async def each(steps: Sequence[S], do: Callable[[S], Awaitable[T]]) -> list[T]:
    """Return what `do` makes of each step, in their order; one POST after another goes at once.

    What changes, removes or reads a record waits for what stands before it.
    """
    answers: list[T] = []
    run: list[S] = []
    for step in steps:
        if step.method != "POST":
            answers += await _at_once(run, do)
            run = []
            answers.append(await do(step))
        else:
            run.append(step)
    return answers + await _at_once(run, do)


async def _at_once(steps: Sequence[S], do: Callable[[S], Awaitable[T]]) -> list[T]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(step: S) -> T:
        async with gate:
            return await do(step)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(step)) for step in steps]
    return [task.result() for task in tasks]


def is_stored(step: Step) -> bool:
    """Say whether it is of a type whose record is the resource."""
    kind = KINDS.get(step.path[0])
    return kind is not None and kind.writer is not None and kind.writer.is_whole


def turn(step: Step) -> tuple[int, int, int]:
    """Return when it is the entry's turn: stored types may refer to each other, and to all else."""
    place = _LAST.get(step.path[0], _STORED if is_stored(step) else 0)
    return _ORDER.get(step.method, 1), place, step.place

"""When each entry of a Bundle has its turn.

Those of a batch do not depend on one another, so those that make records go at once. Patients and
stored resources share a transaction with those that stand beside them. If something is refused
there, each has one of its own, as all others have.

Who makes a patient with an MRN that another transaction has just used waits until that has ended.
Several are made in the order of their MRNs, so that no two statements wait for each other; Bundles
of type transaction that make the same ones in several parts still can, and PostgreSQL ends one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from chroniccare.fhir.kind import Kind, Resource
from chroniccare.fhir.registry import KINDS

_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_LAST = {
    "PractitionerRole": 1, "Appointment": 2, "MedicationRequest": 2,
    "CommunicationRequest": 3, "MedicationAdministration": 3, "MedicationDispense": 3,
}  # fmt: skip
"""Types that refer to others, and so are made after them, and after those before."""
_STORED = 4

AT_ONCE = 4
"""Transactions of one batch: connections that it takes from the pool of the process."""
_SHARING = 25
"""Most entries that share a transaction: what is refused among them has all of them done again."""


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
    def is_plain(self) -> bool:
        """Whether it makes a record, whatever others there are."""
        ...

    @property
    def place(self) -> int:
        """Where in the Bundle it stands."""
        ...

    @property
    def kind(self) -> Kind:
        """Its type."""
        ...

    @property
    def resource(self) -> Resource | None:
        """What it makes, or writes in the place of a record."""
        ...


S = TypeVar("S", bound=Step)
T = TypeVar("T")


async def each(
    steps: Sequence[S],
    do: Callable[[S], Awaitable[T]],
    share: Callable[[Sequence[S]], Awaitable[list[T] | None]],
) -> list[T]:
    """Return what `do` makes of each step, in their order; one POST after another goes at once.

    What changes, removes or reads a record waits for what stands before it. `share` does several
    in one transaction; None: it has done none of them.
    """
    answers: list[T] = []
    run: list[S] = []
    for step in steps:
        if step.method != "POST":
            answers += await _at_once(parts(run, _shares, _SHARING), do, share)
            run = []
            answers.append(await do(step))
        else:
            run.append(step)
    return answers + await _at_once(parts(run, _shares, _SHARING), do, share)


def _shares(step: Step) -> bool:
    return step.is_plain and (step.path == ["Patient"] or is_stored(step))


def parts(steps: Sequence[S], shares: Callable[[S], bool], most: int) -> list[list[S]]:
    """Return the steps that go together, for they are of one type and `shares`, and the others."""
    found: list[list[S]] = []
    last_shares = False
    for step in steps:
        is_shared = shares(step)
        goes_on = is_shared and last_shares and found[-1][0].path == step.path
        if goes_on and len(found[-1]) < most:
            found[-1].append(step)
        else:
            found.append([step])
        last_shares = is_shared
    return found


async def _at_once(
    several: Sequence[Sequence[S]],
    do: Callable[[S], Awaitable[T]],
    share: Callable[[Sequence[S]], Awaitable[list[T] | None]],
) -> list[T]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def some(part: Sequence[S]) -> list[T]:
        async with gate:
            answers = await share(part) if len(part) > 1 else None
            return [await do(step) for step in part] if answers is None else answers

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(some(part)) for part in several]
    return [answer for task in tasks for answer in task.result()]


def is_stored(step: Step) -> bool:
    """Say whether it is of a type whose record is the resource."""
    kind = KINDS.get(step.path[0])
    return kind is not None and kind.writer is not None and kind.writer.is_whole


def turn(step: Step) -> tuple[int, int, int]:
    """Return when it is the entry's turn: stored types may refer to each other, and to all else."""
    place = _LAST.get(step.path[0], _STORED if is_stored(step) else 0)
    return _ORDER.get(step.method, 1), place, step.place

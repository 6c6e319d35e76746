"""The entries of a batch: they do not depend on one another, so those that make records go at once.

Each has a transaction of its own, and most of its time is spent waiting for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

AT_ONCE = 4
"""Entries of one batch: connections that it takes from the pool of the process."""


class Step(Protocol):
    """An entry, as far as the order goes."""

    @property
    def method(self) -> str:
        """Its method of HTTP."""
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

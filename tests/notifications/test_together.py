"""Group commit: what is asked while one run goes on goes into the next."""

import asyncio
from collections.abc import Sequence

import pytest

from chroniccare.notifications.together import Together


class Work:
    """Doubles numbers, one run at a time; a negative one fails its run."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.going = 0
        self.gate = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.runs.append(list(numbers))
        self.going += 1
        assert self.going == 1
        await self.gate.wait()
        self.going -= 1
        if min(numbers) < 0:
            raise ValueError("negative")
        return [2 * number for number in numbers]


async def test_those_who_ask_during_a_run_share_the_next() -> None:
    work = Work()
    together = Together(work)
    first = [asyncio.create_task(together.ask(number)) for number in (1, 2)]
    await asyncio.sleep(0.01)
    second = [asyncio.create_task(together.ask(number)) for number in range(3, 50)]
    await asyncio.sleep(0.01)
    assert work.runs == [[1, 2]]
    work.gate.set()
    assert await asyncio.gather(*first, *second) == [2 * number for number in range(1, 50)]
    assert work.runs == [[1, 2], list(range(3, 50))]
    assert await together.ask(7) == 14  # and it goes on


async def test_a_failure_is_of_its_run_alone_and_who_left_is_not_missed() -> None:
    work = Work()
    together = Together(work)
    failing = [asyncio.create_task(together.ask(number)) for number in (-1, 5)]
    await asyncio.sleep(0.01)
    leaving, staying = (asyncio.create_task(together.ask(number)) for number in (6, 7))
    await asyncio.sleep(0.01)
    leaving.cancel()
    work.gate.set()
    for one in failing:
        with pytest.raises(ValueError, match="negative"):
            await one
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await staying == 14

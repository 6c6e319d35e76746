"""Many small transactions as few: what is asked while one runs goes into the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Together(Generic[Asked, Answer]):
    """Hands `work` everything that was asked since it was handed something last, one run at a time.

    A question that comes alone does not wait; a hundred at once take two runs, not a hundred. What
    `work` raises, everybody in that run gets.
    """

    work: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]
    waiting: "list[tuple[Asked, asyncio.Future[Answer]]]" = field(default_factory=list)
    running: "asyncio.Task[None] | None" = None

    async def ask(self, one: Asked) -> Answer:
        """Return the answer to `one`, of a run that began after it was asked."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiting.append((one, answer))
        if self.running is None:
            self.running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        await asyncio.sleep(0)  # who asks at this moment comes along
        while self.waiting:
            asked, self.waiting = self.waiting, []
            open_ = [answer for _, answer in asked]
            try:
                answers = await self.work([one for one, _ in asked])
            except Exception as error:  # noqa: BLE001  whoever asked decides about it
                for answer in open_:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for answer, found in zip(open_, answers, strict=True):
                    if not answer.done():
                        answer.set_result(found)
        self.running = None

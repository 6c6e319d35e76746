"""Turns: how many requests of one clinic a process works on at once.

Whoever sends more waits in their own line, and beyond that is refused, so that a flood of one
clinic leaves connections and loop to the others. Per process and without any message: what is
shared over processes is the rate (ADR 0007's bucket), which says nothing about how slow a request
is.
"""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from chroniccare.core.errors import RateLimited

_WAITING = 10
"""For each request that is worked on, so many may wait."""
_LONGEST_S = 2.0
_RETRY_S = 1


class TooManyAtOnce(RateLimited):
    """The clinic has as many requests under way and waiting as a process takes from one."""

    code = "TOO_MANY_AT_ONCE"
    message = "Too many requests of this clinic at once."


@dataclass(slots=True)
class _Line:
    turns: asyncio.Semaphore
    count: int = 0  # at work and waiting


@dataclass(slots=True)
class Turns:
    """What one process works on, by tenant; a tenant without requests takes no room."""

    most: int
    lines: dict[UUID, _Line] = field(default_factory=dict)

    async def admit(self, tenant_id: UUID) -> None:
        """Refuse what would find too many before it, a second later and before its body is read.

        Whoever asks again at once, without a look at Retry-After, would else cost the others more
        with refusals than with answers.

        Raises:
            TooManyAtOnce: too many of the tenant wait already.
        """
        line = self.lines.get(tenant_id)
        if line is not None and self._is_full(line):
            await asyncio.sleep(_RETRY_S)
            raise TooManyAtOnce(retry_after=_RETRY_S)

    async def take(self, tenant_id: UUID) -> None:
        """Take one of the tenant's turns, after those who came before; `give_back` ends it.

        Not a context manager: that would be most of what it costs, 5 us a request.

        Raises:
            TooManyAtOnce: too many wait already, or it took two seconds.
        """
        line = self.lines.get(tenant_id)
        if line is None:
            line = self.lines[tenant_id] = _Line(asyncio.Semaphore(self.most))
        elif self._is_full(line):
            raise TooManyAtOnce(retry_after=_RETRY_S)
        line.count += 1
        try:
            if line.turns.locked():
                await _waited(line.turns)
            else:
                await line.turns.acquire()
        except BaseException:
            self._leave(tenant_id, line)
            raise

    def give_back(self, tenant_id: UUID) -> None:
        """End a turn that was taken."""
        line = self.lines[tenant_id]
        line.turns.release()
        self._leave(tenant_id, line)

    def _is_full(self, line: _Line) -> bool:
        return line.count >= self.most * (1 + _WAITING)

    def _leave(self, tenant_id: UUID, line: _Line) -> None:
        line.count -= 1
        if not line.count:
            del self.lines[tenant_id]


async def _waited(turns: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(_LONGEST_S):
            await turns.acquire()
    except TimeoutError:
        raise TooManyAtOnce(retry_after=_RETRY_S) from None

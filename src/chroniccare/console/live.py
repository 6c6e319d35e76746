"""Which kinds of things have changed lately in a clinic, for pages that are open.

One query a second for each clinic that somebody looks at, however many look. It tells kinds, such
as `appointment`, and nothing of whose: the page asks again for what it shows.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.errors import Unavailable
from chroniccare.notifications.why.queries import MOVED
from chroniccare.platform.postgres import begin
from chroniccare.webhooks import queries

_EVERY_S = 1.0
_BACK = timedelta(seconds=10)
"""Events carry the time at which their transaction began: so long may one take to be seen."""
_Seen = set[UUID | str]


@dataclass(slots=True)
class _Feed:
    """One clinic's changes and who listens."""

    listeners: set["asyncio.Queue[frozenset[str]]"] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Changes:
    """The feeds of this process."""

    feeds: dict[UUID, _Feed] = field(default_factory=dict)

    async def listen(self, tenant_id: UUID, *, seconds: float) -> AsyncIterator[frozenset[str]]:
        """Yield kinds that have changed, an empty set now and then, for `seconds` at most."""
        feed = self.feeds.setdefault(tenant_id, _Feed())
        queue: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        feed.listeners.add(queue)
        if feed.task is None:
            feed.task = asyncio.create_task(self._watch(tenant_id, feed))
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            yield frozenset()
            while loop.time() < end:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(end):
                        yield await queue.get()
        finally:
            feed.listeners.discard(queue)
            if not feed.listeners:
                self.feeds.pop(tenant_id, None)
                if feed.task is not None:
                    feed.task.cancel()

    async def _watch(self, tenant_id: UUID, feed: _Feed) -> None:
        seen: _Seen | None = None
        while True:
            with suppress(Unavailable):
                seen, kinds = await _look(tenant_id, seen)
                if kinds:
                    for queue in feed.listeners:
                        queue.put_nowait(kinds)
            await asyncio.sleep(_EVERY_S)


async def _look(tenant_id: UUID, seen: _Seen | None) -> tuple[_Seen, frozenset[str]]:
    async with begin(system(tenant_id, job="console-live")) as tx:
        since: datetime = tx.now - _BACK
        rows = await tx.all(queries.LATELY, since)
        moved: str = await tx.value(MOVED)  # messages have no events of their own
    kinds = {row.id: row.kind for row in rows} | {moved: "notification"}
    new = frozenset(kind for one, kind in kinds.items() if seen is not None and one not in seen)
    return set(kinds), new

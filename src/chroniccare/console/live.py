"""Which kinds of things have changed lately in a clinic, for pages that are open.

One query a second for each clinic that somebody looks at, however many look. It tells kinds, such
as `appointment`, and nothing of whose: the page asks again for what it shows.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.errors import Unavailable
from chroniccare.core.time import in_utc
from chroniccare.notifications.why.queries import MOVED
from chroniccare.platform.postgres import begin
from chroniccare.webhooks import queries

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_EVERY = timedelta(seconds=2)
_AWAY = timedelta(minutes=5)
"""Longest absence that is told of exactly; after it a page is old in any case."""
_BACK = timedelta(seconds=10)
"""Events carry the time at which their transaction began: so long may one take to be seen."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a page has been told; its text is the id of an event, which a browser sends back.

    Attributes:
        at: UTC instant of the look.
        moved: what `MOVED` said then.
    """

    at: datetime
    moved: str

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.moved}"

    @staticmethod
    def of(text: str) -> "Mark | None":
        """Return what `text` says; None for what is no mark, or one of long ago."""
        at, _, moved = text.partition(" ")
        try:
            return Mark(in_utc(datetime.fromisoformat(at)), moved)
        except (ValueError, OverflowError):
            return None


Change = tuple[frozenset[str], Mark | None]
_Seen = set[UUID | str]


@dataclass(slots=True)
class _Feed:
    """One clinic's changes and who listens."""

    listeners: set["asyncio.Queue[Change]"] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Changes:
    """The feeds of this process."""

    feeds: dict[UUID, _Feed] = field(default_factory=dict)

    async def listen(
        self, tenant_id: UUID, *, seconds: float, told: Mark | None
    ) -> AsyncIterator[Change]:
        """Yield kinds that have changed, for `seconds` at most, with how far that tells.

        What changed since `told` comes first, so that nothing is missed between two calls.
        """
        feed = self.feeds.setdefault(tenant_id, _Feed())
        queue: asyncio.Queue[Change] = asyncio.Queue()
        feed.listeners.add(queue)
        if feed.task is None:
            feed.task = asyncio.create_task(self._watch(tenant_id, feed))
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            yield await _since(tenant_id, told)
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
            try:
                kinds, mark = await _look(tenant_id, _BACK)
            except Exception as error:  # noqa: BLE001  whatever it is, pages must hear of what follows
                log.warning("no look at changes", extra={"kind": type(error).__name__})
            else:
                new = {kind for one, kind in kinds.items() if seen is not None and one not in seen}
                seen = set(kinds)
                for queue in feed.listeners:
                    queue.put_nowait((frozenset(new), mark))
            await asyncio.sleep(_EVERY_S)


async def _since(tenant_id: UUID, told: Mark | None) -> Change:
    """Return what changed since `told`, and perhaps what began shortly before: a look too many."""
    try:
        kinds, mark = await _look(tenant_id, _BACK)
        if told is None:
            return frozenset(), mark
        away = min(max(mark.at - told.at, timedelta()), _AWAY) + _EVERY
        kinds, mark = await _look(tenant_id, away)
    except Unavailable:
        return frozenset(), told
    same = {told.moved}
    return frozenset(kind for one, kind in kinds.items() if one not in same), mark


async def _look(tenant_id: UUID, back: timedelta) -> tuple[dict[UUID | str, str], Mark]:
    async with begin(system(tenant_id, job="console-live")) as tx:
        rows = await tx.all(queries.LATELY, tx.now - back)
        moved: str = await tx.value(MOVED)  # messages have no events of their own
        mark = Mark(tx.now, moved)
    return {row.id: row.kind for row in rows} | {moved: "notification"}, mark

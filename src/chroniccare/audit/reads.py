"""Reads of patient data, recorded durably before the answer leaves, by group commit.

Requests that read at the same time share one insert and one commit: while one group is being
committed the next one gathers. An answer waits for its group; if the group fails, the read is
refused.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chroniccare.audit import queries
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Problem, Unavailable
from chroniccare.core.ids import new_ids
from chroniccare.platform.postgres import begin_system, database

_MAX_GROUP = 200
"""Most requests in one group; a list of 200 records is one request."""

Id = UUID | str
_NOTHING: Sequence[Id | None] = (None,)
_Read = tuple[dict[str, Any], "asyncio.Future[None]"]


@dataclass(slots=True)
class ReadLog:
    """The group that gathers and the task that commits it; one a process."""

    gathering: list[_Read] = field(default_factory=list)
    committing: "asyncio.Task[None] | None" = None

    async def record(
        self, caller: Caller, *, entity_type: str, seen: Sequence[Id], action: str,
        outcome: str = "success",
    ) -> None:  # fmt: skip
        """Wait until it is durable that the caller saw these records; one row for each.

        A list with nothing in it leaves one row without an entity.

        Raises:
            Unavailable: it could not be recorded; the answer must not leave.
        """
        now = database().clock()
        entities = seen or _NOTHING
        read = {
            "ids": new_ids(len(entities)),
            "seen": entities,
            "tenant_id": caller.tenant_id,
            "entity_type": entity_type,
            "action": action,
            "user_id": caller.actor_id,
            "user_type": caller.actor_type,
            "metadata": {**caller.trail, "outcome": outcome},
            "ip_address": caller.ip_address,
            "created_at": now,
        }
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gathering.append((read, future))
        if self.committing is None:
            self.committing = asyncio.create_task(self._commit())
        await future

    async def _commit(self) -> None:
        try:
            while self.gathering:
                group, self.gathering = self.gathering[:_MAX_GROUP], self.gathering[_MAX_GROUP:]
                await _write(group)
        finally:
            self.committing = None


async def _write(group: list[_Read]) -> None:
    failure: BaseException | None = None
    try:
        async with begin_system("audit-reads") as tx:
            await tx.run(queries.INSERT_READS, [read for read, _ in group])
    except Exception as error:  # noqa: BLE001  every waiting request must learn of it
        failure = error if isinstance(error, Unavailable) else Unavailable()
        failure.__cause__ = error if failure is not error else None
    for _, future in group:
        if future.done():  # its request was cancelled
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


_log = ReadLog()


def read_log() -> ReadLog:
    """Return the process's read log."""
    return _log


async def note_seen(caller: Caller, problem: Problem) -> None:
    """Record what was read before a request was refused, and undone; see `Problem.were_read`."""
    for entity_type, entity_id in problem.were_read:
        await note_read(caller, entity_type=entity_type, seen=[entity_id])


async def note_read(
    caller: Caller, *, entity_type: str, seen: Sequence[Id], action: str = "read"
) -> None:
    """Record a read of patient data; see `ReadLog.record`."""
    await _log.record(caller, entity_type=entity_type, seen=seen, action=action)

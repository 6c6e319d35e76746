"""The messages that the local outbox channel keeps of a tenant, to look at."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from chroniccare.audit.reads import note_read
from chroniccare.commands import queries, tenants
from chroniccare.core.caller import Caller
from chroniccare.platform.postgres import begin

_POLL_S = 0.5
# A message may be committed later than one that carries a younger time.
_LATE = timedelta(seconds=30)


async def newest(subdomain: str | None, limit: int) -> list[queries.Message]:
    """Return the newest messages, newest first; the read is audited."""
    caller = await tenants.caller(subdomain)
    found = await _newest(caller, limit)
    await _note(caller, found)
    return found


async def follow(
    subdomain: str | None, limit: int, tell: Callable[[queries.Message], None]
) -> None:
    """Tell the newest messages, oldest of them first, and then each new one as it arrives."""
    caller = await tenants.caller(subdomain)
    found = (await _newest(caller, limit))[::-1]
    recent, since = await _since(caller, None)
    while True:
        if found:
            await _note(caller, found)
        for message in found:
            tell(message)
        await asyncio.sleep(_POLL_S)
        seen = {message.id for message in [*recent, *found]}
        recent, since = await _since(caller, since)
        found = [message for message in recent if message.id not in seen]


async def _since(caller: Caller, since: datetime | None) -> tuple[list[queries.Message], datetime]:
    """Return what may have arrived since, and the instant of asking."""
    async with begin(caller) as tx:
        return await tx.all(queries.SINCE, (since or tx.now) - _LATE), tx.now


async def _newest(caller: Caller, limit: int) -> list[queries.Message]:
    async with begin(caller) as tx:
        return await tx.all(queries.NEWEST, limit)


async def _note(caller: Caller, shown: list[queries.Message]) -> None:
    """Record which messages were read, before they are shown."""
    seen = [message.id for message in shown]
    await note_read(caller, entity_type="outbox_message", seen=seen, action="list")

"""Replies as staff read them; every look is audited."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core import paging
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound
from chroniccare.notifications.inbound import queries
from chroniccare.platform.postgres import begin

ENTITY = "reply"
_LISTING = "replies"


async def listed(
    caller: Caller, filters: list[Any], *, cursor: str | None, limit: int
) -> paging.Page[queries.Reply]:
    """Return one page, the latest first; `filters` are patient, outcome, since and ids."""
    after = paging.decode(cursor, _LISTING, filters, [datetime.fromisoformat, UUID])
    async with begin(caller) as tx:
        await tx.plan_afresh()
        rows = await tx.all(queries.LIST, *filters, *(after or [None, None]), limit + 1)
    found = paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.received_at, row.id]
    )
    seen = [row.id for row in found.items]
    await note_read(caller, entity_type=ENTITY, seen=seen, action="list")
    return found


async def shown(caller: Caller, reply_id: UUID) -> queries.Reply:
    """Return one reply.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    async with begin(caller) as tx:
        found = await tx.one(queries.GET, reply_id)
    if found is None:
        raise NotFound("No such reply.")
    await note_read(caller, entity_type=ENTITY, seen=[reply_id])
    return found

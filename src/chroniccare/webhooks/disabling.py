"""An endpoint that is disabled by itself: it is gone, or has failed for three days.

`credential`: who made the subscription is not let in any more.
`unreadable`: all it failed at in the end was its own secret, which cannot be opened here.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Literal
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import system
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.webhooks import queries_deliveries, queries_endpoints
from chroniccare.webhooks.actions import emit

log = logging.getLogger(__name__)

ENTITY = "webhook"
Reason = Literal["gone", "failing", "unreadable", "credential"]
Notice = Callable[[Tx, UUID, Reason], Awaitable[None]]
"""How staff are told, in the same transaction; a slice above does it, and is handed in."""


async def park_rest() -> int:
    """Park more of what waits for endpoints that are disabled; return how many."""
    async with begin_system("webhooks") as system_tx:
        found = await system_tx.all(queries_deliveries.UNPARKED)
    count = 0
    for one in found:
        async with begin(system(one.tenant_id, job="webhooks")) as tx:
            await tx.value(queries_deliveries.LOCK_ENDPOINT, one.id)
            if not await tx.value(queries_endpoints.IS_ENABLED, one.id):
                count += await tx.run(queries_deliveries.PARK, one.id, tx.now)
    return count


async def disable(tx: Tx, endpoint_id: UUID, reason: Reason, *, notice: Notice) -> None:
    """Disable an endpoint whose row is locked, park what waits for it, and tell.

    The event goes to the tenant's other webhooks; of the only one nobody would hear by it.
    """
    before = await tx.one(queries_endpoints.GET_ANY, endpoint_id)
    if before is None or not await tx.run(queries_deliveries.DISABLE, endpoint_id, reason, tx.now):
        return
    await tx.run(queries_deliveries.PARK, endpoint_id, tx.now)
    after = await tx.one(queries_endpoints.GET_ANY, endpoint_id)
    await record(
        tx, action="disable", entity_type=ENTITY, entity_id=endpoint_id, before=before, after=after
    )
    await emit(
        tx, "webhook.disabled", entity_type=ENTITY, entity_id=endpoint_id,
        payload={"version": before.version + 1, "reason": reason},
    )  # fmt: skip
    await notice(tx, endpoint_id, reason)
    log.warning("webhook disabled", extra={"webhook_id": str(endpoint_id), "reason": reason})

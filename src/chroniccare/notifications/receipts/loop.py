"""The loop of receipts: at once when one is stored; doubts every few seconds."""

import asyncio
import logging
from contextlib import suppress

from chroniccare.notifications.receipts import applying
from chroniccare.notifications.receipts.actions import LOOP
from chroniccare.tenancy.actions import list_tenants

__all__ = ["LOOP", "run"]

log = logging.getLogger(__name__)

_POLL_S = 3.0
"""Longest wait: what a lost ring costs."""
_LOOK_AGAIN_S = 1.0
_RECONCILE_S = 10.0


async def run(*, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Apply receipts and decide about doubts until `stop`."""
    clock = asyncio.get_running_loop().time
    next_look = clock()
    while not stop.is_set():
        bell.clear()
        taken = await applying.apply_due()
        # While receipts are left a doubt may have its echo among them.
        if taken < applying.BATCH and clock() >= next_look:
            for tenant in await list_tenants():
                await applying.reconcile(tenant.id)
            next_look = clock() + _RECONCILE_S
        if taken < applying.BATCH:
            await _rest(_LOOK_AGAIN_S if taken else _POLL_S, bell, stop)


async def _rest(seconds: float, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Wait for the bell, at most so long; `stop` ends it too."""
    waiting = [asyncio.create_task(bell.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        for task in waiting:
            with suppress(asyncio.CancelledError):
                await task

"""The loop of devices: at once when one is named or removed, and when a retry is due."""

import asyncio
from contextlib import AsyncExitStack

from chroniccare.notifications.channels.registrars import chosen
from chroniccare.notifications.devices import registering
from chroniccare.platform.wake import either
from chroniccare.settings import Settings
from chroniccare.tenancy.actions import list_tenants

_POLL_S = 15.0


async def run(settings: Settings, *, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Register and forget devices until `stop`; `bell` is set when one was named or removed."""
    async with AsyncExitStack() as stack:
        registrar = chosen(settings, stack)
        while not stop.is_set():
            bell.clear()
            for tenant in await list_tenants():
                while not stop.is_set():
                    if await registering.sweep(tenant.id, registrar) < registering.BATCH:
                        break
            await either(bell, stop, timeout=_POLL_S)

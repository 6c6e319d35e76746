"""The loop of replies: at once when one is stored."""

import asyncio

from chroniccare.notifications.inbound import receiving
from chroniccare.notifications.inbound.actions import LOOP
from chroniccare.platform.wake import either

__all__ = ["LOOP", "run"]

_POLL_S = 3.0
"""Longest wait: what a lost ring costs."""


async def run(*, bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Deal with replies until `stop`."""
    while not stop.is_set():
        bell.clear()
        if await receiving.receive_due() < receiving.BATCH:
            await either(bell, stop, timeout=_POLL_S)

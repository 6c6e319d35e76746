"""The loop of drivers: once a minute their weights follow what arrives, and staff can see them.

Only where a channel has several drivers that tell is anything counted. What a process knows is
written down every minute, and within seconds when a breaker opens or closes.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from chroniccare.notifications.mesh import queries, rules
from chroniccare.notifications.mesh.switchboard import Lines
from chroniccare.notifications.receipts.rules import TOLD_BY
from chroniccare.platform.postgres import begin_system

EVERY_S = 60.0
_LOOK_S = 2.0
FORGOTTEN = timedelta(minutes=5)
"""A process that has written nothing for so long is gone."""


async def run(drivers: Mapping[str, Lines], *, process: UUID, stop: asyncio.Event) -> None:
    """Ease weights and write states down until `stop`; then take them back."""
    next_at = 0.0
    written: list[dict[str, object]] | None = None
    clock = asyncio.get_running_loop().time
    while not stop.is_set():
        if clock() >= next_at:
            next_at = clock() + EVERY_S
            await ease(drivers)
            written = None
        found = _states(drivers)
        if found != written:
            async with begin_system("drivers") as tx:
                await tx.run(queries.SAVE, found, process, tx.now)
                await tx.run(queries.FORGET, None, tx.now - FORGOTTEN)
            written = found
        await _rest(stop)
    async with begin_system("drivers") as tx:
        await tx.run(queries.FORGET, process, tx.now - FORGOTTEN)


async def ease(drivers: Mapping[str, Lines]) -> None:
    """Move the weights of drivers one step, by what arrived in the last quarter of an hour."""
    several = {channel: lines for channel, lines in drivers.items() if len(lines) > 1}
    told = sorted({line.name for lines in several.values() for line in lines} & set(TOLD_BY))
    if not told:
        return
    async with begin_system("drivers") as tx:
        rows = await tx.all(
            queries.HEALTH, tx.now - rules.HEALTH_WINDOW, tx.now - rules.SLOW_AFTER, told
        )
    for channel, lines in several.items():
        health = {
            row.driver: rules.Health(row.taken, row.late) for row in rows if row.channel == channel
        }
        now = {line.name: line.eased for line in lines}
        then = rules.eased(now, {line.name: line.weight for line in lines}, health)
        for line in lines:
            line.eased = then[line.name]


def _states(drivers: Mapping[str, Lines]) -> list[dict[str, object]]:
    return [
        {
            "channel": line.channel,
            "driver": line.name,
            "state": line.breaker.state,
            "reason": line.breaker.reason,
            "until": line.breaker.until,
            "weight": line.weight,
            "eased": line.eased,
            "parts_per_second": line.parts_per_second,
        }
        for lines in drivers.values()
        for line in lines
    ]


async def _rest(stop: asyncio.Event) -> None:
    """Wait a moment, or for `stop`."""
    try:
        async with asyncio.timeout(_LOOK_S):
            await stop.wait()
    except TimeoutError:
        return

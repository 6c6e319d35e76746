"""The loop of deliveries: as many at once as there are slots, and never one behind another's."""

import asyncio
import logging
from dataclasses import dataclass, field

from chroniccare.platform.egress import Egress
from chroniccare.platform.wake import either
from chroniccare.settings import Settings
from chroniccare.webhooks import delivery, disabling, queries_deliveries, relaying, shapes

log = logging.getLogger(__name__)

_POLL_S = 1.0
_GATHER_S = 0.01  # what ends together is followed together: one claim and not many


@dataclass(slots=True)
class Crew:
    """The requests of this process."""

    egress: Egress
    bell: asyncio.Event
    told: shapes.Shapes
    notice: disabling.Notice
    working: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def fill(self) -> int:
        """Claim into the free slots of both lanes and begin; return how many that were."""
        count = 0
        for lane in (delivery.WELL, delivery.AILING):
            room = lane.slots - self.working[lane.ailing]
            claims = await delivery.claim(lane, room) if room > 0 else []
            for one in claims:
                self.working[lane.ailing] += 1
                task = asyncio.create_task(self._work(one, lane))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            count += len(claims)
        return count

    async def finish(self) -> None:
        """Wait for the requests on the wire: five seconds at most, and their records."""
        while self.tasks:
            await asyncio.wait(self.tasks)

    async def _work(self, claim: queries_deliveries.Claim, lane: delivery.Lane) -> None:
        try:
            await delivery.deliver(claim, self.egress, self.told, notice=self.notice)
        except Exception as error:
            # Nothing is lost: it is claimed again when its lease ends.
            log.exception("webhook failed", extra={"kind": type(error).__name__})
        finally:
            self.working[lane.ailing] -= 1
            self.bell.set()


async def run(
    settings: Settings,
    *,
    bell: asyncio.Event,
    stop: asyncio.Event,
    notice: disabling.Notice,
    told: shapes.Shapes = shapes.NONE,
) -> None:
    """Deliver until `stop`; then finish the requests on the wire.

    `notice` tells staff of an endpoint that is disabled by itself.
    """
    crew = Crew(Egress(anywhere=settings.webhook_targets == "any"), bell, told, notice)
    try:
        while not stop.is_set():
            bell.clear()
            await crew.fill()
            await either(bell, stop, timeout=_POLL_S)
            await asyncio.sleep(_GATHER_S)
    finally:
        await crew.finish()
        await crew.egress.close()


async def drain(
    egress: Egress, told: shapes.Shapes = shapes.NONE, *, notice: disabling.Notice
) -> int:
    """Hand on and deliver until nothing is due; return how many attempts were made."""
    crew, count = Crew(egress, asyncio.Event(), told, notice), 0
    while await relaying.sweep(told=told) + (begun := await crew.fill()):
        count += begun
        await crew.finish()
    return count

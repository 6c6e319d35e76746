"""The background loops of one process: the only list of them."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from chroniccare.core.caller import system
from chroniccare.core.errors import Problem
from chroniccare.core.ids import new_id
from chroniccare.medications import lifecycle as prescriptions
from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.medications.doses import rounds as doses
from chroniccare.notifications import dispatch, relay
from chroniccare.notifications.channels import choice, selftest
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.devices import actions as devices
from chroniccare.notifications.devices import loop as device_loop
from chroniccare.notifications.inbound import loop as inbound
from chroniccare.notifications.mesh import loop as mesh
from chroniccare.notifications.plan import LOOP
from chroniccare.notifications.receipts import loop as receipts
from chroniccare.platform import wiring
from chroniccare.platform.broker import BrokerAway
from chroniccare.platform.postgres import begin
from chroniccare.platform.telemetry import configure_logging
from chroniccare.scheduling import lapse, lifecycle, openings, replies
from chroniccare.scheduling.recall import rounds as recall
from chroniccare.scheduling.waitlist import backfill
from chroniccare.settings import Settings, load
from chroniccare.tenancy.actions import list_tenants
from chroniccare.tenancy.idempotency import forget_old

log = logging.getLogger(__name__)

_RESTART_S = 2.0
_HOUSEKEEPING_S = 3600.0
_LIFECYCLE_S = 60.0
_HOLDS_S = 15.0
_RECALL_S = 300.0
_WAITLIST_S = 15.0
_REPLIES_S = 5.0
_PRESCRIPTIONS_S = 60.0
_DOSES_S = 15.0
_ADHERENCE_S = 60.0

Loop = Callable[[], Awaitable[None]]


def loops(
    settings: Settings, channels: Channels, bells: dict[str, asyncio.Event], stop: asyncio.Event
) -> dict[str, Loop]:
    """Return every loop by name."""
    url, bell = settings.rabbitmq_url, bells[LOOP]
    found: dict[str, Loop] = {
        "housekeeping": partial(_housekeeping, stop),
        "holds": partial(_holds, stop),
        "recall": partial(_recall, stop),
        "adherence": partial(_adherence, stop),
        "waitlist": partial(_waitlist, bells.setdefault(openings.LOOP, asyncio.Event()), stop),
        "prescriptions": partial(_prescriptions, stop),
        "replies": partial(_replies, bells.setdefault(replies.LOOP, asyncio.Event()), stop),
        "doses": partial(_doses, bells.setdefault(doses.LOOP, asyncio.Event()), stop),
        "drivers": partial(mesh.run, channels.drivers, process=new_id(), stop=stop),
        "receipts": partial(
            receipts.run, bell=bells.setdefault(receipts.LOOP, asyncio.Event()), stop=stop
        ),
        "inbound": partial(
            inbound.run, bell=bells.setdefault(inbound.LOOP, asyncio.Event()), stop=stop
        ),
    }
    device_bell = bells.setdefault(devices.LOOP, asyncio.Event())
    found[devices.LOOP] = partial(device_loop.run, settings, bell=device_bell, stop=stop)
    if selftest.is_needed(settings):
        found["selftest"] = partial(_selftest, settings, stop)
    if settings.no_show_grace_minutes:
        found["lifecycle"] = partial(_lifecycle, stop)
    if not url:
        found["dispatch"] = partial(dispatch.run_here, channels, bell=bell, stop=stop)
        return found
    found["dispatch"] = partial(relay.publish, url, bell=bell, stop=stop)
    for name in relay.QUEUES:
        found[f"deliver-{name}"] = partial(relay.consume, url, name, channels, stop=stop)
    return found


async def run(settings: Settings, *, stop: asyncio.Event) -> None:
    """Run every loop until `stop`; then each finishes what it has in hand.

    Raises:
        Unavailable: PostgreSQL cannot be reached at the start; later outages are waited out.
    """
    bells = {LOOP: asyncio.Event(), receipts.LOOP: asyncio.Event()}

    def hear(loop: str) -> None:
        if loop in bells:
            bells[loop].set()

    async with wiring.opened(settings, hear=hear), choice.opened(settings) as channels:
        await keep(loops(settings, channels, bells, stop), stop)


async def keep(kept: dict[str, Loop], stop: asyncio.Event) -> None:
    """Run loops side by side until `stop`, each again whenever it fails."""
    async with asyncio.TaskGroup() as group:
        for name, loop in kept.items():
            group.create_task(_keep(name, loop, stop), name=name)


async def _keep(name: str, loop: Loop, stop: asyncio.Event) -> None:
    """Run a loop, and again after a pause whenever it fails."""
    while not stop.is_set():
        try:
            await loop()
        except (BrokerAway, Problem) as error:
            log.warning("loop waits", extra={"loop": name, "kind": type(error).__name__})
            await _sleep(_RESTART_S, stop)
        except Exception as error:
            log.exception("loop failed", extra={"loop": name, "kind": type(error).__name__})
            await _sleep(_RESTART_S, stop)


async def _housekeeping(stop: asyncio.Event) -> None:
    """Delete what is kept for a time only, tenant by tenant, once an hour."""
    while not stop.is_set():
        for tenant in await list_tenants():
            async with begin(system(tenant.id, job="housekeeping")) as tx:
                await forget_old(tx)
        await _sleep(_HOUSEKEEPING_S, stop)


async def _selftest(settings: Settings, stop: asyncio.Event) -> None:
    """Log what is not well with the providers, at the start and once an hour."""
    while not stop.is_set():
        for check in await selftest.checks(settings):
            if check.verdict != "ok":
                level = logging.ERROR if check.verdict == "fail" else logging.WARNING
                log.log(level, "provider: %s: %s", check.subject, check.text)
        await _sleep(_HOUSEKEEPING_S, stop)


async def _holds(stop: asyncio.Event) -> None:
    """Give up the holds that have lapsed, tenant by tenant; bookings do not wait for it."""
    while not stop.is_set():
        for tenant in await list_tenants():
            await lapse.sweep(tenant.id)
        await _sleep(_HOLDS_S, stop)


async def _waitlist(bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Offer the times that became free, tenant by tenant; `bell` is set when one was noted."""
    while not stop.is_set():
        bell.clear()
        for tenant in await list_tenants():
            await backfill.sweep(tenant.id)
        await dispatch.either(bell, stop, timeout=_WAITLIST_S)


async def _replies(bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Do what patients ask for in replies, tenant by tenant; `bell` is set when one came."""
    while not stop.is_set():
        bell.clear()
        for tenant in await list_tenants():
            await replies.sweep(tenant.id)
        await dispatch.either(bell, stop, timeout=_REPLIES_S)


async def _prescriptions(stop: asyncio.Event) -> None:
    """Complete, resume and stop prescriptions as their days pass, once a minute."""
    while not stop.is_set():
        for tenant in await list_tenants():
            await prescriptions.sweep(tenant.id)
        await _sleep(_PRESCRIPTIONS_S, stop)


async def _doses(bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Keep doses planned ahead, tenant by tenant; `bell` is set when a clinic's times changed."""
    while not stop.is_set():
        bell.clear()
        for tenant in await list_tenants():
            await doses.run(tenant.id)
        await dispatch.either(bell, stop, timeout=_DOSES_S)


async def _lifecycle(stop: asyncio.Event) -> None:
    """Mark the visits nobody came to, tenant by tenant, once a minute."""
    while not stop.is_set():
        for tenant in await list_tenants():
            await lifecycle.mark_no_shows(tenant.id)
        await _sleep(_LIFECYCLE_S, stop)


async def _recall(stop: asyncio.Event) -> None:
    """Open and close recalls, tenant by tenant, every five minutes."""
    while not stop.is_set():
        for tenant in await list_tenants():
            await recall.run(tenant.id)
        await _sleep(_RECALL_S, stop)


async def _adherence(stop: asyncio.Event) -> None:
    """Infer which doses were missed, tenant by tenant, once a minute."""
    while not stop.is_set():
        for tenant in await list_tenants():
            await infer_missed(tenant.id)
        await _sleep(_ADHERENCE_S, stop)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        running.add_signal_handler(number, stop.set)
    wiring.keep_what_stands()
    await run(settings, stop=stop)


def main(settings: Settings | None = None) -> None:
    """Run the loops of one process until SIGINT or SIGTERM; settings default to the environment.

    Raises:
        SettingsError: a setting cannot be used.
        Unavailable: PostgreSQL cannot be reached at the start.
    """
    settings = load() if settings is None else settings
    configure_logging(settings.log_level)
    asyncio.run(_until_signalled(settings))


if __name__ == "__main__":
    main()

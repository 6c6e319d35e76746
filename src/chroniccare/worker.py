"""The background loops of one process: the only list of them."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

from chroniccare.audit import copying, heads, sealing
from chroniccare.core.caller import system
from chroniccare.core.errors import Problem, Unavailable
from chroniccare.core.ids import new_id
from chroniccare.fhir import sealed as sealed_versions
from chroniccare.fhir.exports import actions as exports
from chroniccare.fhir.exports import exporting
from chroniccare.fhir.subscriptions import notifying
from chroniccare.medications import lifecycle as prescriptions
from chroniccare.medications.adherence import inferring as adherence
from chroniccare.medications.doses import rounds as doses
from chroniccare.medications.fills import rounds as refills
from chroniccare.medications.reminders import replies as dose_replies
from chroniccare.medications.reminders import rounds as reminders
from chroniccare.notifications import dispatch, relay
from chroniccare.notifications import sealed as sealed_messages
from chroniccare.notifications.channels import choice, selftest
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.devices import actions as devices
from chroniccare.notifications.devices import loop as device_loop
from chroniccare.notifications.inbound import loop as inbound
from chroniccare.notifications.mesh import loop as mesh
from chroniccare.notifications.plan import LOOP
from chroniccare.notifications.receipts import loop as receipts
from chroniccare.patients import sealed as patients
from chroniccare.platform import meters, wiring
from chroniccare.platform.broker import BrokerAway
from chroniccare.platform.postgres import begin
from chroniccare.platform.telemetry import configure_logging, is_telling, telling
from chroniccare.platform.wake import either
from chroniccare.privacy import actions as privacy
from chroniccare.privacy import retention
from chroniccare.scheduling import lapse, lifecycle, openings, replies
from chroniccare.scheduling.recall import rounds as recall
from chroniccare.scheduling.waitlist import backfill
from chroniccare.settings import Settings, load
from chroniccare.smart import actions as smart
from chroniccare.staff.accounts import actions as accounts
from chroniccare.staff.accounts import sealed as sealed_accounts
from chroniccare.tasks import webhooks as webhook_tasks
from chroniccare.tenancy import resealing
from chroniccare.tenancy import sealed as sealed_addresses
from chroniccare.tenancy.actions import list_tenants
from chroniccare.tenancy.idempotency import forget_old
from chroniccare.webhooks import loop as webhooks
from chroniccare.webhooks import relaying

log = logging.getLogger(__name__)

_RESTART_S = 2.0
_SELFTEST_S = 3600.0

Loop = Callable[[], Awaitable[None]]
Work = Callable[[UUID], Awaitable[object]]


async def _forget(tenant_id: UUID) -> None:
    """Delete what is kept for a time only."""
    async with begin(system(tenant_id, job="housekeeping")) as tx:
        await forget_old(tx)
        await privacy.tidy(tx)
        await smart.tidy(tx)
        await accounts.tidy(tx)
    await retention.run(tenant_id)


SEALED = (
    *sealed_addresses.SWEEPS, *patients.SWEEPS, *sealed_messages.SWEEPS, *sealed_accounts.SWEEPS,
    *sealed_versions.SWEEPS,
)  # fmt: skip
"""Every column that is sealed anew after a rotation; copies of others behind them."""

SHAPES = {notifying.NAME: notifying.SHAPE}
"""How endpoints are told that are no plain webhooks."""

# What is done tenant by tenant: the work, the seconds between two rounds, and whose ring ends the
# pause early.
_BY_TENANT: dict[str, tuple[Work, float, str | None]] = {
    "housekeeping": (_forget, 3600.0, None),
    "sealing": (partial(resealing.run, sweeps=SEALED), 60.0, None),
    "lifecycle": (lifecycle.mark_no_shows, 60.0, None),
    "holds": (lapse.sweep, 15.0, None),  # bookings do not wait for it
    "waitlist": (backfill.sweep, 15.0, openings.LOOP),
    "recall": (recall.run, 300.0, None),
    "replies": (replies.sweep, 5.0, replies.LOOP),
    "prescriptions": (prescriptions.sweep, 60.0, None),
    "doses": (doses.run, 15.0, doses.LOOP),
    "reminders": (reminders.run, 60.0, None),
    "dose-replies": (dose_replies.sweep, 5.0, dose_replies.LOOP),
    "adherence": (adherence.run, 60.0, None),
    "refills": (refills.run, 900.0, None),
    "exports": (exporting.run, 60.0, exports.LOOP),
}


def loops(
    settings: Settings, channels: Channels, bells: dict[str, asyncio.Event], stop: asyncio.Event
) -> dict[str, Loop]:
    """Return every loop by name."""

    def bell(name: str) -> asyncio.Event:
        return bells.setdefault(name, asyncio.Event())

    url = settings.rabbitmq_url
    found: dict[str, Loop] = {
        name: partial(
            _by_tenant, name, work, seconds, asyncio.Event() if rung is None else bell(rung), stop
        )
        for name, (work, seconds, rung) in _BY_TENANT.items()
    }
    found |= {
        "drivers": partial(mesh.run, channels.drivers, process=new_id(), stop=stop),
        "receipts": partial(receipts.run, bell=bell(receipts.LOOP), stop=stop),
        "inbound": partial(inbound.run, bell=bell(inbound.LOOP), stop=stop),
        "webhook-relay": partial(relaying.run, bell=asyncio.Event(), stop=stop, told=SHAPES),
        "webhooks": partial(
            webhooks.run,
            settings,
            bell=bell(relaying.LOOP),
            stop=stop,
            notice=webhook_tasks.tell,
            told=SHAPES,
        ),
        "devices": partial(device_loop.run, settings, bell=bell(devices.LOOP), stop=stop),
        "audit-seals": partial(sealing.run, stop=stop),
    }
    if is_telling(settings):
        found["gauges"] = partial(dispatch.gauge, stop)
    if settings.audit_heads_dir:
        found["audit-heads"] = partial(heads.run, settings, stop=stop)
    if settings.audit_copy:
        found["audit-copies"] = partial(copying.run, settings, stop=stop)
    if not settings.no_show_grace_minutes:
        del found["lifecycle"]
    if selftest.is_needed(settings):
        found["selftest"] = partial(_selftest, settings, stop)
    if not url:
        found["dispatch"] = partial(dispatch.run_here, channels, bell=bell(LOOP), stop=stop)
        return found
    found["dispatch"] = partial(relay.publish, url, bell=bell(LOOP), stop=stop)
    for name in relay.QUEUES:
        found[f"deliver-{name}"] = partial(relay.consume, url, name, channels, stop=stop)
    return found


async def run(settings: Settings, *, stop: asyncio.Event) -> None:
    """Run every loop until `stop`; then each finishes what it has in hand.

    Raises:
        Unavailable: PostgreSQL cannot be reached at the start; later outages are waited out.
    """
    bells: dict[str, asyncio.Event] = {}

    def hear(loop: str) -> None:
        if loop in bells:
            bells[loop].set()

    with telling(settings, "chroniccare-worker"):
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
            log.warning("loop waits", extra=_failed(name, error))
            await _sleep(_RESTART_S, stop)
        except Exception as error:
            log.exception("loop failed", extra=_failed(name, error))
            await _sleep(_RESTART_S, stop)


def _failed(loop: str, error: Exception) -> dict[str, str]:
    """Count a failure; return what the log says of it."""
    said = {"loop": loop, "kind": type(error).__name__}
    meters.failures.add(1, said)
    return said


async def _by_tenant(
    name: str, work: Work, seconds: float, bell: asyncio.Event, stop: asyncio.Event
) -> None:
    """Do `work` for each tenant, again after `seconds` or when `bell` is set.

    It ends between two tenants, so that a stop does not wait for a round over thousands. A tenant
    that fails is logged and left for the next round: those behind it do not wait for its cure.

    Raises:
        Unavailable: PostgreSQL is away, for every tenant.
    """
    while not stop.is_set():
        bell.clear()
        for tenant in await list_tenants():
            if stop.is_set():
                return
            try:
                with meters.measured(meters.rounds, "round", loop=name):
                    await work(tenant.id)
            except Unavailable:
                raise
            except Exception as error:
                said = _failed(name, error) | {"tenant_id": str(tenant.id)}
                log.exception("round failed", extra=said)
        await either(bell, stop, timeout=seconds)


async def _selftest(settings: Settings, stop: asyncio.Event) -> None:
    """Log what is not well with the providers, at the start and once an hour."""
    while not stop.is_set():
        for check in await selftest.checks(settings):
            if check.verdict != "ok":
                level = logging.ERROR if check.verdict == "fail" else logging.WARNING
                log.log(level, "provider: %s: %s", check.subject, check.text)
        await _sleep(_SELFTEST_S, stop)


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

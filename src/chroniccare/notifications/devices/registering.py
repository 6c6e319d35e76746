"""Devices and their provider: registered when it answers, disabled when it says they are gone.

tenant    claim the devices that wait, each for a minute
no transaction: one call or two a device
tenant    write what became of it, unless the app has changed the device meanwhile
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import random
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import system
from chroniccare.notifications import rules
from chroniccare.notifications.devices import actions, queries
from chroniccare.notifications.devices.registrars import NotNow, Refused, Registrar
from chroniccare.notifications.preferences import optouts
from chroniccare.notifications.receipts import queries as receipts
from chroniccare.platform.opening import opened
from chroniccare.platform.postgres import Tx, begin
from chroniccare.webhooks.actions import emit

log = logging.getLogger(__name__)

BATCH = 50
_OURS_FOR = timedelta(minutes=1)
_TOGETHER = 10
_MOST_DOUBLINGS = 9


async def sweep(tenant_id: UUID, registrar: Registrar) -> int:
    """Deal with the devices of a tenant that are due; return how many there were."""
    async with begin(system(tenant_id, job="devices")) as tx:
        due = await tx.all(queries.CLAIM, tx.now, tx.now + _OURS_FOR, BATCH)
    slots = asyncio.Semaphore(_TOGETHER)

    async def one(device: queries.Waiting) -> None:
        async with slots:
            try:
                await _deal_with(tenant_id, device, registrar)
            except Exception as error:
                # One that cannot be dealt with stands in no other's way; its minute goes by.
                log.exception("device not dealt with", extra={"kind": type(error).__name__})

    await asyncio.gather(*(one(device) for device in due))
    return len(due)


async def _with_token(tenant_id: UUID, device: queries.Waiting) -> queries.Waiting:
    """Return the device with its token in clear; one that cannot be opened harms no other."""
    async with begin(system(tenant_id, job="devices")) as tx:
        token = await opened(
            tx, lambda keyring: keyring.unsealed(queries.TOKEN, device.id, device.token)
        )
    return replace(device, token=token)


async def _deal_with(tenant_id: UUID, device: queries.Waiting, registrar: Registrar) -> None:
    status, endpoint, reason = "enabled", device.endpoint, None
    try:
        if device.status == "removed":
            if device.endpoint is not None and not device.shared:
                await registrar.forget(device.endpoint)
        else:
            endpoint = await registrar.register(await _with_token(tenant_id, device))
    except Refused as refused:
        status, reason = "disabled", refused.code
    except NotNow as error:
        await _later(tenant_id, device, error.code)
        return
    async with begin(system(tenant_id, job="devices")) as tx:
        if device.status == "removed":
            await tx.run(queries.FORGET, device.id)
            return
        settled = await tx.one(
            queries.SETTLE, device.id, device.version, status, endpoint, reason, tx.now
        )
        if settled is None:
            await tx.run(queries.KEEP_ENDPOINT, device.id, endpoint)
            return
        if status == "enabled" and endpoint is not None:
            await optouts.lift(
                tx, channel="push", addresses=[endpoint], because="the app registered it again"
            )
        await _tell(tx, settled, was="waiting")


async def forget_all(tenant_id: UUID, registrar: Registrar) -> int:
    """Have the provider forget every endpoint of a tenant; return how many it has not forgotten.

    The rows stay, so that the same call tries those again.
    """
    slots = asyncio.Semaphore(_TOGETHER)

    async def is_left(endpoint: str) -> bool:
        async with slots:
            try:
                await registrar.forget(endpoint)
            except NotNow as error:
                log.warning("device not forgotten yet", extra={"code": error.code})
                return True
        return False

    left, after = 0, None
    while True:
        async with begin(system(tenant_id, job="devices")) as tx:
            some = await tx.all(queries.ENDPOINTS, after, BATCH)
        if not some:
            return left
        left += sum(await asyncio.gather(*(is_left(one.endpoint) for one in some)))
        after = some[-1].id


async def _later(tenant_id: UUID, device: queries.Waiting, code: str) -> None:
    """Try again after a pause that grows to five minutes."""
    pause = rules.backoff(min(device.tries, _MOST_DOUBLINGS), jitter=random())  # noqa: S311  no secret
    log.warning("device not registered yet", extra={"code": code})
    async with begin(system(tenant_id, job="devices")) as tx:
        await tx.run(queries.LATER, device.id, device.version, code, tx.now + pause, tx.now)


async def gone(tenant_id: UUID, endpoint: str, *, disabled: bool) -> bool:
    """Note that the provider takes nothing for an endpoint; say whether messages pass it over now.

    Disabled, the device waits for the app to name a token again, and its endpoint is barred, so
    that what is prepared already does not go there. An endpoint that is not there any more is made
    anew from the token.
    """
    async with begin(system(tenant_id, job="devices")) as tx:
        status = "disabled" if disabled else "waiting"
        reason = "endpoint_disabled" if disabled else "endpoint_gone"
        found = await tx.all(queries.GONE, endpoint, status, reason, tx.now)
        for device in found:
            await _tell(tx, device, was="enabled")
        if found and not disabled:
            tx.wake(actions.LOOP)
        if disabled:
            await _bar(tx, endpoint, tx.now)
    return bool(found) or disabled


async def others(tenant_id: UUID, endpoint: str) -> Sequence[str]:
    """Return the endpoints of the other devices of the patient whose device `endpoint` is."""
    async with begin(system(tenant_id, job="devices")) as tx:
        found: list[str] = await tx.values(queries.OTHERS, endpoint)
        barred = await optouts.barred(tx, found)
    return [one for one in found if ("push", one) not in barred]


async def _bar(tx: Tx, endpoint: str, now: datetime) -> None:
    entry = await optouts.entry(tx, channel="push", address=endpoint)
    made = await tx.one(receipts.SUPPRESS, *entry, tx.caller.tenant_id, "push", "bounced_hard", now)
    if made is None:
        return
    await record(
        tx, action="create", entity_type="suppression", entity_id=made.id,
        after={"channel": made.channel, "reason": made.reason},
    )  # fmt: skip
    await emit(
        tx, "contact.suppressed", entity_type="suppression", entity_id=made.id,
        payload={"channel": "push", "reason": made.reason},
    )  # fmt: skip


async def _tell(tx: Tx, device: queries.Device, *, was: str) -> None:
    await actions.tell(
        tx, "update", "device.enabled" if device.status == "enabled" else "device.disabled",
        before={"status": was}, after={"status": device.status, "reason": device.reason},
        device=device,
    )  # fmt: skip

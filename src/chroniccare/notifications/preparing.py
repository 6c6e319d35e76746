"""Transaction 1 of delivery: read again, decide, render, commit the attempts. See `delivery`."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.ids import new_id
from chroniccare.notifications import (
    attachments,
    decide,
    dose_page,
    offer_page,
    queries_due,
    rules,
    visit_page,
)
from chroniccare.notifications.channels.choice import Channels
from chroniccare.notifications.channels.message import Calls, Driver, Message
from chroniccare.notifications.mesh import routing
from chroniccare.notifications.mesh.routing import Verdict
from chroniccare.notifications.mesh.switchboard import Line, Lines
from chroniccare.notifications.plans import actions as plans
from chroniccare.notifications.preferences import optouts, recipients
from chroniccare.notifications.queries_sealed import CANNOT_BE_MADE
from chroniccare.notifications.spend import budget
from chroniccare.notifications.templates import active
from chroniccare.notifications.templates.making import Texts
from chroniccare.notifications.templates.text import Text
from chroniccare.platform.postgres import Tx, begin
from chroniccare.platform.sealing import Keyring, Unreadable
from chroniccare.settings import Settings
from chroniccare.tenancy.addresses import index

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
_PAUSES_S = (0.02, 0.1)


@dataclass(frozen=True, slots=True)
class Job:
    """One message on its way; `fence` guards the row, `message.attempt_id` names the attempt.

    `lines` are the channel's drivers, `line` the one that is called; `turn` is when its sender is
    free for it, in seconds from now.
    """

    due: queries_due.Due
    send: decide.Send
    line: Line
    lines: Lines
    message: Message
    number: int
    fence: int
    turn: float

    @property
    def driver(self) -> Driver:
        """The driver that is called."""
        return self.line.driver


async def prepare(tenant_id: UUID, ids: Sequence[UUID], channels: Channels) -> list[Job]:
    """Return what is to be sent of the claimed messages; everything else about them is written."""
    async with begin(system(tenant_id, job="delivery")) as tx:
        await tx.plan_afresh()
        locked = await _locked(tx, ids)
        if not locked:
            return []
        read = await _read(tx, locked)
        rows = [plans.afresh(recipients.up_to_date(due)) for due in read]
        addresses = {value for due in rows for value in decide.every_address(due)}
        suppressed = await optouts.barred(tx, addresses)
        calendar = await attachments.read(tx, rows)
        texts = await active.load(tx, {due.notification_type for due in rows})
        links = {due.id: _link(tenant_id, due, tx.settings) for due in rows}

        def decided(due: queries_due.Due) -> Verdict:
            link = links[due.id]
            return _verdict(due, tx.now, channels, suppressed, calendar, texts=texts, link=link)

        planned, costs = await budget.within(tx, [(due, decided(due)) for due in rows], decided)
        planned, turns = await routing.in_turn(planned, tx.now, processes=channels.processes)
        jobs = [
            _job(tenant_id, due, verdict, channels, tx.now, turn=turns.get(due.id, 0.0))
            for due, verdict in planned
            if isinstance(verdict, tuple)
        ]
        prepared = [_prepared(due, verdict, tx.now, tx.settings) for due, verdict in planned]
        await tx.run(queries_due.PREPARE, prepared, tx.now)
        if jobs:
            keys = await tx.keyring()
            await tx.run(
                queries_due.PREPARE_ATTEMPTS,
                [
                    {**_attempt(job, keys), **budget.entry(costs.get(job.due.id), tx.now)}
                    for job in jobs
                ],
                tenant_id,
                tx.now,
            )
    return jobs


async def _locked(tx: Tx, ids: Sequence[UUID]) -> list[UUID]:
    """Lock the rows that are still ours and return their ids.

    A claim that runs beside ours may hold rows that it looked at just before we had them, until it
    commits; left out now, they would wait for the end of their lease. So they get a moment.
    """
    locked: list[UUID] = await tx.values(queries_due.LOCK_QUEUED, list(ids))
    for pause in _PAUSES_S:
        missing = set(ids).difference(locked)
        if not missing:
            break
        await asyncio.sleep(pause)
        locked += await tx.values(queries_due.LOCK_QUEUED, list(missing))
    return locked


async def _read(tx: Tx, ids: list[UUID]) -> list[queries_due.Due]:
    """Return what decides; a message of which something cannot be decrypted fails alone."""
    try:
        return await tx.all(queries_due.READ_DUE, ids)
    except Unreadable:
        found: list[queries_due.Due] = []
    for one in ids:
        try:
            found += await tx.all(queries_due.READ_DUE, [one])
        except Unreadable:  # it has been logged
            await tx.run(CANNOT_BE_MADE, one, tx.now)
    return found


def _verdict(
    due: queries_due.Due, now: datetime, channels: Channels, suppressed: decide.Suppressions,
    calendar: attachments.Attachments, *, texts: Texts, link: str | None,
) -> Verdict:  # fmt: skip
    """Return the decision and the text; a row that cannot be decided fails alone."""
    try:

        def afresh(plan: list[str]) -> decide.Send | decide.Stop | decide.Hold:
            return decide.decide(
                replace(due, channel_plan=plan), now=now, quiet=channels.quiet,
                suppressed=suppressed,
            )  # fmt: skip

        verdict = afresh(due.channel_plan)
        if not isinstance(verdict, decide.Send):
            return verdict
        routed = routing.route(due, verdict, channels.drivers, now, afresh)
        if not isinstance(routed, routing.Routed):
            return routed
        channel = routed.send.channel
        text = decide.text(due, channel, now=now, texts=texts, link=link,
            asks=texts.policy.asks or channels.asks,
        )  # fmt: skip
        return routed, attachments.attach(text, due, calendar) if channel == "email" else text
    except Exception as error:
        # One row that our code cannot handle must not stop the tenant's other messages.
        log.exception(
            "message cannot be made",
            extra={"notification_id": str(due.id), "kind": type(error).__name__},
        )
        return decide.Stop("failed", "cannot_be_made")


def _link(tenant_id: UUID, due: queries_due.Due, settings: Settings) -> str | None:
    """Return where an offer, a visit or doses are answered; made here: it stands in no row."""
    offer_id = due.template_data.get("offer_id")
    if offer_id is not None:
        return offer_page.link(settings, tenant_id, UUID(offer_id))
    if due.doses is not None:
        return dose_page.link(
            settings, tenant_id, UUID(due.template_data["bundle_id"]), due.scheduled_send_time,
            who="patient" if due.related_person_id is None else "caregiver",
        )  # fmt: skip
    if due.appointment_id is None or due.visit_start is None:
        return None
    if due.notification_type not in rules.ABOUT_OPEN_VISITS:
        return None
    return visit_page.link(settings, tenant_id, due.appointment_id, due.visit_start)


def _job(
    tenant_id: UUID, due: queries_due.Due, verdict: tuple[routing.Routed, Text],
    channels: Channels, now: datetime, *, turn: float,
) -> Job:  # fmt: skip
    routed, text = verdict
    send, line = routed.send, routed.line
    # An attempt that never left the house is made under its own id.
    again = (
        due.attempt_status == "prepared"
        and due.attempt_channel == send.channel
        and due.attempt_driver == line.name
    )
    number = due.attempt_number or 0
    attempt_id = due.attempt_id if again and due.attempt_id is not None else new_id()
    message = Message(
        attempt_id, due.id, tenant_id, send.channel, send.recipient, text, now, due.expires_at
    )
    if not again:
        number += 1
    lines = channels.drivers[send.channel]
    return Job(due, send, line, lines, message, number, due.fence + 1, turn)


def _prepared(
    due: queries_due.Due, verdict: Verdict, now: datetime, settings: Settings
) -> dict[str, Any]:
    row: dict[str, Any] = {"id": due.id, "channel": due.channel, "channel_plan": due.channel_plan}
    if isinstance(verdict, decide.Stop):
        if verdict.channel is not None:
            rest = [one for one in due.channel_plan if one != verdict.channel]
            row |= {"channel": verdict.channel, "channel_plan": [verdict.channel, *rest]}
        return row | {"status": verdict.status, "details": {"reason": verdict.reason}}
    if isinstance(verdict, decide.Hold):
        held = {"for": verdict.reason, "at": now, "since": verdict.since}
        details = {"reason": verdict.reason, "held": held} if verdict.reason else {}
        return row | {"status": "held", "next_at": verdict.until, "details": details}
    routed, lease = verdict[0], now + LEASE
    send = routed.send
    return row | {
        "evidence_due_at": plans.evidence_due(
            due,
            send.channel,
            follows=len(send.plan) > 1,
            driver=routed.line.name,
            now=now,
            settings=settings,
        ),
        "status": "sending",
        "channel": send.channel,
        "channel_plan": send.plan,
        "next_at": lease,
        "lease_until": lease,
        "details": {"skipped": send.skipped} if send.skipped else {},
    }


def _attempt(job: Job, keys: Keyring) -> dict[str, Any]:
    attempt_id, recipient = job.message.attempt_id, job.send.recipient
    return {
        "id": attempt_id,
        "notification_id": job.due.id,
        "number": job.number,
        "channel": job.send.channel,
        "driver": job.driver.name,
        "recipient": keys.sealed(queries_due.RECIPIENT, attempt_id, recipient),
        "recipient_index": index(keys, recipient) if job.send.channel == "sms" else None,
        "status": "prepared" if isinstance(job.driver, Calls) else "in_flight",
        "template_version_id": job.message.text.version_id,
        "template_locale": job.message.text.locale,
    }

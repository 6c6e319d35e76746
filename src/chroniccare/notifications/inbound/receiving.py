"""What follows from stored replies.

    system    take replies from the inbox, each for half a minute
    tenant    find whose they are; read, decide (`rules.decide`), write it all in one transaction
    system    remove what is dealt with

A worker that dies between the last two takes them again: they stand in `inbound_messages` by then,
and what stands there changes nothing.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import system
from chroniccare.core.ids import new_id
from chroniccare.notifications.inbound import answers, inbox, queries, rules, rules_doses, staff
from chroniccare.notifications.inbound.keywords import Intent
from chroniccare.notifications.preferences import optouts
from chroniccare.platform.masterkey import CannotUnwrap
from chroniccare.platform.postgres import Tx, begin, begin_system
from chroniccare.tenancy.actions import list_tenants
from chroniccare.tenancy.addresses import either, index
from chroniccare.webhooks.actions import EventType, emit

log = logging.getLogger(__name__)

ACTIONS = "replies"
"""The loop that does what replies ask for about visits; it belongs to a higher slice."""
DOSE_ACTIONS = "dose-replies"
"""The same about doses."""
BATCH = 100
GIVE_UP = timedelta(days=7)
_OURS_FOR = timedelta(seconds=30)
_RARELY = timedelta(minutes=10)
_FORGOTTEN = timedelta(days=120)
"""A message from before that is nothing a reply is about."""
_MOST_ANSWERS = 10
"""Answers to one number in an hour: two machines that answer each other must come to an end."""
_HOUR = timedelta(hours=1)

_ACTION: dict[str, str] = {
    "confirming": "confirm", "accepting": "accept", "declining": "decline", "taking": "taken",
    "skipping": "skip",
}  # fmt: skip
_ANSWER: dict[str, str] = {
    "change_asked": "reply_changing",
    "asked": "reply_which",
    "outdated": "reply_outdated",
    "nothing_open": "reply_nothing_open",
    "stopped": "reply_stopped",
    "stopped_unsure": "reply_stopped",
    "started": "reply_started",
    "helped": "reply_help",
    "unread": "reply_will_call",
}
_ONCE_AN_HOUR = frozenset({"unread", "nothing_open", "outdated"})
_TO_THE_NUMBER = frozenset({"reply_stopped", "reply_started", "reply_help"})
"""Said to the number, whosever it is."""


async def receive_due(limit: int = BATCH) -> int:
    """Deal with the replies that are due, in the order they came; return how many there were."""
    async with begin_system("inbound") as tx:
        taken = await tx.all(queries.TAKE, tx.now, tx.now + _OURS_FOR, limit)
    for row in sorted(taken, key=lambda one: (one.received_at, one.id)):
        try:
            await _deal_with(inbox.opened(row))
        except Exception as error:
            # One that cannot be dealt with stands in no other's way; it is looked at again.
            log.exception("reply not dealt with", extra={"kind": type(error).__name__})
            await _put_back(row)
        else:
            async with begin_system("inbound") as tx:
                await tx.run(queries.REMOVE, row.id)
    return len(taken)


async def _put_back(row: queries.Waiting) -> None:
    async with begin_system("inbound") as tx:
        if row.received_at + GIVE_UP <= tx.now:
            log.error("reply given up", extra={"driver": row.driver})
            await tx.run(queries.REMOVE, row.id)
        else:
            pause = min(timedelta(seconds=1 << min(row.looks - 1, 10)), _RARELY)
            await tx.run(queries.PUT_BACK, row.id, tx.now + pause)


async def _deal_with(row: queries.Waiting) -> None:
    """Write the reply where it belongs."""
    intent = rules.classify(row.body).intent
    named, wrote = row.tenant_id, dict[UUID, datetime]()
    tenants = [tenant.id for tenant in await list_tenants()]
    if named is None or intent in rules.STOPS or intent == "start":
        # One transaction a clinic: across clinics nobody can see whom they wrote to.
        for tenant_id in tenants:
            last = await _last_written(tenant_id, row.sender)
            if last is not None:
                wrote[tenant_id] = last
    only = tenants[0] if len(tenants) == 1 else None
    clinics = rules.clinics(intent, named=named, wrote=wrote, only=only)
    if not clinics:
        log.warning("reply from a number that nobody wrote to", extra={"driver": row.driver})
    for tenant_id in clinics:
        await receive(tenant_id, row)


async def _last_written(tenant_id: UUID, sender: str) -> datetime | None:
    """Return when a clinic wrote to a number last; one whose keys are not held stops no other."""
    try:
        async with begin(system(tenant_id, job="inbound")) as tx:
            number = either(await tx.keyring(), [sender])
            last: datetime | None = await tx.value(queries.LAST_WRITTEN, number)
    except CannotUnwrap as error:
        log.error("cannot unwrap: %s", error)  # noqa: TRY400  ids alone; where it was is known
        return None
    return last


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a number when it writes."""

    prompts: list[rules.Prompt]
    doses: list[rules_doses.DosePrompt]
    zones: dict[UUID, str]
    asked: rules.Asked | None
    patient_id: UUID | None
    language: str
    clinic: str


async def receive(tenant_id: UUID, row: queries.Waiting) -> None:
    """Read a reply in its clinic, and write what follows; a second time changes nothing."""
    async with begin(system(tenant_id, job="inbound")) as tx:
        await tx.plan_afresh()
        await tx.value(queries.LOCK_SENDER, lock_key(tenant_id, row.sender))
        if await tx.value(queries.SEEN, row.driver, row.message_id) is not None:
            return
        known = await _situation(tx, row.sender)
        reading = rules.classify(row.body, known.language)
        decision = rules.decide(reading, known.prompts, known.asked, now=tx.now, doses=known.doses)
        await _follow(tx, row, known, reading, decision)


def lock_key(tenant_id: UUID, sender: str) -> int:
    """Return the advisory lock behind which replies of one number are read."""
    digest = hashlib.blake2b(tenant_id.bytes + sender.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def _situation(tx: Tx, sender: str) -> Situation:
    number = either(await tx.keyring(), [sender])
    written = await tx.all(queries.WRITTEN, number, tx.now - _FORGOTTEN)
    reminded = await tx.all(queries.REMINDED, number, tx.now - rules_doses.ANSWERABLE)
    people = await tx.all(queries.PEOPLE, number)
    question = await tx.one(queries.QUESTION, number, tx.now - rules.ASKED_FOR)
    prompts = [
        rules.Prompt(
            one.appointment_id, one.patient_id, one.offer_id, one.told_start, one.starts_at,
            one.status, one.held_until, one.asked_at,
        )
        for one in written
    ]  # fmt: skip
    doses = [
        rules_doses.DosePrompt(one.notification_id, one.patient_id, one.is_open, one.asked_at)
        for one in reminded
    ]
    patients = {one.id for one in people} | {one.patient_id for one in written}
    spoken = [one.language for one in people] + [one.language for one in written]
    spoken += [one.language for one in reminded]
    return Situation(
        prompts=prompts,
        doses=doses,
        zones={one.appointment_id: one.zone for one in written},
        asked=None if question is None else _asked(question),
        patient_id=next(iter(patients)) if len(patients) == 1 else None,
        language=spoken[0] if spoken else "en",
        clinic=str(await tx.value(queries.CLINIC, tx.caller.tenant_id)),
    )


def _asked(question: queries.Question) -> rules.Asked:
    intent: Intent = question.intent  # type: ignore[assignment]  # written from one
    choices = {code: UUID(one) for code, one in question.choices.items()}
    return rules.Asked(intent, choices, question.received_at, question.latest)


async def _follow(
    tx: Tx, row: queries.Waiting, known: Situation, reading: rules.Reading,
    decision: rules.Decision,
) -> None:  # fmt: skip
    """Write the reply, what it changes, its task and its answer."""
    reply_id, prompt = new_id(), decision.prompt
    dose = None if decision.outcome == "asked" else decision.dose
    about = prompt or dose
    patient_id = about.patient_id if about is not None else known.patient_id
    barred = await _bar(tx, row.sender, decision.outcome, patient_id)
    await _to_staff(tx, row, decision, reply_id=reply_id, patient_id=patient_id)
    answered = (barred or decision.outcome not in {"stopped", "stopped_unsure"}) and await _answer(
        tx, row.sender, known, decision, reply_id=reply_id, patient_id=patient_id
    )
    action, keys = _ACTION.get(decision.outcome), await tx.keyring()
    kept: dict[str, Any] = {
        "id": reply_id,
        "driver": row.driver,
        "message_id": row.message_id,
        "sender": keys.sealed(queries.SENDER, reply_id, row.sender),
        "sender_index": index(keys, row.sender),
        "recipient": row.recipient,
        "body": keys.sealed(queries.BODY, reply_id, row.body),
        "cut": row.cut,
        "intent": reading.intent,
        "outcome": decision.outcome,
        "patient_id": patient_id,
        "appointment_id": prompt.appointment_id if prompt else None,
        "offer_id": prompt.offer_id if prompt else None,
        "notification_id": dose.notification_id if dose else None,
        "choices": rules.codes(decision.choices) if decision.choices else None,
        "action": action,
        "action_start": prompt.told_start if action and prompt else None,
        "answered": answered,
        "received_at": row.received_at,
    }
    await tx.run(queries.INSERT, kept, tx.caller.tenant_id, tx.now)
    logged = {"intent": reading.intent, "outcome": decision.outcome, "patient_id": patient_id}
    await record(tx, action="create", entity_type="reply", entity_id=reply_id, after=logged)
    await emit(
        tx, "reply.received", entity_type="reply", entity_id=reply_id,
        payload={"intent": reading.intent, "outcome": decision.outcome},
    )  # fmt: skip
    if action:
        tx.wake(ACTIONS if dose is None else DOSE_ACTIONS)


async def _bar(tx: Tx, sender: str, outcome: str, patient_id: UUID | None) -> bool:
    """Close the number to text messages, or open it again; say whether that changed anything."""
    event: EventType = "contact.restored" if outcome == "started" else "contact.suppressed"
    if outcome in {"stopped", "stopped_unsure"}:
        action = "create"
        await optouts.lock_owners(tx, [sender])
        entry = await optouts.entry(tx, channel="sms", address=sender)
        found = await tx.one(queries.SUPPRESS, *entry, tx.caller.tenant_id, tx.now)
        await optouts.recorded(tx, channel="sms", address=sender, reason="opted_out")
    elif outcome == "started":
        action = "lift"
        await optouts.lock_owners(tx, [sender])
        found = await tx.one(queries.LIFT, either(await tx.keyring(), [sender]), tx.now)
        if found is not None:
            await optouts.set_consent(tx, channel="sms", address=sender, given=True)
    else:
        return False
    if found is None:
        return False
    said = {"channel": found.channel, "reason": found.reason}
    await record(tx, action=action, entity_type="suppression", entity_id=found.id, after=said)
    await emit(
        tx, event, entity_type="suppression", entity_id=found.id,
        payload={**said, "patient_id": patient_id, "notification_id": None},
    )  # fmt: skip
    return True


async def _to_staff(
    tx: Tx, row: queries.Waiting, decision: rules.Decision, *, reply_id: UUID,
    patient_id: UUID | None,
) -> None:  # fmt: skip
    """Open the task that the reply leaves, if any."""
    prompt, outcome = decision.prompt, decision.outcome
    if outcome == "change_asked" and prompt is not None:
        await staff.want_change(
            tx, appointment_id=prompt.appointment_id, patient_id=prompt.patient_id,
            starts_at=prompt.starts_at, reason="patient_replied",
        )  # fmt: skip
    elif outcome == "outdated" and prompt is not None and prompt.starts_at > tx.now:
        await staff.look_at_visit(
            tx, appointment_id=prompt.appointment_id, patient_id=prompt.patient_id,
            reason="visit_changed_meanwhile",
        )  # fmt: skip
    elif outcome in {"change_asked", "unread", "stopped_unsure"}:
        code, reason = {
            "change_asked": ("change_requested", "no_visit_found"),
            "unread": ("read_reply", "not_understood"),
            # The word ends the messages; the patient may have meant the visit.
            "stopped_unsure": ("clarify_opt_out", "may_have_meant_the_visit"),
        }[outcome]
        await staff.look_at_reply(
            tx, code, reason=reason, reply_id=reply_id, sender=row.sender, patient_id=patient_id,
            priority="high" if outcome == "stopped_unsure" else "normal",
        )  # fmt: skip


async def _answer(
    tx: Tx, sender: str, known: Situation, decision: rules.Decision, *, reply_id: UUID,
    patient_id: UUID | None,
) -> bool:  # fmt: skip
    """Plan the answer to the reply, unless the number has had enough; say whether it was."""
    kind = _ANSWER.get(decision.outcome)
    if kind is None:
        return False
    if decision.outcome == "change_asked" and decision.prompt is None:
        kind = "reply_will_call"
    if decision.choices and decision.dose is not None:
        kind = "reply_visit_or_doses"
    number = either(await tx.keyring(), [sender])
    had, same = await tx.value(queries.ANSWERED, number, tx.now - _HOUR, decision.outcome)
    if had >= _MOST_ANSWERS or (same and decision.outcome in _ONCE_AN_HOUR):
        return False
    data: dict[str, Any] = {"clinic": known.clinic}
    if decision.prompt is not None:
        data |= _said(decision.prompt, known)
    if decision.choices:
        visits = {one.appointment_id: one for one in decision.choices}
        data["choices"] = {
            code: _said(visits[visit], known)
            for code, visit in rules.codes(decision.choices).items()
        }
    return await answers.plan_answer(
        tx, kind, reply_id=reply_id, sender=sender, language=known.language, data=data,
        patient_id=None if kind in _TO_THE_NUMBER else patient_id,
    )  # fmt: skip


def _said(prompt: rules.Prompt, known: Situation) -> dict[str, Any]:
    return {"starts_at": prompt.starts_at, "zone": known.zones[prompt.appointment_id]}

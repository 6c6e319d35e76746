"""Notification preferences of a patient: shown with what follows from them, replaced, resubscribed.

What is stored stays where it was: the order of channels in `communication_preferences`, consent in
`consent_settings`, both of which `PUT /patients/{id}` writes too; categories and the patient's own
quiet hours in `notification_preferences`. So the patient's version is the version of them all.
"""

from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.notifications import packs
from chroniccare.notifications import rules as messages
from chroniccare.notifications.preferences import optouts, queries, recipients, rules, view
from chroniccare.notifications.preferences.schemas import PreferencesWrite, ResubscribeWrite
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx
from chroniccare.webhooks.actions import emit


class OptedOut(Conflict):
    """The recipient has opted out; only the explicit act of resubscribing changes that."""

    code = "OPTED_OUT"
    message = "The patient has opted out of this channel; resubscribe when they ask for it."


async def shown(tx: Tx, patient_id: UUID) -> dict[str, Any]:
    """Return a patient's preferences and what follows from them now.

    Raises:
        NotFound: no such patient.
    """
    stored = await held(tx, patient_id)
    return view.effective(
        stored, await _opt_outs(tx, stored), now=tx.now,
        clinic=messages.parse_quiet_hours(tx.settings.quiet_hours),
    )  # fmt: skip


async def locked(tx: Tx, patient_id: UUID) -> queries.Stored:
    """Return a patient's preferences and lock them.

    Raises:
        NotFound: no such patient.
    """
    await patients.get_locked(tx, patient_id)
    return await held(tx, patient_id)


async def replace(tx: Tx, stored: queries.Stored, body: PreferencesWrite) -> dict[str, Any]:
    """Replace the preferences, which this transaction has locked, and return them.

    Raises:
        OptedOut: consent is given to a channel whose address is on the opt-out list.
        Unprocessable: the quiet hours would leave too little of the day.
    """
    _check_quiet(tx, stored, body)
    given = {name: value for name, value in body.consents.model_dump().items() if value is not None}
    await _check_consents(tx, stored, given)
    kept = {name: one for name, one in stored.consents.items() if name not in rules.CHANNELS}
    before = {
        "channels": stored.channels or [], "consents": stored.consents,
        "preferences": stored.preferences,
    }  # fmt: skip
    after = {"channels": body.channels, "consents": kept | given, "preferences": _document(body)}
    await tx.run(queries.UPDATE, stored.id, *after.values(), tx.now)
    await _tell(tx, stored, "update_preferences", before, after)
    return await shown(tx, stored.id)


async def resubscribe(tx: Tx, patient_id: UUID, body: ResubscribeWrite) -> dict[str, Any]:
    """Let a patient who asks for it be written to by a channel again.

    Their addresses leave the opt-out list, and consent is on record again.

    Raises:
        NotFound: no such patient.
        optouts.NotOptedOut: nothing bars the channel.
    """
    stored = await locked(tx, patient_id)
    addresses = rules.addresses(recipients.of_stored(stored), body.channel)
    lifted = await optouts.lift(tx, channel=body.channel, addresses=addresses, because=body.because)
    if not lifted and messages.consents(stored.consents, body.channel):
        raise optouts.NotOptedOut
    given = stored.consents | {body.channel: True}
    await tx.run(
        queries.UPDATE, stored.id, stored.channels or [], given, stored.preferences, tx.now
    )
    before, after = {"consents": stored.consents}, {"consents": given, "because": body.because}
    await _tell(tx, stored, "resubscribe", before, after)
    return await shown(tx, patient_id)


async def held(tx: Tx, patient_id: UUID) -> queries.Stored:
    """Return a patient's preferences as they are stored.

    Raises:
        NotFound: no such patient.
    """
    found = await tx.one(queries.GET, patient_id)
    if found is None:
        raise NotFound("No such patient.")
    return found


async def _opt_outs(tx: Tx, stored: queries.Stored) -> list[queries.OptOut]:
    """Return the entries of the opt-out list for addresses of the patient or a related person."""
    points = [*stored.contacts, *(point for one in stored.proxies for point in one["contacts"])]
    systems = {(point["system"], point["value"]) for point in points}
    found = await optouts.listed(tx, sorted({value for _, value in systems}))
    return [one for one in found if (messages.SYSTEM_OF[one.channel], one.address) in systems]


def _check_quiet(tx: Tx, stored: queries.Stored, body: PreferencesWrite) -> None:
    if body.quiet_hours is None:
        return
    own = rules.own_quiet({"quiet_hours": body.quiet_hours.model_dump()})
    law = packs.pack_of(recipients.of_stored(stored).country).quiet
    clinic = messages.parse_quiet_hours(tx.settings.quiet_hours)
    quiet = [one for one in (own, law, clinic) if one is not None]
    if rules.open_minutes(quiet) < rules.LEAST_OPEN_H * 60:
        reason = f"with the other quiet hours must leave {rules.LEAST_OPEN_H} hours of a day"
        raise Unprocessable.field("quiet_hours", reason, "range")


async def _check_consents(tx: Tx, stored: queries.Stored, given: dict[str, bool]) -> None:
    """Refuse a consent that would contradict the opt-out list."""
    fresh = [one for one in given if given[one] and stored.consents.get(one) is not True]
    if not fresh:
        return
    who = recipients.of_stored(stored)
    barred = {
        one.channel
        for one in await _opt_outs(tx, stored)
        if one.reason in optouts.WITHDRAWING and one.address in rules.addresses(who, one.channel)
    }
    faults = [
        FieldError(f"consents.{one}", "the patient has opted out", "opted_out")
        for one in fresh
        if one in barred
    ]
    if faults:
        raise OptedOut(details=faults)


def _document(body: PreferencesWrite) -> dict[str, Any]:
    """Return what the column `notification_preferences` holds; what is as if unsaid is left out."""
    document: dict[str, Any] = {}
    choices = {
        one.category: {"enabled": one.enabled, "channels": one.channels}
        for one in body.categories
        if not one.enabled or one.channels
    }
    if choices:
        document["categories"] = choices
    if body.quiet_hours is not None:
        document["quiet_hours"] = body.quiet_hours.model_dump()
    if body.drug_names:
        document["drug_names"] = True
    return document


async def _tell(
    tx: Tx, stored: queries.Stored, action: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Audit a change and name what it makes stale."""
    await record(
        tx, action=action, entity_type="patient", entity_id=stored.id, before=before, after=after
    )
    await emit(
        tx, "preferences.updated", entity_type="patient", entity_id=stored.id,
        payload={"version": stored.version + 1},
    )  # fmt: skip
    tx.drop(*patients.keys(tx.caller.tenant_id, stored.id))
    tx.bump(patients.lists(tx.caller.tenant_id))

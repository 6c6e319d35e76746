"""The opt-out list and the profiles say the same: whoever changes one changes the other here."""

from collections.abc import Collection, Sequence
from uuid import UUID

from chroniccare.audit.actions import record, record_many
from chroniccare.core.errors import Conflict
from chroniccare.core.ids import new_id
from chroniccare.notifications import queries_due, rules
from chroniccare.notifications.preferences import queries
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx
from chroniccare.tenancy.addresses import either, index
from chroniccare.webhooks.actions import emit, emit_many

WITHDRAWING = frozenset({"opted_out", "complained"})
"""Reasons of an opt-out that are the recipient's own will; a bounce is not."""


class NotOptedOut(Conflict):
    """There is nothing to lift."""

    code = "NOT_OPTED_OUT"
    message = "Nothing bars this channel; consent is changed in the preferences."


async def barred(tx: Tx, addresses: Collection[str]) -> set[tuple[str, str]]:
    """Return on which channels which of these addresses must not be written to."""
    keys = await tx.keyring()
    asked = {form: one for one in addresses for form in either(keys, [one])}
    found = await tx.all(queries_due.SUPPRESSED, list(asked))
    return {(entry.channel, asked[entry.found_by]) for entry in found}


async def listed(tx: Tx, addresses: Sequence[str]) -> list[queries.OptOut]:
    """Return the entries of the opt-out list for these addresses, the oldest first."""
    return await tx.all(queries.OPT_OUTS, either(await tx.keyring(), addresses))


async def entry(tx: Tx, *, channel: str, address: str) -> tuple[UUID, str, str | None]:
    """Return a new entry's id, its address as it is stored, and what that is found by."""
    keys, entry_id = await tx.keyring(), new_id()
    found_by = index(keys, address)
    if found_by is not None:
        await tx.run(queries.FIND_BY_INDEX, channel, address, found_by)
    return entry_id, keys.sealed(queries.BARRED, entry_id, address), found_by


async def lock_owners(tx: Tx, addresses: Collection[str]) -> None:
    """Lock the profiles that opt-outs of these addresses would change.

    To be called before messages or the opt-out list are touched: whoever changes a visit locks in
    this order, too.
    """
    found_by = either(await tx.keyring(), addresses)
    await tx.values(queries.LOCK_PATIENTS, found_by)
    await tx.values(queries.LOCK_RELATED, found_by)


async def lock_owners_of(tx: Tx, attempt_ids: Sequence[UUID]) -> None:
    """Do the same for the addresses that these attempts went to."""
    reached = await tx.all(queries.RECIPIENTS, list(attempt_ids))
    await lock_owners(tx, {one.recipient for one in reached})


async def recorded(tx: Tx, *, channel: str, address: str, reason: str) -> None:
    """Follow an entry of the opt-out list: its owners' profiles withdraw consent to the channel.

    Everybody whose address it is, patients and related persons; a bounce withdraws nothing.
    """
    if reason in WITHDRAWING:
        await set_consent(tx, channel=channel, address=address, given=False)


async def set_consent(tx: Tx, *, channel: str, address: str, given: bool) -> None:
    """Write consent to `channel` into the profiles of everybody whose `address` it is."""
    found_by = either(await tx.keyring(), [address])
    arguments = (rules.SYSTEM_OF[channel], found_by, channel, given, tx.now)
    for query, kind in (
        (queries.CONSENT_OF_PATIENTS, "patient"),
        (queries.CONSENT_OF_RELATED, "related_person"),
    ):
        changed = await tx.all(query, *arguments)
        if not changed:
            continue
        await record_many(
            tx, action="consent", entity_type=kind,
            changed={
                one.id: ({"consent_settings": one.before}, {"consent_settings": one.after})
                for one in changed
            },
        )  # fmt: skip
        await emit_many(
            tx, "preferences.updated", entity_type=kind,
            payloads={one.id: {"version": one.version} for one in changed},
        )  # fmt: skip
        for one in changed:
            tx.drop(*patients.keys(tx.caller.tenant_id, one.patient_id))
        tx.bump(patients.lists(tx.caller.tenant_id))


async def lift(
    tx: Tx, *, channel: str, addresses: Sequence[str], because: str
) -> list[queries.OptOut]:
    """Take these addresses off the opt-out list; return what stood there.

    `because` is kept with the entry: how its owner asked for it.
    """
    found_by = either(await tx.keyring(), addresses)
    lifted = await tx.all(queries.LIFT, channel, found_by, tx.now, because)
    for one in lifted:
        await record(
            tx, action="lift", entity_type="suppression", entity_id=one.id,
            before={"lifted": False, "reason": one.reason},
            after={"lifted": True, "lifted_because": because},
        )  # fmt: skip
        await emit(
            tx, "contact.restored", entity_type="suppression", entity_id=one.id,
            payload={"channel": channel},
        )  # fmt: skip
    return lifted

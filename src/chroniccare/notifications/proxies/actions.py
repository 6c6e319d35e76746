"""Related persons: register, change, remove; what waits for the patient waits for them too."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.notifications import rules as messages
from chroniccare.notifications.preferences import optouts
from chroniccare.notifications.preferences.schemas import ResubscribeWrite
from chroniccare.notifications.proxies import queries
from chroniccare.notifications.proxies.joining import join
from chroniccare.notifications.proxies.schemas import RelatedPersonWrite
from chroniccare.patients import actions as patients
from chroniccare.patients import queries_extras
from chroniccare.platform.postgres import Tx
from chroniccare.tenancy import addresses
from chroniccare.webhooks.actions import emit

MOST = 20
"""Most related persons of a patient."""
_LISTING = "related persons"


class OptedOut(Conflict):
    """The related person has opted out; only the explicit act of resubscribing changes that."""

    code = "OPTED_OUT"
    message = "They have opted out of this channel; resubscribe when they ask for it."


async def create(tx: Tx, patient_id: UUID, body: RelatedPersonWrite) -> queries.RelatedPerson:
    """Register somebody who receives a patient's messages, also those that wait already.

    Raises:
        NotFound: no such patient.
        OptedOut: consent is given to a channel whose address is on the opt-out list.
        Unprocessable: the period ends before it begins, or the patient has too many of them.
    """
    await patients.get_locked(tx, patient_id)
    if await tx.value(queries.COUNT, patient_id) >= MOST:
        raise Unprocessable.field("patient_id", f"has {MOST} related persons already", "too_many")
    await _check(tx, body, before={})
    person_id = new_id()
    document = await _document(tx, person_id, patient_id, body)
    await tx.run(queries.INSERT, document, tx.caller.tenant_id, tx.now)
    await _write_contact_points(tx, person_id, body)
    made = await get(tx, patient_id, person_id)
    await join(tx, patient_id, person_id)
    await _tell(tx, "create", "related_person.created", before=None, after=made, person=made)
    return made


async def update(
    tx: Tx, person: queries.RelatedPerson, body: RelatedPersonWrite
) -> queries.RelatedPerson:
    """Replace `person`, which this transaction has locked; see `create`."""
    await _check(tx, body, before=person.consents)
    document = await _document(tx, person.id, person.patient_id, body)
    await tx.run(queries.UPDATE, document, tx.now)
    await _write_contact_points(tx, person.id, body)
    changed = await get(tx, person.patient_id, person.id)
    await join(tx, person.patient_id, person.id)
    await _tell(
        tx, "update", "related_person.updated", before=person, after=changed, person=changed
    )
    return changed


async def delete(tx: Tx, person: queries.RelatedPerson) -> None:
    """Remove `person`: nothing more is sent to them, and how to reach them is forgotten."""
    await tx.run(queries.DELETE, person.id, tx.now)
    await tx.run(queries.REPLACE_CONTACT_POINTS, [], tx.caller.tenant_id, person.id, tx.now)
    await tx.run(queries_extras.DELETE, person.id)
    await tx.run(queries.GIVE_UP, person.patient_id, person.id, tx.now)
    await _tell(tx, "delete", "related_person.removed", before=person, after=None, person=person)


async def resubscribe(
    tx: Tx, person: queries.RelatedPerson, body: ResubscribeWrite
) -> queries.RelatedPerson:
    """Let `person`, locked by this transaction, be written to again because they asked for it.

    Raises:
        optouts.NotOptedOut: nothing bars the channel.
    """
    lifted = await optouts.lift(
        tx, channel=body.channel, addresses=_addresses(person, body.channel), because=body.because
    )
    if not lifted and person.consents.get(body.channel) is not False:
        raise optouts.NotOptedOut
    await tx.run(queries.CONSENT, person.id, person.consents | {body.channel: True}, tx.now)
    changed = await get(tx, person.patient_id, person.id)
    await _tell(
        tx, "resubscribe", "related_person.updated", before={"consents": person.consents},
        after={"consents": changed.consents, "because": body.because}, person=changed,
    )  # fmt: skip
    return changed


async def get(tx: Tx, patient_id: UUID, person_id: UUID) -> queries.RelatedPerson:
    """Return one related person.

    Raises:
        NotFound: the patient, in the caller's tenant, has none with this id.
    """
    return await _found(tx, queries.GET, patient_id, person_id)


async def get_locked(tx: Tx, patient_id: UUID, person_id: UUID) -> queries.RelatedPerson:
    """Return one related person; their row and the patient's are locked; see `get`."""
    await patients.get_locked(tx, patient_id)
    return await _found(tx, queries.GET_FOR_UPDATE, patient_id, person_id)


async def listed(
    tx: Tx, patient_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.RelatedPerson]:
    """Return one page of a patient's related persons, the oldest record first.

    Raises:
        NotFound: no such patient.
    """
    await patients.get(tx, patient_id)
    after = paging.decode(cursor, _LISTING, [patient_id], [datetime.fromisoformat, UUID])
    rows = await tx.all(queries.LIST, patient_id, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=[patient_id],
        key=lambda row: [row.created_at, row.id],
    )  # fmt: skip


async def _found(tx: Tx, query: Any, patient_id: UUID, person_id: UUID) -> queries.RelatedPerson:
    person: queries.RelatedPerson | None = await tx.one(query, patient_id, person_id)
    if person is None:
        raise NotFound("No such related person.")
    return person


async def _check(tx: Tx, body: RelatedPersonWrite, *, before: dict[str, Any]) -> None:
    start, end = body.period_start, body.period_end
    if start is not None and end is not None and end < start:
        raise Unprocessable.field("period_end", "lies before period_start", "order")
    given = body.consents.model_dump()
    fresh = [name for name in given if given[name] and before.get(name) is not True]
    points = {(point.system, point.value) for point in body.contact_info.telecom}
    values = sorted({value for _, value in points})
    barred = {
        one.channel
        for one in (await optouts.listed(tx, values) if fresh and values else ())
        if one.reason in optouts.WITHDRAWING
        and (messages.SYSTEM_OF[one.channel], one.address) in points
    }
    faults = [
        FieldError(f"consents.{one}", "they have opted out", "opted_out")
        for one in fresh
        if one in barred
    ]
    if faults:
        raise OptedOut(details=faults)


def _addresses(person: queries.RelatedPerson, channel: str) -> list[str]:
    system = messages.SYSTEM_OF[channel]
    telecom = person.contact_info["telecom"]
    return [point["value"] for point in telecom if point["system"] == system]


async def _document(
    tx: Tx, person_id: UUID, patient_id: UUID, body: RelatedPersonWrite
) -> dict[str, Any]:
    document = body.model_dump(mode="json", exclude={"contact_info": {"telecom"}})
    document["consents"] = {
        name: value for name, value in document["consents"].items() if value is not None
    }
    keys = await tx.keyring()
    info = keys.sealed_address(queries.CONTACT, person_id, document["contact_info"])
    return {**document, "id": str(person_id), "patient_id": str(patient_id), "contact_info": info}


async def _write_contact_points(tx: Tx, person_id: UUID, body: RelatedPersonWrite) -> None:
    points = await addresses.points(tx, body.contact_info)
    await tx.run(queries.REPLACE_CONTACT_POINTS, points, tx.caller.tenant_id, person_id, tx.now)


async def _tell(
    tx: Tx, action: str, event: Any, *, before: Any, after: Any, person: queries.RelatedPerson
) -> None:
    await record(
        tx, action=action, entity_type="related_person", entity_id=person.id, before=before,
        after=after,
    )  # fmt: skip
    await emit(
        tx, event, entity_type="related_person", entity_id=person.id,
        payload={"version": person.version, "patient_id": person.patient_id},
    )  # fmt: skip

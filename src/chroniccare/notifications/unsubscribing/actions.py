"""The recipient ends emails of one kind through the link in one of them, which is the key."""

from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound
from chroniccare.notifications import unsubscribe_page
from chroniccare.notifications.preferences import actions as preferences
from chroniccare.notifications.proxies import actions as proxies
from chroniccare.notifications.rules_categories import Category, category_of
from chroniccare.notifications.templates.rules import language_of
from chroniccare.notifications.unsubscribing import queries, rules
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx, begin
from chroniccare.webhooks.actions import emit

ACTOR = "unsubscribe_link"
"""What the audit calls a recipient who uses it; `user_id` is then the message's id."""
PER_SECOND = 0.5
BURST = 30
"""Requests of one link."""


class NoMessage(NotFound):
    """Forged, unknown, its recipient is gone, or its clinic: all answer the same."""

    message = "No such message."


@dataclass(frozen=True, slots=True)
class Link:
    """A link that we gave out: who calls, and the message that it came with."""

    caller: Caller
    notification_id: UUID
    token: str


def opened(token: str, pepper: str, *, request_id: str, ip_address: str | None) -> Link:
    """Return the link behind the secret part of an address.

    Raises:
        NoMessage: we gave out no such address.
    """
    found = unsubscribe_page.opened(token, pepper)
    if found is None:
        raise NoMessage
    tenant_id, message_id = found
    caller = Caller(tenant_id, message_id, ACTOR, request_id=request_id, ip_address=ip_address)
    return Link(caller, message_id, token)


async def page(link: Link) -> bytes:
    """Return the page, which says whether such emails have ended; the look at it is audited.

    Raises:
        NoMessage: the recipient is gone, or the clinic is not active any more.
    """
    async with begin(link.caller) as tx:
        sent, category = await _sent(tx, link)
        ended = await _has_ended(tx, sent, category)
    await note_read(link.caller, entity_type="notification", seen=[link.notification_id])
    return unsubscribe_page.render(language_of(sent.language), category, link.token, ended=ended)


async def end(link: Link) -> None:
    """End emails of the message's kind to its recipient; a repetition changes nothing.

    Messages that wait follow it when they are due.

    Raises:
        NoMessage: see `page`.
    """
    async with begin(link.caller) as tx:
        sent, category = await _sent(tx, link)
        if sent.related_person_id is None:
            await _of_patient(tx, sent.patient_id, category)
        else:
            await _of_related(tx, sent.patient_id, sent.related_person_id, category)


async def _sent(tx: Tx, link: Link) -> tuple[queries.Sent, Category]:
    sent = await tx.one(queries.SENT, link.notification_id)
    if sent is None:
        raise NoMessage
    category = category_of(sent.notification_type)
    if category not in get_args(Category):
        raise NoMessage
    return sent, category  # type: ignore[return-value]  # `answers` is none of them


async def _has_ended(tx: Tx, sent: queries.Sent, category: Category) -> bool:
    if sent.related_person_id is not None:
        return category not in (sent.categories or ())
    stored = await preferences.held(tx, sent.patient_id)
    return rules.has_ended(stored.preferences, stored.channels or [], category)


async def _of_patient(tx: Tx, patient_id: UUID, category: Category) -> None:
    stored = await preferences.locked(tx, patient_id)
    own = stored.channels or []
    if rules.has_ended(stored.preferences, own, category):
        return
    after = rules.ended(stored.preferences, own, category)
    await tx.run(queries.PREFER, patient_id, after, tx.now)
    await record(
        tx, action="unsubscribe", entity_type="patient", entity_id=patient_id,
        before={"preferences": stored.preferences}, after={"preferences": after},
    )  # fmt: skip
    await emit(
        tx, "preferences.updated", entity_type="patient", entity_id=patient_id,
        payload={"version": stored.version + 1},
    )  # fmt: skip
    tx.drop(*patients.keys(tx.caller.tenant_id, patient_id))
    tx.bump(patients.lists(tx.caller.tenant_id))


async def _of_related(tx: Tx, patient_id: UUID, person_id: UUID, category: Category) -> None:
    person = await proxies.get_locked(tx, patient_id, person_id)
    if category not in person.categories:
        return
    left = [one for one in person.categories if one != category]
    await tx.run(queries.RECEIVE, person_id, left, tx.now)
    changed = await proxies.get(tx, patient_id, person_id)
    await record(
        tx, action="unsubscribe", entity_type="related_person", entity_id=person_id,
        before=person, after=changed,
    )  # fmt: skip
    await emit(
        tx, "related_person.updated", entity_type="related_person", entity_id=person_id,
        payload={"version": changed.version, "patient_id": patient_id},
    )  # fmt: skip

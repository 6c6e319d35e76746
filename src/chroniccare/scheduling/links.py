"""The patient answers about a visit through the link in a message, which is the key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, NotFound
from chroniccare.core.time import to_local, zone
from chroniccare.notifications import visit_page
from chroniccare.notifications.inbound import staff
from chroniccare.notifications.templates.rules import language_of
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions as visits
from chroniccare.scheduling import queries_links, replies, rules

PER_SECOND = 0.5
BURST = 30
"""Requests of one link."""
ACTOR = "visit_link"
"""What the audit calls a patient who answers; `user_id` is then the visit's id."""
Step = Literal["confirm", "change"]


class NoVisit(NotFound):
    """Forged, unknown, or of a clinic that is not active any more: all answer the same."""

    message = "No such visit."


@dataclass(frozen=True, slots=True)
class Link:
    """A link that we gave out: who calls, and the visit at the time they were told."""

    caller: Caller
    appointment_id: UUID
    told_start: datetime
    token: str


def opened(token: str, pepper: str, *, request_id: str, ip_address: str | None) -> Link:
    """Return the link behind the secret part of an address.

    Raises:
        NoVisit: we gave out no such address.
    """
    found = visit_page.opened(token, pepper)
    if found is None:
        raise NoVisit
    tenant_id, appointment_id, told_start = found
    caller = Caller(tenant_id, appointment_id, ACTOR, request_id=request_id, ip_address=ip_address)
    return Link(caller, appointment_id, told_start, token)


async def page(link: Link, *, refused: bool = False) -> bytes:
    """Return the page of the visit; the look at it is audited.

    Raises:
        NoVisit: the clinic is not active any more.
    """
    async with begin(link.caller) as tx:
        shown = await _shown(tx, link)
        state = "over" if refused else _state(shown, link, tx.now)
    await note_read(link.caller, entity_type="appointment", seen=[link.appointment_id])
    return visit_page.render(
        language_of(shown.language), state, link.token,
        starts_at=to_local(shown.scheduled_start, zone(shown.zone)), place=shown.place,
    )  # fmt: skip


async def _shown(tx: Tx, link: Link) -> queries_links.Shown:
    shown = await tx.one(
        queries_links.SHOWN, link.appointment_id, staff.change_key(link.appointment_id)
    )
    if shown is None:
        raise NoVisit
    return shown


def _state(shown: queries_links.Shown, link: Link, now: datetime) -> visit_page.State:
    if shown.scheduled_start != link.told_start or shown.scheduled_start <= now:
        return "over"
    if shown.status not in rules.BOOKED_STATUSES:
        return "over"
    if shown.changing:
        return "changing"
    return "confirmed" if shown.status == "confirmed" else "scheduled"


async def answer(link: Link, step: Step) -> bool:
    """Confirm the visit, or have staff find another time; say whether that could be done.

    Raises:
        NoVisit: the clinic is not active any more.
    """
    try:
        async with begin(link.caller) as tx:
            await _shown(tx, link)
            if step == "confirm":
                await replies.confirm(
                    tx, link.appointment_id, told_start=link.told_start, asked_at=tx.now
                )
            else:
                await _ask_for_change(tx, link)
    except Conflict:  # it has changed since, or is changed just now
        return False
    return True


async def _ask_for_change(tx: Tx, link: Link) -> None:
    visit = await visits.get_locked(tx, link.appointment_id)
    replies.check_told(visit, link.told_start, now=tx.now)
    await staff.want_change(
        tx, appointment_id=visit.id, patient_id=visit.patient_id,
        starts_at=visit.scheduled_start, reason="patient_used_link",
    )  # fmt: skip

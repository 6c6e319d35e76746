"""The patient answers about a visit through the link in a message, which is the key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, NotFound
from chroniccare.core.time import to_local, zone
from chroniccare.notifications import birth_date, visit_page
from chroniccare.notifications.birth_date import Door, Doorkeeper
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
ENTITY = "appointment"
Step = Literal["confirm", "change"]


class NoVisit(NotFound):
    """Forged, unknown, or of a clinic that is not active any more: all answer the same."""

    message = "No such visit."


class VisitGone(NoVisit):
    """The patient was erased or removed: nobody can say the date of birth any more."""

    status = 410


@dataclass(frozen=True, slots=True)
class Link:
    """A link that we gave out: who calls, and the visit at the time they were told."""

    caller: Caller
    appointment_id: UUID
    told_start: datetime
    door: Door


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
    door = Door(caller, appointment_id, token, pepper)
    return Link(caller, appointment_id, told_start, door)


async def question(link: Link, *, why: str = "") -> bytes:
    """Return the page that asks for the date of birth, or says that the visit is over.

    Raises:
        NoVisit: the clinic is not active any more.
    """
    async with begin(link.caller) as tx:
        shown = await _shown(tx, link)
        state = _state(shown, link, tx.now)
    language = language_of(shown.language)
    if state == "over":
        return visit_page.over(language)
    return visit_page.ask(language, link.door.token, why=why)


async def prove(link: Link, keeper: Doorkeeper, given: Mapping[str, str]) -> str:
    """Return the proof that the patient's date of birth was given.

    Raises:
        NoVisit: the clinic is not active any more.
        NotProved: it was not.
        RateLimited: too many were tried.
    """
    async with begin(link.caller) as tx:
        shown, now = await _shown(tx, link), tx.now
    return await keeper.open(
        link.door, given, patient_id=shown.patient_id, born=shown.born, now=now
    )


async def page(link: Link, proof: str, *, refused: bool = False) -> bytes:
    """Return the page of the visit; the look at it is audited.

    Raises:
        NoVisit: the clinic is not active any more.
        NotProved: the date of birth was not given, or too long ago.
    """
    async with begin(link.caller) as tx:
        birth_date.check(link.door, proof, now=tx.now)
        shown = await _shown(tx, link)
        state = "over" if refused else _state(shown, link, tx.now)
    await note_read(link.caller, entity_type=ENTITY, seen=[link.appointment_id])
    if state == "over":
        return visit_page.over(language_of(shown.language))
    return visit_page.render(
        language_of(shown.language), state, link.door.token, proof=proof,
        starts_at=to_local(shown.scheduled_start, zone(shown.zone)), place=shown.place,
    )  # fmt: skip


async def _shown(tx: Tx, link: Link) -> queries_links.Shown:
    shown = await tx.one(
        queries_links.SHOWN, link.appointment_id, staff.change_key(link.appointment_id)
    )
    if shown is None:
        raise NoVisit
    if shown.is_gone:
        raise VisitGone
    return shown


def _state(shown: queries_links.Shown, link: Link, now: datetime) -> visit_page.State:
    if shown.scheduled_start != link.told_start or shown.scheduled_start <= now:
        return "over"
    if shown.status not in rules.BOOKED_STATUSES:
        return "over"
    if shown.changing:
        return "changing"
    return "confirmed" if shown.status == "confirmed" else "scheduled"


async def answer(link: Link, step: Step, proof: str) -> bool:
    """Confirm the visit, or have staff find another time; say whether that could be done.

    Raises:
        NoVisit: the clinic is not active any more.
        NotProved: the date of birth was not given, or too long ago.
    """
    try:
        async with begin(link.caller) as tx:
            birth_date.check(link.door, proof, now=tx.now)
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

"""The patient answers an offer through the link in it, which is the key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, NotFound, Unprocessable
from chroniccare.core.time import to_local, zone
from chroniccare.notifications import birth_date, offer_page
from chroniccare.notifications.birth_date import Door, Doorkeeper
from chroniccare.notifications.templates.rules import language_of
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.waitlist import offers, queries

PER_SECOND = 0.5
BURST = 30
"""Requests of one link."""
ACTOR = "waitlist_offer"
"""What the audit calls a patient who answers; `user_id` is then the offer's id."""
Step = Literal["accept", "decline"]
_STEPS = {"accept": offers.accept, "decline": offers.decline}


class NoOffer(NotFound):
    """Forged, unknown, or of a clinic that is not active any more: all answer the same."""

    message = "No such offer."


class OfferGone(NoOffer):
    """The patient was erased or removed: nobody can say the date of birth any more."""

    status = 410


@dataclass(frozen=True, slots=True)
class Link:
    """A link that we gave out: who calls, and the offer that it is about."""

    caller: Caller
    offer_id: UUID
    door: Door


def opened(token: str, pepper: str, *, request_id: str, ip_address: str | None) -> Link:
    """Return the link behind the secret part of an address.

    Raises:
        NoOffer: we gave out no such address.
    """
    found = offer_page.opened(token, pepper)
    if found is None:
        raise NoOffer
    tenant_id, offer_id = found
    caller = Caller(tenant_id, offer_id, ACTOR, request_id=request_id, ip_address=ip_address)
    return Link(caller, offer_id, Door(caller, offer_id, token, pepper))


async def question(link: Link, *, why: str = "") -> bytes:
    """Return the page that asks for the date of birth, or says that the offer is over.

    That it was declined is told after the proof alone.

    Raises:
        NoOffer: the clinic is not active any more, or the patient is gone.
    """
    async with begin(link.caller) as tx:
        shown = await _shown(tx, link)
    language = language_of(shown.language)
    if shown.outcome in offer_page.ASKED:
        return offer_page.ask(language, link.door.token, why=why)
    return offer_page.over(language)


async def prove(link: Link, keeper: Doorkeeper, given: Mapping[str, str]) -> str:
    """Return the proof that the patient's date of birth was given.

    Raises:
        NoOffer: the clinic is not active any more, or the patient is gone.
        NotProved: it was not.
        RateLimited: too many were tried.
    """
    async with begin(link.caller) as tx:
        shown, now = await _shown(tx, link), tx.now
    return await keeper.open(
        link.door, given, patient_id=shown.patient_id, born=shown.born, now=now
    )


async def page(link: Link, proof: str, *, refused: bool = False) -> bytes:
    """Return the page of the offer; the look at it is audited.

    An open offer whose answer was `refused` is over as far as the patient can tell.

    Raises:
        NoOffer: the clinic is not active any more, or the patient is gone.
        NotProved: the date of birth was not given, or too long ago.
    """
    async with begin(link.caller) as tx:
        birth_date.check(link.door, proof, now=tx.now)
        shown = await _shown(tx, link)
    await note_read(link.caller, entity_type=offers.ENTITY, seen=[link.offer_id])
    home, language = zone(shown.zone), language_of(shown.language)
    outcome = "over" if refused else shown.outcome
    if outcome not in offer_page.ASKED:
        return offer_page.over(language, outcome)
    return offer_page.render(
        language, outcome, link.door.token, proof=proof,
        starts_at=to_local(shown.scheduled_start, home), until=to_local(shown.expires_at, home),
        place=shown.place,
    )  # fmt: skip


async def answer(link: Link, step: Step, proof: str) -> bool:
    """Accept or decline the offer; say whether that could be done.

    Raises:
        NoOffer: the clinic is not active any more, or the patient is gone.
        NotProved: the date of birth was not given, or too long ago.
    """
    try:
        async with begin(link.caller) as tx:
            birth_date.check(link.door, proof, now=tx.now)
            await _shown(tx, link)
            await _STEPS[step](tx, link.offer_id)
    except birth_date.NotProved:
        raise
    except (Conflict, Unprocessable):  # it is over, or the provider's hours have changed since
        return False
    return True


async def _shown(tx: Tx, link: Link) -> queries.Shown:
    shown = await tx.one(queries.SHOWN, link.offer_id, tx.now)
    if shown is None:
        raise NoOffer
    if shown.is_gone:
        raise OfferGone
    return shown

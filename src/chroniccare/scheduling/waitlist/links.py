"""The patient answers an offer through the link in it, which is the key."""

from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, NotFound, Unprocessable
from chroniccare.core.time import to_local, zone
from chroniccare.notifications import offer_page
from chroniccare.notifications.templates.rules import language_of
from chroniccare.platform.postgres import begin
from chroniccare.scheduling.waitlist import offers, queries

PER_SECOND = 0.5
BURST = 30
"""Requests of one link."""
ACTOR = "waitlist_offer"
"""What the audit calls a patient who answers; `user_id` is then the offer's id."""
_STEPS = {"accept": offers.accept, "decline": offers.decline}


class NoOffer(NotFound):
    """Forged, unknown, or of a clinic that is not active any more: all answer the same."""

    message = "No such offer."


def holder(token: str, pepper: str, *, request_id: str, ip_address: str | None) -> Caller:
    """Return the offer behind the secret part of an address, as the caller that it is.

    Raises:
        NoOffer: we gave out no such address.
    """
    found = offer_page.opened(token, pepper)
    if found is None:
        raise NoOffer
    return Caller(*found, ACTOR, request_id=request_id, ip_address=ip_address)


async def page(caller: Caller, token: str, *, refused: bool = False) -> bytes:
    """Return the page of the offer that `caller` is; the look at it is audited.

    An open offer whose answer was `refused` is over as far as the patient can tell.

    Raises:
        NoOffer: the clinic is not active any more.
    """
    offer_id = _id_of(caller)
    async with begin(caller) as tx:
        shown = await tx.one(queries.SHOWN, offer_id, tx.now)
    if shown is None:
        raise NoOffer
    await note_read(caller, entity_type=offers.ENTITY, seen=[offer_id])
    home, outcome = zone(shown.zone), "over" if refused else shown.outcome
    return offer_page.render(
        language_of(shown.language), outcome, token,
        starts_at=to_local(shown.scheduled_start, home), until=to_local(shown.expires_at, home),
        place=shown.place,
    )  # fmt: skip


async def answer(caller: Caller, step: str) -> bool:
    """Accept or decline the offer that `caller` is; say whether that could be done.

    Raises:
        NoOffer: the clinic is not active any more.
    """
    offer_id = _id_of(caller)
    try:
        async with begin(caller) as tx:
            if await tx.one(queries.SHOWN, offer_id, tx.now) is None:
                raise NoOffer
            await _STEPS[step](tx, offer_id)
    except (Conflict, Unprocessable):  # it is over, or the provider's hours have changed since
        return False
    return True


def _id_of(caller: Caller) -> UUID:
    if caller.actor_id is None:
        raise NoOffer
    return caller.actor_id

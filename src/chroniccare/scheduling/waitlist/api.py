"""/api/v1/waitlist: who waits for what, and the offers that were made to them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.slots.actions import offering
from chroniccare.scheduling.slots.schemas import Slots
from chroniccare.scheduling.waitlist import actions, matching, offers, queries, schemas
from chroniccare.tenancy.api import (
    CONDITIONAL,
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    authorise,
    check_version,
    create,
    page,
    post,
    record,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/waitlist", tags=["waitlist"], route_class=KeyFirst)

WaitlistRead = Annotated[Caller, Security(authorise, scopes=["appointments:read"])]
WaitlistWriting = Annotated[Caller, Security(authorise, scopes=["appointments:write"])]

_ENTRY_AGAIN = partial(replayed, entity_type=actions.ENTITY)
_OFFER_AGAIN = partial(replayed, entity_type=offers.ENTITY)


@router.post(
    "",
    status_code=201,
    summary="Put a patient on the waitlist",
    response_model=Data[schemas.WaitlistMade],
    responses=errors(409, 413, 422),
)
async def add_entry(
    body: schemas.WaitlistWrite,
    request: Request,
    caller: WaitlistWriting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Note what a patient waits for; times that become free from now on are offered.

    What fits and is free already stands in `free_times`, to be booked or offered by hand.
    """
    return await create(
        caller, request, idempotency_key, lambda tx: matching.create(tx, body),
        replayed=_ENTRY_AGAIN,
    )  # fmt: skip


@router.get(
    "",
    summary="List the waitlist",
    response_model=Listed[schemas.WaitlistEntry],
    responses=errors(),
)
async def list_entries(
    caller: WaitlistRead,
    status: Annotated[schemas.Status | None, Query(description="Where the entry stands.")] = None,
    patient_id: Annotated[UUID | None, Query(description="Entries of this patient.")] = None,
    provider_id: Annotated[
        UUID | None, Query(description="Entries that wait for this provider.")
    ] = None,
    facility_id: Annotated[
        UUID | None, Query(description="Entries that wait for this facility.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page: the most urgent first, then by due day, then who waits longest; audited."""
    filters = [status, patient_id, provider_id, facility_id]
    async with begin(caller) as tx:
        found = await actions.search(tx, filters=filters, cursor=cursor, limit=limit)
    seen = [entry.id for entry in found.items]
    await note_read(caller, entity_type=actions.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/{entry_id}",
    summary="Read an entry of the waitlist",
    response_model=Data[schemas.WaitlistEntry],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_entry(entry_id: UUID, request: Request, caller: WaitlistRead) -> Response:
    """Answer one entry with its ETag; the read is written to the audit first."""
    async with begin(caller) as tx:
        entry = await actions.get(tx, entry_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[entry_id])
    return record(caller, request, wire.dumps(entry), version=entry.version)


@router.put(
    "/{entry_id}",
    summary="Change what a patient waits for",
    response_model=Data[schemas.WaitlistEntry],
    responses=errors(404, 409, 412, 413, 422),
)
async def change_entry(
    entry_id: UUID,
    body: schemas.WaitlistWrite,
    caller: WaitlistWriting,
    if_match: IfMatch = None,
) -> Response:
    """Replace an entry; an open offer stays open."""
    async with begin(caller) as tx:
        entry = await actions.get_locked(tx, entry_id)
        check_version(if_match, entry.version)
        changed = await actions.update(tx, entry, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.delete(
    "/{entry_id}",
    summary="Take a patient off the waitlist",
    response_model=Data[schemas.WaitlistEntry],
    responses=errors(404, 409, 412),
)
async def remove_entry(
    entry_id: UUID, caller: WaitlistWriting, if_match: IfMatch = None
) -> Response:
    """Remove an entry; an open offer is withdrawn, and its time goes to the next in line."""
    async with begin(caller) as tx:
        entry = await actions.get_locked(tx, entry_id)
        check_version(if_match, entry.version)
        removed = await offers.remove(tx, entry)
    return answer(caller, wire.dumps(removed), etag=removed.version)


@router.get(
    "/{entry_id}/times",
    summary="Find free times for an entry",
    response_model=Data[Slots],
    responses=errors(404),
)
async def find_times(entry_id: UUID, caller: WaitlistRead) -> Response:
    """Answer up to three times that are free already and fit; nothing is held."""
    async with begin(caller) as tx:
        found = await matching.free(tx, await actions.get(tx, entry_id))
    return answer(caller, wire.dumps({"slots": found}))


@router.get(
    "/{entry_id}/offers",
    summary="List the offers of an entry",
    response_model=Listed[schemas.WaitlistOffer],
    responses=errors(404),
)
async def list_offers(
    entry_id: UUID, caller: WaitlistRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the newest first; every offer in it is noted in the audit as seen."""
    async with begin(caller) as tx:
        found = await offers.history(tx, entry_id, cursor=cursor, limit=limit)
    seen = [offer.id for offer in found.items]
    await note_read(caller, entity_type=offers.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/{entry_id}/offers",
    status_code=201,
    summary="Offer a free time by hand",
    response_model=Data[schemas.WaitlistOffer],
    responses=errors(404, 409, 413, 422),
)
async def make_offer(
    entry_id: UUID,
    body: schemas.OfferWrite,
    request: Request,
    caller: WaitlistWriting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Hold a time for the patient and tell them; 409 offers free times where it is taken."""

    async def act(tx: Tx) -> queries.Offer:
        return await offers.by_hand(tx, await actions.get_locked(tx, entry_id), body)

    async with offering(caller):
        return await _once(caller, request, idempotency_key, act, status=201)


@router.get(
    "/offers/{offer_id}",
    summary="Read an offer",
    response_model=Data[schemas.WaitlistOffer],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_offer(offer_id: UUID, request: Request, caller: WaitlistRead) -> Response:
    """Answer one offer with its ETag; the read is written to the audit first."""
    async with begin(caller) as tx:
        offer = await offers.get(tx, offer_id)
    await note_read(caller, entity_type=offers.ENTITY, seen=[offer_id])
    return record(caller, request, wire.dumps(offer), version=offer.version)


@router.post(
    "/offers/{offer_id}/accept",
    summary="Accept an offer",
    response_model=Data[schemas.WaitlistOffer],
    responses=errors(404, 409, 422),
)
async def accept_offer(
    offer_id: UUID,
    request: Request,
    caller: WaitlistWriting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Note that the patient said yes: the time is booked, or their later visit moves there."""

    async def act(tx: Tx) -> queries.Offer:
        return await offers.accept(tx, offer_id)

    return await _once(caller, request, idempotency_key, act)


@router.post(
    "/offers/{offer_id}/decline",
    summary="Decline an offer",
    response_model=Data[schemas.WaitlistOffer],
    responses=errors(404, 409, 422),
)
async def decline_offer(
    offer_id: UUID,
    request: Request,
    caller: WaitlistWriting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Note that the patient said no: they wait on, and the time goes to the next in line."""

    async def act(tx: Tx) -> queries.Offer:
        return await offers.decline(tx, offer_id)

    return await _once(caller, request, idempotency_key, act)


async def _once(
    caller: Caller,
    request: Request,
    key: str | None,
    act: Callable[[Tx], Awaitable[queries.Offer]],
    *,
    status: int = 200,
) -> Response:
    """Answer a step of an offer once, with the offer as it is then and its ETag."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            offer = await act(tx)
            headers = {
                "etag": f'"{offer.version}"',
                "location": f"{router.prefix}/offers/{offer.id}",
            }
            return Reply(status, wire.dumps(offer), headers)

        return await post(tx, request, key, work, replayed=_OFFER_AGAIN)

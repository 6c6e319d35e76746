"""/api/v1/.../calendar-feeds, and /calendars/{token}.ics, where anybody reads who has the token."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.errors import RateLimited
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.notifications.ics import MEDIA_TYPE
from chroniccare.platform.postgres import begin, database
from chroniccare.scheduling.calendars import actions, rules, schemas
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
    record,
)
from chroniccare.tenancy.caller import Authority
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1", tags=["calendars"], route_class=KeyFirst)
public = APIRouter(prefix="/calendars", include_in_schema=False)

CalendarsRead = Annotated[Caller, Security(authorise, scopes=["appointments:read"])]
CalendarsWrite = Annotated[Caller, Security(authorise, scopes=["appointments:write"])]

_FEEDS = "/api/v1/calendar-feeds"
_SEEN_AGAIN = partial(replayed, entity_type="calendar_feed")


@router.post(
    "/patients/{patient_id}/calendar-feeds",
    status_code=201,
    summary="Make a calendar feed of a patient's visits",
    response_model=Data[schemas.NewCalendarFeed],
    responses=errors(404, 409, 422),
)
async def create_patient_feed(
    patient_id: UUID,
    request: Request,
    caller: CalendarsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a feed and answer its address, which is shown this once."""
    return await _made(caller, request, idempotency_key, "patient_id", patient_id)


@router.post(
    "/providers/{provider_id}/calendar-feeds",
    status_code=201,
    summary="Make a calendar feed of a provider's visits",
    response_model=Data[schemas.NewCalendarFeed],
    responses=errors(404, 409, 422),
)
async def create_provider_feed(
    provider_id: UUID,
    request: Request,
    caller: CalendarsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a feed and answer its address, which is shown this once."""
    return await _made(caller, request, idempotency_key, "provider_id", provider_id)


@router.get(
    "/patients/{patient_id}/calendar-feeds",
    summary="List a patient's calendar feeds",
    response_model=Listed[schemas.CalendarFeed],
    responses=errors(404),
)
async def list_patient_feeds(
    patient_id: UUID, caller: CalendarsRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the oldest first, the revoked included; never their addresses."""
    return await _listed(caller, "patient_id", patient_id, cursor, limit)


@router.get(
    "/providers/{provider_id}/calendar-feeds",
    summary="List a provider's calendar feeds",
    response_model=Listed[schemas.CalendarFeed],
    responses=errors(404),
)
async def list_provider_feeds(
    provider_id: UUID, caller: CalendarsRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the oldest first, the revoked included; never their addresses."""
    return await _listed(caller, "provider_id", provider_id, cursor, limit)


@router.get(
    "/calendar-feeds/{feed_id}",
    summary="Read a calendar feed",
    response_model=Data[schemas.CalendarFeed],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_feed(feed_id: UUID, request: Request, caller: CalendarsRead) -> Response:
    """Answer one feed with its ETag; never its address."""
    async with begin(caller) as tx:
        feed = await actions.get(tx, feed_id)
    await note_read(caller, entity_type="calendar_feed", seen=[feed_id])
    return record(caller, request, wire.dumps(feed), version=feed.version)


@router.delete(
    "/calendar-feeds/{feed_id}",
    summary="Revoke a calendar feed",
    response_model=Data[schemas.CalendarFeed],
    responses=errors(404, 409, 412),
)
async def revoke_feed(feed_id: UUID, caller: CalendarsWrite, if_match: IfMatch = None) -> Response:
    """End a feed: from now on its address answers 404. It cannot be taken back; make another."""
    async with begin(caller) as tx:
        feed = await actions.get_locked(tx, feed_id)
        check_version(if_match, feed.version)
        revoked = await actions.revoke(tx, feed)
    return answer(caller, wire.dumps(revoked), etag=revoked.version)


@public.api_route("/{token}.ics", methods=["GET", "HEAD"])
async def read_calendar(token: str, request: Request) -> Response:
    """Answer the calendar at this address, or 304 when the client has it already."""
    authority: Authority = request.app.state.authority
    caller = actions.reader(
        token, authority.pepper, request_id=request.scope["chroniccare.request_id"],
        ip_address=request.client.host if request.client else None,
    )  # fmt: skip
    allowance = await authority.take(caller, per_second=rules.PER_SECOND, burst=rules.BURST)
    request.scope["chroniccare.allowance"] = allowance
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)
    found = await actions.read(caller)
    headers = {"etag": found.etag, "cache-control": "private, max-age=300"}
    if _has(request.headers.get("if-none-match", ""), found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.data, headers=headers, media_type=MEDIA_TYPE)


def _has(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags


async def _made(
    caller: Caller, request: Request, key: str | None, field: actions.Party, party_id: UUID
) -> Response:
    def with_url(reply: Reply) -> bytes:
        return actions.with_url(reply.data, database().settings, caller.tenant_id)

    return await create(
        caller, request, key, lambda tx: actions.create(tx, field, party_id),
        replayed=_SEEN_AGAIN, shown=with_url, below=_FEEDS,
    )  # fmt: skip


async def _listed(
    caller: Caller, field: actions.Party, party_id: UUID, cursor: str | None, limit: int
) -> Response:
    async with begin(caller) as tx:
        found = await actions.search(tx, field, party_id, cursor=cursor, limit=limit)
    seen = [feed.id for feed in found.items]
    await note_read(caller, entity_type="calendar_feed", seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)

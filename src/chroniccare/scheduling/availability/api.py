"""/api/v1/providers/{provider_id}, .../availability and .../exceptions: the hours of providers.

A provider who takes no more visits may have some, which providers/ cannot know.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Day
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import Tx, begin
from chroniccare.providers import actions as providers
from chroniccare.providers.api import ProvidersRead, ProvidersWrite
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.scheduling.availability import actions, exceptions, queries, schemas
from chroniccare.scheduling.availability.stranding import Changed, Choice, changing, choice
from chroniccare.scheduling.known import Wish
from chroniccare.scheduling.slots import actions as search
from chroniccare.scheduling.slots import api as slots_api
from chroniccare.tenancy.api import (
    CONDITIONAL,
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    check_version,
    page,
    post,
    record,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(
    prefix="/api/v1/providers/{provider_id}", tags=["providers"], route_class=KeyFirst
)

StrandedChoice = Annotated[
    schemas.Choice | None,
    Query(
        description="What becomes of booked visits that the change leaves outside the hours:"
        " `keep` them, `move` each to the nearest free time, or `cancel` them; the patients are"
        " told. To move or cancel needs the scope appointments:write as well. Unless told, such a"
        " change is refused with 409."
    ),
]
DryRun = Annotated[
    bool, Query(description="Answer 200 with the visits that would be stranded, change nothing.")
]
FirstDay = Annotated[Day | None, Query(description="First day.")]
LastDay = Annotated[Day | None, Query(description="Last day.")]
TRIED: dict[int | str, dict[str, Any]] = {
    200: {"model": Data[schemas.Preview], "description": "With `dry_run`: what would be stranded"}
}


@router.put(
    "",
    summary="Replace a provider",
    response_model=Data[schemas.ProviderChanged | schemas.Preview],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_provider(
    provider_id: UUID,
    body: ProviderWrite,
    caller: ProvidersWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; with If-Match only if nobody changed the record since.

    Who is not active any more strands every visit to come.
    """
    chosen = choice(caller, stranded, dry_run=dry_run)
    async with changing(caller, chosen) as tx:
        provider = await providers.get_locked(tx, provider_id)
        check_version(if_match, provider.version)
        changed = await actions.update_provider(tx, provider, body, choice=chosen)
    return put(caller, changed, lambda written: (asdict(written), written.version))


@router.get(
    "/availability",
    summary="Read a provider's weekly availability",
    response_model=Data[schemas.AvailabilityShown],
    responses=errors(304, 404, 422),
    openapi_extra=CONDITIONAL,
)
async def read_availability(
    provider_id: UUID,
    request: Request,
    caller: ProvidersRead,
    from_date: slots_api.FromDate = None,
    to_date: slots_api.ToDate = None,
    appointment_type: slots_api.Type = None,
    duration_minutes: slots_api.Minutes = None,
    first: slots_api.First = DEFAULT_LIMIT,
) -> Response:
    """Answer the weekly rules by day and start, and with a date the free times as well.

    The ETag is the provider's. With free times there is none: a booking changes them.
    """
    async with begin(caller) as tx:
        found = await actions.availability(tx, provider_id)
    if from_date is None and to_date is None:
        data = wire.dumps({"rules": found.rules, "slots": None})
        return record(caller, request, data, version=found.version)
    wish = Wish(
        [provider_id], None, appointment_type, duration_minutes, first_day=from_date,
        last_day=to_date, most=first,
    )  # fmt: skip
    free = await search.of_provider(caller, wish)
    return answer(caller, wire.dumps({"rules": found.rules, "slots": free}))


@router.put(
    "/availability",
    summary="Replace a provider's weekly availability",
    response_model=Data[schemas.AvailabilityChanged | schemas.Preview],
    responses=errors(404, 409, 412, 413, 422),
)
async def replace_availability(
    provider_id: UUID,
    body: schemas.AvailabilityWrite,
    caller: ProvidersWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
    if_match: IfMatch = None,
) -> Response:
    """Replace the whole set of rules; the provider's version grows."""
    chosen = choice(caller, stranded, dry_run=dry_run)
    async with changing(caller, chosen) as tx:
        provider = await providers.get_locked(tx, provider_id)
        check_version(if_match, provider.version)
        changed = await actions.set_availability(tx, provider, body, choice=chosen)
    return put(caller, changed, lambda week: ({"rules": week.rules}, week.version))


@router.get(
    "/exceptions",
    summary="List a provider's time off and extra hours",
    response_model=Listed[schemas.DayException],
    responses=errors(404),
)
async def list_exceptions(
    provider_id: UUID,
    caller: ProvidersRead,
    from_date: FirstDay = None,
    to_date: LastDay = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by day."""
    async with begin(caller) as tx:
        provider = await providers.get(tx, provider_id)
        found = await exceptions.search(
            tx, provider, days=[from_date, to_date], cursor=cursor, limit=limit
        )
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/exceptions",
    status_code=201,
    summary="Add time off or extra hours",
    response_model=Data[schemas.ExceptionMade],
    responses={**TRIED, **errors(404, 409, 413, 422)},
)
async def create_exception(
    provider_id: UUID,
    body: schemas.ExceptionWrite,
    request: Request,
    caller: ProvidersWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take time off a day, or add hours to it."""
    chosen = choice(caller, stranded, dry_run=dry_run)

    async def act(tx: Tx) -> Changed[queries.DayException]:
        provider = await providers.get_locked(tx, provider_id)
        return await exceptions.add(tx, provider, body, choice=chosen)

    return await posted(caller, request, idempotency_key, chosen, act, made)


@router.get(
    "/exceptions/{exception_id}",
    summary="Read one exception",
    response_model=Data[schemas.DayException],
    responses=errors(404),
)
async def read_exception(provider_id: UUID, exception_id: UUID, caller: ProvidersRead) -> Response:
    """Answer one time off or one range of extra hours."""
    async with begin(caller) as tx:
        found = await exceptions.get(tx, provider_id, exception_id)
    return answer(caller, wire.dumps(found))


@router.delete(
    "/exceptions/{exception_id}",
    summary="Remove time off or extra hours",
    response_model=Data[schemas.Preview | None],
    responses=errors(404, 409),
)
async def delete_exception(
    provider_id: UUID,
    exception_id: UUID,
    caller: ProvidersWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
) -> Response:
    """Remove an exception; the weekly rules hold again."""
    chosen = choice(caller, stranded, dry_run=dry_run)
    async with changing(caller, chosen) as tx:
        provider = await providers.get_locked(tx, provider_id)
        found = await exceptions.get(tx, provider_id, exception_id)
        changed = await exceptions.remove(tx, provider, found, choice=chosen)
    return removed(caller, changed, chosen)


def put(
    caller: Caller, changed: Changed[Any], shape: Callable[[Any], tuple[dict[str, Any], int]]
) -> Response:
    """Answer a PUT: the record as `shape` gives it, with its version, or what was only tried."""
    if changed.record is None:
        return answer(caller, _tried(changed))
    data, version = shape(changed.record)
    return answer(caller, _written(data, changed), etag=version)


async def posted(
    caller: Caller,
    request: Request,
    key: str | None,
    chosen: Choice,
    act: Callable[[Tx], Awaitable[Changed[Any]]],
    reply: Callable[[Request, Changed[Any]], Reply],
) -> Response:
    """Answer a POST once; what is only tried leaves its Idempotency-Key free."""
    async with changing(caller, chosen) as tx:
        if chosen.dry_run:
            return answer(caller, _tried(await act(tx)))

        async def work() -> Reply:
            return reply(request, await act(tx))

        return await post(tx, request, key, work)


def made(request: Request, changed: Changed[Any]) -> Reply:
    """Return 201 with the exception that was made, and its place."""
    one: Any = changed.record
    headers = {"location": f"{request.url.path}/{one.id}", "etag": f'"{one.version}"'}
    return Reply(201, _written(asdict(one), changed), headers)


def done(_request: Request, changed: Changed[Any]) -> Reply:
    """Return 200 with what was done."""
    one: Any = changed.record
    return Reply(200, _written(asdict(one), changed), {})


def removed(caller: Caller, changed: Changed[None], chosen: Choice) -> Response:
    """Answer a DELETE: null, or the visits that it strands."""
    tried = chosen.dry_run or changed.stranded
    return answer(caller, _tried(changed) if tried else b"null")


def _tried(changed: Changed[Any]) -> bytes:
    return wire.dumps({"stranded": changed.stranded})


def _written(data: dict[str, Any], changed: Changed[Any]) -> bytes:
    stranded = {"stranded": changed.stranded} if changed.stranded else {}
    return wire.dumps({**data, **stranded})

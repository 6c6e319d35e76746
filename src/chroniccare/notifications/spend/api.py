"""/api/v1/spend: what SMS cost, and what they may cost."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, errors
from chroniccare.core.fields import Day
from chroniccare.notifications.spend import actions, schemas
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import (
    CONDITIONAL,
    IfMatch,
    KeyFirst,
    answer,
    authorise,
    check_version,
    record,
)

router = APIRouter(prefix="/api/v1/spend", tags=["spend"], route_class=KeyFirst)

SpendRead = Annotated[Caller, Security(authorise, scopes=["spend:read"])]
SpendWrite = Annotated[Caller, Security(authorise, scopes=["spend:write"])]


@router.get(
    "",
    summary="Show what SMS cost by month",
    response_model=Data[schemas.Spend],
    responses=errors(),
)
async def read_spend(
    caller: SpendRead,
    months: Annotated[int, Query(ge=1, le=24, description="UTC months, this one included.")] = 3,
) -> Response:
    """Answer this month and those before it, what is left, and what this month comes to."""
    async with begin(caller) as tx:
        found = await actions.overview(tx, months)
    return answer(caller, wire.dumps(found))


@router.get(
    "/limits",
    summary="Read the limits of SMS",
    response_model=Data[schemas.Limits],
    responses=errors(304),
    openapi_extra=CONDITIONAL,
)
async def read_limits(request: Request, caller: SpendRead) -> Response:
    """Answer the limits with their ETag; version 0 where none were set."""
    async with begin(caller) as tx:
        found = await actions.get_limits(tx)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.put(
    "/limits",
    summary="Set the limits of SMS",
    response_model=Data[schemas.Limits],
    responses=errors(409, 412, 413, 422),
)
async def set_limits(
    body: schemas.LimitsWrite, caller: SpendWrite, if_match: IfMatch = None
) -> Response:
    """Replace the limits; messages that the old ones held back are looked at again at once."""
    async with begin(caller) as tx:
        before = await actions.lock_limits(tx)
        check_version(if_match, before.version)
        made = await actions.set_limits(tx, before, body)
    return answer(caller, wire.dumps(made), etag=made.version)


@router.get(
    "/entries",
    summary="Count what SMS cost by day or country",
    response_model=Data[schemas.Entries],
    responses=errors(),
)
async def count_entries(
    caller: SpendRead,
    from_: Annotated[
        Day | None, Query(alias="from", description="First UTC day; 31 days unless told.")
    ] = None,
    to: Annotated[Day | None, Query(description="UTC day before which it ends.")] = None,
    group_by: Annotated[
        schemas.GroupBy, Query(description="One line for each UTC day, or each country.")
    ] = "day",
    country: Annotated[schemas.Country | None, Query(description="Only this country.")] = None,
) -> Response:
    """Answer a line for each day or country that SMS went out on or to; at most 366 days."""
    async with begin(caller) as tx:
        found = await actions.entries(tx, from_, to, group_by=group_by, country=country)
    return answer(caller, wire.dumps(found))

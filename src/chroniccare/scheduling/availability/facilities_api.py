"""/api/v1/facilities/{facility_id}: its hours, its exceptions, and public holidays.

A change of a facility's hours looks at visits, which facilities/ cannot know.
"""

import asyncio
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from chroniccare.core import wire
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Day, Language
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.api import FacilitiesRead, FacilitiesWrite
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.platform.postgres import Tx, begin, database
from chroniccare.scheduling.availability import (
    actions,
    exceptions,
    public_holidays,
    queries,
    schemas,
)
from chroniccare.scheduling.availability.api import (
    TRIED,
    DryRun,
    FirstDay,
    LastDay,
    StrandedChoice,
    done,
    made,
    posted,
    put,
    removed,
)
from chroniccare.scheduling.availability.stranding import Changed, changing, choice
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    check_version,
    page,
)

router = APIRouter(prefix="/api/v1", tags=["facilities"], route_class=KeyFirst)


@router.put(
    "/facilities/{facility_id}",
    summary="Replace a facility",
    response_model=Data[schemas.FacilityChanged | schemas.Preview],
    responses=errors(404, 409, 412, 413, 422),
)
async def update_facility(
    facility_id: UUID,
    body: FacilityWrite,
    caller: FacilitiesWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
    if_match: IfMatch = None,
) -> Response:
    """Replace every field; with If-Match only if nobody changed the record since."""
    chosen = choice(caller, stranded, dry_run=dry_run)
    async with changing(caller, chosen) as tx:
        facility = await facilities.get_locked(tx, facility_id)
        check_version(if_match, facility.version)
        changed = await actions.update_facility(tx, facility, body, choice=chosen)
    return put(caller, changed, lambda written: (asdict(written), written.version))


@router.get(
    "/facilities/{facility_id}/exceptions",
    summary="List a facility's closed days and extra hours",
    response_model=Listed[schemas.DayException],
    responses=errors(404),
)
async def list_exceptions(
    facility_id: UUID,
    caller: FacilitiesRead,
    from_date: FirstDay = None,
    to_date: LastDay = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by day; the exceptions of providers who work there are not among them."""
    async with begin(caller) as tx:
        facility = await facilities.get(tx, facility_id)
        found = await exceptions.search(
            tx, facility, days=[from_date, to_date], cursor=cursor, limit=limit
        )
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/facilities/{facility_id}/exceptions",
    status_code=201,
    summary="Add a closed day or extra opening hours",
    response_model=Data[schemas.ExceptionMade],
    responses={**TRIED, **errors(404, 409, 413, 422)},
)
async def create_exception(
    facility_id: UUID,
    body: schemas.FacilityExceptionWrite,
    request: Request,
    caller: FacilitiesWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Close a day or a part of it, or open beyond the weekly hours."""
    chosen = choice(caller, stranded, dry_run=dry_run)

    async def act(tx: Tx) -> Changed[queries.DayException]:
        facility = await facilities.get_locked(tx, facility_id)
        return await exceptions.add_to_facility(tx, facility, body, choice=chosen)

    return await posted(caller, request, idempotency_key, chosen, act, made)


@router.get(
    "/facilities/{facility_id}/exceptions/{facility_exception_id}",
    summary="Read one exception of a facility",
    response_model=Data[schemas.DayException],
    responses=errors(404),
)
async def read_exception(
    facility_id: UUID, facility_exception_id: UUID, caller: FacilitiesRead
) -> Response:
    """Answer one closed day, a part of a day, or one range of extra hours."""
    async with begin(caller) as tx:
        found = await exceptions.get_of_facility(tx, facility_id, facility_exception_id)
    return answer(caller, wire.dumps(found))


@router.delete(
    "/facilities/{facility_id}/exceptions/{facility_exception_id}",
    summary="Remove a closed day or extra opening hours",
    response_model=Data[schemas.Preview | None],
    responses=errors(404, 409),
)
async def delete_exception(
    facility_id: UUID,
    facility_exception_id: UUID,
    caller: FacilitiesWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
) -> Response:
    """Remove an exception; the weekly hours hold again."""
    chosen = choice(caller, stranded, dry_run=dry_run)
    async with changing(caller, chosen) as tx:
        facility = await facilities.get_locked(tx, facility_id)
        found = await exceptions.get_of_facility(tx, facility_id, facility_exception_id)
        changed = await exceptions.remove(tx, facility, found, choice=chosen)
    return removed(caller, changed, chosen)


@router.get(
    "/holidays",
    summary="Show a country's public holidays",
    response_model=Data[schemas.Holidays],
    responses=errors(422),
)
async def show_holidays(
    caller: FacilitiesRead,
    country: Annotated[
        schemas.Country, Query(description="ISO 3166-1 alpha-2 code.", examples=["US"])
    ],
    from_date: Annotated[Day, Query(description="First day.", examples=["2027-01-01"])],
    to_date: Annotated[
        Day,
        Query(description="Last day, at most three years ahead.", examples=["2027-12-31"]),
    ],
    subdivision: Annotated[
        schemas.Subdivision | None, Query(description="State or province, as ISO 3166-2 has it.")
    ] = None,
    language: Annotated[
        Language | None,
        Query(description="Language of the names; the country's own unless told."),
    ] = None,
) -> Response:
    """Answer the holidays by day, observed ones included; nothing is written."""
    found = await asyncio.to_thread(
        public_holidays.find, country, subdivision, language, first=from_date, last=to_date,
        today=database().clock().date(),
    )  # fmt: skip
    return answer(caller, wire.dumps({"holidays": found}))


@router.post(
    "/facilities/{facility_id}/holidays",
    summary="Close a facility on public holidays",
    response_model=Data[schemas.HolidaysImported | schemas.Preview],
    responses=errors(404, 409, 413, 422),
)
async def import_holidays(
    facility_id: UUID,
    body: schemas.HolidayImport,
    request: Request,
    caller: FacilitiesWrite,
    stranded: StrandedChoice = None,
    dry_run: DryRun = False,  # noqa: FBT002  a query parameter
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write each holiday as a closed day; a day that is closed already is left as it is."""
    chosen = choice(caller, stranded, dry_run=dry_run)
    found = await asyncio.to_thread(
        public_holidays.find, body.country, body.subdivision, body.language, first=body.from_date,
        last=body.to_date, today=database().clock().date(),
    )  # fmt: skip

    async def act(tx: Tx) -> Changed[public_holidays.Imported]:
        facility = await facilities.get_locked(tx, facility_id)
        days = public_holidays.choose(found, body)
        return await public_holidays.close(tx, facility, days, choice=chosen)

    return await posted(caller, request, idempotency_key, chosen, act, done)

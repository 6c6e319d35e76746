"""/api/v1/appointments/batch and /series: visits that come back.

Listed before the appointments' router, so that `batch` is not taken for an appointment's id.
"""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.scheduling.series import actions, cancelling, editing, schemas
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    authorise,
    check_version,
    page,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1", tags=["series"], route_class=KeyFirst)

AppointmentsRead = Annotated[Caller, Security(authorise, scopes=["appointments:read"])]
AppointmentsWrite = Annotated[Caller, Security(authorise, scopes=["appointments:write"])]

_SEEN_AGAIN = partial(replayed, entity_type=actions.ENTITY)


@router.post(
    "/appointments/batch",
    status_code=201,
    summary="Book a series of appointments",
    response_model=Data[schemas.SeriesResult],
    responses={
        200: {"model": Data[schemas.SeriesResult], "description": "What a dry run would book"},
        **errors(409, 413, 422),
    },
)
async def book_series(
    body: schemas.SeriesBook,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Book visits that come back, all in one transaction; 409 names every visit in the way."""
    if body.dry_run:
        async with begin(caller) as tx:
            planned = await actions.book(tx, body)
        return await _dry(caller, body.patient_id, planned)
    async with begin(caller) as tx:

        async def work() -> Reply:
            return _reply(201, await actions.book(tx, body))

        return await post(tx, request, idempotency_key, work, replayed=_SEEN_AGAIN)


@router.get(
    "/appointments/series/{series_id}",
    summary="Read a series",
    response_model=Data[schemas.SeriesWithVisits],
    responses=errors(404),
)
async def read_series(series_id: UUID, caller: AppointmentsRead) -> Response:
    """Answer a series with its visits; the read is written to the audit first.

    Its ETag is for If-Match alone: visits change, and are counted, without the series changing.
    """
    async with begin(caller) as tx:
        found = await actions.with_visits(tx, series_id)
    await note_read(caller, entity_type=actions.ENTITY, seen=[series_id])
    return answer(caller, wire.dumps(found), etag=found["version"])


@router.get(
    "/patients/{patient_id}/series",
    summary="List a patient's series",
    response_model=Listed[schemas.Series],
    responses=errors(404),
)
async def list_patient_series(
    patient_id: UUID,
    caller: AppointmentsRead,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of the patient's series, the oldest first."""
    async with begin(caller) as tx:
        found = await actions.search(tx, patient_id, cursor=cursor, limit=limit)
    seen = [str(series.id) for series in found.items]
    await note_read(caller, entity_type=actions.ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/appointments/series/{series_id}/edit",
    summary="Change visits of a series",
    response_model=Data[schemas.SeriesResult],
    responses=errors(404, 409, 412, 413, 422),
)
async def edit_series(
    series_id: UUID,
    body: schemas.SeriesEdit,
    request: Request,
    caller: AppointmentsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Change one visit, one and all that follow, or all to come: every one of them, or none."""
    if body.dry_run:
        async with begin(caller) as tx:
            planned = await editing.edit(tx, await actions.get_locked(tx, series_id), body)
        return await _dry(caller, planned.series.patient_id, planned)
    async with begin(caller) as tx:

        async def work() -> Reply:
            series = await actions.get_locked(tx, series_id)
            check_version(if_match, series.version)
            return _reply(200, await editing.edit(tx, series, body))

        return await post(tx, request, idempotency_key, work, replayed=_SEEN_AGAIN)


@router.delete(
    "/appointments/series/{series_id}",
    summary="Cancel visits of a series",
    response_model=Data[schemas.SeriesResult],
    responses=errors(404, 409, 412, 413, 422),
)
async def cancel_series(
    series_id: UUID,
    body: schemas.SeriesCancellation,
    caller: AppointmentsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Cancel one visit, one and all that follow, or all to come; their times are free again."""
    async with begin(caller) as tx:
        series = await actions.get_locked(tx, series_id)
        if not body.dry_run:
            check_version(if_match, series.version)
        done = await cancelling.cancel(tx, series, body)
    if body.dry_run:
        await note_read(caller, entity_type=actions.ENTITY, seen=[series_id])
        return answer(caller, wire.dumps(done))
    return answer(caller, wire.dumps(done), etag=done.series.version)


def _reply(status: int, done: actions.Result) -> Reply:
    headers = {
        "location": f"/api/v1/appointments/series/{done.series.id}",
        "etag": f'"{done.series.version}"',
    }
    return Reply(status, wire.dumps(done), headers)


async def _dry(caller: Caller, patient_id: UUID, planned: actions.Result) -> Response:
    """Answer a dry run: what is not free tells when the patient is elsewhere, so it is audited."""
    await note_read(caller, entity_type="patient", seen=[patient_id], action="availability")
    return answer(caller, wire.dumps(planned))

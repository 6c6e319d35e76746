"""/api/v1/medications/{medication_id}/adherence, and a patient's adherence report."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Day
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.medications.adherence import actions, cohort, reporting, schemas
from chroniccare.medications.adherence.settling import ENTITY
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    KeyFirst,
    Limit,
    answer,
    authorise,
    page,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1", tags=["adherence"], route_class=KeyFirst)

MedicationsRead = Annotated[Caller, Security(authorise, scopes=["medications:read"])]
MedicationsWrite = Annotated[Caller, Security(authorise, scopes=["medications:write"])]

_KNOWN: dict[int | str, dict[str, Any]] = {
    200: {"model": Data[schemas.Reported], "description": "It was known already"}
}


@router.post(
    "/medications/{medication_id}/adherence",
    status_code=201,
    summary="Report on a dose",
    response_model=Data[schemas.Reported],
    responses={**_KNOWN, **errors(404, 409, 413, 422)},
)
async def report_dose(
    medication_id: UUID,
    body: schemas.ReportWrite,
    request: Request,
    caller: MedicationsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Report that a dose was taken, skipped or missed; a later report corrects an earlier one.

    The dose is named by its id, or by the time at which it was due: exactly, or near it. The same
    report again changes nothing and answers 200.
    """

    async def seen_again(tx: Tx, _: str) -> None:
        await record(tx, action="replay", entity_type="medication", entity_id=medication_id)

    async with begin(caller) as tx:

        async def work() -> Reply:
            found = await actions.report(tx, medication_id, body)
            headers = {"location": request.url.path}
            return Reply(201 if found.is_new else 200, wire.dumps(found.shown()), headers)

        return await post(tx, request, idempotency_key, work, replayed=seen_again)


@router.get(
    "/medications/{medication_id}/adherence",
    summary="List the reports on a medication's doses",
    response_model=Listed[schemas.Report],
    responses=errors(404),
)
async def list_reports(
    medication_id: UUID,
    caller: MedicationsRead,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest dose first, corrected reports included; the read is audited."""
    async with begin(caller) as tx:
        found = await actions.listed(tx, medication_id, cursor=cursor, limit=limit)
    seen = [one.id for one in found.items]
    await note_read(caller, entity_type=ENTITY, seen=seen, action="list")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/medications/{medication_id}/adherence/rate",
    summary="Read a medication's adherence rate",
    response_model=Data[schemas.Rate],
    responses=errors(404),
)
async def read_rate(medication_id: UUID, caller: MedicationsRead) -> Response:
    """Answer the share of observed doses taken in the last 30 days, at most an hour old."""
    found = await actions.rate(caller, medication_id)
    await note_read(caller, entity_type="medication", seen=[medication_id], action="read_adherence")
    return answer(caller, found)


@router.get(
    "/adherence/low",
    summary="List whose adherence is low",
    response_model=Listed[schemas.LowNow],
    responses=errors(),
)
async def list_low(
    caller: MedicationsRead,
    sort: Annotated[
        schemas.Sort, Query(description="The lowest, the longest, or by a name, first.")
    ] = "rate",
    order: Annotated[schemas.Order, Query(description="`desc`: the other way round.")] = "asc",
    for_file: Annotated[  # noqa: FBT002  a query parameter
        bool, Query(description="It goes into a file: the audit says `export`.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of the open episodes; every patient in it is noted in the audit."""
    async with begin(caller) as tx:
        found = await cohort.low(tx, sort, order=order, cursor=cursor, limit=limit)
    seen = list(dict.fromkeys(one["patient_id"] for one in found.items))
    action = "export_adherence" if for_file else "list_adherence"
    await note_read(caller, entity_type="patient", seen=seen, action=action)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/patients/{patient_id}/medications/adherence",
    summary="Report on a patient's adherence",
    response_model=Data[schemas.Adherence],
    responses=errors(404),
)
async def report_patient(
    patient_id: UUID,
    caller: MedicationsRead,
    from_date: Annotated[
        Day | None,
        Query(alias="from", description="First local day; unless told, 29 days before the last."),
    ] = None,
    to_date: Annotated[
        Day | None,
        Query(alias="to", description="Last local day, at most 399 days later; unless told, today"
              " where the patient lives."),
    ] = None,
    medication_id: Annotated[
        UUID | None, Query(description="Of this medication alone.")
    ] = None,
    interval: Annotated[
        schemas.Interval | None,
        Query(description="Of the trend; unless told, day up to 62 days and week beyond."),
    ] = None,
) -> Response:  # fmt: skip
    """Answer how doses and fills went, for each medication and for all; the read is audited."""
    async with begin(caller) as tx:
        found = await reporting.report(
            tx, patient_id, from_date=from_date, to_date=to_date, medication_id=medication_id,
            interval=interval,
        )  # fmt: skip
    await note_read(caller, entity_type="patient", seen=[patient_id], action="read_adherence")
    return answer(caller, wire.dumps(found))

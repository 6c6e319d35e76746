"""/api/v1/patients/{patient_id}/readings: what a patient measured at home."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, Security

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Listed, errors
from chroniccare.core.fields import Instant
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.fhir.readings import actions, schemas
from chroniccare.fhir.readings.rules import Kind
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import Cursor, KeyFirst, Limit, authorise, page

router = APIRouter(prefix="/api/v1/patients", tags=["readings"], route_class=KeyFirst)

RecordsRead = Annotated[Caller, Security(authorise, scopes=["records:read"])]


@router.get(
    "/{patient_id}/readings",
    summary="List a patient's readings",
    response_model=Listed[schemas.Reading],
    responses=errors(404),
)
async def list_readings(
    patient_id: UUID,
    caller: RecordsRead,
    kind: Annotated[Kind | None, Query(description="Of this kind.")] = None,
    from_: Annotated[
        Instant | None, Query(alias="from", description="Measured at this instant or later.")
    ] = None,
    to: Annotated[Instant | None, Query(description="Measured before this instant.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page of stored Observations as figures, the latest first; the read is audited.

    Those that have no figure, or none in a unit that is known here, or were entered in error, are
    left out: a page may have fewer than `limit`, or none, and there be a next one.
    """
    async with begin(caller) as tx:
        found = await actions.listed(
            tx, patient_id, kind=kind, start=from_, end=to, cursor=cursor, limit=limit
        )
    await note_read(caller, entity_type="patient", seen=[patient_id], action="read_readings")
    return page(caller, found.items, found.next_cursor)

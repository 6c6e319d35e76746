"""/api/v1/audit-logs, and who saw or changed what of one patient."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response, Security

from chroniccare.audit import checking, queries, schemas
from chroniccare.audit.reads import note_read
from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller, at_request
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.errors import NotFound
from chroniccare.core.fields import Instant, Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import Cursor, KeyFirst, Limit, answer, authorise, page

router = APIRouter(prefix="/api/v1", tags=["audit"], route_class=KeyFirst)

_SHOWN = 100

AuditRead = Annotated[Caller, Security(authorise, scopes=["audit:read"])]
Action = Annotated[Word | None, Query(description="Exact action, such as `read`.")]
From = Annotated[
    Instant | None, Query(alias="from", description="Earliest instant, with UTC offset.")
]
To = Annotated[Instant | None, Query(description="Before this instant, given with its UTC offset.")]


@router.get(
    "/audit-logs",
    summary="Search the audit log",
    response_model=Listed[schemas.AuditEntry],
    responses=errors(),
)
@router.get(
    "/audit",
    summary="Search the audit log, by its older address",
    response_model=Listed[schemas.AuditEntry],
    responses=errors(),
    deprecated=True,
)
async def search_audit(
    caller: AuditRead,
    entity_type: Annotated[
        Word | None, Query(description="Kind of record, such as `patient`.")
    ] = None,
    entity_id: Annotated[UUID | None, Query(description="What happened to this record.")] = None,
    user_id: Annotated[
        UUID | None, Query(description="What this API key or staff user did.")
    ] = None,
    user_type: Annotated[Word | None, Query(description="Such as `api_key` or `system`.")] = None,
    action: Action = None,
    from_: From = None,
    to: To = None,
    purpose: Annotated[schemas.Purpose | None, Query(description="What it was done for.")] = None,
    outcome: Annotated[
        schemas.Outcome | None, Query(description="`refused`: what somebody was not let do.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest first; the search is itself noted in the audit."""
    filters = [entity_type, entity_id, user_id, user_type, action, from_, to, purpose, outcome]
    after = _after(cursor, "audit", filters)
    async with begin(caller) as tx:
        await tx.plan_afresh()
        rows = await tx.all(queries.SEARCH, *filters, *after, limit + 1)
    found = _page(rows, limit, "audit", filters)
    seen = [entry.id for entry in found.items]
    await note_read(caller, entity_type="audit_log", seen=seen, action="search")
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/audit-chain",
    summary="Check the chain of the audit",
    response_model=Data[schemas.AuditChain],
    responses=errors(409),
)
async def check_chain(caller: AuditRead) -> Response:
    """Answer whether each sealed entry is as it was written and none is missing.

    Signed heads, which only the machine's operator has, are not compared: `chroniccare audit
    verify` does that, and looks at chains that are too long for a request (409 `CHAIN_TOO_LONG`).
    """
    report = await checking.check(caller)
    await note_read(caller, entity_type="audit_log", seen=[], action="verify")
    found = {
        "sealed": report.sealed, "waiting": report.waiting, "wrong": report.wrong,
        "findings": report.findings[:_SHOWN],
    }  # fmt: skip
    return answer(caller, wire.dumps(found))


@router.get(
    "/patients/{patient_id}/access-report",
    summary="Report who saw or changed what of a patient",
    response_model=Listed[schemas.AuditEntry],
    responses=errors(404),
)
async def access_report(
    patient_id: UUID,
    caller: AuditRead,
    action: Action = None,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest first: of the record, and of all that belongs to the patient.

    Visits, medications, doses, messages, related persons and the rest. A patient who was removed
    has a report, too. The report is itself noted in the audit, as a read of the patient.
    """
    filters = [patient_id, action, from_, to]
    after = _after(cursor, "access", filters)
    async with begin(caller) as tx:
        if not await tx.value(queries.PATIENT_EXISTS, patient_id):
            raise NotFound("No such patient.")
        await tx.plan_afresh()
        rows = await tx.all(queries.ACCESS, *filters, *after, limit + 1)
    found = _page(rows, limit, "access", filters)
    asked = at_request(caller)
    await note_read(asked, entity_type="patient", seen=[patient_id], action="access_report")
    return page(caller, found.items, found.next_cursor)


def _after(cursor: str | None, listing: str, filters: list[Any]) -> list[Any]:
    read = paging.decode(cursor, listing, filters, [datetime.fromisoformat, UUID])
    return read or [None, None]


def _page(
    rows: list[queries.AuditEntry], limit: int, listing: str, filters: list[Any]
) -> paging.Page[queries.AuditEntry]:
    return paging.page(
        rows, limit, listing=listing, filters=filters, key=lambda row: [row.created_at, row.id]
    )

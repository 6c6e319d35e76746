"""/api/v1/audit."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, Security

from chroniccare.audit import queries, schemas
from chroniccare.audit.reads import note_read
from chroniccare.core import paging
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Listed, errors
from chroniccare.core.fields import Instant, Word
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import Cursor, KeyFirst, Limit, authorise, page

router = APIRouter(prefix="/api/v1/audit", tags=["audit"], route_class=KeyFirst)

AuditRead = Annotated[Caller, Security(authorise, scopes=["audit:read"])]


@router.get(
    "",
    summary="Search the audit log",
    response_model=Listed[schemas.AuditEntry],
    responses=errors(),
)
async def search_audit(
    caller: AuditRead,
    entity_id: Annotated[UUID | None, Query(description="What happened to this record.")] = None,
    user_id: Annotated[
        UUID | None, Query(description="What this API key or staff user did.")
    ] = None,
    action: Annotated[Word | None, Query(description="Exact action, such as `read`.")] = None,
    from_: Annotated[
        Instant | None, Query(alias="from", description="Earliest instant, with UTC offset.")
    ] = None,
    to: Annotated[
        Instant | None, Query(description="Before this instant, given with its UTC offset.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, the latest first; the search is itself noted in the audit."""
    filters = [entity_id, user_id, action, from_, to]
    after = paging.decode(cursor, "audit", filters, [datetime.fromisoformat, UUID]) or [None, None]
    async with begin(caller) as tx:
        await tx.plan_afresh()
        rows = await tx.all(queries.SEARCH, *filters, *after, limit + 1)
    found = paging.page(
        rows, limit, listing="audit", filters=filters, key=lambda row: [row.created_at, row.id]
    )
    seen = [entry.id for entry in found.items]
    await note_read(caller, entity_type="audit_log", seen=seen, action="search")
    return page(caller, found.items, found.next_cursor)

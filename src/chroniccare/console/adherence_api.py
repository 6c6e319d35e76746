"""/console/adherence: who takes too little of what was prescribed, as a list and as a file."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from chroniccare.console import calls, messages, pages, people, routes

router = routes.router()
_PAGE = 100
_Sort = Annotated[str, Query(pattern="^(rate|since|name|medication|threshold|reason|escalated)$")]
_Order = Annotated[str, Query(pattern="^(asc|desc)$")]


@router.get("/adherence")
async def cohort(
    request: Request, sort: _Sort = "rate", order: _Order = "asc", cursor: str | None = None
) -> Response:
    """List the open episodes of low adherence."""
    found, zone = await asyncio.gather(
        calls.get(request, "/adherence/low", sort=sort, order=order, cursor=cursor, limit=_PAGE),
        people.clinic_zone(request),
    )
    return pages.page(
        request, "adherence.html", rows=found["items"], next=found["next_cursor"], sort=sort,
        order=order, zone=zone,
    )  # fmt: skip


@router.get("/adherence.csv")
async def as_file(request: Request, sort: _Sort = "rate", order: _Order = "asc") -> Response:
    """Send the whole list as CSV, page by page; the audit has each patient in it as exported."""
    query = {"sort": sort, "order": order, "for_file": True, "limit": 200}
    first = await calls.get(request, "/adherence/low", **query)

    async def lines() -> AsyncIterator[bytes]:
        found, head = first, True
        while True:
            yield messages.csv_lines(found["items"], head=head)
            if found["next_cursor"] is None:
                return
            head = False
            found = await calls.get(request, "/adherence/low", cursor=found["next_cursor"], **query)

    headers = {**pages.HEADERS, "content-disposition": 'attachment; filename="adherence.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)

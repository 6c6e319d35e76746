"""/console/audit: who did or saw what; what a change changed; who looked at one patient."""

from datetime import date, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import audit, calls, pages, routes
from chroniccare.console.session import current
from chroniccare.core.errors import Problem
from chroniccare.core.time import to_instant, zone

router = routes.router()

_ROWS = 50
_ASKED = ("entity_type", "entity_id", "user_id", "user_type", "action", "purpose", "outcome")


@router.get("/audit")
async def search(request: Request) -> Response:
    """Show one page of the audit, the latest first, and what it was searched for."""
    asked = {name: one for name, one in request.query_params.items() if one and name != "said"}
    error: Problem | None = None
    found: dict[str, Any] = {"items": [], "next_cursor": None}
    try:
        found = await calls.get(request, "/audit-logs", limit=_ROWS, **_filters(asked))
    except calls.Refused as problem:
        if problem.status in {401, 403}:
            raise
        error = problem
    people = await _people(request)
    following = found["next_cursor"]
    more = f"/console/audit?{urlencode({**asked, 'cursor': following})}" if following else ""
    return pages.page(
        request, "audit.html", status=error.status if error else 200, asked=asked, error=error,
        entries=[audit.entry(one, people) for one in found["items"]], people=people, more=more,
    )  # fmt: skip


@router.get("/audit/patients/{patient_id}")
async def access(
    request: Request, patient_id: UUID, cursor: Annotated[str | None, Query()] = None
) -> Response:
    """Show who saw or changed what of one patient."""
    place = f"/patients/{patient_id}/access-report"
    found = await calls.get(request, place, limit=_ROWS, cursor=cursor)
    people = await _people(request)
    following = found["next_cursor"]
    return pages.page(
        request, "audit_patient.html", patient_id=patient_id,
        entries=[audit.entry(one, people) for one in found["items"]],
        more=f"/console/audit/patients/{patient_id}?cursor={following}" if following else "",
    )  # fmt: skip


@router.get("/audit/chain")
async def chain(request: Request) -> Response:
    """Look at the chain of seals from end to end, and say whether anything is wrong."""
    report = await calls.get(request, "/audit-chain")
    return pages.page(request, "audit_chain.html", report=report)


def _filters(asked: dict[str, str]) -> dict[str, Any]:
    """Return what the API is asked; days are those of UTC, as the page says."""
    filters: dict[str, Any] = {name: asked.get(name) for name in (*_ASKED, "cursor")}
    for name, days in (("from", 0), ("to", 1)):
        try:
            day = date.fromisoformat(asked[name]) + timedelta(days=days)
        except KeyError:
            continue
        except (ValueError, OverflowError):  # the API says what is wrong with it
            filters[name] = asked[name]
        else:
            filters[name] = to_instant(day, time(), zone("UTC")).isoformat()
    return filters


async def _people(request: Request) -> dict[str, str]:
    """Return names of staff by id; of nobody for a role that may not read them."""
    if "staff:read" not in current(request).caller.scopes:
        return {}
    listed = await calls.everything(request, "/staff")
    return {one["id"]: one["display_name"] for one in listed}

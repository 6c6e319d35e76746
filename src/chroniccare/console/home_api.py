"""/console itself, the styleguide, and the page of what is nowhere."""

from typing import Annotated

from fastapi import Query, Request, Response

from chroniccare.console import pages, routes
from chroniccare.core.errors import NotFound

router = routes.router()
last = routes.router()


@router.get("")
@router.get("/")
async def home() -> Response:
    """Go to the day's visits."""
    return pages.done("/console/today")


@router.get("/keys")
async def keys(request: Request) -> Response:
    """Show every key that works everywhere."""
    return pages.page(request, "keys.html")


@router.get("/styleguide")
async def styleguide(
    request: Request, tone: Annotated[str, Query(pattern="^[a-z]*$")] = ""
) -> Response:
    """Show every component, as a page would use it."""
    return pages.page(request, "styleguide.html", tone=tone)


@last.api_route("/{path:path}", methods=["GET", "POST"])
async def nowhere() -> Response:
    """Answer for every address that is none."""
    raise NotFound("There is no such page.")

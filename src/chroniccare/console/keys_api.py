"""/console/admin/keys: what programs may do with the API."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, forms, pages, routes
from chroniccare.console.session import current

router = routes.router()

_HOME = "/console/admin/keys"
_ROWS = 50


@router.get("/admin/keys")
async def list_keys(request: Request, cursor: Annotated[str | None, Query()] = None) -> Response:
    """Show every key, the latest first."""
    return await _keys(request, cursor=cursor)


@router.post("/admin/keys")
async def make_key(request: Request) -> Response:
    """Make a key, and show it once."""
    form = await forms.read(request)
    body = {
        "key_name": form.text("key_name"), "scopes": form.all("scopes"),
        "networks": form.text("networks").replace(",", " ").split(),
        "expires_at": f"{day}T00:00:00Z" if (day := form.some("expires_at")) else None,
    }  # fmt: skip
    try:
        made = await calls.call(request, "POST", "/api-keys", body, once=form.once)
    except calls.Refused as error:
        return await _keys(request, error=error, entered={**body, "expires_at": day})
    return await _keys(request, made=made.data)


@router.post("/admin/keys/{key_id}/revoke")
async def revoke_key(request: Request, key_id: UUID) -> Response:
    """Refuse a key from now on."""
    await calls.call(request, "DELETE", f"/api-keys/{key_id}")
    return pages.done(_HOME, "removed")


async def _keys(
    request: Request,
    *,
    cursor: str | None = None,
    error: calls.Refused | None = None,
    entered: dict[str, Any] | None = None,
    made: dict[str, Any] | None = None,
) -> Response:
    found = await calls.get(request, "/api-keys", cursor=cursor, limit=_ROWS)
    following = found["next_cursor"]
    return pages.page(
        request, "admin_keys.html", status=error.status if error else 200, keys=found["items"],
        more=f"{_HOME}?cursor={following}" if following else "", error=error, made=made,
        entered=entered or {"scopes": []}, scopes=sorted(current(request).caller.scopes),
    )  # fmt: skip

"""/console/admin/webhooks: where events are sent, what came of it, and sending them again."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, forms, pages, routes

router = routes.router()

_HOME = "/console/admin/webhooks"
_ROWS = 50


@router.get("/admin/webhooks")
async def list_webhooks(request: Request) -> Response:
    """Show every endpoint and how it fares."""
    listed = await calls.everything(request, "/webhooks")
    return pages.page(request, "admin_webhooks.html", endpoints=listed)


@router.get("/admin/webhooks/new")
async def new_webhook(request: Request) -> Response:
    """Show an empty form."""
    return await _endpoint(request, {"events": ["*"], "enabled": True}, None)


@router.get("/admin/webhooks/{webhook_id}")
async def webhook(
    request: Request, webhook_id: UUID, cursor: Annotated[str | None, Query()] = None
) -> Response:
    """Show one endpoint with its deliveries, the latest first."""
    found = await calls.get(request, f"/webhooks/{webhook_id}")
    return await _endpoint(request, found, None, cursor=cursor)


@router.post("/admin/webhooks")
async def add_webhook(request: Request) -> Response:
    """Add an endpoint, and show its secret once."""
    form = await forms.read(request)
    body = _body(form) | {"signing": form.text("signing")}
    try:
        made = await calls.call(request, "POST", "/webhooks", body, once=form.once)
    except calls.Refused as error:
        return await _endpoint(request, body, error)
    return await _endpoint(request, made.data, None, secret=made.data["secret"])


@router.post("/admin/webhooks/{webhook_id}")
async def change_webhook(request: Request, webhook_id: UUID) -> Response:
    """Replace an endpoint."""
    form = await forms.read(request)
    body, place = _body(form), f"/webhooks/{webhook_id}"
    try:
        await calls.call(request, "PUT", place, body, version=form.version)
    except calls.Refused as error:
        now = await calls.get(request, place)
        return await _endpoint(
            request, {**now, **body}, error, now=error.differing(now, body)
        )  # fmt: skip
    return pages.done(f"{_HOME}/{webhook_id}", "saved")


@router.post("/admin/webhooks/{webhook_id}/remove")
async def remove_webhook(request: Request, webhook_id: UUID) -> Response:
    """Send nothing there any more."""
    form = await forms.read(request)
    await calls.call(request, "DELETE", f"/webhooks/{webhook_id}", version=form.version)
    return pages.done(_HOME, "removed")


@router.post("/admin/webhooks/{webhook_id}/rotate")
async def rotate_webhook(request: Request, webhook_id: UUID) -> Response:
    """Give it another secret, and show that once; the old one signs as well for a while."""
    form = await forms.read(request)
    place = f"/webhooks/{webhook_id}/rotate"
    made = await calls.call(request, "POST", place, version=form.version, once=form.once)
    return await _endpoint(request, made.data, None, secret=made.data["secret"])


@router.post("/admin/webhooks/{webhook_id}/ping")
async def ping_webhook(request: Request, webhook_id: UUID) -> Response:
    """Send a test event."""
    form = await forms.read(request)
    await calls.call(request, "POST", f"/webhooks/{webhook_id}/ping", once=form.once)
    return pages.done(f"{_HOME}/{webhook_id}", "sent")


@router.get("/admin/webhooks/{webhook_id}/deliveries/{delivery_id}")
async def delivery(request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
    """Show one delivery with each of its attempts."""
    found = await calls.get(request, f"/webhooks/{webhook_id}/deliveries/{delivery_id}")
    return pages.page(request, "admin_delivery.html", delivery=found, webhook_id=webhook_id)


@router.post("/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/resend")
async def resend(request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
    """Send an event once more."""
    form = await forms.read(request)
    place = f"/webhooks/{webhook_id}/deliveries/{delivery_id}/resend"
    await calls.call(request, "POST", place, once=form.once)
    return pages.done(f"{_HOME}/{webhook_id}", "replayed")


def _body(form: forms.Form) -> dict[str, Any]:
    return {
        "url": form.text("url"), "events": form.text("events").split(),
        "description": form.text("description"), "enabled": form.checked("enabled"),
    }  # fmt: skip


async def _endpoint(
    request: Request,
    endpoint: dict[str, Any],
    error: calls.Refused | None,
    *,
    now: dict[str, Any] | None = None,
    secret: str | None = None,
    cursor: str | None = None,
) -> Response:
    deliveries: dict[str, Any] = {"items": [], "next_cursor": None}
    if "id" in endpoint:
        place = f"/webhooks/{endpoint['id']}/deliveries"
        deliveries = await calls.get(request, place, cursor=cursor, limit=_ROWS)
    following = deliveries["next_cursor"]
    return pages.page(
        request, "admin_webhook.html", status=error.status if error else 200, endpoint=endpoint,
        error=error, now=now or {}, secret=secret, deliveries=deliveries["items"],
        more=f"{_HOME}/{endpoint['id']}?cursor={following}" if following else "",
    )  # fmt: skip

"""/receipts/...: what providers tell of messages. No API key: each callback is signed."""

from typing import Annotated
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import RateLimited, TooLarge
from chroniccare.notifications.receipts import actions
from chroniccare.tenancy.caller import Authority

public = APIRouter(prefix="/receipts", include_in_schema=False)

_PER_SECOND = 500.0
_BURST = 5000
"""Callbacks of one address: more than a batch of a provider's, less than what would hurt."""
_MOST = 524_288
"""Bytes: SNS carries 256 KiB, which JSON in JSON makes longer."""
_TAKEN = b'{"status":"taken"}'
_NOBODY = UUID(int=0)


async def _signed_body(request: Request) -> bytes:
    """Return the body, within what one address may send."""
    authority: Authority = request.app.state.authority
    address = request.client.host if request.client else ""
    caller = Caller(_NOBODY, uuid5(_NOBODY, address), "provider")
    allowance = await authority.take(caller, per_second=_PER_SECOND, burst=_BURST)
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)
    body = await request.body()
    if len(body) > _MOST:
        raise TooLarge
    return body


Body = Annotated[bytes, Depends(_signed_body)]


@public.post("/sns")
async def from_sns(body: Body) -> Response:
    """Take a message of an SNS topic, or confirm our subscription to it."""
    await actions.take_sns(body)
    return Response(_TAKEN, media_type=wire.JSON)


@public.post("/http")
async def from_gateway(body: Body, request: Request) -> Response:
    """Take the receipts of a gateway of our own."""
    await actions.take_http(
        body,
        timestamp=request.headers.get("x-receipt-timestamp", ""),
        signature=request.headers.get("x-receipt-signature", ""),
    )
    return Response(_TAKEN, media_type=wire.JSON)

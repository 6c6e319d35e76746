"""The body of a callback: no API key, so one address may send no more than a provider would."""

from typing import Annotated
from uuid import UUID, uuid5

from fastapi import Depends, Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import RateLimited, TooLarge
from chroniccare.tenancy.caller import Authority

_PER_SECOND = 500.0
_BURST = 5000
"""Callbacks of one address: more than a batch of a provider's, less than what would hurt."""
_MOST = 524_288
"""Bytes: SNS carries 256 KiB, which JSON in JSON makes longer."""
_TAKEN = b'{"status":"taken"}'
_NOBODY = UUID(int=0)


async def _bounded_body(request: Request) -> bytes:
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


Body = Annotated[bytes, Depends(_bounded_body)]


def taken() -> Response:
    """Say that it is stored, or known already."""
    return Response(_TAKEN, media_type=wire.JSON)


def signature(request: Request) -> dict[str, str]:
    """Return what a gateway signed with, for `callbacks.of_gateway`."""
    return {
        "timestamp": request.headers.get("x-receipt-timestamp", ""),
        "signature": request.headers.get("x-receipt-signature", ""),
    }

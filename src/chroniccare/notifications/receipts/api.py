"""/receipts/...: what providers tell of messages. No API key: each callback is signed."""

from fastapi import APIRouter, Request, Response

from chroniccare.notifications.callbacks_api import Body, signature, taken
from chroniccare.notifications.receipts import actions

public = APIRouter(prefix="/receipts", include_in_schema=False)


@public.post("/sns")
async def from_sns(body: Body) -> Response:
    """Take a message of an SNS topic, or confirm our subscription to it."""
    await actions.take_sns(body)
    return taken()


@public.post("/http")
async def from_gateway(body: Body, request: Request) -> Response:
    """Take the receipts of a gateway of our own."""
    await actions.take_http(body, **signature(request))
    return taken()

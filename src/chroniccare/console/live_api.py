"""/console/live: server-sent events that say which kinds of things have changed."""

from collections.abc import AsyncIterator

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from chroniccare.console import pages, routes
from chroniccare.console.live import Changes, Mark
from chroniccare.console.session import current

router = routes.router()

_SECONDS = 4.0
"""A process that is told to end waits for its answers; the browser asks again at once."""
_changes = Changes()


@router.get("/live")
async def live(request: Request) -> Response:
    """Answer a stream of `changed` events with kinds, parted by blanks.

    Each has an id, as has the end: with the last one, `Last-Event-ID`, the browser goes on.
    """
    tenant_id = current(request).caller.tenant_id
    told = Mark.of(request.headers.get("last-event-id", ""))

    async def events() -> AsyncIterator[bytes]:
        yield b"retry: 500\n\n"
        async for kinds, mark in _changes.listen(tenant_id, seconds=_SECONDS, told=told):
            yield f"id: {mark or ''}\n".encode()
            if kinds:
                yield f"event: changed\ndata: {' '.join(sorted(kinds))}\n".encode()
            yield b"\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers=pages.HEADERS)

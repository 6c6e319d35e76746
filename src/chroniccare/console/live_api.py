"""/console/live: server-sent events that say which kinds of things have changed."""

from collections.abc import AsyncIterator

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from chroniccare.console import pages, routes
from chroniccare.console.live import Changes
from chroniccare.console.session import current

router = routes.router()

_SECONDS = 25.0
"""The browser asks again: so a process that ends, or a session that ended, is noticed."""
_changes = Changes()


@router.get("/live")
async def live(request: Request) -> Response:
    """Answer a stream of `changed` events with kinds, parted by blanks."""
    tenant_id = current(request).caller.tenant_id

    async def events() -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        async for kinds in _changes.listen(tenant_id, seconds=_SECONDS):
            if kinds:
                yield f"event: changed\ndata: {' '.join(sorted(kinds))}\n\n".encode()

    return StreamingResponse(events(), media_type="text/event-stream", headers=pages.HEADERS)

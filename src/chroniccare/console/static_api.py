"""/console/static: the stylesheet, the scripts, the icons."""

from importlib.resources import files

from fastapi import APIRouter, Response

from chroniccare.console.pages import asset
from chroniccare.core.errors import NotFound

public = APIRouter(prefix="/console/static", include_in_schema=False)

_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}
_FOREVER = "public, max-age=31536000, immutable"


@public.get("/{digest}/{name:path}")
async def read_static(digest: str, name: str) -> Response:
    """Answer a file of the package; its address changes with it, so it may be kept for ever."""
    kind = _KINDS.get(name.rpartition(".")[2])
    if kind is None or ".." in name or asset(name) != f"/console/static/{digest}/{name}":
        raise NotFound("No such file.")
    body = files("chroniccare.console").joinpath("static").joinpath(name).read_bytes()
    return Response(body, headers={"cache-control": _FOREVER}, media_type=kind)

"""Names of those whom a page is about, with one call for each kind."""

import asyncio
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request

from chroniccare.console import calls
from chroniccare.core.time import zone

People = dict[str, dict[str, Any]]
_MOST = 200


async def patients(request: Request, ids: Iterable[str | None]) -> People:
    """Return the patients with these ids, in one call for 200; who was removed is not there."""
    return await _named(request, "/patients", ids)


async def providers(request: Request, ids: Iterable[str | None]) -> People:
    """Return the providers with these ids, in one call for 200."""
    return await _named(request, "/providers", ids)


async def facilities(request: Request) -> People:
    """Return the clinic's facilities by id."""
    return {one["id"]: one for one in await calls.everything(request, "/facilities", most=_MOST)}


async def clinic_zone(request: Request) -> ZoneInfo:
    """Return the zone of all facilities, UTC where they are in several."""
    names = {one["timezone"] for one in (await facilities(request)).values()}
    return zone(names.pop()) if len(names) == 1 else zone("UTC")


async def _named(request: Request, path: str, ids: Iterable[str | None]) -> People:
    wanted = sorted({one for one in ids if one})
    parts = [wanted[at : at + _MOST] for at in range(0, len(wanted), _MOST)]
    found = await asyncio.gather(
        *(calls.get(request, path, id=part, limit=_MOST) for part in parts)
    )
    return {one["id"]: one for page in found for one in page["items"]}

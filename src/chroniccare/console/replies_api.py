"""/console/replies: what patients answered and a person must look at."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from chroniccare.console import calls, forms, messages, pages, people, routes
from chroniccare.console.session import current
from chroniccare.platform.postgres import database

router = routes.router()
_MOST = 30


@router.get("/replies")
async def waiting(request: Request) -> Response:
    """List the tasks that replies have left, with what was written."""
    return await _page(request, None)


async def _page(request: Request, error: calls.Refused | None) -> Response:
    lists = await asyncio.gather(
        *(calls.get(request, "/tasks", code=code, limit=_MOST) for code in messages.REPLY_CODES)
    )
    tasks = messages.newest_first(one for found in lists for one in found["items"])
    shown = tasks[:_MOST]
    written, named = await asyncio.gather(
        asyncio.gather(*(_written(request, one) for one in shown)),
        people.patients(request, (one["patient_id"] for one in shown)),
    )
    now = database().clock()
    return pages.page(
        request, "replies.html", status=error.status if error else 200, error=error,
        tasks=[{**one, "reply": reply, "ago": messages.ago(one["created_at"], now)}
               for one, reply in zip(shown, written, strict=True)],
        more=len(tasks) - len(shown) + sum(found["next_cursor"] is not None for found in lists),
        patients=named, results=messages.RESULTS, me=current(request).display_name,
    )  # fmt: skip


async def _written(request: Request, task: dict[str, Any]) -> Any:
    """Return the reply that a task is about: itself, or the patient's latest; None if neither."""
    if "replies:read" not in current(request).caller.scopes:
        return None
    if task["focus_type"] == "reply":
        try:
            return await calls.get(request, f"/replies/{task['focus_id']}")
        except calls.Refused:  # not kept any more
            return None
    if task["patient_id"] is None:
        return None
    found = await calls.get(request, "/replies", patient_id=task["patient_id"], limit=1)
    return found["items"][0] if found["items"] else None


@router.post("/replies/{task_id:uuid}/{act}")
async def act_on(request: Request, task_id: UUID, act: str) -> Response:
    """Claim a task, put it back, or close it with what came of it."""
    form = await forms.read(request)
    bodies: dict[str, tuple[Any, str]] = {
        "claim": ({"worker": current(request).display_name}, "claimed"),
        "release": (None, "released"),
        "complete": ({"outcome": form.text("outcome"), "note": form.some("note")}, "recorded"),
    }
    body, said = bodies.get(act, (None, ""))
    try:
        await calls.call(
            request, "POST", f"/tasks/{task_id}/{act if said else 'nowhere'}", body,
            version=form.version, once=form.once,
        )  # fmt: skip
    except calls.Refused as error:
        if error.status in {403, 404}:
            raise
        return await _page(request, error)
    return pages.done("/console/replies", said)

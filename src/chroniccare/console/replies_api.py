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


async def _page(
    request: Request, error: calls.Refused | None, entries: dict[str, str] | None = None
) -> Response:
    """Show the tasks; `entries` are what was entered for one, which `id` names."""
    lists = await asyncio.gather(
        *(
            calls.get(request, "/tasks", code=messages.REPLY_CODES, priority=priority, limit=_MOST)
            for priority in messages.PRIORITIES
        )
    )
    # Each list has the longest waiting first, and they come by urgency.
    tasks = [one for found in lists for one in found["items"]]
    shown = tasks[:_MOST]
    written, named = await asyncio.gather(
        _written(request, shown),
        people.patients(request, (one["patient_id"] for one in shown)),
    )
    now = database().clock()
    return pages.page(
        request, "replies.html", status=error.status if error else 200, error=error,
        tasks=[{**one, "reply": written.get(one["id"]),
                "ago": messages.ago(one["created_at"], now)} for one in shown],
        more=len(tasks) - len(shown) + sum(found["next_cursor"] is not None for found in lists),
        patients=named, results=messages.RESULTS, entries=entries or {},
        me=str(current(request).caller.actor_id),
    )  # fmt: skip


async def _written(request: Request, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return by task the reply that it is about: itself, or its patient's latest, if any."""
    if "replies:read" not in current(request).caller.scopes or not tasks:
        return {}
    replies = {one["id"]: one["focus_id"] for one in tasks if one["focus_type"] == "reply"}
    others = {
        one["id"]: one["patient_id"]
        for one in tasks
        if one["id"] not in replies and one["patient_id"] is not None
    }
    patients = list(dict.fromkeys(others.values()))
    kept, *latest = await asyncio.gather(
        calls.get(request, "/replies", id=list(replies.values()), limit=_MOST)
        if replies
        else asyncio.sleep(0, {"items": []}),
        *(calls.get(request, "/replies", patient_id=one, limit=1) for one in patients),
    )
    by_id = {one["id"]: one for one in kept["items"]}
    by_patient = {
        patient: found["items"][0]
        for patient, found in zip(patients, latest, strict=True)
        if found["items"]
    }
    return {task: by_id.get(reply) for task, reply in replies.items()} | {
        task: by_patient.get(patient) for task, patient in others.items()
    }


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
        entries = {name: form.text(name) for name in ("outcome", "note")}
        return await _page(request, error, {"id": str(task_id), **entries})
    return pages.done("/console/replies", said)

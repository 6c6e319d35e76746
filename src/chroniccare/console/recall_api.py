"""/console/recalls: overdue patients, one of them claimed, its outcome noted in one step."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from chroniccare.console import calls, desk, forms, pages, routes
from chroniccare.console.session import current

router = routes.router()

Text = Annotated[str, Query(max_length=200)]
_HERE = "/console/recalls"


@router.get("/recalls")
async def worklist(
    request: Request, facility_id: Text = "", provider_id: Text = "", cursor: Text = ""
) -> Response:
    """Show who is to be called now, and above them whom the caller has claimed."""
    return await _page(request, facility_id, provider_id, cursor)


@router.post("/recalls/claim")
async def claim(request: Request) -> Response:
    """Claim the next patient, or the one named, for 15 minutes."""
    form = await forms.read(request)
    where = {name: form.some(name) for name in ("facility_id", "provider_id")}
    named = form.some("recall_id")
    body = {"worker": _worker(request), **({"recall_id": named} if named else where)}
    try:
        card = await calls.call(request, "POST", "/recalls/claim", body, once=form.once)
    except calls.Refused as error:
        return await _page(
            request, where["facility_id"] or "", where["provider_id"] or "", error=error
        )
    return pages.done(_back(form), "claimed" if card.data else "nothing")


@router.post("/recalls/{recall_id}/release")
async def release(request: Request, recall_id: UUID) -> Response:
    """Give a claim back without a call."""
    form = await forms.read(request)
    await calls.call(
        request, "POST", f"/recalls/{recall_id}/release", {"worker": _worker(request)},
        version=form.version, once=form.once,
    )  # fmt: skip
    return pages.done(_back(form), "released")


@router.post("/recalls/{recall_id}/call")
async def note(request: Request, recall_id: UUID) -> Response:
    """Note what came of a call; the next patient is then one key away."""
    form = await forms.read(request)
    outcome = form.text("outcome")
    body = {
        "worker": _worker(request), "outcome": outcome, "note": form.some("note"),
        "removed_reason": form.some("removed_reason") if outcome == "removed" else None,
        "remind_on": form.some("remind_on") if outcome == "remind_to_call_later" else None,
    }  # fmt: skip
    try:
        answer = await calls.call(
            request, "POST", f"/recalls/{recall_id}/calls", body,
            version=form.version, once=form.once,
        )  # fmt: skip
    except calls.Refused as error:
        return await _page(
            request, form.text("facility_id"), form.text("provider_id"), error=error,
            entries={name: form.text(name) for name in ("note", "remind_on", "removed_reason")},
        )  # fmt: skip
    if outcome == "agreed_to_visit" and desk.may(request, "appointments:write"):
        return pages.done(f"/console/book?patient_id={answer.data['patient_id']}", "recorded")
    return pages.done(_back(form), "recorded")


def _worker(request: Request) -> str:
    return current(request).display_name


def _back(form: forms.Form) -> str:
    return f"{_HERE}?facility_id={form.text('facility_id')}&provider_id={form.text('provider_id')}"


async def _page(
    request: Request,
    facility_id: str,
    provider_id: str,
    cursor: str = "",
    *,
    error: calls.Refused | None = None,
    entries: dict[str, str] | None = None,
) -> Response:
    clinic = await desk.clinic(request)
    found = await calls.get(
        request, "/recalls", facility_id=facility_id or None, provider_id=provider_id or None,
        cursor=cursor or None, limit=50, worker=_worker(request),
    )  # fmt: skip
    mine: list[dict[str, Any]] = [one for one in found["items"] if one["claimed_until"]]
    return pages.page(
        request, "recalls.html", status=error.status if error else 200, error=error, clinic=clinic,
        names=clinic.names(), facility_id=facility_id, provider_id=provider_id, mine=mine,
        waiting=[one for one in found["items"] if one not in mine], cursor=found["next_cursor"],
        entries={"note": "", "remind_on": "", "removed_reason": "", **(entries or {})},
        writes=desk.may(request, "recalls:write"),
    )  # fmt: skip

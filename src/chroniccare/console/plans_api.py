"""/console/admin/plans: through which channels each kind of message goes, in which order."""

from typing import Any

from fastapi import Request, Response

from chroniccare.console import calls, desk, forms, pages, records, routes
from chroniccare.core.errors import NotFound

router = routes.router()

_HOME = "/console/admin/plans"
_PLANS = "/notification-plans"


@router.get("/admin/plans")
async def show(request: Request) -> Response:
    """Show what holds for each kind of message."""
    plans = (await calls.get(request, f"{_PLANS}/in-force"))["plans"]
    return pages.page(request, "plans.html", plans=plans)


@router.get("/admin/plans/{kind}")
async def look(request: Request, kind: str) -> Response:
    """Show the steps of one kind of message."""
    return await _form(request, await _of(request, kind))


@router.post("/admin/plans/{kind}")
async def change(request: Request, kind: str) -> Response:
    """Replace the clinic's own plan, or make one."""
    form = await forms.read(request)
    steps = _steps(form)
    try:
        if form.version:
            await calls.call(
                request, "PUT", f"{_PLANS}/{form.id('plan_id')}", {"steps": steps},
                version=form.version,
            )  # fmt: skip
        else:
            body = {"notification_type": kind, "steps": steps}
            await calls.call(request, "POST", _PLANS, body, once=form.once)
    except calls.Refused as error:
        # Read again: somebody else may have changed it meanwhile.
        return await _form(request, await _of(request, kind), entries=steps, error=error)
    return pages.done(_HOME, "saved")


@router.post("/admin/plans/{kind}/default")
async def go_back(request: Request, kind: str) -> Response:
    """Take the clinic's own plan away: the default holds again."""
    form, plan = await forms.read(request), await _of(request, kind)
    try:
        await calls.call(
            request, "DELETE", f"{_PLANS}/{form.id('plan_id')}", version=form.version
        )  # fmt: skip
    except calls.Refused as error:
        return await _form(request, plan, error=error)
    return pages.done(_HOME, "removed")


async def _of(request: Request, kind: str) -> dict[str, Any]:
    """Return what holds for a kind of message.

    Raises:
        NotFound: there is no such kind.
    """
    plans = (await calls.get(request, f"{_PLANS}/in-force"))["plans"]
    found = next((one for one in plans if one["notification_type"] == kind), None)
    if found is None:
        raise NotFound("There is no such page.")
    return found  # type: ignore[no-any-return]  # of JSON


def _steps(form: forms.Form) -> list[dict[str, Any]]:
    """Return the steps of a form, a row each; rows without a channel are left out."""
    columns = (form.values.get(name, []) for name in ("channel", "minutes", "evidence"))
    return [
        {"channel": channel, "timeout_minutes": forms.whole(minutes), "evidence": evidence}
        for channel, minutes, evidence in zip(*columns, strict=False)
        if channel
    ]


async def _form(
    request: Request,
    plan: dict[str, Any],
    *,
    entries: list[dict[str, Any]] | None = None,
    error: calls.Refused | None = None,
) -> Response:
    version = None
    if plan["plan_id"]:
        version = (await calls.get(request, f"{_PLANS}/{plan['plan_id']}"))["version"]
    return pages.page(
        request, "plan.html", status=error.status if error else 200, plan=plan, version=version,
        steps=plan["steps"] if entries is None else entries, error=error,
        faults=records.faults(error.fields) if error else {},
        writes=desk.may(request, "notifications:write"),
    )  # fmt: skip

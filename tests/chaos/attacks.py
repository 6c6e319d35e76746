"""Every path on which a visit is booked, moved, held or given up: one line a path at the end.

An attack makes one or a few requests; what comes of them is in the journal, and is judged by the
checker alone. To add a path, write its function and a line in ATTACKS.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.chaos.attacker import Attacker
from tests.chaos.journal import now
from tests.chaos.world import BEATS, LENGTHS, TYPES

_HELD_MINUTES = 1
_OPEN = ("scheduled", "confirmed")
_WRITABLE = (
    "patient_id", "provider_id", "facility_id", "appointment_type", "scheduled_start",
    "duration_minutes", "priority", "reason", "special_requirements",
    "pre_appointment_instructions", "telehealth_details", "insurance_verified",
    "additional_provider_ids", "resource_ids", "override",
)  # fmt: skip
_GROUP = (
    "title", "provider_id", "facility_id", "appointment_type", "scheduled_start",
    "duration_minutes", "seats", "additional_provider_ids", "resource_ids", "override",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attack:
    """One path, and how often it is taken compared with the others."""

    name: str
    weight: int
    act: Callable[[Attacker], Awaitable[object]]


def _override(*rules: str) -> dict[str, Any]:
    return {"allow": list(rules), "reason": "Squeezed in"}


async def _book(at: Attacker, attack: str, body: dict[str, Any]) -> Any:
    return await at.post(attack, "/appointments", body, key=body["reason"])


async def create(at: Attacker) -> None:
    """Book what everybody wants."""
    await _book(at, "create", at.visit())


async def _twice(at: Attacker, attack: str, path: str, body: dict[str, Any], key: str) -> Any:
    return await asyncio.gather(
        *(at.send(attack, "POST", path, body, key=key, wire=wire) for wire in (at.wire, at.second))
    )


async def same_key(at: Attacker) -> None:
    """Send one booking on two connections at the same moment, and again when it is cancelled."""
    body = at.visit()
    attack, key = "create, same key twice", body["reason"]
    answers = await _twice(at, attack, "/appointments", body, key)
    for visit in [one for got in answers for one in got.visits][:1]:
        if at.dice.random() < 0.5:
            reason = {"cancellation_reason": "Chaos"}
            await at.send("cancel", "DELETE", f"/appointments/{visit['id']}", reason)
            await at.post(attack, "/appointments", body, key=key)


async def same_move(at: Attacker) -> None:
    """Send one change of time on two connections at the same moment."""
    _, start = at.aim()
    path = f"/appointments/{at.pick(*_OPEN, 'held')}/reschedule"
    body = {"scheduled_start": start.isoformat()}
    await _twice(at, "reschedule, same key twice", path, body, at.key())


async def last_place(at: Attacker) -> None:
    """Want two of the one visit that the part-timer has on a day, at different hours."""
    hours = at.dice.sample(range(9), 2)
    bodies = [
        at.visit(
            provider_id=at.world.part_timer, appointment_type="talk", patient_id=patient,
            scheduled_start=(at.world.day(now()) + timedelta(hours=hour)).isoformat(),
        )
        for hour, patient in zip(hours, at.dice.sample(at.world.patients, 2), strict=True)
    ]  # fmt: skip
    await asyncio.gather(
        *(
            at.send("the day's last place", "POST", "/appointments", body, key=body["reason"],
                    wire=wire)
            for wire, body in zip((at.wire, at.second), bodies, strict=True)
        )
    )  # fmt: skip


async def together(at: Attacker) -> None:
    """Book two providers and a room at once."""
    body = at.visit()
    body["additional_provider_ids"] = at.others(body["provider_id"])
    body["resource_ids"] = [at.dice.choice([*at.world.rooms, *at.world.pumps])]
    await _book(at, "create with others and a room", body)


async def overbook(at: Attacker) -> None:
    """Book over another visit, and now and then over the day's maximum."""
    rules = ["overbook", "daily_maximum"][: at.dice.choice((1, 1, 2))]
    await _book(at, "overbook", at.visit(override=_override(*rules)))


async def hold(at: Attacker) -> None:
    """Hold a time, and book it unless it is left to lapse."""
    body = at.visit(hold_minutes=_HELD_MINUTES)
    got = await _book(at, "hold", body)
    if got.status == 201:
        if at.dice.random() < 0.3:
            await asyncio.sleep(at.dice.random() * 2.5)
        if at.dice.random() < 0.6:
            await at.post("book a hold", f"/appointments/{got.visits[0]['id']}/book")


async def take_up(at: Attacker) -> None:
    """Book a hold of somebody else's."""
    await at.look("held")
    await at.post("book a hold", f"/appointments/{at.pick('held')}/book")


async def reschedule(at: Attacker) -> None:
    """Move a visit to where everybody wants to be, and maybe over another."""
    provider, start = at.aim()
    body: dict[str, Any] = {"scheduled_start": start.isoformat()}
    if at.dice.random() < 0.7:
        body["provider_id"] = provider
    if at.dice.random() < 0.3:
        body["duration_minutes"] = at.dice.choice((20, 40))
    if at.dice.random() < 0.2:
        body["override"] = _override("overbook")
    if at.dice.random() < 0.4:
        await at.look(*_OPEN)
    await at.post("reschedule", f"/appointments/{at.pick(*_OPEN, 'held')}/reschedule", body)


async def put(at: Attacker) -> None:
    """Replace a visit, mostly as it was read: another start, more people, or words alone."""
    await at.look(*_OPEN)
    visit = await at.read(at.pick(*_OPEN))
    if visit is None:
        return
    body = {name: visit[name] for name in _WRITABLE}
    change = at.dice.random()
    if change < 0.5:
        body["provider_id"], start = at.aim()
        body["scheduled_start"] = start.isoformat()
    elif change < 0.8:
        body["additional_provider_ids"] = at.others(body["provider_id"])
        body["resource_ids"] = [at.dice.choice(at.world.rooms)]
    others = [one for one in body["additional_provider_ids"] if one != body["provider_id"]]
    body["additional_provider_ids"] = others
    headers = {"if-match": f'"{visit["version"]}"'} if at.dice.random() < 0.7 else {}
    await at.send("put", "PUT", f"/appointments/{visit['id']}", body, headers=headers)


async def cancel(at: Attacker) -> None:
    """Cancel a visit, so that there is something to fight for."""
    reason = {"cancellation_reason": "Chaos", "notify_patient": at.dice.random() < 0.5}
    await at.look(*_OPEN)
    path = f"/appointments/{at.pick(*_OPEN, 'held')}"
    await at.send("cancel", "DELETE", path, reason)


async def confirm(at: Attacker) -> None:
    """Confirm a visit."""
    await at.post("confirm", f"/appointments/{at.pick('scheduled')}/confirm")


async def step(at: Attacker) -> None:
    """Check in, start, complete, or take that back: visits of today."""
    name = at.dice.choice(("checkin", "checkin", "start", "complete", "undo", "undo"))
    await at.post("check in ... undo", f"/appointments/{at.dice.choice(at.world.today[:1])}/{name}")


async def miss(at: Attacker) -> None:
    """Mark a visit of today as a no-show, squeeze another in, and take the no-show back.

    The other goes again, or the first could come back once only.
    """
    which = at.dice.randrange(1, len(at.world.today))
    visit = at.world.today[which]
    await at.post("no-show", f"/appointments/{visit}/no-show")
    squeezed = []
    if at.dice.random() < 0.4:
        soon = datetime.fromisoformat(at.world.soon)
        body = at.visit(
            scheduled_start=(soon + timedelta(minutes=at.dice.randrange(0, 170, 5))).isoformat(),
            duration_minutes=20,
            provider_id=at.world.providers[which],
        )
        squeezed = (await _book(at, "create where a no-show was", body)).visits
    await at.post("undo a no-show", f"/appointments/{visit}/undo")
    for one in squeezed:
        reason = {"cancellation_reason": "Chaos"}
        await at.send("cancel", "DELETE", f"/appointments/{one['id']}", reason)


async def plan_group(at: Attacker) -> None:
    """Plan a group session with few seats."""
    provider, start = at.aim()
    key = at.key()
    body = {
        "title": key, "provider_id": provider, "facility_id": at.world.facility,
        "appointment_type": at.dice.choice(TYPES), "scheduled_start": start.isoformat(),
        "duration_minutes": at.dice.choice(LENGTHS), "seats": at.dice.choice((2, 3)),
    }  # fmt: skip
    await at.post("group session", "/group-sessions", body, key=key)


async def _session(at: Attacker) -> dict[str, Any] | None:
    """Return a session to come; everybody thinks of the same at the same time."""
    found = await at.list(f"/group-sessions?status=scheduled&from={at.world.from_}&limit=50")
    return found[int(now() * BEATS) % len(found)] if found else None


async def take_seats(at: Attacker) -> None:
    """Want two seats at once in a session that everybody wants a seat in."""
    session = await _session(at)
    if session is None:
        return
    path = f"/group-sessions/{session['id']}/appointments"
    keys = [at.key(), at.key()]
    patients = at.dice.sample(at.world.patients, 2)
    await asyncio.gather(
        *(
            at.send("seat in a group", "POST", path, {"patient_id": patient, "reason": key},
                    key=key, wire=wire)
            for wire, key, patient in zip((at.wire, at.second), keys, patients, strict=True)
        )
    )  # fmt: skip


async def move_group(at: Attacker) -> None:
    """Move a session with all its seats, give it fewer seats, or cancel it."""
    session = await _session(at)
    if session is None:
        return
    path = f"/group-sessions/{session['id']}"
    if at.dice.random() < 0.3:
        reason = {"cancellation_reason": "Chaos"}
        await at.send("cancel a group", "DELETE", path, reason)
        return
    body = {name: session[name] for name in _GROUP}
    if at.dice.random() < 0.8:
        body["provider_id"], start = at.aim()
        body["scheduled_start"] = start.isoformat()
    else:
        body["seats"] = at.dice.choice((1, 2, 3))
    await at.send("move a group", "PUT", path, body)


async def book_series(at: Attacker) -> None:
    """Book a few visits that come back, from the hour that everybody wants on."""
    provider, start = at.aim()
    key = at.key()
    body = {
        **at.visit(provider_id=provider, reason=None), "series_name": key,
        "first_date": f"{start:%Y-%m-%d}", "local_time": _local(at, start),
        "recurrence": {"rrule": f"FREQ=DAILY;COUNT={at.dice.choice((2, 3, 4))}"},
        "mode": at.dice.choice(("all_or_nothing", "next_best", "next_best", "skip_conflicts")),
        "max_shift_days": 2,
    }  # fmt: skip
    del body["scheduled_start"]
    await at.post("series", "/appointments/batch", body, key=key)


async def change_series(at: Attacker) -> None:
    """Move a whole series to another time of day, or cancel it."""
    found = await at.list(f"/patients/{at.dice.choice(at.world.patients)}/series?limit=20")
    active = [one["id"] for one in found if one["is_active"]]
    if not active:
        return
    path = f"/appointments/series/{at.dice.choice(active)}"
    if at.dice.random() < 0.4:
        reason = {"scope": "all", "cancellation_reason": "Chaos"}
        await at.send("cancel a series", "DELETE", path, reason)
    else:
        _, start = at.aim()
        body = {"scope": "all", "local_time": _local(at, start)}
        await at.post("edit a series", f"{path}/edit", body)


def _local(at: Attacker, start: datetime) -> str:
    return f"{start.astimezone(ZoneInfo(at.world.zone)):%H:%M}"


async def wait(at: Attacker) -> None:
    """Put a patient on the waitlist, with any provider."""
    body = {"patient_id": at.dice.choice(at.world.patients), "appointment_type": "talk"}
    await at.post("join the waitlist", "/waitlist", body)


async def offer(at: Attacker) -> None:
    """Offer what everybody wants to somebody who waits; take an offer, twice at once, or not."""
    # Of a list by urgency and age, the first pages are soon of those who wait no more.
    status = at.dice.choice(("waiting", "waiting", "offered"))
    entries = await at.list(f"/waitlist?status={status}&limit=50")
    if not entries:
        return
    entry = f"/waitlist/{at.dice.choice(entries)['id']}"
    provider, start = at.aim()
    body = {
        "provider_id": provider, "facility_id": at.world.facility, "notify_patient": False,
        "scheduled_start": start.isoformat(), "duration_minutes": at.dice.choice(LENGTHS),
    }  # fmt: skip
    await at.post("offer", f"{entry}/offers", body)
    for one in (await at.list(f"{entry}/offers"))[:1]:
        path = f"/waitlist/offers/{one['id']}"
        if at.dice.random() < 0.7:
            accepts = (at.post("accept an offer", f"{path}/accept"),
                       at.send("accept an offer", "POST", f"{path}/accept", key=at.key(),
                               wire=at.second))  # fmt: skip
            await asyncio.gather(*accepts)
        else:
            await at.post("decline an offer", f"{path}/decline")


async def hours(at: Attacker) -> None:
    """Take time off where everybody wants to be, which moves or cancels visits; then come back."""
    provider, hour = at.world.hot(now())
    path, start = f"/providers/{provider}/exceptions", at.dice.randrange(9, 16)
    body = {
        "day": f"{hour:%Y-%m-%d}", "start_time": f"{start:02}:00", "end_time": f"{start + 2:02}:00",
        "reason": at.key(),
    }  # fmt: skip
    choice = at.dice.choice(("move", "move", "cancel", "keep"))
    await at.post(f"time off: {choice}", f"{path}?stranded={choice}", body)
    for one in await at.list(f"{path}?limit=20"):
        await at.send("time off, taken back", "DELETE", f"{path}/{one['id']}")


ATTACKS = (
    Attack("create", 22, create),
    Attack("same key", 8, same_key),
    Attack("same move", 4, same_move),
    Attack("last place", 5, last_place),
    Attack("together", 10, together),
    Attack("overbook", 8, overbook),
    Attack("hold", 12, hold),
    Attack("take up", 4, take_up),
    Attack("reschedule", 14, reschedule),
    Attack("put", 8, put),
    Attack("cancel", 16, cancel),
    Attack("confirm", 4, confirm),
    Attack("plan group", 4, plan_group),
    Attack("take seats", 6, take_seats),
    Attack("move group", 4, move_group),
    Attack("series", 5, book_series),
    Attack("change series", 3, change_series),
    Attack("wait", 3, wait),
    Attack("offer", 5, offer),
    Attack("hours", 5, hours),
    Attack("step", 4, step),
    Attack("miss", 4, miss),
)

"""Explains messages and counts them; nothing here changes anything."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from chroniccare.core.errors import Invalid, NotFound
from chroniccare.core.time import to_local, zone
from chroniccare.notifications import actions as notifications
from chroniccare.notifications.spend.actions import usual_sms
from chroniccare.notifications.spend.rules import Usual, amount_of
from chroniccare.notifications.why import queries, rules, story
from chroniccare.platform.postgres import Tx

GroupBy = Literal["channel", "notification_type", "hour"]


async def timeline(tx: Tx, notification_id: UUID) -> dict[str, Any]:
    """Return every step of one message, the first one first, and its last state in words.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    subject = await tx.one(queries.SUBJECT, notification_id)
    if subject is None:
        raise NotFound("No such notification.")
    changes = await tx.all(queries.HISTORY, notification_id)
    attempts = await tx.all(queries.ATTEMPTS, notification_id)
    receipts = (
        await tx.all(queries.RECEIPTS, [attempt.id for attempt in attempts]) if attempts else []
    )
    events = story.story(subject, changes, attempts, receipts)
    return {
        "id": subject.id,
        "notification_type": subject.notification_type,
        "delivery_status": subject.delivery_status,
        "scheduled_send_time": subject.scheduled_send_time,
        "explanation": next((e.text for e in reversed(events) if e.status is not None), ""),
        "events": events,
    }


async def queue(tx: Tx) -> dict[str, Any]:
    """Return what is due by now and not sent, and since when."""
    await tx.plan_afresh()
    waiting = await tx.all(queries.QUEUE, tx.now)
    oldest = min((one.oldest_at for one in waiting), default=tx.now)
    return {
        "as_of": tx.now,
        "count": sum(one.count for one in waiting),
        "age_seconds": (tx.now - oldest).total_seconds(),
        "waiting": waiting,
    }


async def counts(
    tx: Tx, start: datetime | None, end: datetime | None, *, group_by: GroupBy | None,
    time_zone: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Count messages by status and channel, and by `group_by` with rates; see `rules.tally`.

    Raises:
        Invalid: the range is empty or longer than 366 days, or no such zone.
    """
    found = await notifications.counts(tx, start, end)
    if group_by is None:
        if time_zone is not None:
            raise Invalid.field("time_zone", "is for `group_by=hour`", "unused")
        return {**found, "group_by": None, "time_zone": None, "groups": []}
    # Every message of the range once more, with its attempts: planned for this range.
    await tx.plan_afresh()
    span = (found["from"], found["to"])
    name = None
    if group_by == "hour":
        name = await _zone_name(tx, time_zone)
        begins, shown = rules.hours(*span, zone(name))
        rows = await tx.all(queries.BY_HOUR, *span, begins, shown)
    elif time_zone is not None:
        raise Invalid.field("time_zone", "is for `group_by=hour`", "unused")
    else:
        query = queries.BY_CHANNEL if group_by == "channel" else queries.BY_TYPE
        rows = await tx.all(query, *span)
    return {**found, "group_by": group_by, "time_zone": name, "groups": _tallies(rows)}


def _tallies(rows: list[queries.GroupCount]) -> list[rules.Tally]:
    statuses: dict[str, dict[str, int]] = defaultdict(dict)
    fallbacks: dict[str, int] = defaultdict(int)
    for row in rows:
        statuses[row.key][row.delivery_status] = row.count
        fallbacks[row.key] += row.fallbacks
    return [rules.tally(key, statuses[key], fallbacks[key]) for key in sorted(statuses)]


async def forecast(tx: Tx, days: int, *, time_zone: str | None) -> dict[str, Any]:
    """Return how many messages go out on each of the next local days, as planned now.

    What is due already counts today. Bookings and cancellations to come are not guessed.
    """
    name = await _zone_name(tx, time_zone)
    home: ZoneInfo = zone(name)
    first = to_local(tx.now, home).date()
    begins = rules.days(first, days, home)
    # Anything older than today is due, so the first day begins before it.
    rows = await tx.all(queries.PLANNED, begins[1:], begins[-1])
    price, usual = tx.settings.sms_segment_price, await usual_sms(tx)
    found: list[dict[str, Any]] = []
    for number in range(days):
        planned = [row for row in rows if row.stretch == number]
        if planned:
            day = first + timedelta(days=number)
            found.append({"day": day, **_totals(planned, price, usual), "planned": _lines(planned)})
    follow_ups = await tx.value(queries.FOLLOW_UPS, begins[-1])
    return {
        "time_zone": name,
        "days": days,
        **_totals(rows, price, usual),
        "follow_ups_at_most": follow_ups,
        "by_day": found,
    }


def _lines(rows: list[queries.Planned]) -> list[dict[str, Any]]:
    return [
        {
            "channel": row.channel,
            "notification_type": row.notification_type,
            "count": row.count,
            "moved": row.moved,
        }
        for row in rows
    ]


def _totals(rows: list[queries.Planned], price: float | None, usual: Usual) -> dict[str, Any]:
    texts = sum(row.count for row in rows if row.channel == "sms")
    return {
        "count": sum(row.count for row in rows),
        "moved": sum(row.moved for row in rows),
        "cost_at_least": None if price is None else round(texts * price, 4),
        "segments": round(texts * usual.segments),
        "cost": amount_of(round(texts * usual.micros)) if usual.known else None,
    }


async def _zone_name(tx: Tx, given: str | None) -> str:
    """Return the zone asked for, else the one that all facilities share, else UTC."""
    if given is not None:
        zone(given)
        return given
    names = await tx.values(queries.ZONES)
    return names[0] if len(names) == 1 else "UTC"

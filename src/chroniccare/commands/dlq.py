"""Messages that reached nobody, for the operator: listed, explained, sent after all."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.commands import tenants
from chroniccare.core.errors import Invalid
from chroniccare.core.time import parse_instant
from chroniccare.notifications.replay import actions, queries
from chroniccare.notifications.replay.rules import MAX_REPLAY
from chroniccare.notifications.schemas import CHANNELS
from chroniccare.notifications.why import actions as why
from chroniccare.platform.postgres import begin

Failures = tuple[list[queries.Group], list[queries.Failed]]


def filters(cause: str | None, channel: str | None, since: str | None) -> list[Any]:
    """Return the filters as `replay.actions` takes them; `since` is ISO 8601 with an offset.

    Raises:
        Invalid: no such channel, or not an instant.
    """
    if channel is not None and channel not in CHANNELS:
        raise Invalid.field("channel", f"must be one of {', '.join(CHANNELS)}", "channel")
    if since is None:
        return [cause, channel, None]
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        raise Invalid.field("since", "must be like 2026-12-01T09:00:00-05:00", "date") from None
    return [cause, channel, parse_instant(at, field="since")]


async def listed(subdomain: str | None, wanted: list[Any], limit: int) -> Failures:
    """Return the groups and the latest messages; the read is audited."""
    caller = await tenants.caller(subdomain)
    async with begin(caller) as tx:
        groups = await actions.groups(tx, wanted)
        found = await actions.listed(tx, wanted, cursor=None, limit=limit)
    seen = [row.id for row in found.items]
    await note_read(caller, entity_type="notification", seen=seen, action="list_failed")
    return groups, found.items


async def shown(subdomain: str | None, notification_id: UUID) -> dict[str, Any]:
    """Return the story of one message; the read is audited."""
    caller = await tenants.caller(subdomain)
    async with begin(caller) as tx:
        found = await why.timeline(tx, notification_id)
    await note_read(caller, entity_type="notification", seen=[notification_id])
    return found


async def replay(
    subdomain: str | None, notification_id: UUID | None, wanted: list[Any]
) -> list[actions.Verdict]:
    """Put back one message, or whatever matches; see `replay.actions`.

    A thousand a transaction; may be interrupted and run again.
    """
    caller = await tenants.caller(subdomain)
    if notification_id is not None:
        async with begin(caller) as tx:
            return [await actions.replay(tx, notification_id)]
    done: list[actions.Verdict] = []
    cursor: str | None = None
    while True:
        async with begin(caller) as tx:
            found = await actions.replay_many(tx, wanted, cursor=cursor, limit=MAX_REPLAY)
        done += found["results"]
        cursor = found["next_cursor"]
        if cursor is None:
            return done

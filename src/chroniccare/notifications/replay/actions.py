"""Puts messages that reached nobody back, after the same look that delivery takes.

Delivery looks again at the moment of sending: consent, quiet hours, opt-outs and the visit are
checked twice, here so that staff hear at once why something cannot be sent, there because it
counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record_many
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.notifications import decide, queries_due, rules
from chroniccare.notifications.plan import LOOP
from chroniccare.notifications.plans import actions as plans
from chroniccare.notifications.preferences import optouts, recipients
from chroniccare.notifications.replay import queries
from chroniccare.notifications.replay.rules import MAX_REPLAY, PERHAPS_SENT, REPLAYABLE
from chroniccare.notifications.spend import budget
from chroniccare.notifications.why.story import REASONS
from chroniccare.platform.postgres import Tx

_LISTING = "failed notifications"


class NotReplayable(Conflict):
    """The message is on its way, or was taken by a provider: a second one might reach them."""

    code = "NOT_REPLAYABLE"
    message = "Only a message that reached nobody can be replayed."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one message: `requeued`, or `refused` with the reason as a code."""

    id: UUID
    outcome: str
    reason: str | None = None
    next_attempt_at: datetime | None = None


async def groups(tx: Tx, filters: list[Any]) -> list[queries.Group]:
    """Return what failed by cause and channel; `filters` are cause, channel and since."""
    await tx.plan_afresh()
    return await tx.all(queries.GROUPS, *filters)


async def listed(
    tx: Tx, filters: list[Any], *, cursor: str | None, limit: int
) -> paging.Page[queries.Failed]:
    """Return one page of what failed, the latest first; see `groups`."""
    after = paging.decode(cursor, _LISTING, filters, [datetime.fromisoformat, UUID])
    await tx.plan_afresh()
    rows = await tx.all(queries.LIST, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.failed_at, row.id]
    )


async def replay(tx: Tx, notification_id: UUID) -> Verdict:
    """Put one message back.

    Raises:
        NotFound: none with this id in the caller's tenant.
        NotReplayable: it is waiting, given up, or was perhaps sent.
        Unprocessable: it would not be sent: the code of the error says why.
    """
    verdicts = await _replayed(tx, [notification_id])
    if not verdicts:
        raise NotFound("No such notification.")
    verdict = verdicts[0]
    if verdict.reason in {"not_failed", "perhaps_sent"}:
        raise NotReplayable
    if verdict.outcome == "refused":
        reason = verdict.reason or "refused"
        words = f"would not be sent: {REASONS.get(reason, reason)}"
        detail = FieldError("notification_id", words, reason)
        raise Unprocessable(details=[detail])
    return verdict


async def replay_many(
    tx: Tx, filters: list[Any], *, cursor: str | None = None, limit: int = MAX_REPLAY
) -> dict[str, Any]:
    """Put back up to `limit` messages, the latest first, and say of each what became of it.

    What was refused stays as it is; `next_cursor` goes on behind this page.
    """
    found = await listed(tx, filters, cursor=cursor, limit=limit)
    verdicts = await _replayed(tx, [row.id for row in found.items])
    by_id = {verdict.id: verdict for verdict in verdicts}
    results = [by_id[row.id] for row in found.items if row.id in by_id]
    requeued = sum(verdict.outcome == "requeued" for verdict in results)
    return {
        "requeued": requeued,
        "refused": len(results) - requeued,
        "results": results,
        "next_cursor": found.next_cursor,
    }


async def check_many(
    tx: Tx, filters: list[Any], *, cursor: str | None, limit: int
) -> dict[str, Any]:
    """Say of one page, as `listed` has it, what a replay would do now; nothing is changed."""
    found = await listed(tx, filters, cursor=cursor, limit=limit)
    looked = await _looked_at(tx, [row.id for row in found.items])
    by_id = {verdict.id: verdict for _, verdict in looked}
    results = [by_id[row.id] for row in found.items if row.id in by_id]
    requeued = sum(verdict.outcome == "requeued" for verdict in results)
    return {
        "requeued": requeued,
        "refused": len(results) - requeued,
        "results": results,
        "next_cursor": found.next_cursor,
    }


async def _replayed(tx: Tx, ids: Sequence[UUID]) -> list[Verdict]:
    """Lock, look, and put back in one statement what can be sent."""
    await tx.plan_afresh()
    standing = {row.id: row for row in await tx.all(queries.LOCK, list(ids))}
    failed = [row.id for row in standing.values() if row.delivery_status in REPLAYABLE]
    verdicts = [
        Verdict(row.id, "refused", "not_failed")
        for row in standing.values()
        if row.delivery_status not in REPLAYABLE
    ]
    rows: list[dict[str, Any]] = []
    for due, verdict in await _looked_at(tx, failed):
        verdicts.append(verdict)
        if verdict.outcome == "requeued":
            rows.append(
                {
                    "id": due.id,
                    "channel": due.channel_plan[0],
                    "channel_plan": due.channel_plan,
                    "next_at": verdict.next_attempt_at,
                    "replays": standing[due.id].replays + 1,
                }
            )
    if rows:
        by = f"{tx.caller.actor_type}:{tx.caller.actor_id}" if tx.caller.actor_id else "operator"
        await tx.run(queries.REPLAY, rows, tx.now, by)
        changed: dict[UUID, tuple[Any, Any]] = {
            row["id"]: (
                {"delivery_status": standing[row["id"]].delivery_status},
                {"delivery_status": "pending", "replays": row["replays"]},
            )
            for row in rows
        }
        await record_many(tx, action="replay", entity_type="notification", changed=changed)
        tx.wake(LOOP)
    return verdicts


async def _looked_at(tx: Tx, ids: Sequence[UUID]) -> list[tuple[queries_due.Due, Verdict]]:
    """Decide about each as delivery would now, with every channel the patient wants."""
    if not ids:
        return []
    rows = await tx.all(queries_due.READ_DUE, list(ids))
    afresh = [plans.afresh(recipients.afresh(due)) for due in rows]
    addresses = {value for due in afresh for value in decide.every_address(due)}
    suppressed = await optouts.barred(tx, addresses)
    quiet = rules.parse_quiet_hours(tx.settings.quiet_hours)
    decided = [
        (due, decide.decide(due, now=tx.now, quiet=quiet, suppressed=suppressed)) for due in afresh
    ]
    sends = [(due, one) for due, one in decided if isinstance(one, decide.Send)]
    hopeless = await budget.hopeless(tx, sends)
    return [
        (due, _verdict(before, decision, now=tx.now, hopeless=hopeless.get(due.id)))
        for before, (due, decision) in zip(rows, decided, strict=True)
    ]


def _verdict(
    before: queries_due.Due, decision: decide.Send | decide.Stop | decide.Hold, *, now: datetime,
    hopeless: str | None,
) -> Verdict:  # fmt: skip
    if before.attempt_status in PERHAPS_SENT:
        return Verdict(before.id, "refused", "perhaps_sent")
    if isinstance(decision, decide.Stop):
        return Verdict(before.id, "refused", decision.reason)
    if hopeless is not None:
        return Verdict(before.id, "refused", hopeless)
    at = decision.until if isinstance(decision, decide.Hold) else now
    return Verdict(before.id, "requeued", None, at)

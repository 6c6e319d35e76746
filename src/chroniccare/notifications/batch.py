"""`chroniccare notify FILE`: a list of appointments goes in, reminders go out, each row once.

The file has the field names of the notification stack: patientId, phoneNumber, email,
appointmentTime, doctorName, location, appointmentId. Its rows become notifications without a
patient, claimed from the start by this run, and delivered like any other.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any
from uuid import UUID

from chroniccare.core.caller import system
from chroniccare.core.ids import new_id
from chroniccare.notifications import delivery, dispatch, queries, queries_due, rules
from chroniccare.notifications.batch_file import Row, RowProblem, read
from chroniccare.notifications.channels.choice import Channels
from chroniccare.platform.postgres import Tx, begin

CHUNK = delivery.BATCH
_FIRST = 40
"""Rows of the first chunk: it is soon on the wire, and the next rows are read meanwhile."""
_PARALLEL = 4
_WAIT_S = 0.5
_OPEN = frozenset({"pending", "held", "queued", "sending"})
_SENT = frozenset({"accepted", "delivered", "unconfirmed"})

Progress = Callable[[int, int], None]
"""Called with the rows that are settled so far, and all rows."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a file; every row of it is counted exactly once.

    `processed` = `success` + `fallback` + `failed` + `invalid` + `already_sent`.

    Attributes:
        success: sent by SMS.
        fallback: sent by email, because the SMS could not be sent or there was no number for it.
        failed: could be read, but nobody could be reached; `problems` says why.
        invalid: could not be read.
        already_sent: an earlier run, or an earlier row of this file, has sent it.
        success_rate: percentage of all rows whose message was sent, now or earlier; None when the
            file has no rows.
        problems: what is wrong with which line, the first line first; also of rows that were sent,
            such as a phone number that could not be used.
    """

    batch_id: UUID
    processed: int
    success: int
    fallback: int
    failed: int
    invalid: int
    already_sent: int
    success_rate: float | None
    problems: list[RowProblem]


_REPEATED = "the same appointment stands on an earlier line"


@dataclass(slots=True)
class _Run:
    """One file on its way."""

    tenant_id: UUID
    batch_id: UUID
    channels: Channels
    total: int
    progress: Progress
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[RowProblem] = field(default_factory=list)
    waiting: dict[UUID, Row] = field(default_factory=dict)
    repeats: dict[str, list[Row]] = field(default_factory=dict)

    def settle(self, row: Row, what: str, reason: str | None = None) -> None:
        """Count a row, and with it later rows of the file that say the same."""
        self.count(what, row.line, reason)
        for again in self.repeats.pop(row.key, []):
            if what in {"success", "fallback", "already_sent"}:
                self.count("already_sent", again.line, _REPEATED)
            else:
                self.count(what, again.line, f"the same appointment as on line {row.line}")

    def count(self, what: str, line: int, reason: str | None = None) -> None:
        self.counts[what] += 1
        if reason is not None:
            self.problems.append(RowProblem(line, reason))
        self.progress(self.counts.total(), self.total)


async def notify(
    path: Path, *, tenant_id: UUID, channels: Channels, region: str = "US",
    zone: str | None = None, progress: Progress = lambda _done, _all: None,
) -> BatchResult:  # fmt: skip
    """Send a reminder for every row of the file at `path` (`.csv` or `.json`) and wait for each.

    `region` (ISO 3166) reads phone numbers without a country code; `zone` (IANA) reads and shows
    times without an offset. A row that failed in an earlier run is tried again, one that was sent
    is not. May be interrupted at any point and run again.

    Raises:
        BatchFileError: the file as a whole cannot be read.
    """
    rows = read(path, region=region, zone=zone)
    run = _Run(tenant_id, new_id(), channels, len(rows), progress)
    good: list[Row] = []
    for row in rows:
        if isinstance(row, RowProblem):
            run.count("invalid", row.line, row.reason)
        else:
            good.append(row)
    await _send_all(run, _once_each(run, good))
    while run.waiting:
        if not await _send_due(run):
            await asyncio.sleep(_WAIT_S)
    return _result(run)


async def _send_all(run: _Run, rows: list[Row]) -> None:
    """Plan chunk by chunk, in the order of the file, while a few chunks are delivered."""
    remaining, going = iter(rows), set[asyncio.Task[None]]()
    sizes = chain([_FIRST], repeat(CHUNK))
    try:
        while chunk := list(islice(remaining, next(sizes))):
            ours = await _planned(run, chunk)
            going.add(asyncio.create_task(_send(run, ours)))
            while len(going) >= _PARALLEL:
                done, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
    finally:
        # What is on the wire comes to its end, also when another chunk has failed.
        results = await asyncio.gather(*going, return_exceptions=True)
    for result in results:
        if result is not None:
            raise result


async def _send(run: _Run, ours: list[UUID]) -> None:
    await delivery.deliver(run.tenant_id, ours, run.channels)
    await _settle(run, ours)


async def _planned(run: _Run, chunk: list[Row]) -> list[UUID]:
    """Plan a chunk; return what is to be delivered now. The rest stays in `waiting`."""
    async with begin(system(run.tenant_id, job="notify")) as tx:
        due = [row for row in chunk if row.starts_at > tx.now]
        for row in chunk:
            if row.starts_at <= tx.now:
                run.settle(row, "invalid", "appointmentTime lies in the past")
        ours = set(await _plan(tx, run, due))
        states = await tx.all(queries.STATES_BY_KEY, [row.key for row in due])
    by_key = {state.dedupe_key: state for state in states}
    for row in due:
        state = by_key[row.key]
        if state.id in ours or state.delivery_status in _OPEN:
            run.waiting[state.id] = row
        else:
            _count_earlier(run, row, state)
    return list(ours)


def _once_each(run: _Run, rows: list[Row]) -> list[Row]:
    """Return one row for each appointment; the others are counted when that one is settled.

    A row that nobody can be reached by makes room for a later one that somebody can.
    """
    chosen: dict[str, Row] = {}
    for row in rows:
        first = chosen.setdefault(row.key, row)
        if first is row:
            continue
        if row.recipient and not first.recipient:
            run.count("failed", first.line, "; ".join(["no_contact_point", *first.remarks]))
            chosen[row.key] = row
        else:
            run.repeats.setdefault(row.key, []).append(row)
    return list(chosen.values())


def _count_earlier(run: _Run, row: Row, state: queries.State) -> None:
    """Count a row that an earlier run finished."""
    if state.delivery_status in _SENT:
        run.settle(row, "already_sent")
    else:
        run.settle(row, "failed", f"earlier run: {state.reason or state.delivery_status}")


async def _plan(tx: Tx, run: _Run, due: list[Row]) -> list[UUID]:
    """Write the rows as claimed by this run; return the ids of those that are to be sent."""
    lease = tx.now + dispatch.LEASE
    documents = [_document(row, run.batch_id, tx.now, lease) for row in due]
    # In one order, so that two runs at once wait for each other and do not deadlock.
    documents.sort(key=lambda document: document["dedupe_key"])
    visits = [row.visit for row in due if row.visit is not None]
    # A file that corrects a time takes back what an interrupted run left for the old one.
    await tx.run(queries.SUPERSEDE_FILE_ROWS, visits, [row.key for row in due], tx.now)
    return await tx.values(queries.INSERT_OR_REVIVE, documents, tx.caller.tenant_id, tx.now)


def _document(row: Row, batch_id: UUID, now: datetime, lease: datetime) -> dict[str, Any]:
    plan = [c for c in rules.DEFAULT_CHANNELS if rules.SYSTEM_OF[c] in row.recipient]
    return {
        "id": new_id(),
        "notification_type": "appointment_reminder",
        "channel": (plan or rules.DEFAULT_CHANNELS)[0],
        "channel_plan": plan,
        "priority": "bulk",
        "scheduled_send_time": now,
        "next_attempt_at": lease,
        "lease_until": lease,
        "expires_at": row.starts_at,
        "delivery_status": "queued",
        "delivery_details": {"batch_id": batch_id},
        "template_data": {
            "local": row.local,
            "starts_at": row.starts_at,
            "zone": row.zone_name,
            "provider_name": row.doctor,
            "facility_name": row.location,
            "recipient": row.recipient,
            "visit": row.visit,
        },
        "dedupe_key": row.key,
    }


async def _send_due(run: _Run) -> bool:
    """Deliver what is due again; return whether anything was."""
    remaining, count = iter(list(run.waiting)), 0
    while ids := list(islice(remaining, CHUNK)):
        async with begin(system(run.tenant_id, job="notify")) as tx:
            claims = await tx.all(queries_due.CLAIM_THESE, tx.now, tx.now + dispatch.LEASE, ids)
        for batch in dispatch.batches(claims):
            await dispatch.handle(batch, run.channels)
        await _settle(run, ids)
        count += len(claims)
    return count > 0


async def _settle(run: _Run, ids: Iterable[UUID]) -> None:
    """Count the rows that are over."""
    async with begin(system(run.tenant_id, job="notify")) as tx:
        states = await tx.all(queries.STATES, list(ids))
    for state in states:
        if state.delivery_status in _OPEN:
            continue
        row = run.waiting.pop(state.id)
        if state.delivery_status not in _SENT:
            reasons = [state.reason or state.delivery_status, *row.remarks]
            run.settle(row, "failed", "; ".join(reasons))
            continue
        what = "success" if state.channel == rules.DEFAULT_CHANNELS[0] else "fallback"
        run.settle(row, what, "; ".join(row.remarks) or None)


def _result(run: _Run) -> BatchResult:
    counts = run.counts
    sent = counts["success"] + counts["fallback"] + counts["already_sent"]
    return BatchResult(
        batch_id=run.batch_id,
        processed=run.total,
        success=counts["success"],
        fallback=counts["fallback"],
        failed=counts["failed"],
        invalid=counts["invalid"],
        already_sent=counts["already_sent"],
        success_rate=round(100 * sent / run.total, 2) if run.total else None,
        problems=sorted(run.problems, key=lambda problem: problem.line),
    )

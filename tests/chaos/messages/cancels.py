"""Visits are cancelled and moved while their messages go out: what leaves after the commit?

Real workers, the providers in a process of their own. Commits are timed here, on the machine's
one clock; the moments of sending are those of the providers' ledger.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import asyncpg

from chroniccare.core.caller import system
from chroniccare.notifications.plan import Visit, cancel_visit, plan_visit
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import load
from tests.chaos.messages import clinic, stage
from tests.chaos.messages.judge import ledger
from tests.chaos.messages.storm import Storm
from tests.chaos.servers import Servers

_PIECE = 25
_HANDS = 4
_WARM = 100
_LATEST_S = 1.0
_CANCEL = Command(
    "UPDATE appointments SET status = 'cancelled', cancelled_at = $2, version = 2 WHERE id = $1"
)
_MOVE = Command(
    "UPDATE appointments SET scheduled_start = $2, version = 2,"
    " scheduled_end = $2::timestamptz + interval '30 minutes' WHERE id = $1"
)
_SENT = (
    "SELECT t.id, n.appointment_id, split_part(n.dedupe_key, ':', 2) AS version"
    " FROM notification_attempts t JOIN notifications n ON n.tenant_id = t.tenant_id"
    " AND n.id = t.notification_id"
)
_OPEN = (
    "SELECT count(*) FROM notifications WHERE next_attempt_at < now() + interval '1 minute'"
    " AND delivery_status IN ('pending', 'held', 'queued', 'sending')"
)


@dataclass(slots=True)
class Found:
    """What came of a race.

    Attributes:
        before: sent before the commit of the change; `within`: within a second after it.
        latest_ms: how long after the commit the last one left.
        told_of_move: moved visits whose patient got the new time, once.
    """

    cancelled: int = 0
    moved: int = 0
    never: int = 0
    before: int = 0
    within: int = 0
    latest_ms: float = 0.0
    told_of_move: int = 0
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Race:
    """The visits that are changed, and when each change was committed (seconds since 1970)."""

    clinics: clinic.Clinics
    dice: random.Random
    committed: dict[UUID, float] = field(default_factory=dict)
    moved: set[UUID] = field(default_factory=set)

    async def change(self, planning: "asyncio.Task[None]") -> None:
        """Change every visit, soon after it was planned."""
        while self.clinics.visits or not planning.done():
            if not self.clinics.visits:
                await asyncio.sleep(0.005)
                continue
            # The oldest, which may have been sent, or the latest, which cannot.
            of, visit = self.clinics.visits.pop(-self.dice.getrandbits(1))
            await asyncio.sleep(self.dice.random() * 0.02)
            if self.dice.getrandbits(1):
                await self._cancel(of, visit)
            else:
                await self._move(of, visit)

    async def _cancel(self, of: clinic.Clinic, visit: Visit) -> None:
        async with begin(system(of.tenant_id, job="chaos")) as tx:
            await tx.run(_CANCEL, visit.appointment_id, tx.now)
            await cancel_visit(tx, visit.appointment_id)
        self.committed[visit.appointment_id] = time.time()

    async def _move(self, of: clinic.Clinic, visit: Visit) -> None:
        later = visit.starts_at + timedelta(hours=1)
        async with begin(system(of.tenant_id, job="chaos")) as tx:
            await tx.run(_MOVE, visit.appointment_id, later)
            await cancel_visit(tx, visit.appointment_id, status="superseded")
            await plan_visit(tx, [replace(visit, version=2, starts_at=later, moved=True)])
        self.committed[visit.appointment_id] = time.time()
        self.moved.add(visit.appointment_id)


async def race(servers: Servers, count: int, seed: int) -> Found:
    """Cancel or move `count` visits while their messages go out, and judge."""
    arm = stage.Arm("cancels", False, True, count, 0.0, faults="")
    path = servers.directory / "ledger.jsonl"
    with stage.provider(arm, servers, path, seed) as (_, where):
        storm = Storm(
            servers, stage.environment(arm, servers, where, None), None,
            random.Random(seed),  # noqa: S311  a race that can be repeated
            arm.pace, arm.doubt_s, calm=True,
        )  # fmt: skip
        async with wiring.opened(load(servers.settings)):
            run = Race(await clinic.found(), storm.dice)
            await storm.begin()
            try:
                # A driver opens its client at a process's first call, which takes most of a second.
                await run.clinics.plan(_WARM, piece=_PIECE)
                await _fewer(servers, 1)
                run.clinics.visits.clear()
                planning = asyncio.create_task(_plan(servers, run.clinics, count))
                await asyncio.gather(planning, *(run.change(planning) for _ in range(_HANDS)))
                await _fewer(servers, 1)
            finally:
                await storm.end()
    calls, _ = ledger(path)
    async with owner_connection(servers.database_url) as owner:
        return _judge(
            run, {call["attempt"]: call["at"] for call in calls}, await owner.fetch(_SENT)
        )


async def _plan(servers: Servers, clinics: clinic.Clinics, count: int) -> None:
    """Plan no faster than is sent, so that each change meets its message on the way."""
    for _ in range(0, count, _WARM):
        await _fewer(servers, _WARM)
        await clinics.plan(min(_WARM, count), piece=_PIECE)


async def _fewer(servers: Servers, most: int) -> None:
    """Wait until fewer than `most` messages are on their way."""
    deadline = time.monotonic() + 120
    async with owner_connection(servers.database_url) as owner:
        while await owner.fetchval(_OPEN) >= most:
            assert time.monotonic() < deadline, "messages are left"
            await asyncio.sleep(0.1)


def _judge(run: Race, called: dict[str, float], attempts: list[asyncpg.Record]) -> Found:
    found = Found(len(run.committed) - len(run.moved), len(run.moved))
    old: dict[UUID, float] = {}
    new: dict[UUID, int] = {}
    for attempt in attempts:
        at = called.get(str(attempt["id"]))
        if at is None:
            continue
        if attempt["version"] == "2":
            new[attempt["appointment_id"]] = new.get(attempt["appointment_id"], 0) + 1
        else:
            old[attempt["appointment_id"]] = at
    for visit, committed in run.committed.items():
        if visit not in old:
            found.never += 1
            continue
        late = old[visit] - committed
        found.before += late <= 0
        found.within += 0 < late <= _LATEST_S
        found.latest_ms = max(found.latest_ms, round(late * 1000, 1))
        if late > _LATEST_S:
            found.violations.append(f"{visit}: sent {late:.2f} s after the commit")
    found.told_of_move = sum(new.get(visit) == 1 for visit in run.moved)
    found.violations += [
        f"{visit}: told {new.get(visit, 0)} times of its new time"
        for visit in run.moved if new.get(visit) != 1
    ]  # fmt: skip
    return found

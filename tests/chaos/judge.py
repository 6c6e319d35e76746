"""What clients were told, against what is in the database; and the table of a run."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from tests.chaos.checker import Violation
from tests.chaos.journal import CUT, Got, Sent, read
from tests.chaos.killer import Window
from tests.chaos.world import World

EXPECTED = {CUT, 200, 201, 404, 409, 412, 422, 503}
_REFUSED = {"SLOT_TAKEN", "DAY_FULL"}
_MARGIN_S = 0.2
_TOLD = (
    "SELECT entity_id, changes -> 'after' AS after FROM audit_logs WHERE tenant_id = $1"
    " AND entity_type = 'appointment' AND changes -> 'after' ? 'version'"
)
_NOW = (
    "SELECT id, version, status, scheduled_start, provider_id, patient_id, reason"
    " FROM appointments WHERE tenant_id = $1"
)


@dataclass(slots=True)
class Path:
    """What came of one path."""

    attempts: int = 0
    won: int = 0
    taken: int = 0
    waited: int = 0
    other: int = 0
    repeated: int = 0
    seconds: list[float] = field(default_factory=list)

    def quantile_ms(self, share: float) -> float:
        """Return the latency below which `share` of the answers stayed, in milliseconds."""
        ordered = sorted(self.seconds) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


@dataclass(slots=True)
class Told:
    """Everything that clients did and were told.

    Attributes:
        codes: how often each answer came.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    violations: list[Violation] = field(default_factory=list)


async def heard(
    world: World,
    clients: int,
    windows: list[Window],
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> Told:
    """Return what all clients were told, with whatever of it is wrong."""
    told = Told()
    sent: list[Sent] = []
    got: list[tuple[Sent, Got]] = []
    for client in range(clients):
        asked, answered = read(world.journal(client))
        by_number = {one.number: one for one in asked}
        sent += asked
        pairs = [(by_number[one.number], one) for one in answered]
        got += pairs
        finals = {one.number for one in answered if one.is_final}
        told.violations += [
            Violation("never answered", f"client {client} {one.attack} {one.key}")
            for one in asked
            if one.number not in finals
        ]
    _count(told, sent, got)
    told.violations += _answers(got, windows)
    told.violations += _replays(got)
    told.violations += await _lost(told, got, owner, UUID(world.tenant))
    return told


def _count(told: Told, sent: Iterable[Sent], got: Iterable[tuple[Sent, Got]]) -> None:
    paths: defaultdict[str, Path] = defaultdict(Path)
    codes: defaultdict[str, int] = defaultdict(int)
    for asked in sent:
        paths[asked.attack].attempts += 1
    for asked, answer in got:
        path = paths[asked.attack]
        codes[f"{answer.status} {answer.code}".strip()] += 1
        if not answer.is_final:
            path.repeated += 1
            continue
        path.seconds.append(answer.seconds)
        if answer.status < 300:
            path.won += 1
        elif answer.code in _REFUSED:
            path.taken += 1
        elif answer.code == "CONFLICT":
            path.waited += 1
        else:
            path.other += 1
    told.paths, told.codes = dict(paths), dict(sorted(codes.items()))


def _answers(got: Iterable[tuple[Sent, Got]], windows: list[Window]) -> list[Violation]:
    """Return answers that no client should ever see, or not at that time."""
    found = []
    for asked, answer in got:
        said = f"{asked.attack} {answer.status} {answer.code} {answer.message}"
        if answer.status not in EXPECTED or answer.code == "IDEMPOTENCY_MISMATCH":
            found.append(Violation("answer", said))
        if "deadlock" in answer.message.lower():
            found.append(Violation("deadlock told", said))
        until = answer.at + answer.seconds
        undisturbed = not any(
            one.start - _MARGIN_S <= until and answer.at <= one.end for one in windows
        )
        if not answer.is_final and undisturbed:
            found.append(Violation("unavailable while nothing was killed", said))
    return found


def _replays(got: Iterable[tuple[Sent, Got]]) -> list[Violation]:
    """Return keys that were answered with different visits, or different versions of one."""
    seen: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for asked, answer in got:
        if asked.key is not None and answer.status < 300:
            seen[asked.key] |= {(one["id"], one["version"]) for one in answer.visits[:1]}
    return [
        Violation("key answered differently", f"{key} {sorted(what)}")
        for key, what in seen.items()
        if len(what) > 1
    ]


async def _lost(
    told: Told,
    got: Iterable[tuple[Sent, Got]],
    owner: "asyncpg.Connection[asyncpg.Record]",
    tenant_id: UUID,
) -> list[Violation]:
    """Return visits that a client was told of and that are not, or were never, as it was told."""
    rows = await owner.fetch(_TOLD, tenant_id)
    history = {(str(row["entity_id"]), row["after"]["version"]): row["after"] for row in rows}
    now_is = {str(row["id"]): dict(row) for row in await owner.fetch(_NOW, tenant_id)}
    found = []
    for asked, answer in got:
        for visit in answer.visits if answer.status in {200, 201} else ():
            told.acknowledged += 1
            after = history.get((visit["id"], visit["version"]))
            current = now_is.get(visit["id"])
            if after is None or current is None or current["version"] < visit["version"]:
                found.append(Violation("acknowledged and lost", f"{asked.attack} {visit}"))
            elif any(_differs(after[name], visit[name]) for name in visit if name in after) or (
                current["version"] == visit["version"]
                and any(_differs(current[name], visit[name]) for name in visit)
            ):
                found.append(Violation("acknowledged and otherwise", f"{asked.attack} {visit}"))
    return found


def _differs(stored: Any, told: Any) -> bool:
    if isinstance(stored, UUID):
        stored = str(stored)
    if isinstance(told, str) and "T" in told and told[:2] == "20":
        then = stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)
        return then != datetime.fromisoformat(told)
    return bool(stored != told)


def table(told: Told) -> str:
    """Return the table of a run."""
    head = (
        f"{'path':30} {'attempts':>8} {'won':>6} {'taken':>6} {'waited':>6} {'other':>6}"
        f" {'again':>6} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7}"
    )
    lines = [head]
    rows = [*sorted(told.paths.items()), ("all", _sum(told.paths.values()))]
    for name, one in rows:
        times = " ".join(f"{one.quantile_ms(share):7.1f}" for share in (0.5, 0.99, 1))
        lines.append(
            f"{name:30} {one.attempts:8} {one.won:6} {one.taken:6} {one.waited:6} {one.other:6}"
            f" {one.repeated:6} {times}"
        )
    return "\n".join(lines)


def _sum(paths: Iterable[Path]) -> Path:
    whole = Path()
    for one in paths:
        for name in ("attempts", "won", "taken", "waited", "other", "repeated"):
            setattr(whole, name, getattr(whole, name) + getattr(one, name))
        whole.seconds += one.seconds
    return whole

"""Who got what: the providers' ledger beside the database, after everything has settled.

lost         a message that nobody got although it counts as sent, or that was left lying
given up     nobody got it, and the database says so: every call of it met an injected fault
duplicate    a second copy for the same person, on whatever channel
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from chroniccare.simulator.faults import TAKEN
from tests.chaos.messages.clinic import KIND, email, phone
from tests.chaos.messages.nursery import LEASE_S
from tests.notifications.edges import LEGAL

_OPEN = frozenset({"pending", "held", "queued", "sending", "unknown"})
_SENT = frozenset({"accepted", "delivered"})
NOBODY_KNEW = {
    "worker_lost": "worker died before the answer was written down",
    "timeout": "no answer in time", "disconnected": "connection lost",
    "unreadable": "answer unreadable", "driver_failed": "driver failed",
}  # fmt: skip
"""Codes of attempts that leave doubt."""

_ROWS = (
    "SELECT n.id, n.delivery_status AS status, n.delivery_details ->> 'reason' AS reason,"
    # Addresses are sealed by now; whose they are follows from the number in the MRN.
    " (SELECT substr(p.mrn, 3)::int FROM patients p WHERE p.tenant_id = n.tenant_id"
    " AND p.id = n.patient_id) AS person FROM notifications n WHERE n.notification_type = $1"
)
_ATTEMPTS = (
    "SELECT t.id, t.notification_id, t.number, t.driver, t.status, t.error_code,"
    " extract(epoch FROM t.started_at)::float8 AS started_at, (SELECT extract(epoch FROM"
    " min(r.received_at))::float8 FROM notification_receipts r WHERE r.attempt_id = t.id)"
    " AS heard_at FROM notification_attempts t"
)
_EDGES = (
    "SELECT from_status, to_status, count(*) AS times FROM notification_history"
    " WHERE from_status IS NOT NULL GROUP BY 1, 2"
)


@dataclass(slots=True)
class Verdict:
    """What came of a run.

    Attributes:
        duplicates: by what each is due to; `unexplained` must not be there.
        ambiguous: attempts of which nobody knew, when they ended, whether the provider had them.
    """

    messages: int = 0
    reached: int = 0
    states: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    given_up: int = 0
    duplicates: Counter[str] = field(default_factory=Counter)
    ambiguous: int = 0
    edges: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the ledger says, and the verdict so far; `told` are attempts with receipts."""

    found: Verdict
    called: dict[str, dict[str, Any]]
    told: set[str]
    echo: bool


def ledger(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return calls that would send, and what reached somebody."""
    calls: list[dict[str, Any]] = []
    reached: list[dict[str, Any]] = []
    for line in map(orjson.loads, path.read_bytes().splitlines()):
        (calls if line["kind"] == "call" else reached).append(line)
    return calls, reached


async def judge(
    owner: "asyncpg.Connection[asyncpg.Record]", path: Path, *, told: set[str], echo: bool
) -> Verdict:
    """Compare the ledger at `path` with the database; `told` are the attempts with receipts."""
    calls, reached = ledger(path)
    rows = await owner.fetch(_ROWS, KIND)
    tried: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for attempt in await owner.fetch(_ATTEMPTS):
        tried[attempt["notification_id"]].append(attempt)
    found = Verdict(messages=len(rows), faults=Counter(call["fault"] for call in calls))
    by_address: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in reached:
        if entry["copy"] == 1:  # a second copy of one call is the provider's own doing
            by_address[entry["to"]].append(entry)
    truth = Truth(
        found, {call["attempt"]: call for call in calls if call["attempt"]}, told, echo=echo
    )
    for row in rows:
        addresses = phone(row["person"]), email(row["person"])
        got = [call for one in addresses for call in by_address.get(one, [])]
        _one(truth, row, sorted(got, key=lambda entry: entry["at"]), tried[row["id"]])
    found.ambiguous = sum(
        one["error_code"] in NOBODY_KNEW for some in tried.values() for one in some
    )
    if sum(found.duplicates.values()) > found.ambiguous:
        found.violations.append("more duplicates than calls that nobody answered")
    found.violations += _called_twice(calls)
    found.violations += await _illegal(found, owner)
    return found


def _one(
    truth: Truth, row: asyncpg.Record, got: list[dict[str, Any]], tried: list[asyncpg.Record]
) -> None:
    found = truth.found
    status = row["status"]
    found.states[status] += 1
    found.reached += bool(got)
    if status in _OPEN:
        found.lost += not got
        found.violations.append(f"left lying in {status}: {row['id']}")
    elif not got and status in _SENT:
        found.lost += 1
        found.violations.append(f"lost: {row['id']} is {status}, nobody got it")
    elif not got:
        found.given_up += 1
        if not _all_failed(truth, tried):
            found.violations.append(f"given up without need: {row['id']} {status} {row['reason']}")
    if truth.echo and status == "accepted" and any(str(one["id"]) in truth.told for one in tried):
        found.violations.append(f"receipts not applied: {row['id']}")
    attempts = {str(one["id"]): one for one in tried}
    for entry, following in pairwise(got):
        _duplicate(truth, row, (entry, following), attempts)


def _all_failed(truth: Truth, tried: list[asyncpg.Record]) -> bool:
    """Say whether each attempt met a fault, or its worker's death before the provider had it."""
    if not truth.echo:
        return bool(tried)
    return bool(tried) and all(
        one["error_code"] in NOBODY_KNEW
        or truth.called.get(str(one["id"]), {"fault": "ok"})["fault"] not in TAKEN
        for one in tried
    )


def _duplicate(
    truth: Truth, row: asyncpg.Record, copies: tuple[dict[str, Any], dict[str, Any]],
    attempts: dict[str, asyncpg.Record],
) -> None:  # fmt: skip
    """Say what a second copy is due to: nobody answered the call before it, or nobody heard it."""
    found, (first, second) = truth.found, copies
    late = attempts.get(second["attempt"])
    if late is not None and truth.called[second["attempt"]]["at"] - late["started_at"] > LEASE_S:
        found.duplicates["frozen between deadline check and socket"] += 1
        return
    why = _why(first, attempts)
    heard = attempts[first["attempt"]]["heard_at"] if first["attempt"] in attempts else None
    if why is None:
        found.violations.append(f"sent twice: {row['id']} {first['attempt']} {second['attempt']}")
        why = "unexplained"
    elif truth.echo and heard is not None:
        if heard < second["at"]:
            found.violations.append(f"sent twice in spite of its echo: {row['id']}")
            why += ", in spite of its echo"
        else:
            why += ", its echo came after the wait"
    elif truth.echo:
        why += ", its echo was lost"
    found.duplicates[why] += 1


def _why(first: dict[str, Any], attempts: dict[str, asyncpg.Record]) -> str | None:
    """Return why nobody knew that the first copy had arrived.

    Where nothing of ours is echoed (SNS to a number), any such attempt of the driver will do.
    """
    if first["attempt"]:
        mine = [one for key, one in attempts.items() if key == first["attempt"]]
    else:
        mine = [one for one in attempts.values() if one["driver"] == first["service"]]
    codes = {one["error_code"] for one in mine} & NOBODY_KNEW.keys()
    return NOBODY_KNEW[min(codes)] if codes else None


def _called_twice(calls: list[dict[str, Any]]) -> list[str]:
    """One attempt is one request, whatever became of it."""
    times = Counter(call["attempt"] for call in calls if call["attempt"])
    return [f"attempt called {n} times: {one}" for one, n in times.items() if n > 1]


async def _illegal(found: Verdict, owner: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    wrong: list[str] = []
    for edge in await owner.fetch(_EDGES):
        name = f"{edge['from_status']} -> {edge['to_status']}"
        found.edges[name] = edge["times"]
        if (edge["from_status"], edge["to_status"]) not in LEGAL:
            wrong.append(f"illegal: {name}, {edge['times']} times")
    return wrong

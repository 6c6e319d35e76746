"""What a daily run decides on paper: what is left to do for a row, and what its answer says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from chroniccare.notifications.batch_file import RowProblem
from chroniccare.notifications.rules import DEFAULT_CHANNELS, SYSTEM_OF

SENT = {"sms": "SMS_SENT", "email": "EMAIL_SENT"}
"""What the delivery log says of a message that a provider has taken."""
SENDING, FAILED, IN_DOUBT, NO_CONTACT = "SENDING", "FAILED", "IN_DOUBT", "NO_CONTACT"

What = Literal["success", "fallback", "failed"]
MOST_PROBLEMS = 100
"""Problems that an answer lists; `invalid` and `failed` count all of them."""
MOST_BYTES = 200_000
"""An asynchronous event may have 256 KiB; the rest is room for what is around the rows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the delivery log says of one message.

    `attempt` is the last one, on `channel`; while it is `SENDING`, it is another run's until
    `lease_until` (UTC).
    """

    status: str
    channel: str
    attempt: str
    lease_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing is left to do: an earlier run did it, or nothing can be done."""

    what: What
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Another run is at it."""


def channels(recipient: Mapping[str, str]) -> list[str]:
    """Return the channels on which a row can be reached, in our order."""
    return [channel for channel in DEFAULT_CHANNELS if SYSTEM_OF[channel] in recipient]


def sent_by(channel: str) -> What:
    """Return how a message counts that went out by `channel`."""
    return "success" if channel == DEFAULT_CHANNELS[0] else "fallback"


def left(seen: Entry | None, plan: Sequence[str], now: datetime) -> list[str] | Over | Wait:
    """Return the channels that may still be tried; never again one of which nobody knows.

    A row that failed is tried again from the first channel: somebody may have mended the cause.
    """
    if seen is None or seen.status in {FAILED, NO_CONTACT}:
        return list(plan)
    if seen.status in SENT.values():
        return Over(sent_by(seen.channel))
    if seen.status == SENDING and seen.lease_until is not None and seen.lease_until > now:
        return Wait()
    # The run that called the provider did not come back, or heard nothing from it.
    after = list(plan[plan.index(seen.channel) + 1 :]) if seen.channel in plan else list(plan)
    return after or Over("failed", "in_doubt")


@dataclass(slots=True)
class Report:
    """What became of a batch; a row counts once, and those of `again` were sent by a run before."""

    batch_id: str
    counts: dict[What, int] = field(
        default_factory=lambda: {"success": 0, "failed": 0, "fallback": 0}
    )
    fresh: dict[What, int] = field(
        default_factory=lambda: {"success": 0, "failed": 0, "fallback": 0}
    )
    invalid: int = 0
    again: int = 0
    unlogged: int = 0
    remaining: int = 0
    problems: list[RowProblem] = field(default_factory=list)

    @property
    def processed(self) -> int:
        """Rows that are settled."""
        return sum(self.counts.values())

    def settle(self, line: int, what: What, reason: str | None, *, earlier: bool = False) -> None:
        """Count a row."""
        self.counts[what] += 1
        if earlier and what != "failed":
            self.again += 1
        else:
            self.fresh[what] += 1
        if reason:
            self.problems.append(RowProblem(line, reason))


def rate(counts: Mapping[What, int]) -> float | None:
    """Return how many of the rows were sent, in percent; None where there are none."""
    total = sum(counts.values())
    return 100 * (counts["success"] + counts["fallback"]) / total if total else None


def answer(report: Report) -> dict[str, Any]:
    """Return what the function answers: `batchId` to `successRate` as ever, then more."""
    told = sorted(report.problems, key=lambda problem: problem.line)[:MOST_PROBLEMS]
    return {
        "batchId": report.batch_id,
        "processed": report.processed,
        "results": dict(report.counts),
        "successRate": f"{rate(report.counts) or 0:.2f}%",
        "alreadySent": report.again,
        "invalid": report.invalid,
        "remaining": report.remaining,
        "problems": [{"line": one.line, "reason": one.reason} for one in told],
    }


def metrics(report: Report) -> dict[str, tuple[float, str]]:
    """Return the values and units that are measured of one run: what an earlier one sent is not."""
    sent = rate(report.fresh)
    found: dict[str, tuple[float, str]] = {
        "SuccessfulNotifications": (report.fresh["success"], "Count"),
        "FailedNotifications": (report.fresh["failed"], "Count"),
        "FallbackNotifications": (report.fresh["fallback"], "Count"),
        "InvalidRows": (report.invalid, "Count"),
        "UnloggedNotifications": (report.unlogged, "Count"),
        "RemainingRows": (report.remaining, "Count"),
        "Runs": (1, "Count"),
    }
    return found if sent is None else found | {"DeliverySuccessRate": (sent, "Percent")}


def parcels(rows: Sequence[Any], most: int = MOST_BYTES) -> list[list[Any]]:
    """Return the rows in lists of at most `most` bytes of JSON each, in their order."""
    found: list[list[Any]] = []
    room = 0
    for row in rows:
        size = len(orjson.dumps(row)) + 1
        if size > room:
            found.append([])
            room = most
        found[-1].append(row)
        room -= size
    return found

"""Breakers, weights and rates on paper. No I/O, no clock.

A breaker stands for one driver in one process:

    closed ── 10 failures in a minute, and more than half of its calls ──► open
       ▲      (at once: quota used up, account or settings refused)         │ pause, doubled each
       │                                                                    ▼ time, with jitter
       └────────────── the probe came through ◄─────────────────────── half_open: one call
                                        the probe failed: open again
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from math import log
from typing import Literal
from uuid import UUID

from chroniccare.notifications.rules import useful_until

Verdict = Literal["good", "bad", "grave", "neither"]

LEAST_FAILURES = 10
"""Failures in a window below which a breaker stays closed, whatever their share."""
_SLOT_S = 10
_SLOTS = 6
WINDOW = timedelta(seconds=_SLOT_S * _SLOTS)
_GRAVE_IN_A_ROW = 3
_PAUSE = {"bad": timedelta(seconds=15), "grave": timedelta(seconds=60)}
_MOST_PAUSE = {"bad": timedelta(minutes=5), "grave": timedelta(minutes=10)}
_LONGEST = _MOST_PAUSE["grave"] * 1.25
PROBE = timedelta(seconds=30)
"""After this a probe whose outcome nobody told is taken for lost."""
_SOON = timedelta(seconds=5)

_GRAVE = frozenset({"quota", "configuration"})
"""What only the operator, or a new day, can mend; see docs/providers.md."""
_ANSWERED = frozenset({"throttled", "http_408", "http_425", "http_429"})


def verdict(status: str, code: str | None) -> Verdict:
    """Return what an outcome says of its driver; a refused recipient says that the driver works."""
    if status in {"accepted", "delivered", "rejected"}:
        return "good"
    word = code or ""
    if word in _GRAVE or word.startswith("smtp_auth_"):
        return "grave"
    # A mail server's temporary refusal is of a recipient, unless it closes the door on us (421).
    about_one = word.startswith("smtp_4") and word != "smtp_421"
    return "neither" if word in _ANSWERED or about_one else "bad"


# --- the breaker --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Breaker:
    """One driver's breaker; instants are UTC.

    `counts` are (slot of ten seconds, good, bad), oldest first; `grave` counts grave failures in a
    row; `opened` how often it opened since it was last closed. While it is half open `probe` names
    the message that tries, until `until`; while it is open, `until` is when one may.
    """

    state: Literal["closed", "open", "half_open"] = "closed"
    counts: tuple[tuple[int, int, int], ...] = ()
    grave: int = 0
    opened: int = 0
    until: datetime | None = None
    probe: UUID | None = None
    reason: str | None = None


CLOSED = Breaker()


def permits(breaker: Breaker, now: datetime) -> bool:
    """Return whether a call may be begun."""
    if breaker.state == "closed" or breaker.until is None:
        return True
    # A clock that was set back must not keep it open for hours.
    return breaker.until <= now or breaker.until - now > _LONGEST


def look_again(breaker: Breaker, now: datetime) -> datetime:
    """Return when it is worth asking again."""
    if breaker.until is None or permits(breaker, now):
        return now
    if breaker.state == "half_open":
        return min(breaker.until, now + _SOON)  # the probe's outcome is not far
    return breaker.until


def begun(breaker: Breaker, now: datetime, message: UUID) -> Breaker:
    """Return it once a call is permitted to `message`: while it is not closed, the only one."""
    if breaker.state == "closed":
        return breaker
    return replace(breaker, state="half_open", probe=message, until=now + PROBE)


def may_call(breaker: Breaker, message: UUID) -> bool:
    """Return whether what was permitted a while ago may still be called."""
    return breaker.state == "closed" or breaker.probe == message


def dropped(breaker: Breaker, message: UUID) -> Breaker:
    """Return it when the call that was permitted is not made after all."""
    if breaker.state == "half_open" and breaker.probe == message:
        return replace(breaker, probe=None, until=None)
    return breaker


def ended(
    breaker: Breaker, now: datetime, message: UUID, said: Verdict, *, code: str | None,
    jitter: float,
) -> Breaker:  # fmt: skip
    """Return it after a call of `message`; `jitter` lies in [0, 1)."""
    if breaker.state != "closed":
        if breaker.probe != message:
            return breaker  # begun before it opened, and known to be of no use
        if said in {"good", "neither"}:
            return CLOSED
        return _opened(breaker, now, said, code, jitter)
    if said == "neither":
        return breaker
    counted = _counted(breaker, now, said)
    good = sum(slot[1] for slot in counted.counts)
    bad = sum(slot[2] for slot in counted.counts)
    # One message that the provider cannot even read must not close the way for all others.
    needed = _GRAVE_IN_A_ROW if good else 1
    if counted.grave >= needed or (bad >= LEAST_FAILURES and bad > good):
        return _opened(counted, now, said, code, jitter)
    return counted


def _counted(breaker: Breaker, now: datetime, said: Verdict) -> Breaker:
    slot = int(now.timestamp()) // _SLOT_S
    kept = [one for one in breaker.counts if slot - _SLOTS < one[0] < slot]
    held = next((one for one in breaker.counts if one[0] == slot), (slot, 0, 0))
    good = said == "good"
    kept.append((slot, held[1] + good, held[2] + (not good)))
    grave = breaker.grave + 1 if said == "grave" else 0
    return Breaker(counts=tuple(kept), grave=grave)  # of each message: `replace` takes longer


def _opened(
    breaker: Breaker, now: datetime, said: Verdict, code: str | None, jitter: float
) -> Breaker:
    kind = "grave" if said == "grave" else "bad"
    pause = min(_PAUSE[kind] * (1 << min(breaker.opened, 10)), _MOST_PAUSE[kind])
    return Breaker(
        "open",
        opened=breaker.opened + 1,
        until=now + pause * (0.75 + jitter / 2),
        reason=code,
    )


# --- which driver -------------------------------------------------------------------------------


def pick(weights: Mapping[str, float], message: UUID) -> str:
    """Return the driver of `message`: the same each time, in all as often as its weight says.

    Weighted rendezvous hashing: without one driver its messages spread over the others, and no
    other message moves.
    """

    def score(name: str) -> float:
        digest = blake2b(name.encode(), key=message.bytes, digest_size=8).digest()
        return -weights[name] / log((int.from_bytes(digest) + 1) / (2**64 + 1))

    return max(weights, key=score)


SLOW_AFTER = timedelta(minutes=5)
HEALTH_WINDOW = timedelta(minutes=15)
_SLOW_SHARE = 0.15
_STEP = 10
_LEAST_KNOWN = 20
"""Messages of a driver below which nothing is said about it."""


@dataclass(frozen=True, slots=True)
class Health:
    """How many messages a driver took, and how many of them had not arrived after five minutes."""

    taken: int
    late: int

    @property
    def is_slow(self) -> bool:
        """Whether too many are late to be chance."""
        return self.taken >= _LEAST_KNOWN and self.late >= _SLOW_SHARE * self.taken


def eased(
    now: Mapping[str, int], rest: Mapping[str, int], health: Mapping[str, Health]
) -> dict[str, int]:
    """Return the weights a minute later: ten less for slow drivers, ten back towards `rest`.

    None falls below a tenth of its weight at rest, and where all that are known are slow nothing
    moves: it is not the driver then.
    """
    known = [name for name in rest if name in health and health[name].taken >= _LEAST_KNOWN]
    slow = {name for name in known if health[name].is_slow}
    if slow and len(slow) == len(known) and len(known) == len(rest):
        return dict(now)
    return {
        name: max(now[name] - _STEP, -(-weight // 10), 1)
        if name in slow
        else min(now[name] + _STEP, weight)
        for name, weight in rest.items()
    }


# --- waiting for a driver -----------------------------------------------------------------------

PATIENCE = timedelta(minutes=30)
"""How long a message waits for the drivers of its channel while another channel could follow."""


HURRIED_PATIENCE = timedelta(minutes=2)
"""The same where somebody waits for a batch to end, and no other channel can follow."""
_SPREAD = timedelta(seconds=15)


def spread(until: datetime, message: UUID) -> datetime:
    """Return when one of many messages asks again: not all of them at once, behind one probe."""
    return until + _SPREAD * (int.from_bytes(message.bytes[-2:]) / 0x10000)


def waits(
    *, now: datetime, until: datetime, since: datetime, expires_at: datetime | None, last: bool
) -> bool:
    """Return whether a message waits `until` its channel is looked at again; it has waited `since`.

    On its `last` channel it does; before that, no longer than `PATIENCE`, and not when so little
    time would be left that the next channel is of no use.
    """
    if last:
        return True
    if now - since >= PATIENCE:
        return False
    return expires_at is None or until < useful_until(expires_at)


# --- how fast -----------------------------------------------------------------------------------

HORIZON_S = 5.0
"""How far ahead calls are planned: little beside a lease, and the longest an urgent one waits."""
_LONGEST_BREAK_S = 300.0


@dataclass(frozen=True, slots=True)
class Grant:
    """How many of the messages asked for may go, and how long (seconds) the first of them waits."""

    count: int
    wait_s: float


def admit(
    next_at: float, now: float, asked: Sequence[int], *, per_second: float
) -> tuple[Grant, float]:
    """Plan messages of so many parts each, one behind the other; times are seconds of one clock.

    `next_at` is when the sender is free, and is returned as it is then. The same arithmetic stands
    in the script that the cache runs, see `platform.cache`.
    """
    at = max(next_at, now)
    wait, count = at - now, 0
    for one in asked:
        if at - now > HORIZON_S:
            break
        count += 1
        at += one / per_second
    return Grant(count, wait), at


def turns(asked: Sequence[int], grant: Grant, *, per_second: float) -> list[float]:
    """Return in how many seconds each message's turn comes; what lies behind the grant is a guess.

    Nobody is sent away for longer than five minutes: by then the queue looks different.
    """
    found, ahead = [], grant.wait_s
    for one in asked:
        found.append(min(ahead, _LONGEST_BREAK_S))
        ahead += one / per_second
    return found

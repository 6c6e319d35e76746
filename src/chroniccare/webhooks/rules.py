"""Webhooks on paper: which events are wanted, what is sent, when it is tried again. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from chroniccare.core.wire import dumps

RETRY_SPAN = timedelta(days=3)
"""An event is given up this long after its first attempt, and so is an endpoint."""
_FIRST_S, _FACTOR, _LONGEST = 5.0, 5.0, timedelta(hours=12)
_LEAST = timedelta(seconds=1)
MOST_ASKED = timedelta(days=1)
"""Longest that Retry-After is obeyed."""
_PAUSE_FIRST_S, _PAUSE_MOST_S = 1.0, 300.0
SLOW_MS = 1000
"""An endpoint that takes longer shares the slots of those that fail."""
GONE = 410
PING = "webhook"
"""Entity of events that ask an endpoint whether it listens; all others are of records."""
UNREADABLE = "secret"
"""Error of an attempt that was not made: the secret cannot be opened, so nothing can be signed."""
ANSWER_KEPT = 500
"""Characters of an answer that are kept."""


def wants(patterns: Sequence[str], event_type: str) -> bool:
    """Say whether `patterns` (`*`, `appointment.*`, `patient.created`) name this event."""
    return any(
        one in {"*", event_type} or (one.endswith(".*") and event_type.startswith(one[:-1]))
        for one in patterns
    )


def body(
    *, event_type: str, entity_type: str, entity_id: Any, payload: dict[str, Any], at: datetime
) -> bytes:
    """Return what is sent of an event, the same bytes at each attempt."""
    data = {**payload, "entity_type": entity_type, "entity_id": entity_id}
    return dumps({"type": event_type, "timestamp": at, "data": data})


def succeeded(status: int | None) -> bool:
    """Say whether an endpoint that answers `status` has the event."""
    return status is not None and 200 <= status < 300  # noqa: PLR2004  RFC 9110


def next_attempt(
    *, number: int, first: datetime, now: datetime, jitter: float, asked: timedelta | None = None
) -> datetime | None:
    """Return when to try again after failure `number` (1: the first); None: never.

    The wait is `jitter` (0 to 1) of 5 s, 25 s, 2 min, 10 min, 52 min, 4 h, then of 12 h: full
    jitter. `asked` is Retry-After, which only lengthens it. The last attempt is exactly three days
    after the first.
    """
    last = first + RETRY_SPAN
    if now >= last:
        return None
    longest = _LONGEST.total_seconds()
    cap = min(_FIRST_S * _FACTOR ** min(number - 1, 12), longest)
    wait = max(timedelta(seconds=cap * jitter), _LEAST, min(asked or _LEAST, MOST_ASKED))
    return min(now + wait, last)


def pause(*, failures: int, jitter: float, asked: timedelta | None = None) -> timedelta:
    """Return how long an endpoint rests after `failures` in a row, whatever waits for it.

    Half to all of 1 s, 2 s, 4 s, up to 5 minutes; `asked` is Retry-After.
    """
    cap = min(_PAUSE_FIRST_S * 2.0 ** min(failures - 1, 20), _PAUSE_MOST_S)
    return max(timedelta(seconds=cap * (0.5 + jitter / 2)), min(asked or _LEAST, MOST_ASKED))


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, in seconds or as a date."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # such as a year of twenty digits
        return None
    return max(until - now, timedelta(0)) if until.tzinfo is not None else None


def is_given_up(*, failing_since: datetime, now: datetime) -> bool:
    """Say whether an endpoint that has failed since then, and fails now, is disabled."""
    return now - failing_since >= RETRY_SPAN


def shown(answer: bytes) -> str:
    """Return the beginning of an answer as text that can be stored and shown on one line."""
    text = answer[: 4 * ANSWER_KEPT].decode("utf-8", "replace")[:ANSWER_KEPT]
    return "".join(c if c.isprintable() else " " for c in text)

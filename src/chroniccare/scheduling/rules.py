"""Visits on paper: how long one is, when one may be booked, and in which order locks are taken."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.core.errors import Unprocessable

DEFAULT_MINUTES = 30
MIN_MINUTES = 5
MAX_MINUTES = 1440
HORIZON = timedelta(days=731)

OPEN_STATUSES = frozenset({"held", "scheduled", "confirmed"})
"""A visit in one of these can still be changed or cancelled."""


def length(
    *, start: datetime, end: datetime | None, minutes: int | None, default: int | None
) -> int:
    """Return the visit's length in minutes: from its end, as told, or the provider's default.

    Raises:
        Unprocessable: the end is not after the start, is not on a whole minute from it, lies more
            than a day later, or disagrees with the minutes told.
    """
    if end is None:
        return minutes or default or DEFAULT_MINUTES
    seconds = (end - start).total_seconds()
    if seconds <= 0:
        raise Unprocessable.field("scheduled_end", "must be after scheduled_start", "order")
    if seconds % 60 or not MIN_MINUTES * 60 <= seconds <= MAX_MINUTES * 60:
        raise Unprocessable.field(
            "scheduled_end", "must be 5 to 1440 whole minutes after scheduled_start", "length"
        )
    if minutes is not None and minutes * 60 != seconds:
        raise Unprocessable.field("duration_minutes", "disagrees with scheduled_end", "length")
    return int(seconds // 60)


def check_start(start: datetime, *, now: datetime) -> None:
    """Check that a visit may begin at `start`.

    Raises:
        Unprocessable: it lies in the past, or more than two years ahead.
    """
    if start <= now:
        raise Unprocessable.field("scheduled_start", "must be in the future", "past")
    if start > now + HORIZON:
        raise Unprocessable.field("scheduled_start", "must be within two years", "horizon")


def lock_keys(tenant_id: UUID, resource_ids: Iterable[UUID]) -> list[int]:
    """Return the advisory lock of each resource, sorted: everyone locks in the same order."""
    return sorted({_lock_key(tenant_id, resource_id) for resource_id in resource_ids})


def _lock_key(tenant_id: UUID, resource_id: UUID) -> int:
    digest = hashlib.blake2b(tenant_id.bytes + resource_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)

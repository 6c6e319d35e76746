"""The catalogue on paper: what makes a visit type impossible, and who gets which place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.core.errors import FieldError

MAX_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class Stay:
    """Someone who has a place from `starts_at` until `ends_at`; a `fixed` one keeps it."""

    holder_id: UUID
    starts_at: datetime
    ends_at: datetime
    lane: int
    fixed: bool


def length_fault(*, duration: int, before: int, after: int) -> FieldError | None:
    """Return what is wrong with a visit of `duration` minutes and its buffers, if anything.

    What a visit takes of a provider lasts a day at most, buffers included.
    """
    if duration + before + after <= MAX_MINUTES:
        return None
    return FieldError("duration_minutes", "with both buffers must be 1440 at most", "length")


def repeated(requirements: Sequence[tuple[str, str]]) -> list[int]:
    """Return the number of each requirement whose kind and category stand before it already."""
    return [i for i, one in enumerate(requirements) if one in requirements[:i]]


def places(stays: Sequence[Stay], *, capacity: int) -> dict[UUID, int] | None:
    """Return a place below `capacity` for each holder, or None when there are not enough.

    Those that are fixed must begin before all others. Whoever begins gets the lowest place that is
    free: a place is missing only if more than `capacity` are there at once.
    """
    free_from: list[datetime | None] = [None] * capacity
    given: dict[UUID, int] = {}
    for stay in sorted(stays, key=lambda one: (not one.fixed, one.starts_at)):
        open_ = [
            lane for lane, until in enumerate(free_from) if until is None or until <= stay.starts_at
        ]
        lane = stay.lane if stay.fixed else next(iter(open_), capacity)
        if lane >= capacity:
            return None
        free_from[lane] = stay.ends_at
        given[stay.holder_id] = lane
    return given

"""The plan: what regimens come to after what was taken, and never two doses too close."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chroniccare.medications.doses.rules import (
    BY_CLOCK,
    SECOND_TIME,
    Clock,
    Kept,
    Planned,
    Regimen,
    slot_day,
    windows,
)
from chroniccare.medications.doses.rules_expand import Due, expand
from chroniccare.medications.doses.rules_stages import stages

Key = tuple[int, int, int]
"""Version, day and ordinal of a dose of one medication."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to come.

    Attributes:
        doses: to be planned, the earliest first.
        met: those of the doses kept that still stand.
        is_over: nothing will ever follow.
    """

    doses: list[Planned]
    met: frozenset[Key]
    is_over: bool


def plan(
    regimens: Sequence[Regimen],
    clock: Clock,
    *,
    after: datetime,
    until: datetime,
    kept: Sequence[Kept] = (),
    paused_until: date | None = None,
) -> Plan:
    """Return the doses of one medication due after `after` and before `until`.

    Args:
        regimens: those in force after `after`.
        after: UTC instant; doses due then or before are past.
        until: UTC instant up to which doses are planned.
        clock: by what the patient lives now.
        kept: doses that stand and are not planned again, the last one taken among them.
        paused_until: first local day on which it is taken again; None: it is not paused.
    """
    laid = [(one, stages(one, clock.anchors)) for one in regimens]
    ahead = max((stage.every for _, found in laid for stage in found), default=timedelta())
    due = [
        dose
        for one, found in laid
        for dose in expand(one, found, clock, after=after, until=until + ahead)
    ]
    if len(laid) > 1:
        due.sort(key=lambda dose: (dose.due_at, dose.version, dose.ordinal))
    if paused_until is not None:
        due = [dose for dose in due if dose.local_date >= paused_until]
    if kept:
        still = {key(one) for one in due}
        kept = [one for one in kept if not one.is_open or _first_time(one) in still]
    standing = sorted(one.due_at for one in kept if one.due_at > after)
    doses = _told(apart(due, kept), standing, until)
    lasts = [found[-1].last for _, found in laid if found]
    day = until.toordinal() - 1  # a local day may end a day later than UTC's
    met = frozenset(key(one) for one in kept)
    return Plan(doses, met, all(last is not None and last < day for last in lasts))


def apart(due: Sequence[Due], kept: Sequence[Kept]) -> list[Due]:
    """Return the doses with never two of them, or of those `kept`, nearer than they may be.

    A dose that would be too near to the one before waits until it is not. Where it would then be
    too near to the one after, it falls out: the rhythm is met again with the next. What stands
    already is not planned again, unless a journey lets its time of day come a second time and a
    whole interval has passed since the dose before.
    """
    there = {key(one): one for one in kept}
    taken = sorted(one.at for one in kept if one.at is not None)
    found: list[Due] = []
    last: datetime | None = None
    for number, dose in enumerate(due):
        if there and not _is_new(dose, there, last, taken):
            continue
        at = dose.due_at if last is None else max(dose.due_at, last + dose.least)
        for one in taken:
            if abs(one - at) < dose.least:
                at = one + dose.least
        if at != dose.due_at:
            following = _following(due, number, there)
            if following is not None and following.due_at - at < following.least:
                continue
            dose.due_at = at
        found.append(dose)
        last = at
    return found


def key(one: Due | Kept) -> Key:
    """Return what a dose of a medication is known by."""
    return one.version, slot_day(one.local_date, one.ordinal, one.due_at), one.ordinal


def _first_time(one: Kept) -> Key:
    """Return by what a dose is known whose time of day a journey did not let come again."""
    version, day, ordinal = key(one)
    return version, day, ordinal if ordinal >= BY_CLOCK else ordinal % SECOND_TIME


def _following(due: Sequence[Due], number: int, there: dict[Key, Kept]) -> Due | None:
    return next((one for one in due[number + 1 :] if key(one) not in there), None)


def _is_new(
    dose: Due, there: dict[Key, Kept], last: datetime | None, taken: list[datetime]
) -> bool:
    """Say whether a dose does not stand yet; it gets another ordinal if its time comes again."""
    while (one := there.get(key(dose))) is not None:
        if one.due_at >= dose.due_at:
            return False
        before = bisect_right(taken, dose.due_at)
        since = max(one.due_at, last or one.due_at, taken[before - 1] if before else one.due_at)
        if dose.due_at - since < dose.every:
            return False
        dose.ordinal += SECOND_TIME
    return True


def _told(found: list[Due], standing: list[datetime], until: datetime) -> list[Planned]:
    """Return the doses before `until` with their windows; `standing` are those that stand."""
    told = []
    for number, dose in enumerate(found):
        if dose.due_at >= until:
            break
        following = found[number + 1].due_at if number + 1 < len(found) else None
        if standing:
            later = bisect_right(standing, dose.due_at)
            if later < len(standing) and (following is None or standing[later] < following):
                following = standing[later]
        late_at, missed_at = windows(dose.due_at, following, dose.every)
        told.append(
            Planned(
                dose.version, dose.local_date, dose.ordinal, dose.due_at, late_at, missed_at,
                dose.quantity, dose.unit,
            )
        )  # fmt: skip
    return told

"""Which doses are told in one message. Pure."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from chroniccare.medications.reminders.model import Dose

_BUNDLES = UUID("0d9f6a54-6f0b-5c1f-9a0e-5f6e0c1b7a26")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Doses of one patient that one message tells of at `due_at`; it is of use before `until`."""

    id: UUID
    patient_id: UUID
    due_at: datetime
    until: datetime
    doses: tuple[Dose, ...]


def bundle_id(patient_id: UUID, due_at: datetime) -> UUID:
    """Return the id of a patient's bundle of that minute: the same whenever it is worked out."""
    return uuid5(_BUNDLES, f"{patient_id}:{_minute(due_at):%Y-%m-%dT%H:%M}")


def bundles(
    doses: Sequence[Dose], *, window: timedelta, quiet: Callable[[datetime], Hashable]
) -> list[Bundle]:
    """Return the bundles of one patient's doses, in the order of time.

    The first dose opens one; those up to `window` after it, or in its minute, join it, unless
    `quiet`, which names the quiet hours that hold an instant, differs between them. A bundle has
    lost its point when the next one is due, or the last of its doses is missed.
    """
    groups: list[list[Dose]] = []
    for dose in sorted(doses, key=lambda one: (one.due_at, one.id)):
        first = groups[-1][0] if groups else None
        near = first is not None and _minute(dose.due_at) - _minute(first.due_at) <= window
        if near and first is not None and quiet(first.due_at) == quiet(dose.due_at):
            groups[-1].append(dose)
        elif first is not None and _minute(dose.due_at) == _minute(first.due_at):
            groups[-1].append(dose)  # quiet hours end inside a minute: never two bundles of one
        else:
            groups.append([dose])
    following = [group[0].due_at for group in groups[1:]]
    return [
        Bundle(
            bundle_id(group[0].patient_id, group[0].due_at), group[0].patient_id, group[0].due_at,
            min([*following[number : number + 1], max(one.missed_at for one in group)]),
            tuple(group),
        )
        for number, group in enumerate(groups)
    ]  # fmt: skip


def _minute(at: datetime) -> datetime:
    return at - timedelta(seconds=at.second, microseconds=at.microsecond)

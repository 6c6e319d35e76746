"""Which doses a reply settles: the last word counts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.medications.reminders.model import Told

_OPEN = frozenset({"planned", "due", "reminded"})
_THEIRS = frozenset({"patient", "caregiver"})


@dataclass(frozen=True, slots=True)
class Meant:
    """The doses that a reply settles.

    `corrects`: something else was noted of them before. `refusal`: why it cannot be followed.
    """

    dose_ids: list[UUID]
    corrects: bool = False
    refusal: str | None = None


def meant(
    told: Sequence[Told], status: str, *, at: datetime
) -> Meant:  # fmt: skip
    """Return what a reply that says `taken` or `skipped`, received `at`, settles of its doses.

    What nobody has reported on, open or inferred to be missed, however late. If there is none, it
    corrects what patient or caregiver said before, while the window of a dose lasts. What staff or
    a device report stands.
    """
    unsaid = [one for one in told if one.state in _OPEN or _is_inferred(one)]
    if unsaid:
        return Meant([one.id for one in unsaid], any(_is_inferred(one) for one in unsaid))
    if any(one.state == status for one in told):
        return Meant([])  # said before
    said = [one for one in told if one.source in _THEIRS and at < one.missed_at]
    if said:
        return Meant([one.id for one in said], corrects=True)
    return Meant([], refusal="DOSES_SETTLED" if told else "DOSES_GONE")


def _is_inferred(dose: Told) -> bool:
    return dose.state == "missed" and dose.source == "inference"

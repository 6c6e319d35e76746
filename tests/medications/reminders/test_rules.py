"""Bundles on paper, whatever the doses; and re-planning in any order."""

from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.core.ids import new_id
from chroniccare.medications.reminders.model import Dose, Told
from chroniccare.medications.reminders.rules import Bundle, bundle_id, bundles
from chroniccare.medications.reminders.rules_replies import meant
from tests.notifications.support import NOON

PATIENT = UUID(int=7)
_SECONDS = st.integers(0, 6 * 3600)
_DOSES = st.lists(st.tuples(_SECONDS, st.integers(0, 4 * 3600)), max_size=25)
_WINDOWS = st.sampled_from([0, 1, 15, 30, 120]).map(lambda minutes: timedelta(minutes=minutes))


def doses(drawn: list[tuple[int, int]]) -> list[Dose]:
    return [
        Dose(
            UUID(int=number),
            PATIENT,
            NOON + timedelta(seconds=due),
            NOON + timedelta(seconds=due + lasts),
        )
        for number, (due, lasts) in enumerate(drawn, start=1)
    ]


def by_hour(at: datetime) -> int | None:
    """Be quiet in every second hour."""
    return at.hour if at.hour % 2 else None


def minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


@given(_DOSES, _WINDOWS, st.randoms())
def test_every_dose_is_in_one_bundle_and_no_two_bundles_share_a_minute(
    drawn: list[tuple[int, int]], window: timedelta, random: st.DataObject
) -> None:
    given_ = doses(drawn)
    found = bundles(given_, window=window, quiet=by_hour)
    told = [dose.id for bundle in found for dose in bundle.doses]
    assert sorted(told) == sorted(dose.id for dose in given_)
    assert len({bundle.id for bundle in found}) == len(found)
    assert len({minute(bundle.due_at) for bundle in found}) == len(found)
    for bundle in found:
        holds(bundle, window)
    for earlier, later in pairwise(found):
        assert earlier.due_at < later.due_at
        assert earlier.until <= later.due_at
    shuffled = list(given_)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert bundles(shuffled, window=window, quiet=by_hour) == found


def holds(bundle: Bundle, window: timedelta) -> None:
    assert bundle.id == bundle_id(PATIENT, bundle.due_at)
    assert bundle.due_at == min(dose.due_at for dose in bundle.doses)
    assert bundle.until <= max(dose.missed_at for dose in bundle.doses)
    for dose in bundle.doses:
        assert minute(dose.due_at) - minute(bundle.due_at) <= window
        same = minute(dose.due_at) == minute(bundle.due_at)
        assert same or by_hour(dose.due_at) == by_hour(bundle.due_at)


def test_the_bundle_of_another_patient_is_another() -> None:
    assert bundle_id(PATIENT, NOON) == bundle_id(PATIENT, NOON + timedelta(seconds=59))
    assert bundle_id(PATIENT, NOON) != bundle_id(UUID(int=8), NOON)


_STATES = st.sampled_from(
    [
        ("planned", None), ("due", None), ("reminded", None), ("missed", "inference"),
        *((state, source) for state in ("taken", "skipped")
          for source in ("patient", "caregiver", "staff", "device")),
    ]
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(_STATES, min_size=1, max_size=6), st.booleans(), st.booleans())
def test_a_reply_never_touches_what_staff_say_and_leaves_nothing_unsaid(
    states: list[tuple[str, str | None]], taken: bool, late: bool
) -> None:
    told = [Told(new_id(), state, source, NOON) for state, source in states]
    at = NOON + timedelta(hours=1) if late else NOON - timedelta(hours=1)
    status = "taken" if taken else "skipped"
    found = meant(told, status, at=at)
    settled = [one for one in told if one.id in found.dose_ids]
    assert not any(one.source in {"staff", "device"} for one in settled)
    unsaid = [one for one in told if one.source in {None, "inference"}]
    if unsaid:
        assert settled == unsaid
    elif late:
        assert settled == []
    assert found.refusal is None or not settled
    again = [Told(one.id, status, "patient", NOON) if one in settled else one for one in told]
    if settled:
        assert meant(again, status, at=at).dose_ids == []

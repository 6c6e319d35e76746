"""Doses in every zone, at every change of clocks from 2024 to 2035."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise

from chroniccare.core.time import to_local, zone
from chroniccare.medications.doses.rules import Clock, Planned, Regimen
from chroniccare.medications.doses.rules_plan import plan
from chroniccare.medications.dosing.model import Repeat, Step
from tests.core.test_time import ZONES, Change, changes
from tests.medications.doses.support import LONG_AGO, USUAL, every

EIGHT = Step(repeat=Repeat(times=(time(8), time(20))))
NIGHTLY = Step(repeat=Repeat(times=(time(0), time(0, 30), time(1, 30), time(2, 30), time(3))))
HOUR = timedelta(hours=1)
DISTINCT = list({tuple(changes(name)): name for name in ZONES}.values())
"""One zone of those whose clocks have always been changed alike."""


def around(name: str, change: Change, *steps: Step) -> list[Planned]:
    """Return the doses of two days before a change of clocks to two days after it."""
    clock = Clock(name, USUAL)
    first = (change.at - timedelta(days=3)).date()
    one = Regimen(1, steps, first, None, LONG_AGO, None, clock)
    after, until = change.at - timedelta(days=2), change.at + timedelta(days=2)
    return plan([one], clock, after=after, until=until).doses


def wall(dose: Planned, name: str) -> datetime:
    return to_local(dose.due_at, zone(name)).replace(tzinfo=None)


def test_eight_in_the_morning_stays_eight_in_the_morning() -> None:
    seen = 0
    for name in ZONES:
        for change in changes(name):
            found = around(name, change, EIGHT)
            assert {wall(dose, name).time() for dose in found} == {time(8), time(20)}, name
            assert all(wall(dose, name).date() == dose.local_date for dose in found)
            if abs(change.after - change.before) <= HOUR:
                assert len(found) == 8
            seen += 1
    assert seen > 4000


def test_every_eight_hours_stays_eight_hours() -> None:
    seen = 0
    for name in ZONES:
        tz = zone(name)
        for change in changes(name):
            found = around(name, change, every(8))
            gaps = {later.due_at - dose.due_at for dose, later in pairwise(found)}
            assert gaps == {timedelta(hours=8)}, name
            assert len(found) >= 11
            assert all(to_local(one.due_at, tz).date() == one.local_date for one in found)
            assert len({(one.local_date, one.ordinal) for one in found}) == len(found)
            seen += 1
    assert seen > 4000


def test_doses_of_the_night_of_the_change_are_all_there_and_apart() -> None:
    """At the time on the wall, its first time; or when the skipped time ends, and apart."""
    skipped = repeated = 0
    for name in DISTINCT:
        for change in changes(name):
            found = around(name, change, NIGHTLY)
            start, end = sorted((change.wall(change.before), change.wall(change.after)))
            for dose, later in pairwise(found):
                assert later.due_at - dose.due_at >= timedelta(minutes=15), name
            days = {dose.local_date for dose in found[5:-5]}
            for dose in found:
                at, numbers = wall(dose, name), (time(0), time(0, 30), time(1, 30), time(2, 30))
                said = datetime.combine(dose.local_date, (*numbers, time(3))[dose.ordinal])
                if change.after > change.before and start <= said < end:
                    assert change.at <= dose.due_at <= change.at + HOUR, name
                    skipped += 1
                elif change.after < change.before and start <= said < end:
                    assert (at, dose.due_at < change.at) == (said, True), name
                    repeated += 1
                elif at != said:  # moved away from one that waited for the skipped time to end
                    assert timedelta() < at - said <= HOUR, name
            assert len(days) >= 2
    assert skipped > 300
    assert repeated > 300


def test_every_zone_plans_the_same_days_without_a_change() -> None:
    first = date(2026, 6, 24)
    for name in ZONES:
        clock = Clock(name, USUAL)
        step = Step(repeat=Repeat(frequency=4), quantity=Decimal(1))
        one = Regimen(1, (step,), first, first + timedelta(days=1), LONG_AGO, None, clock)
        found = plan([one], clock, after=LONG_AGO, until=LONG_AGO + timedelta(days=1000)).doses
        assert [wall(dose, name).hour for dose in found] == [8, 12, 18, 22] * 2, name

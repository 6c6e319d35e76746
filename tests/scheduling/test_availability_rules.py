"""Weekly rules that collide, against a calendar that says the same more slowly."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.week import minutes
from chroniccare.scheduling.availability.rules import Weekly, collide, collisions

START = date(2026, 1, 1)

clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))


@st.composite
def weekly_rules(draw: st.DrawFn) -> Weekly:
    first = START + timedelta(days=draw(st.integers(0, 20)))
    days = draw(st.none() | st.integers(0, 20))
    return Weekly(
        draw(st.integers(0, 6)),
        draw(clock),
        draw(clock | st.just("24:00")),
        first,
        None if days is None else first + timedelta(days=days),
    )


def ranges(rule: Weekly) -> list[tuple[int, int]]:
    """Every range of a rule in ten weeks, as minutes since START, from a calendar."""
    found = []
    for number in range(70):
        day = START + timedelta(days=number)
        # isoweekday: Monday 1 to Sunday 7
        if day.isoweekday() % 7 != rule.day_of_week or day < rule.first:
            continue
        if rule.last is not None and day > rule.last:
            continue
        start, end = minutes(rule.start_time), minutes(rule.end_time)
        if end <= start:
            end += 24 * 60
        found.append((number * 24 * 60 + start, number * 24 * 60 + end))
    return found


@given(weekly_rules(), weekly_rules())
def test_rules_collide_when_a_calendar_shows_a_shared_minute(one: Weekly, two: Weekly) -> None:
    shared = any(a < d and c < b for a, b in ranges(one) for c, d in ranges(two))
    assert collide(one, two) is shared
    assert collide(two, one) is shared


@given(st.lists(weekly_rules(), max_size=6))
def test_each_rule_that_collides_with_an_earlier_one_is_named_once(rules: list[Weekly]) -> None:
    found = collisions(rules)
    assert [later for _, later in found] == [
        number
        for number, two in enumerate(rules)
        if any(collide(one, two) for one in rules[:number])
    ]
    assert all(
        collide(rules[earlier], rules[later]) and earlier < later for earlier, later in found
    )
    assert all(one < two for (_, one), (_, two) in pairwise(found))


def test_a_night_reaches_into_the_morning_after_a_rules_last_day() -> None:
    monday, tuesday = date(2026, 1, 5), date(2026, 1, 6)
    night = Weekly(1, "22:00", "06:00", monday, monday)
    assert collide(night, Weekly(2, "05:59", "08:00", tuesday, None))
    assert not collide(night, Weekly(2, "06:00", "08:00", tuesday, None))
    assert not collide(night, Weekly(2, "05:59", "08:00", tuesday + timedelta(days=1), None))


def test_rules_without_an_end_meet_on_the_last_day_of_the_week_too() -> None:
    saturday = Weekly(6, "20:00", "04:00", START, None)
    assert collide(saturday, Weekly(0, "03:00", "05:00", date(2199, 12, 1), None))

"""Places on paper."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.scheduling.catalogue.rules import Stay, length_fault, places, repeated

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
TIMES = st.tuples(st.integers(0, 40), st.integers(1, 12))


def stay(start: int, minutes: int, *, lane: int = 0, fixed: bool = False) -> Stay:
    begins = NOW + timedelta(minutes=start)
    return Stay(uuid4(), begins, begins + timedelta(minutes=minutes), lane, fixed)


def most_at_once(stays: list[Stay]) -> int:
    return max(
        (sum(o.starts_at <= s.starts_at < o.ends_at for o in stays) for s in stays), default=0
    )


@given(st.lists(TIMES, max_size=30), st.integers(1, 6))
def test_places_suffice_exactly_when_there_are_never_more_at_once(
    times: list[tuple[int, int]], capacity: int
) -> None:
    stays = [stay(start + 1, minutes, lane=99) for start, minutes in times]
    given_ = places(stays, capacity=capacity)
    assert (given_ is not None) == (most_at_once(stays) <= capacity)
    if given_ is not None:
        check(stays, given_, capacity)


@given(st.lists(st.integers(1, 30), max_size=4), st.lists(TIMES, max_size=20))
def test_whoever_has_begun_keeps_the_place(begun: list[int], times: list[tuple[int, int]]) -> None:
    fixed = [stay(-5, 5 + ends, lane=lane, fixed=True) for lane, ends in enumerate(begun)]
    stays = [*[stay(start + 1, minutes, lane=99) for start, minutes in times], *fixed]
    given_ = places(stays, capacity=4)
    assert (given_ is not None) == (most_at_once(stays) <= 4)
    if given_ is not None:
        check(stays, given_, 4)
        assert all(given_[one.holder_id] == one.lane for one in fixed)


def check(stays: list[Stay], given_: dict[UUID, int], capacity: int) -> None:
    assert set(given_) == {one.holder_id for one in stays}
    assert set(given_.values()) <= set(range(capacity))
    for lane in range(capacity):
        assert most_at_once([one for one in stays if given_[one.holder_id] == lane]) <= 1


def test_whoever_has_begun_in_a_place_that_goes_stands_against_it() -> None:
    assert places([stay(-5, 10, lane=1, fixed=True)], capacity=1) is None
    assert places([stay(5, 10, lane=1)], capacity=1) is not None


@pytest.mark.parametrize(
    ("lengths", "good"),
    [
        ((1440, 0, 0), True),
        ((1440, 1, 0), False),
        ((960, 240, 240), True),
        ((961, 240, 240), False),
    ],
)
def test_a_visit_with_its_buffers_is_a_day_at_most(
    lengths: tuple[int, int, int], good: bool
) -> None:
    duration, before, after = lengths
    fault = length_fault(duration=duration, before=before, after=after)
    assert (fault is None) is good


def test_a_kind_and_category_asked_for_again_is_found() -> None:
    asked = [("room", "a"), ("equipment", "a"), ("room", "b"), ("room", "a"), ("room", "a")]
    assert repeated(asked) == [3, 4]

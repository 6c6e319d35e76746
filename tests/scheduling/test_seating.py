"""Lanes and rooms on paper, against counting minute by minute."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from chroniccare.scheduling.seating import (
    Ask,
    Room,
    Standing,
    Take,
    free_lane,
    needs,
    scarce,
    seat,
    units,
)
from chroniccare.scheduling.slots.intervals import covers, merge, outside

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
HERE, THERE = uuid4(), uuid4()

spans = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda two: (two[0], sum(two)))
rows = st.lists(
    st.builds(lambda lane, span: Take(span[0], span[1], lane), st.integers(0, 3), spans), max_size=8
)


def lanes_at(taken: list[Take], start: int, end: int) -> set[int]:
    return {one.lane for one in taken for m in range(start, end) if one.start <= m < one.end}


@given(rows, spans, st.integers(1, 4), st.integers(0, 3))
def test_the_lowest_free_lane_is_taken(
    taken: list[Take], span: tuple[int, int], capacity: int, extra: int
) -> None:
    over = lanes_at(taken, *span)
    room = [lane for lane in range(capacity) if lane not in over]
    assert free_lane(Standing("room", capacity, taken), *span, extra=extra) == (
        room[0] if room else None
    )
    assert free_lane(Standing("patient", 1, taken), *span, extra=extra) == (None if over else 0)
    doctor = free_lane(Standing("provider", 1, taken), *span, extra=extra)
    beside = [lane for lane in range(extra + 1) if lane not in over]
    if not over:
        assert doctor == 0
    elif not extra:
        assert doctor is None
    else:
        assert doctor == (beside[0] if beside else None)


@given(
    st.lists(st.lists(st.lists(spans, max_size=4).map(sorted), min_size=1, max_size=3), max_size=4),
    st.integers(1, 3), st.integers(1, 15), st.sampled_from([0, 3]), st.sampled_from([0, 7]),
)  # fmt: skip
def test_scarce_starts_are_those_with_too_few_rooms_free(
    busy: list[list[list[tuple[int, int]]]], count: int, minutes: int, before: int, after: int
) -> None:
    blocked = scarce(busy, count, minutes=minutes, before=before, after=after)
    starts = list(range(-30, 100))

    def free(lane: list[tuple[int, int]], start: int) -> bool:
        return all(end <= start - before or begin >= start + minutes + after for begin, end in lane)

    expected = [
        start
        for start in starts
        if sum(any(free(lane, start) for lane in room) for room in busy) >= count
    ]
    assert outside(starts, blocked) == expected


@given(st.lists(spans, max_size=6).map(lambda some: merge(sorted(some))), spans)
def test_a_visit_is_covered_if_each_of_its_minutes_is(
    free: list[tuple[int, int]], span: tuple[int, int]
) -> None:
    minutes = {minute for low, high in free for minute in range(low, high)}
    assert covers(free, *span) == minutes.issuperset(range(*span))


@given(st.lists(st.tuples(spans, st.integers(1, 2)), max_size=12), st.integers(1, 3))
def test_seats_of_many_visits_never_share_a_lane(
    visits: list[tuple[tuple[int, int], int]], capacity: int
) -> None:
    standing = {one: Standing("room", capacity, []) for one in (ONE, TWO, THREE)}
    for span, count in visits:
        wanted = [Ask([ONE, TWO, THREE], count, *span, "resource_ids", "a room")]
        seats, faults = seat(wanted, standing, extra=0)
        open_ = [one for one in standing if free_lane(standing[one], *span, extra=0) is not None]
        assert bool(faults) == (len(open_) < count)
        assert len({one.resource_id for one in seats}) == (0 if faults else count)
        for had in seats:
            standing[had.resource_id].taken.append(Take(had.start, had.end, had.lane, had.lead))
    for one in standing.values():
        for minute in range(90):
            lanes = [it.lane for it in one.taken if it.start <= minute < it.end]
            assert len(lanes) == len(set(lanes))
            assert all(lane < capacity for lane in lanes)


def test_what_cannot_be_had_is_named_and_nothing_is_taken() -> None:
    standing = {ONE: Standing("provider", 1, [Take(0, 30)]), TWO: Standing("patient", 1, [])}
    wanted = [Ask([ONE], 1, 10, 20, "provider_id", "the provider"),
              Ask([TWO], 1, 10, 20, "patient_id", "the patient")]  # fmt: skip
    seats, [fault] = seat(wanted, standing, extra=0)
    assert (seats, fault.field, fault.code) == ([], "provider_id", "taken")


def _room(one: UUID, category: str = "exam", place: UUID = HERE, capacity: int = 1) -> Room:
    return Room(one, "room", category, place, capacity, [(0, 0, 10), (1, 5, 15), (7, 0, 60)])


def test_named_rooms_count_towards_what_a_type_needs() -> None:
    rooms = [_room(ONE), _room(TWO), _room(THREE, "lab"), _room(uuid4(), place=THERE)]
    named, left = needs(rooms, [TWO], [("room", "exam", 2)], HERE)
    assert ([room.id for room in named.rooms], named.count) == ([TWO], 1)
    assert ([room.id for room in left.rooms], left.count) == ([ONE], 1)
    assert needs(rooms, [ONE, TWO], [("room", "exam", 2)], HERE)[2:] == []
    [nowhere] = needs(rooms, [], [("equipment", "exam", 1)], HERE)
    assert nowhere.rooms == []


def test_lanes_beyond_the_capacity_are_nobodys() -> None:
    assert units(_room(ONE, capacity=2)) == [[(0, 10)], [(5, 15)]]

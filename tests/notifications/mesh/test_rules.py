"""Breakers, weights and rates on paper."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chroniccare.notifications.mesh import rules

NOON = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
VERDICTS: list[rules.Verdict] = ["good", "bad", "grave", "neither"]


class Driver(RuleBasedStateMachine):
    """Calls of one driver as a process makes them, beside a plain list of what they brought."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = rules.CLOSED
        self.now = NOON
        self.number = 0
        self.calling: list[UUID] = []
        self.told: list[tuple[datetime, str]] = []  # since it was last closed
        self.opened_at: datetime | None = None
        self.began_at: dict[UUID, datetime] = {}

    @rule(seconds=st.sampled_from([0, 1, 3, 9, 12, 31, 70, 400, 800]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: rules.permits(self.breaker, self.now))
    @rule()
    def begin(self) -> None:
        if self.breaker.state == "open":
            assert self.opened_at is not None
            assert self.now - self.opened_at >= timedelta(seconds=15) * 0.75
        self.number += 1
        message = UUID(int=self.number)
        self.breaker = rules.begun(self.breaker, self.now, message)
        assert rules.may_call(self.breaker, message)
        if self.breaker.state == "half_open":
            assert not rules.permits(self.breaker, self.now), "one probe at a time"
        self.began_at[message] = self.now
        self.calling.append(message)

    @precondition(lambda self: self.calling)
    @rule(data=st.data(), said=st.sampled_from(VERDICTS), jitter=st.floats(0, 0.99))
    def end(self, data: st.DataObject, said: rules.Verdict, jitter: float) -> None:
        message = self.calling.pop(data.draw(st.integers(0, len(self.calling) - 1)))
        was = self.breaker
        self.breaker = rules.ended(was, self.now, message, said, code=said, jitter=jitter)
        if was.state == "closed":
            self.told.append((self.now, said))
            self._judge()
        elif was.probe != message:
            assert self.breaker == was, "a late answer changes nothing"
        elif said in {"good", "neither"}:
            assert self.breaker == rules.CLOSED
            self.told.clear()
        else:
            assert self.breaker.state == "open"
            assert self.breaker.opened == was.opened + 1
            self.opened_at = self.now

    def _judge(self) -> None:
        """Compare with what the list says; slots make a window of 50 to 60 seconds."""
        said = self.told[-1][1]
        wide = Counter(one for at, one in self.told if self.now - at <= timedelta(seconds=60))
        narrow = Counter(one for at, one in self.told if self.now - at <= timedelta(seconds=50))
        opened = self.breaker.state == "open"
        bad, good = wide["bad"] + wide["grave"], narrow["good"]
        if opened:
            self.opened_at = self.now
            assert said in {"bad", "grave"}
            assert wide["grave"] or bad >= rules.LEAST_FAILURES
            assert wide["grave"] or bad > good
        elif said == "grave":
            assert wide["good"], "alone in its window it opens at once"
        elif said == "bad":
            assert narrow["bad"] < rules.LEAST_FAILURES or narrow["bad"] <= wide["good"]

    @precondition(lambda self: self.calling)
    @rule()
    def drop(self) -> None:
        message = self.calling.pop()
        was = self.breaker
        self.breaker = rules.dropped(was, message)
        if was.state == "half_open" and was.probe == message:
            assert rules.permits(self.breaker, self.now), "another may try at once"

    @invariant()
    def it_is_never_left_alone_for_good(self) -> None:
        assert rules.permits(self.breaker, self.now + timedelta(seconds=600 * 1.25 + 30))
        again = rules.look_again(self.breaker, self.now)
        assert (again == self.now) == rules.permits(self.breaker, self.now)
        assert again >= self.now


TestDriver = Driver.TestCase
TestDriver.settings = settings(max_examples=80, stateful_step_count=40)


def ended(breaker: rules.Breaker, count: int, said: rules.Verdict, at: datetime) -> rules.Breaker:
    for number in range(count):
        breaker = rules.ended(breaker, at, UUID(int=number), said, code=said, jitter=0.5)
    return breaker


def test_ten_failures_open_it_if_they_are_most() -> None:
    assert ended(rules.CLOSED, 9, "bad", NOON).state == "closed"
    opened = ended(rules.CLOSED, 10, "bad", NOON)
    assert (opened.state, opened.until) == ("open", NOON + timedelta(seconds=15))
    mixed = ended(rules.CLOSED, 30, "good", NOON)
    assert ended(mixed, 30, "bad", NOON).state == "closed"
    assert ended(mixed, 31, "bad", NOON).state == "open"
    later = NOON + timedelta(seconds=61)
    assert ended(ended(rules.CLOSED, 9, "bad", NOON), 1, "bad", later).state == "closed"


def test_a_used_up_quota_opens_it_at_once_but_one_message_alone_does_not_stop_all() -> None:
    assert ended(rules.CLOSED, 1, "grave", NOON).state == "open"
    working = ended(rules.CLOSED, 1, "good", NOON)
    assert ended(working, 2, "grave", NOON).state == "closed"
    assert ended(ended(ended(working, 2, "grave", NOON), 1, "good", NOON), 2, "grave", NOON).state == "closed"  # fmt: skip  # noqa: E501
    assert ended(working, 3, "grave", NOON).state == "open"


def test_each_pause_is_twice_the_last_up_to_minutes() -> None:
    breaker, now, pauses = ended(rules.CLOSED, 10, "bad", NOON), NOON, []
    for number in range(7):
        assert breaker.until is not None
        pauses.append((breaker.until - now).total_seconds())
        now, message = breaker.until, UUID(int=number)
        breaker = rules.begun(breaker, now, message)
        breaker = rules.ended(breaker, now, message, "bad", code="x", jitter=0.5)
    assert pauses == [15, 30, 60, 120, 240, 300, 300]


def test_a_clock_that_was_set_back_keeps_nothing_open() -> None:
    opened = ended(rules.CLOSED, 10, "bad", NOON)
    assert not rules.permits(opened, NOON)
    assert rules.permits(opened, NOON - timedelta(hours=1))


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("accepted", None, "good"),
        ("delivered", None, "good"),
        ("rejected", "invalid_address", "good"),
        ("transient", "quota", "grave"),
        ("transient", "configuration", "grave"),
        ("transient", "smtp_auth_535", "grave"),
        ("transient", "throttled", "neither"),
        ("transient", "http_429", "neither"),
        ("transient", "smtp_451", "neither"),
        ("transient", "smtp_421", "bad"),
        ("transient", "unavailable", "bad"),
        ("unknown", "timeout", "bad"),
        ("unknown", None, "bad"),
    ],
)
def test_what_an_outcome_says_of_its_driver(status: str, code: str | None, said: str) -> None:
    assert rules.verdict(status, code) == said


# --- which driver -------------------------------------------------------------------------------


@given(st.uuids(), st.dictionaries(st.sampled_from(["aws", "sns", "http"]), st.integers(1, 100),
                                   min_size=1))  # fmt: skip
def test_a_message_keeps_its_driver_whoever_else_goes(
    message: UUID, weights: dict[str, float]
) -> None:
    chosen = rules.pick(weights, message)
    for other in set(weights) - {chosen}:
        rest = {name: weight for name, weight in weights.items() if name != other}
        assert rules.pick(rest, message) == chosen


def test_each_driver_has_its_share() -> None:
    weights = {"aws": 70, "http": 20, "sns": 10}
    counts = Counter(rules.pick(weights, UUID(int=number)) for number in range(10_000))
    for name, weight in weights.items():
        assert abs(counts[name] - 100 * weight) < 150


HEALTHS = st.builds(
    lambda taken, share: rules.Health(taken, int(taken * share)),
    st.integers(0, 400), st.floats(0, 1),
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["aws", "sns", "http"]), st.integers(1, 100), min_size=1),
    st.lists(st.dictionaries(st.sampled_from(["aws", "sns", "http"]), HEALTHS), max_size=30),
)
def test_weights_move_in_steps_and_come_back(
    rest: dict[str, int], minutes: list[dict[str, rules.Health]]
) -> None:
    now = dict(rest)
    for health in minutes:
        then = rules.eased(now, rest, health)
        assert then.keys() == rest.keys()
        for name, weight in rest.items():
            assert abs(then[name] - now[name]) <= 10
            assert max(1, weight // 10) <= then[name] <= weight
        now = then
    for _ in range(10):
        now = rules.eased(now, rest, {})
    assert now == rest


def test_a_slow_driver_gives_way_and_where_all_are_slow_none_does() -> None:
    rest = {"aws": 80, "http": 20}
    slow, quick, few = rules.Health(100, 15), rules.Health(100, 14), rules.Health(19, 19)
    assert rules.eased(rest, rest, {"aws": slow, "http": quick}) == {"aws": 70, "http": 20}
    assert rules.eased(rest, rest, {"aws": slow, "http": slow}) == rest
    assert rules.eased(rest, rest, {"aws": few, "http": quick}) == rest
    assert rules.eased({"aws": 70, "http": 20}, rest, {}) == rest


def test_waiting_ends_with_patience_or_with_the_time_that_is_left() -> None:
    soon = NOON + timedelta(minutes=1)

    def waits(**changes: object) -> bool:
        asked: dict[str, object] = {
            "now": NOON, "until": soon, "since": NOON, "expires_at": None, "last": False,
            **changes,
        }  # fmt: skip
        return rules.waits(**asked)  # type: ignore[arg-type]

    assert waits()
    assert waits(since=NOON - timedelta(minutes=29))
    assert not waits(since=NOON - timedelta(minutes=30))
    assert waits(expires_at=soon + timedelta(minutes=31))
    assert not waits(expires_at=soon + timedelta(minutes=30))
    assert waits(last=True, since=NOON - timedelta(days=1), expires_at=soon)


# --- how fast -----------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.lists(st.integers(1, 6), min_size=1, max_size=20)),
        min_size=1, max_size=10,
    ),
    st.integers(1, 50),
)  # fmt: skip
def test_no_sender_is_ever_faster_than_its_rate(
    asking: list[tuple[float, list[int]]], per_second: int
) -> None:
    now = next_at = 0.0
    starts: list[tuple[float, int]] = []
    for pause, asked in asking:
        now += pause
        grant, next_at = rules.admit(next_at, now, asked, per_second=per_second)
        turns = rules.turns(asked, grant, per_second=per_second)
        assert len(turns) == len(asked)
        assert turns == sorted(turns)
        assert all(0 <= turn <= rules.HORIZON_S + 1e-6 for turn in turns[: grant.count])
        assert all(turn > rules.HORIZON_S - 1e-6 for turn in turns[grant.count :])
        starts += [
            (now + turn, parts) for turn, parts in zip(turns[: grant.count], asked, strict=False)
        ]
    for (start, parts), (following, _) in pairwise(starts):
        assert following - start >= parts / per_second - 1e-6

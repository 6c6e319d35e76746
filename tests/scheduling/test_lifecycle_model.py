"""Random lives of visits against a model that remembers every state a visit has been in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.notifications.support import Clock
from tests.scheduling.test_api import visit_body
from tests.scheduling.test_lifecycle import now_of, occupied, take

# Written out, and not taken from the rules: the two must agree.
EDGES = {
    ("scheduled", "confirm"): "confirmed",
    ("scheduled", "check_in"): "checked_in",
    ("scheduled", "no_show"): "no_show",
    ("scheduled", "cancel"): "cancelled",
    ("confirmed", "check_in"): "checked_in",
    ("confirmed", "no_show"): "no_show",
    ("confirmed", "cancel"): "cancelled",
    ("checked_in", "start"): "in_progress",
    ("checked_in", "complete"): "completed",
    ("checked_in", "cancel"): "cancelled",
    ("in_progress", "complete"): "completed",
}
UNDOABLE = {"checked_in", "in_progress", "completed", "no_show"}
WAITS = {"wait a minute": 1, "wait ten": 10, "wait half a day": 720}
EVENTS = [*sorted({step for _, step in EDGES}), "undo", *WAITS]


@dataclass(slots=True)
class Life:
    """A visit of half an hour as the model sees it: each state with the instant it began."""

    start: datetime
    past: list[tuple[str, datetime]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.past[-1][0]

    def likely(self) -> list[str]:
        """Return events to draw from: any, but mostly those that lead on; cancelling ends all."""
        steps = [step for state, step in EDGES if state == self.status and step != "cancel"]
        return [*EVENTS, *steps * 6, *["undo"] * 6 * (self.status in UNDOABLE)]

    def live(self, event: str, now: datetime) -> int:
        """Let `event` happen and return the status code it must be answered with."""
        state, since = self.past[-1]
        if event == "undo":
            if state not in UNDOABLE or now - since >= timedelta(minutes=15):
                return 409
            self.past.pop()
            return 200
        if (state, event) == ("cancelled", "cancel"):
            return 200
        if (state, event) not in EDGES:
            return 409
        early = event == "check_in" and self.start - now > timedelta(hours=12)
        late = event == "check_in" and now - self.start > timedelta(hours=12, minutes=30)
        if early or late or (event == "no_show" and now <= self.start):
            return 422
        self.past.append((EDGES[state, event], now))
        return 200


@pytest.fixture(scope="module")
async def walked(running: Running) -> AsyncIterator[Clinic]:
    async with new_clinic(running.app, running.contract) as clinic:
        yield clinic


@settings(
    max_examples=100, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
async def test_a_visit_lives_as_the_model_says(
    walked: Clinic, clock: Clock, data: st.DataObject
) -> None:
    clock.forward(days=1)
    start = clock.at + timedelta(minutes=data.draw(st.sampled_from([1, 1, 1, 5, 721])))
    body = await visit_body(walked, scheduled_start=start.isoformat(), duration_minutes=30)
    visit = await walked.make("/appointments", body)
    life, version = Life(start, [("scheduled", clock.at)]), 1
    for _ in range(data.draw(st.integers(8, 20))):
        event = data.draw(st.sampled_from(life.likely()))
        if event in WAITS:
            clock.forward(minutes=WAITS[event])
            continue
        before = len(life.past)
        expected = life.live(event, clock.at)
        answer = await take(walked, visit, event)
        assert answer.status_code == expected, (life, event)
        version += len(life.past) != before
    seen = await now_of(walked, visit)
    assert (seen["status"], seen["version"]) == (life.status, version)
    stamps = dict(life.past[1:])
    for state, name in (("in_progress", "started_at"), ("no_show", "no_show_at")):
        at = stamps.get(state)
        assert seen[name] == (None if at is None else at.isoformat().replace("+00:00", "Z"))
    assert await occupied(walked, visit) == (0 if life.status in {"cancelled", "no_show"} else 2)

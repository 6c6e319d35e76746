"""Random lives of two sessions and their patients against a model on paper."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.scheduling.groups.support import (
    REASON,
    assert_sound,
    at,
    session_body,
    session_of,
    take_seat,
)

PATIENTS, HOURS = 4, 1.0
STARTS = st.sampled_from([0, 0.5, 1, 1.5, 2])
STEPS = st.one_of(
    *[st.tuples(st.just("seat"), st.integers(0, 1), st.integers(0, PATIENTS - 1))] * 4,
    *[st.tuples(st.just("move"), st.integers(0, 1), STARTS)] * 3,
    st.tuples(st.just("leave"), st.integers(0, 1), st.integers(0, PATIENTS - 1)),
    st.tuples(st.just("resize"), st.integers(0, 1), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.integers(0, 1), st.none()),
)


@dataclass(slots=True)
class Session:
    """A session of an hour as the model sees it; `seats` are the patients' visits."""

    made: dict[str, Any]
    body: dict[str, Any]
    start: float = 0
    size: int = 2
    cancelled: bool = False
    seats: dict[int, str] = field(default_factory=dict)

    def overlaps(self, start: float) -> bool:
        return not self.cancelled and abs(self.start - start) < HOURS


def expected(step: str, one: Session, other: Session, value: Any) -> int:
    """Return the status code that the step must be answered with; nothing changes yet."""
    if step == "cancel":
        return 200
    if one.cancelled:
        return 409
    if step == "seat":
        busy = value in other.seats and other.overlaps(one.start)
        return 409 if busy or value in one.seats or len(one.seats) >= one.size else 201
    if step == "move":
        return 409 if set(one.seats) & set(other.seats) and other.overlaps(value) else 200
    return 409 if value < len(one.seats) else 200


async def act(
    clinic: Clinic, patients: list[str], step: str, one: Session, value: Any
) -> httpx.Response:
    """Take the step; the model notes what came of it."""
    path = f"/group-sessions/{one.made['id']}"
    if step == "seat":
        answer = await take_seat(clinic, one.made, patient_id=patients[value])
        if answer.is_success:
            one.seats[value] = answer.json()["data"]["id"]
    elif step == "cancel":
        answer = await clinic.delete(path, json=REASON)
        one.cancelled = True
        one.seats.clear()
    else:
        change = {"scheduled_start": at(value)} if step == "move" else {"seats": value}
        answer = await clinic.put(path, {**one.body, **change})
        if answer.is_success:
            one.body |= change
            one.start, one.size = (value, one.size) if step == "move" else (one.start, value)
    return answer


@pytest.fixture(scope="module")
async def walked(running: Running) -> AsyncIterator[Clinic]:
    async with new_clinic(running.app, running.contract) as clinic:
        yield clinic


@settings(
    max_examples=40, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(steps=st.lists(STEPS, min_size=10, max_size=25))
async def test_two_sessions_live_as_the_model_says(
    walked: Clinic, steps: list[tuple[str, int, Any]]
) -> None:
    patients = [(await walked.patient())["id"] for _ in range(PATIENTS)]
    sessions = []
    for _ in range(2):
        body = await session_body(walked, seats=2)
        sessions.append(Session(await walked.make("/group-sessions", body), body))
    for step, number, value in steps:
        one, other = sessions[number], sessions[1 - number]
        if step == "leave":
            if value in one.seats:
                path = f"/appointments/{one.seats.pop(value)}"
                assert (await walked.delete(path, json=REASON)).status_code == 200
            continue
        wanted = expected(step, one, other, value)
        answer = await act(walked, patients, step, one, value)
        assert answer.status_code == wanted, (step, one, other, value, answer.text)
    for one in sessions:
        assert (await session_of(walked, one.made))["seats_taken"] == len(one.seats)
    await assert_sound(walked)

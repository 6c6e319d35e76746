"""What a series counts, against a model, whatever happens to its visits and to the series."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.scheduling.series.conftest import Clock
from tests.scheduling.test_lifecycle_model import EDGES

SIZE = 5
STEPS = {
    "confirm": "confirm",
    "check_in": "checkin",
    "start": "start",
    "complete": "complete",
    "no_show": "no-show",
}
_OPEN = {"scheduled", "confirmed"}
_GROUPED = Command(
    "SELECT jsonb_object_agg(id, jsonb_build_array(total, completed)) FROM (SELECT series_id AS id,"
    " count(*) FILTER (WHERE status <> 'cancelled') AS total,"
    " count(*) FILTER (WHERE status = 'completed') AS completed"
    " FROM appointments WHERE series_id IS NOT NULL GROUP BY series_id) grouped"
)


@dataclass
class Model:
    """Visits in the order of their series: the state of each, its series, and its start."""

    ids: list[str]
    series: list[str]
    starts: list[datetime]
    status: list[str] = field(default_factory=lambda: ["scheduled"] * SIZE)
    alone: set[int] = field(default_factory=set)

    def coming(self, first: int, now: datetime, series_id: str) -> list[int]:
        """Return the open visits of the series that are to come, from `first` on."""
        return [
            number
            for number in range(first, SIZE)
            if self.status[number] in _OPEN
            and self.starts[number] > now
            and self.series[number] == series_id
        ]

    def counts(self) -> dict[str, list[int]]:
        """Return total and completed of each series."""
        found: dict[str, list[int]] = {}
        for series_id, status in zip(self.series, self.status, strict=True):
            counts = found.setdefault(series_id, [0, 0])
            counts[0] += status != "cancelled"
            counts[1] += status == "completed"
        return found


@pytest.fixture(scope="module")
async def walked(running: Running) -> AsyncIterator[Clinic]:
    async with new_clinic(running.app, running.contract) as clinic:
        yield clinic


async def begun(clinic: Clinic, clock: Clock) -> Model:
    """Book five visits, a day apart, the second of which begins in a minute."""
    clock.forward(days=30)
    start = clock.at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    provider = await clinic.provider(facilities=[{"facility_id": (await clinic.facility(
        timezone="UTC"))["id"]}])  # fmt: skip
    clock.forward(days=-1)
    made = await clinic.make(
        "/appointments/batch",
        {
            "patient_id": (await clinic.patient())["id"],
            "provider_id": provider["id"],
            "facility_id": provider["facilities"][0]["facility_id"],
            "appointment_type": "infusion",
            "first_date": (start - timedelta(days=1)).date().isoformat(),
            "local_time": f"{start:%H:%M}",
            "recurrence": {"rrule": f"FREQ=DAILY;COUNT={SIZE}"},
        },
    )
    clock.forward(days=1)
    ids = [one["appointment_id"] for one in made["occurrences"]]
    days = [start + timedelta(days=number - 1) for number in range(SIZE)]
    return Model(ids, [made["series"]["id"]] * SIZE, days)


async def step(clinic: Clinic, model: Model, number: int, name: str) -> None:
    """Take a step with one visit; the model follows what was answered."""
    path = f"/appointments/{model.ids[number]}"
    if name == "cancel":
        answer = await clinic.delete(path, json={"cancellation_reason": "x"})
    elif name == "undo":
        answer = await clinic.post(f"{path}/undo")
    else:
        answer = await clinic.post(f"{path}/{STEPS[name]}")
    assert answer.status_code in {200, 409, 422}
    if answer.status_code == 200:
        now_is = answer.json()["data"]["status"]
        was = model.status[number]
        assert name == "undo" or now_is in {EDGES.get((was, name)), was}
        model.status[number] = now_is


async def cancel_many(clinic: Clinic, model: Model, number: int, scope: str, now: datetime) -> None:
    series_id = model.series[number]
    body: dict[str, Any] = {"scope": scope, "cancellation_reason": "x"}
    if scope == "this_and_following":
        body["appointment_id"] = model.ids[number]
    answer = await clinic.delete(f"/appointments/series/{series_id}", json=body)
    assert answer.status_code == 200
    gone = model.coming(number if scope == "this_and_following" else 0, now, series_id)
    told = [one["appointment_id"] for one in answer.json()["data"]["occurrences"]]
    assert told == [model.ids[one] for one in gone]
    for one in gone:
        model.status[one] = "cancelled"


async def move_many(clinic: Clinic, model: Model, number: int, scope: str, now: datetime) -> None:
    """Change the length of visits, which splits the series if the scope says so."""
    series_id = model.series[number]
    body: dict[str, Any] = {"scope": scope, "duration_minutes": 15 + now.minute % 7}
    if scope != "all":
        body["appointment_id"] = model.ids[number]
    is_open = model.status[number] in _OPEN
    targets = [
        one
        for one in model.coming(number if scope != "all" else 0, now, series_id)
        if one not in model.alone or one == number
    ]
    answer = await clinic.post(f"/appointments/series/{series_id}/edit", body)
    possible = is_open if scope != "all" else bool(set(targets) - model.alone)
    assert answer.status_code == (200 if possible else 409), answer.text
    if answer.status_code == 409:
        return
    if scope == "this":
        model.alone.add(number)
    if scope == "this_and_following":
        for one in range(number, SIZE):
            if model.series[one] == series_id:
                model.series[one] = answer.json()["data"]["series"]["id"]


@settings(
    max_examples=25, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
async def test_a_series_counts_its_visits_whatever_happens(
    walked: Clinic, clock: Clock, data: st.DataObject
) -> None:
    model = await begun(walked, clock)
    events = [*STEPS, "complete", "check_in", "undo", "cancel", "wait"]
    events += ["cancel:all", "cancel:this_and_following", "move:this", "move:all"]
    events += ["move:this_and_following"] * 2
    for _ in range(data.draw(st.integers(6, 16))):
        event = data.draw(st.sampled_from(events))
        number = data.draw(st.integers(0, SIZE - 1))
        kind, _, scope = event.partition(":")
        if event == "wait":
            clock.forward(hours=data.draw(st.sampled_from([1, 12, 24])))
        elif kind == "move":
            await move_many(walked, model, number, scope, clock.at)
        elif scope:
            await cancel_many(walked, model, number, scope, clock.at)
        else:
            await step(walked, model, number, event)
        async with begin(walked.caller) as tx:
            stored = await tx.value(_GROUPED)
        for series_id, counts in model.counts().items():
            read = (await walked.get(f"/appointments/series/{series_id}")).json()["data"]
            assert [read["total_appointments"], read["completed_appointments"]] == counts
            assert stored[series_id] == counts

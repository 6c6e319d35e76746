"""Reports, silence, corrections and time in any order, against a recount on paper."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.platform.postgres import utc_now
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.medications.adherence.support import Taking, events, sql, taking
from tests.notifications.support import NOON, Clock

DOSES, EVERY = 36, timedelta(hours=24)
DOSE = st.integers(0, DOSES - 1)
STEPS = st.one_of(
    *[st.tuples(st.just("report"), DOSE, st.sampled_from(["taken", "late", "missed", "skipped",
                                                           "excused"]))] * 3,
    *[st.tuples(st.just("forward"), st.integers(1, 4), st.sampled_from("tttmi"))] * 4,
    st.tuples(st.just("infer"), st.just(0), st.just("")),
)  # fmt: skip


@dataclass(slots=True)
class Paper:
    """What the doses ought to be, a letter for each, and what episodes there ought to have been."""

    made: Taking
    now: datetime
    letters: dict[int, str] = field(default_factory=dict)
    said: dict[int, dict[str, Any]] = field(default_factory=dict)
    reports: int = 0
    is_low: str = ""
    alerts: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Work out an episode from the letters alone, every dose counted anew."""
        window = [
            self.letters[n]
            for n in range(DOSES)
            if n in self.letters and self.made.due[n] > self.now - timedelta(days=30)
        ]
        seen = [one for one in window if one in {"t", "l", "m", "s"}]
        good = [one for one in seen if one in {"t", "l"}]
        share = 100 * len(good) / len(seen) if seen else 100
        says = [one for one in window if one != "e" and (one != "i" or len(seen) >= 10)]
        tail = 0
        while tail < len(says) and says[-1 - tail] not in {"t", "l"}:
            tail += 1
        well = 0
        while well < len(says) and says[-1 - well] in {"t", "l"}:
            well += 1
        why = "rate" if len(seen) >= 10 and share < 80 else "missed_doses" if tail >= 3 else ""
        if not self.is_low and why:
            self.is_low = why
            self.alerts.append("medication.adherence.low")
        elif self.is_low and not why:
            known = len(seen) >= 10
            if (known and share >= 85) or (
                not known and self.is_low == "missed_doses" and well >= 3
            ):
                self.is_low = ""
                self.alerts.append("medication.adherence.recovered")


async def say(paper: Paper, number: int, what: str) -> None:
    """Report on a dose if that is allowed, and note what it comes to."""
    made, due = paper.made, paper.made.due[number]
    if due > paper.now:
        return
    body: dict[str, Any] = {"status": what}
    if what in {"taken", "late"}:
        at = due if what == "taken" else min(due + timedelta(hours=2), paper.now)
        body = {"status": "taken", "taken_at": at.isoformat()}
    elif what in {"skipped", "excused"}:
        reason = "hospital" if what == "excused" else "cost"
        body = {"status": "skipped", "reason": reason}
    letter = {"taken": "t", "late": "l", "missed": "m", "skipped": "s", "excused": "e"}[what]
    if what == "late" and at <= due + timedelta(hours=1):
        letter = "t"
    answer = await made.post(number, **body)
    is_new = paper.said.get(number) != body
    assert answer.status_code == (201 if is_new else 200), answer.text
    if is_new:
        paper.reports += 1
        paper.said[number] = body
        paper.letters[number] = letter
        paper.judge()


async def infer(paper: Paper) -> None:
    over = [
        n
        for n in range(DOSES)
        if n not in paper.letters and paper.made.due[n] + timedelta(hours=4) <= paper.now
    ]
    assert await infer_missed(paper.made.clinic.tenant_id) == len(over)
    if over:
        paper.letters |= dict.fromkeys(over, "i")
        paper.reports += len(over)
        paper.judge()


async def check(paper: Paper) -> None:
    """Compare everything that can be seen with a recount of the letters."""
    made = paper.made
    path = f"/patients/{made.patient_id}/medications/adherence"
    days = {"from": made.due[0].date().isoformat(), "to": made.due[-1].date().isoformat()}
    found = (await made.clinic.get(path, params=days)).json()["data"]
    overall = found["overall"]
    # A dose whose time is over counts as inferred before the loop has come by.
    shown = dict(paper.letters)
    for number in range(DOSES):
        if made.due[number] + timedelta(hours=4) <= paper.now:
            shown.setdefault(number, "i")
    count = {letter: list(shown.values()).count(letter) for letter in "tlsemi"}
    taken = count["t"] + count["l"]
    observed = taken + count["s"] + count["m"]
    due = observed + count["i"]
    numbers = {name: (one["numerator"], one["denominator"]) for name, one in overall.items()}
    assert numbers["doses_taken"] == (taken, observed)
    assert numbers["doses_taken_at_least"] == (taken, due)
    assert numbers["on_time"] == (count["t"], observed)
    assert numbers["missed_observed"] == (count["m"], due)
    assert numbers["missed_inferred"] == (count["i"], due)
    coverage = round(100 * observed / due, 1) if due else None
    assert {one["coverage"] for one in overall.values()} == {coverage}
    assert sum(point["taken"] for point in found["trend"]) == taken
    assert (found["medications"][0]["low"] or {}).get("reason", "") == paper.is_low
    assert await sql(
        made.clinic, "SELECT count(*) FROM medication_adherence WHERE medication_id = $1", made.id
    ) == paper.reports  # fmt: skip


@pytest.fixture(scope="module")
async def walked(running: Running) -> AsyncIterator[Clinic]:
    async with new_clinic(running.app, running.contract) as clinic:
        yield clinic


@settings(
    max_examples=15, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(steps=st.lists(STEPS, min_size=8, max_size=24))
async def test_whatever_is_said_in_whatever_order_the_figures_are_those_of_a_recount(
    walked: Clinic, running: Running, steps: list[tuple[str, int, str]]
) -> None:
    clock = Clock(NOON)
    running.platform.database.clock = clock
    try:
        await sql(walked, "UPDATE medication_doses SET state = 'cancelled' WHERE source IS NULL")
        before = len(await events(walked))
        made = await taking(walked)
        await made.plan(*(NOON + n * EVERY for n in range(DOSES)))
        paper = Paper(made, clock.at)
        ahead = 0
        for step, number, what in steps:
            if step == "report":
                await say(paper, number, what)
            elif step == "infer":
                await infer(paper)
            else:  # days go by, each with its dose taken, missed, or never heard of
                for _ in range(number):
                    ahead = min(ahead + 1, DOSES - 1)
                    clock.at = paper.now = made.due[ahead]
                    if what != "i":
                        await say(paper, ahead, "taken" if what == "t" else "missed")
        await check(paper)
        await infer(paper)
        await check(paper)
        assert (await events(walked))[before:] == paper.alerts
    finally:
        running.platform.database.clock = utc_now

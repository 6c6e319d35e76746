"""Random lives of medications: whatever happens in whatever order, the rows are the plan."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chroniccare.core.time import LATEST, to_local, zone
from chroniccare.medications.doses import rounds
from chroniccare.medications.doses.planner import replan
from chroniccare.medications.doses.rules import (
    DEFAULTS,
    Anchors,
    Clock,
    Kept,
    Regimen,
    dose_id,
    medication_seed,
)
from chroniccare.medications.doses.rules_plan import plan
from chroniccare.medications.dosing.timing import steps
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.medications.doses.support import (
    CLOSE,
    REGIMEN,
    SETTLE,
    STATUS,
    Row,
    add_medication,
    rows,
    timing,
)
from tests.notifications.support import NOON
from tests.notifications.support import Clock as WallClock

ZONES = ["America/New_York", "America/Los_Angeles", "Asia/Tokyo", "Australia/Lord_Howe",
         "Pacific/Kiritimati", "Europe/London"]  # fmt: skip
DOSAGES = [
    timing(frequency=1, period=1, periodUnit="d"),
    timing(frequency=2, period=1, periodUnit="d"),
    timing(frequency=4, period=1, periodUnit="d"),
    timing(frequency=1, period=8, periodUnit="h"),
    timing(frequency=1, period=5, periodUnit="h", count=30),
    timing(frequency=2, period=1, periodUnit="d", count=9),
    timing(period=1, periodUnit="d", timeOfDay=["09:00:00", "21:30:00"], dayOfWeek=["tue", "wed"]),
]
DAYS = [
    {},
    {"wake": "05:30", "breakfast": "06:00"},
    {"dinner": "20:00", "bed": "00:30"},
    {"wake": "09:00", "breakfast": "11:30", "lunch": "13:00"},
]
EVENTS = ["regimen", "hold", "pause", "resume", "stop", "move", "day", "clinic", "take", "late",
          "skip", "remind", "wait", "wait", "wait", "wait", "prescribe"]  # fmt: skip
STATES = {"hold": "on_hold", "stop": "stopped", "resume": "active"}
BOOKMARK = Command("SELECT planned_until FROM medications WHERE id = $1")


@dataclass(slots=True)
class Taken:
    """A medication as the model knows it."""

    id: UUID
    status: str
    hold_until: date | None
    regimens: list[Regimen]


@dataclass(slots=True)
class Life:
    """A patient, what they take and by what they live."""

    clinic: Clinic
    clock: WallClock
    patient: UUID
    provider: UUID
    body: dict[str, Any]
    clinic_day: dict[str, str] = field(default_factory=dict)
    own_day: dict[str, str] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)

    @property
    def wall(self) -> Clock:
        day = {**DEFAULTS, **self.clinic_day, **self.own_day}
        return Clock(self.body["time_zone"], Anchors.of(*(day[name] for name in DEFAULTS)))

    @property
    def today(self) -> date:
        return to_local(self.clock.at, zone(self.body["time_zone"])).date()

    def regimen(self, version: int, dosage: list[dict[str, Any]]) -> Regimen:
        return Regimen(version, steps(dosage), self.today, None, self.clock.at, None, self.wall)

    async def prescribe(self, dosage: list[dict[str, Any]]) -> None:
        async with begin(self.clinic.caller) as tx:
            made = await add_medication(
                tx, self.patient, self.provider, dosage, starts_on=self.today
            )
            await replan(tx, [made])
        self.taken.append(Taken(made, "active", None, [self.regimen(1, dosage)]))

    async def change(self, one: Taken, dosage: list[dict[str, Any]]) -> None:
        version = len(one.regimens) + 1
        async with begin(self.clinic.caller) as tx:
            await tx.run(CLOSE, one.id, tx.now)
            await tx.run(
                REGIMEN, tx.caller.tenant_id, one.id, version, dosage, self.today, None, tx.now
            )
            await replan(tx, [one.id])
        one.regimens.append(self.regimen(version, dosage))

    async def set_status(self, one: Taken, status: str, until: date | None = None) -> None:
        async with begin(self.clinic.caller) as tx:
            await tx.run(STATUS, one.id, status, until)
            await replan(tx, [one.id])
        one.status, one.hold_until = status, until

    async def settle(self, row: Row, state: str, at: datetime | None = None) -> None:
        async with begin(self.clinic.caller) as tx:
            await tx.run(SETTLE, row.id, state, at)
            await replan(tx, [one.id for one in self.taken])

    async def move(self, to: str) -> None:
        self.body["time_zone"] = to
        answer = await self.clinic.put(f"/patients/{self.patient}", self.body)
        assert answer.status_code == 200, answer.text

    async def live(self, whose: str, day: dict[str, str]) -> None:
        path = "/dosing-times" if whose == "clinic" else f"/patients/{self.patient}/dosing-times"
        answer = await self.clinic.put(path, {**dict.fromkeys(DEFAULTS), **day})
        if answer.status_code == 422:  # it does not go with the clinic's day
            return
        if whose == "clinic":
            self.clinic_day = day
        else:
            self.own_day = day


def is_fixed(row: Row, now: datetime) -> bool:
    settled = row.state in {"taken", "skipped", "missed", "not_applicable"}
    return settled or (row.due_at <= now and row.state != "cancelled")


async def happen(life: Life, event: str, data: st.DataObject) -> UUID | None:
    """Let something happen; return the dose that it settled."""
    one = data.draw(st.sampled_from(life.taken))
    if event in STATES:
        await life.set_status(one, STATES[event])
    elif event == "pause":
        until = life.today + timedelta(days=data.draw(st.integers(1, 5)))
        await life.set_status(one, "on_hold", until)
    elif event in {"regimen", "prescribe"}:
        dosage = data.draw(st.sampled_from(DOSAGES))
        if event == "regimen":
            await life.change(one, dosage)
        elif len(life.taken) < 3:
            await life.prescribe(dosage)
    elif event == "move":
        await life.move(data.draw(st.sampled_from(ZONES)))
    elif event in {"day", "clinic"}:
        await life.live(event, data.draw(st.sampled_from(DAYS)))
    elif event == "wait":
        life.clock.forward(minutes=data.draw(st.sampled_from([7, 95, 400, 1440, 3000])))
    else:
        return await settled(life, event, one)
    return None


async def settled(life: Life, event: str, one: Taken) -> UUID | None:
    now = life.clock.at
    found = await rows(life.clinic, one.id, "planned", "reminded")
    past = [row for row in found if row.due_at <= now]
    coming = [row for row in found if row.due_at > now]
    if event == "remind" and coming and coming[0].state == "planned":
        await life.settle(coming[0], "reminded")
        return None
    if event == "take" and coming and coming[0].due_at - now < timedelta(hours=2):
        await life.settle(coming[0], "taken", now)  # early
        return coming[0].id
    if event in {"late", "skip"} and past:
        await life.settle(past[-1], *(("taken", now) if event == "late" else ("skipped",)))
        return past[-1].id
    return None


def fresh(life: Life, one: Taken, there: list[Row], until: datetime) -> dict[UUID, tuple[Any, ...]]:
    """Return what a plan from nothing comes to: by id, when a dose is due, late and missed."""
    if one.status == "stopped" or (one.status == "on_hold" and one.hold_until is None):
        return {}
    now = life.clock.at
    kept = []
    for row in there:
        if is_fixed(row, now) or row.state == "reminded":
            at = row.taken_at if row.state == "taken" else row.due_at
            counts = row.state in {"taken", "planned", "reminded"}
            kept.append(
                Kept(
                    row.version,
                    row.local_date,
                    row.ordinal,
                    row.due_at,
                    at if counts else None,
                    is_open=row.state == "reminded" and row.due_at > now,
                )
            )
    made = plan(
        one.regimens[-1:], life.wall, after=now, until=until, kept=kept,
        paused_until=one.hold_until if one.status == "on_hold" else None,
    )  # fmt: skip
    seed = medication_seed(life.clinic.tenant_id, one.id, one.regimens[-1].version)
    return {
        dose_id(seed, dose.local_date, dose.ordinal, dose.due_at): (
            dose.local_date, dose.ordinal, dose.due_at, dose.late_at, dose.missed_at,
        )
        for dose in made.doses
    }  # fmt: skip


def nearest(one: Regimen, anchors: Anchors) -> timedelta:
    """Return how near doses may be, worked out anew: half of the shortest way on the clock."""
    repeat = one.steps[0].repeat
    assert repeat is not None
    if repeat.is_interval:
        return timedelta(hours=float(repeat.period)) / 2
    names = {
        1: ["breakfast"],
        2: ["breakfast", "dinner"],
        4: ["breakfast", "lunch", "dinner", "bed"],
    }
    at = [time.hour * 60 + time.minute for time in repeat.times]
    at = at or [getattr(anchors, name) for name in names[repeat.frequency]]
    gaps = [later - one for one, later in pairwise([*at, at[0] + 1440])]
    return timedelta(minutes=min(gaps)) / 2


async def check(life: Life, before: dict[UUID, dict[UUID, Row]], own: UUID | None) -> None:
    """Check everything that must always hold."""
    now = life.clock.at
    for one in life.taken:
        there = await rows(life.clinic, one.id)
        by_id = {row.id: row for row in there}
        for key, row in before.get(one.id, {}).items():
            if is_fixed(row, now) and key != own:
                assert by_id[key] == row, "what is past was changed"
        async with begin(life.clinic.caller) as tx:
            until = await tx.value(BOOKMARK, one.id)
        until = now + timedelta(days=14) if until == LATEST else until
        coming = [row for row in there if row.state == "planned" and row.due_at > now]
        assert {
            row.id: (row.local_date, row.ordinal, row.due_at, row.late_at, row.missed_at)
            for row in coming
        } == fresh(life, one, there, until)
        least = nearest(one.regimens[-1], life.wall.anchors)
        may_be = {"taken", "planned", "reminded"}
        at = sorted(
            (row.taken_at or row.due_at, row in coming) for row in there if row.state in may_be
        )
        for (first, is_first), (second, is_second) in pairwise(at):
            assert second - first >= least or not (is_first or is_second)


async def alive(clinic: Clinic, clock: WallClock, data: st.DataObject) -> Life:
    """Return a patient who takes one medication."""
    body = clinic.patient_body()
    patient = UUID((await clinic.make("/patients", body))["id"])
    life = Life(clinic, clock, patient, UUID((await clinic.provider())["id"]), body)
    await life.prescribe(data.draw(st.sampled_from(DOSAGES)))
    return life


@settings(
    max_examples=15, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate],  # a life is short, and to shrink it takes minutes

    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
async def test_the_rows_are_the_plan_whatever_happens(
    running: Running, clock: WallClock, data: st.DataObject
) -> None:
    clock.at = NOON
    async with new_clinic(running.app, running.contract) as clinic:
        life = await alive(clinic, clock, data)
        for _ in range(data.draw(st.integers(6, 12))):
            before = {
                one.id: {row.id: row for row in await rows(clinic, one.id)} for one in life.taken
            }
            event = data.draw(st.sampled_from(EVENTS))
            own = await happen(life, event, data)
            await rounds.run(clinic.tenant_id)
            await check(life, before, own)
            async with begin(clinic.caller) as tx:  # in any order, as often as one likes
                ids = data.draw(st.permutations([one.id for one in life.taken]))
                for key in ids:
                    await replan(tx, [key])
                assert await replan(tx, ids) == 0
            await check(life, before, own)

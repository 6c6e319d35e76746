"""Random work on a few recalls, step by step against a model: who holds what, who is listed."""

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.client import Clinic
from tests.notifications.support import Clock
from tests.scheduling.recall.support import TODAY, listed, recalled

LEASE = timedelta(minutes=15)
WORKERS = ["Ada", "Ben", "Cyd"]
AGAIN = {"agreed_to_visit": 30, "remind_to_call_later": 7}


@dataclass(slots=True)
class Modelled:
    """What a recall ought to be."""

    id: str
    high_risk: bool
    due: date
    holder: str = ""
    until: datetime | None = None
    remind: date | None = None
    is_open: bool = True
    unanswered: int = 0

    def held_by(self, now: datetime) -> str:
        return self.holder if self.until is not None and self.until > now else ""

    def is_listed(self, now: datetime, today: date, mine: str = "") -> bool:
        return (
            self.is_open
            and timedelta() <= today - self.due <= timedelta(days=365)
            and (self.remind is None or self.remind <= today)
            and self.held_by(now) in {"", mine}
        )

    def refusal(self, worker: str, now: datetime) -> str:
        """Return the code with which this worker's call is refused, if it is."""
        if not self.is_open:
            return "RECALL_CLOSED"
        holder = self.held_by(now)
        if not holder:
            return "RECALL_NOT_HELD"
        return "" if holder == worker else "RECALL_CLAIMED"

    def free(self) -> None:
        self.holder, self.until = "", None

    def called(self, outcome: str, today: date) -> None:
        self.free()
        self.unanswered = self.unanswered + 1 if outcome == "no_answer" else 0
        if outcome == "removed":
            self.is_open = False
        else:
            days = AGAIN.get(outcome, 1 if self.unanswered < 3 else 7)
            self.remind = today + timedelta(days=days)


@dataclass(slots=True)
class Office:
    """The clinic, its clock, and the model beside it."""

    clinic: Clinic
    clock: Clock
    chance: random.Random
    recalls: list[Modelled]

    @property
    def today(self) -> date:
        return (self.clock.at - timedelta(hours=5)).date()  # New York in winter, when this runs

    def worklist(self, mine: str = "") -> list[str]:
        order = sorted(self.recalls, key=lambda one: (not one.high_risk, one.due, one.id))
        return [one.id for one in order if one.is_listed(self.clock.at, self.today, mine)]

    async def send(self, path: str, **body: Any) -> Any:
        return (await self.clinic.post(f"/recalls/{path}", body)).json()

    async def claim(self, worker: str) -> None:
        answer = await self.send("claim", worker=worker)
        wanted = self.worklist()[:1]
        assert ([answer["data"]["id"]] if answer["data"] else []) == wanted
        for one in self.recalls:
            if [one.id] == wanted:
                one.holder, one.until = worker, self.clock.at + LEASE

    async def claim_one(self, worker: str, one: Modelled) -> None:
        answer = await self.send("claim", worker=worker, recall_id=one.id)
        if not one.is_open or one.held_by(self.clock.at) not in {"", worker}:
            wanted = "RECALL_CLAIMED" if one.is_open else "RECALL_CLOSED"
            assert answer["error"]["code"] == wanted
        else:
            assert answer["data"]["id"] == one.id
            one.holder, one.until = worker, self.clock.at + LEASE

    async def finish(self, worker: str, one: Modelled, outcome: str) -> None:
        refusal = one.refusal(worker, self.clock.at)
        if outcome == "release":
            answer = await self.send(f"{one.id}/release", worker=worker)
        else:
            reason = {"removed_reason": "other"} if outcome == "removed" else {}
            answer = await self.send(f"{one.id}/calls", worker=worker, outcome=outcome, **reason)
        assert answer.get("error", {}).get("code", "") == refusal
        if not refusal:
            one.free() if outcome == "release" else one.called(outcome, self.today)

    async def step(self) -> None:
        worker, one = self.chance.choice(WORKERS), self.chance.choice(self.recalls)
        held = [each for each in self.recalls if each.held_by(self.clock.at)]
        if held and self.chance.random() < 0.7:
            one = self.chance.choice(held)
            worker = one.holder if self.chance.random() < 0.8 else worker
        outcomes = ["agreed_to_visit", "remind_to_call_later", "no_answer", "no_answer", "release"]
        match self.chance.randrange(5):
            case 0:
                await self.claim(worker)
            case 1:
                await self.claim_one(worker, one)
            case 2 | 3:
                rare = ["removed"] if self.chance.random() < 0.1 else outcomes
                await self.finish(worker, one, self.chance.choice(rare))
            case _:
                minutes = self.chance.choice([5, 10, 14, 15, 60 * 9, 60 * 24, 60 * 24 * 3])
                self.clock.forward(minutes=minutes)


@pytest.mark.parametrize("seed", range(4))
async def test_random_work_keeps_to_the_model(clinic: Clinic, clock: Clock, seed: int) -> None:
    clock.at = datetime.fromisoformat("2031-11-04T17:00:00+00:00")
    chance = random.Random(seed)  # noqa: S311  steps, not secrets
    start = (clock.at.date() - TODAY).days
    made = []
    for due in [-360, -9, -9, -1, 0, 2]:
        body = await recalled(clinic, due=start + due, high_risk=chance.random() < 0.4)
        made.append(Modelled(body["id"], body["high_risk"], date.fromisoformat(body["due_on"])))
    office = Office(clinic, clock, chance, made)
    for _ in range(60):
        await office.step()
        assert await listed(clinic) == office.worklist()
        worker = chance.choice(WORKERS)
        assert await listed(clinic, worker=worker) == office.worklist(worker)

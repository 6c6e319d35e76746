"""The daily function on the simulator: its logic, its table, its bucket, its providers."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from chroniccare.notifications.daily.entry import Function, Invocation, Place
from chroniccare.simulator.faults import Fault, Kind
from chroniccare.simulator.run import Simulator, running
from chroniccare.simulator.stack import Item, Stack
from tests.notifications.simulated import chosen
from tests.notifications.support import NOON

DAY = NOON.date().isoformat()
CSV = "patientId,phoneNumber,email,appointmentTime,doctorName,location,appointmentId\n"


def visit(number: int, **changes: Any) -> dict[str, Any]:
    """Return an appointment as the event has it."""
    return {
        "patientId": f"P{number}",
        "phoneNumber": f"(415) 555-{number:04d}",
        "email": f"p{number}@example.com",
        "appointmentTime": (NOON + timedelta(days=1)).isoformat(),
        "doctorName": "Lee",
        "location": "Oak Clinic",
        "appointmentId": f"A{number}",
        **changes,
    }


def line(number: int, **changes: Any) -> str:
    """Return the same as a line of a file."""
    return ",".join(str(value) for value in visit(number, **changes).values()) + "\n"


@dataclass(slots=True)
class Bench:
    """The function, and the world around it."""

    simulator: Simulator
    stack: Stack
    function: Function
    now: datetime = NOON
    left: Callable[[], float] = field(default=lambda: 300.0)

    async def run(self, event: Any, *, request: str = "request-1") -> dict[str, Any]:
        """Invoke the function; return its answer, the body read."""
        invocation = Invocation(request, "notifier", self.left, lambda: self.now)
        answer = await self.function.handle(event, invocation)
        return {"statusCode": answer["statusCode"], **json.loads(answer["body"])}

    def faults(self, *kinds: Kind) -> None:
        """Say what becomes of the next calls of a provider."""
        self.simulator.plan.script.extend(Fault(kind) for kind in kinds)

    def reached(self) -> list[str]:
        """Return the addresses that something arrived at."""
        return [one.to for one in self.simulator.ledger.reached]

    def logged(self) -> list[Item]:
        """Return the items of the delivery log."""
        return list(self.stack.items.values())


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    stack = Stack()
    async with running(Simulator(stack=stack)) as simulator:
        settings = chosen(
            simulator, "sns", email_driver="ses", email_from="Oak <noreply@clinic.example>",
            provider_connections="20",
        )  # fmt: skip
        place = Place("log", "lists", "dev", "America/Los_Angeles", "US")
        yield Bench(simulator, stack, Function(place, settings))
    assert simulator.ledger.violations == []

"""A FHIR subscription in the same storm: every booking has a number, and each number came."""

import asyncio
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.webhooks.receiver import Came, Receiver

_MOST_S = 60.0


def _event(bundle: dict[str, Any]) -> list[tuple[int, str]]:
    """Return numbers and records in a notification."""
    found = []
    for one in bundle["entry"][0]["resource"]["parameter"]:
        if one["name"] == "notification-event":
            parts = {part["name"]: part for part in one["part"]}
            focus = parts["focus"]["valueReference"]["reference"].rpartition("/")[2]
            found.append((int(parts["event-number"]["valueString"]), focus))
    return found


@dataclass(slots=True)
class Watch:
    """A subscription to bookings, and what came of it."""

    fhir: httpx.AsyncClient
    receiver: Receiver
    refuses: Callable[[], bool]
    id: str = ""
    accepted: set[tuple[int, str]] = field(default_factory=set)

    def answer(self, came: Came) -> int:
        """Refuse some; remember the others."""
        if self.refuses():
            return 500
        self.accepted.update(_event(came.document))
        return 204

    async def subscribe(self, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        """Subscribe, and let a worker live until the endpoint is verified."""
        base = str(self.fhir.base_url).rstrip("/")
        body = {
            "resourceType": "Subscription", "status": "requested", "reason": "Chaos",
            "criteria": f"{base}/SubscriptionTopic/appointment-booked",
            "channel": {"type": "rest-hook", "endpoint": self.receiver.url,
                        "payload": "application/fhir+json"},
        }  # fmt: skip
        made = await self.fhir.post("/Subscription", json=body)
        assert made.status_code == 201, made.text
        self.id = made.json()["id"]
        self.receiver.status = self.answer
        worker, deadline = start(), time.monotonic() + _MOST_S
        try:
            while await self._status() != "active":
                assert time.monotonic() < deadline, "not verified"
                await asyncio.sleep(0.1)
        finally:
            worker.kill()
            worker.wait()

    async def _status(self) -> str:
        read = await self.fhir.get(f"/Subscription/{self.id}")
        status: str = read.json()["status"]
        return status

    async def judge(self, booked: list[str]) -> list[str]:
        """Return what is wrong: `booked` are the visits that were booked."""
        told = await self.fhir.get(f"/Subscription/{self.id}/$events")
        listed = _event(told.json())
        found = [] if [number for number, _ in listed] == list(range(1, len(booked) + 1)) else [
            "subscription: numbers have gaps"
        ]  # fmt: skip
        if sorted(record for _, record in listed) != sorted(booked):
            found.append("subscription: other visits than were booked")
        found += [f"subscription lost: {one}" for one in set(listed) - self.accepted]
        found += [f"subscription never was: {one}" for one in self.accepted - set(listed)]
        return found

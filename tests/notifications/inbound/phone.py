"""A patient's phone: what it sends reaches the clinic through the gateway, signed."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from chroniccare.notifications.inbound import receiving
from chroniccare.notifications.receipts import rules as signing
from chroniccare.platform.postgres import Command, begin_system
from chroniccare.scheduling import replies
from tests.client import Clinic
from tests.notifications.optouts import opt_outs
from tests.notifications.receipts.amazon import SECRET
from tests.notifications.support import Clock

_CLEAR = Command("DELETE FROM inbound_inbox")
_LEFT = Command("SELECT count(*) FROM inbound_inbox")


async def clear_the_inbox() -> None:
    async with begin_system("test") as tx:
        await tx.run(_CLEAR)


async def left() -> int:
    """Return how many replies wait in the inbox, of whatever clinic."""
    async with begin_system("test") as tx:
        return int(await tx.value(_LEFT))


def signed(body: Any, at: datetime, *, secret: str = SECRET) -> dict[str, Any]:
    """Return the content and headers of a gateway's call."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(at.timestamp()))
    return {
        "content": data,
        "headers": {
            "x-receipt-timestamp": stamp,
            "x-receipt-signature": signing.http_signature(secret, stamp, data),
        },
    }


@dataclass(slots=True)
class Phone:
    """The phone with one number, and what the clinic makes of its messages."""

    clinic: Clinic
    clock: Clock
    http: httpx.AsyncClient
    number: str
    sent: int = 0
    ids: list[str] = field(default_factory=list)

    async def post(self, text: str, **fields: Any) -> httpx.Response:
        """Send one text message; the clinic has it, and has not read it."""
        self.sent += 1
        message_id = f"{self.clinic.tenant_id}-{self.number}-{self.sent}"
        reply = {"id": message_id, "sender": self.number, "text": text, **fields}
        self.ids.append(str(reply["id"]))
        call = signed({"replies": [reply]}, self.clock.at)
        return await self.http.post("/inbound/http", **call)

    async def says(self, text: str, **fields: Any) -> dict[str, Any]:
        """Send one text message and return what the clinic made of it."""
        answer = await self.post(text, **fields)
        assert answer.status_code == 200, answer.text
        await receiving.receive_due()
        await replies.sweep(self.clinic.tenant_id)
        return (await self.replies())[0]

    async def replies(self) -> list[dict[str, Any]]:
        """Return what the clinic has from this number, the latest first."""
        listed = await self.clinic.get("/replies")
        return [one for one in listed.json()["data"]["items"] if one["sender"] == self.number]

    async def tasks(self) -> list[tuple[str, str]]:
        """Return the open tasks, as what and why."""
        listed = (await self.clinic.get("/tasks")).json()["data"]["items"]
        return [(one["code"], one["reason"]) for one in listed]

    async def barred(self) -> list[str]:
        found = await opt_outs(self.clinic.caller)
        return [f"{one.address} {one.reason}" for one in found if one.lifted_at is None]


def own_number() -> dict[str, Any]:
    """Return contact points that no patient of any other test has."""
    number = f"+1415{2_000_000 + uuid4().int % 7_900_000}"
    email = {"system": "email", "value": "maria@example.com", "rank": 2}
    return {"telecom": [{"system": "phone", "value": number}, email]}


def number_of(patient: dict[str, Any]) -> str:
    return str(patient["contact_info"]["telecom"][0]["value"])


async def phone_of(
    clinic: Clinic, clock: Clock, http: httpx.AsyncClient, patient_id: UUID | str
) -> Phone:
    """Return the phone of a patient."""
    patient = (await clinic.get(f"/patients/{patient_id}")).json()["data"]
    return Phone(clinic, clock, http, number_of(patient))

"""What the tests of the waitlist share: a provider, patients who wait, visits that go away."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import lapse
from chroniccare.scheduling.waitlist import backfill
from tests.client import Clinic
from tests.notifications.support import NOON, Clock

START = NOON + timedelta(days=2)
"""12:00 in New York, two days after the clock of the tests."""
HOUR = timedelta(hours=1)
_OPEN_OFFERS = Command("SELECT count(*) FROM waitlist_offers WHERE outcome = 'open'")
_OPENINGS = Command("SELECT count(*) FROM waitlist_openings")
_OUTBOX = Command(
    "SELECT event_type FROM outbox WHERE event_type LIKE 'waitlist.%' ORDER BY created_at, id"
)


@dataclass(slots=True)
class Desk:
    """A clinic with one provider at one facility in New York, who work around the clock."""

    clinic: Clinic
    clock: Clock
    provider: dict[str, Any]

    @property
    def where(self) -> dict[str, Any]:
        return {
            "provider_id": self.provider["id"],
            "facility_id": self.provider["facilities"][0]["facility_id"],
        }

    async def waiting(self, **fields: Any) -> dict[str, Any]:
        """Put a patient on the list: a new one unless told, for anything unless told."""
        if "patient_id" not in fields:
            fields["patient_id"] = (await self.clinic.patient())["id"]
        return await self.clinic.make("/waitlist", fields)

    async def visit(self, start: datetime = START, **fields: Any) -> dict[str, Any]:
        """Book half an hour for a new patient unless told."""
        if "patient_id" not in fields:
            fields["patient_id"] = (await self.clinic.patient())["id"]
        body = {
            **self.where, "appointment_type": "follow_up", "scheduled_start": start.isoformat(),
            **fields,
        }  # fmt: skip
        return await self.clinic.make("/appointments", body)

    async def cancel(self, visit: dict[str, Any]) -> None:
        reason = {"cancellation_reason": "Patient asked for it"}
        answer = await self.clinic.delete(f"/appointments/{visit['id']}", json=reason)
        assert answer.status_code == 200

    async def free(self, start: datetime = START, **fields: Any) -> None:
        """Book a time and give it up, so that it is free again."""
        await self.cancel(await self.visit(start, **fields))

    async def sweep(self) -> int:
        return await backfill.sweep(self.clinic.tenant_id)

    async def lapse(self) -> int:
        return await lapse.sweep(self.clinic.tenant_id)

    async def offers(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the offers of an entry, the newest first."""
        listed = await self.clinic.get(f"/waitlist/{entry['id']}/offers")
        found: list[dict[str, Any]] = listed.json()["data"]["items"]
        return found

    async def offer(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the one offer of an entry."""
        [found] = await self.offers(entry)
        return found

    async def by_hand(self, entry: dict[str, Any], **fields: Any) -> Any:
        body = {
            **self.where, "scheduled_start": START.isoformat(), "appointment_type": "follow_up",
            **fields,
        }  # fmt: skip
        return await self.clinic.post(f"/waitlist/{entry['id']}/offers", body)

    async def answer(self, offer: dict[str, Any], step: str, **options: Any) -> Any:
        return await self.clinic.post(f"/waitlist/offers/{offer['id']}/{step}", **options)

    async def now(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return an entry as it is now."""
        read: dict[str, Any] = (await self.clinic.get(f"/waitlist/{entry['id']}")).json()["data"]
        return read

    async def status(self, entry: dict[str, Any]) -> str:
        return str((await self.now(entry))["status"])

    async def appointment(self, appointment_id: str) -> dict[str, Any]:
        read: dict[str, Any] = (await self.clinic.get(f"/appointments/{appointment_id}")).json()
        return dict(read["data"])

    async def messages(self, entry: dict[str, Any], kind: str) -> list[dict[str, Any]]:
        listed = await self.clinic.get(f"/patients/{entry['patient_id']}/notifications")
        return [m for m in listed.json()["data"]["items"] if m["notification_type"] == kind]

    async def events(self) -> list[str]:
        async with begin(self.clinic.caller) as tx:
            return await tx.values(_OUTBOX)

    async def open_offers(self) -> int:
        async with begin(self.clinic.caller) as tx:
            return int(await tx.value(_OPEN_OFFERS))

    async def openings(self) -> int:
        async with begin(self.clinic.caller) as tx:
            return int(await tx.value(_OPENINGS))

    async def sql(self, text: str, *args: Any) -> Any:
        """Look or change something behind the API's back."""
        async with begin(self.clinic.caller) as tx:
            return await tx.values(Command(text), *args)


def at(value: str) -> datetime:
    return datetime.fromisoformat(value)


def id_of(record: dict[str, Any]) -> UUID:
    return UUID(record["id"])

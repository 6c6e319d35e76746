"""The day's appointments from the platform's API: pages of visits, then those whom they concern.

Of each record only what a reminder needs is kept: ids, the instant, addresses, two names. People
are asked for many at a time by their ids; facilities, of which a clinic has few, by pages.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from chroniccare.core.time import to_instant, zone
from chroniccare.notifications import rules as sending
from chroniccare.notifications.daily.rules import channels
from chroniccare.notifications.daily.source import SourceError
from chroniccare.platform.reader import Reader, ReadError

SCOPES = ("appointments:read", "facilities:read", "patients:read", "providers:read")
"""What the key must be able to do, and all that it should."""
_PAGE = 200
_IDS_AT_ONCE = 100
"""Some 4 KB of URL; gateways take about 10."""
_READ_S = 120.0
_OPEN = ("scheduled", "confirmed")
"""In this order: a visit that is confirmed meanwhile comes twice and counts once."""
_FIELDS = {"phone": "phoneNumber", "email": "email"}


@dataclass(frozen=True, slots=True)
class Visits:
    """The API; `zone_name` is the one whose days are meant, `time_left` is in seconds."""

    reader: Reader
    zone_name: str
    time_left: Callable[[], float]

    async def read(self, day: date, now: datetime) -> list[tuple[int, Any]]:
        """Return the day's visits that still begin, numbered, with the fields of a list.

        Left out: visits that are not to take place, patients whose record is closed, and those
        who want none of our channels.

        Raises:
            SourceError: the API cannot be read, or not in time.
        """
        most = max(0.0, min(_READ_S, self.time_left()))
        try:
            async with asyncio.timeout(most):
                return list(enumerate(await self._rows(day, now), start=1))
        except TimeoutError:
            raise SourceError(f"the platform's API took more than {most:.0f} s") from None
        except (AttributeError, KeyError, TypeError):
            raise SourceError("the platform's API answers in another shape") from None

    async def _rows(self, day: date, now: datetime) -> list[dict[str, Any]]:
        found = await self._visits(day, now)
        people = await self._by_id("patients", {one["patient_id"] for one in found}, _patient)
        doctors = await self._by_id("providers", {one["provider_id"] for one in found}, _full_name)
        places = await self._facilities({one["facility_id"] for one in found})
        return [
            {
                "appointmentId": visit["id"],
                "patientId": visit["patient_id"],
                "appointmentTime": visit["scheduled_start"],
                "doctorName": doctors.get(visit["provider_id"]),
                "location": places.get(visit["facility_id"]),
                **addresses,
            }
            for visit in found
            if (addresses := people.get(visit["patient_id"], {})) is not None
        ]

    async def _visits(self, day: date, now: datetime) -> list[Mapping[str, str]]:
        tz = zone(self.zone_name)
        # What has begun needs no reminder.
        start = max(to_instant(day, time.min, tz), now)
        end = to_instant(day + timedelta(days=1), time.min, tz)
        found: dict[str, Mapping[str, str]] = {}
        if start < end:
            for status in _OPEN:
                query = [("from", start.isoformat()), ("to", end.isoformat()), ("status", status)]
                async for one in self._pages("appointments", query):
                    names = ("id", "patient_id", "provider_id", "facility_id", "scheduled_start")
                    found[one["id"]] = {name: one[name] for name in names}
        return list(found.values())

    async def _by_id(
        self, kind: str, ids: Iterable[str], kept: Callable[[Mapping[str, Any]], Any]
    ) -> dict[str, Any]:
        wanted, found = sorted(ids), dict[str, Any]()
        for at in range(0, len(wanted), _IDS_AT_ONCE):
            query = [("id", one) for one in wanted[at : at + _IDS_AT_ONCE]]
            async for one in self._pages(kind, query):
                found[one["id"]] = kept(one)
        return found

    async def _facilities(self, ids: set[str]) -> dict[str, str]:
        if not ids:
            return {}
        pages = self._pages("facilities", [])
        return {one["id"]: one["name"] async for one in pages if one["id"] in ids}

    async def _pages(
        self, kind: str, query: Sequence[tuple[str, str]]
    ) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = ""
        while cursor is not None:
            more = [("limit", str(_PAGE)), *([("cursor", cursor)] if cursor else [])]
            try:
                answer = await self.reader.get(f"/api/v1/{kind}", [*query, *more])
            except ReadError as error:
                raise SourceError(f"the platform's API, {kind}: {error}") from None
            for one in answer["data"]["items"]:
                yield one
            cursor = answer["data"]["next_cursor"]


def _full_name(provider: Mapping[str, Any]) -> str:
    return f"{provider['first_name']} {provider['last_name']}"


def _patient(record: Mapping[str, Any]) -> dict[str, str] | None:
    """Return where a patient may be reached; None: they are not to be written to.

    Nothing is a fault that is counted: there is no address.
    """
    if not record["is_active"] or record["treatment_status"] == "deceased":
        return None
    points = [one for one in record["contact_info"]["telecom"] if one["use"] != "old"]
    found: dict[str, str] = {}
    for one in sorted(points, key=lambda point: point["rank"]):
        found.setdefault(one["system"], one["value"])
    wanted = sending.wanted_channels(record["communication_preferences"]["channels"])
    mine = channels(found)
    usable = [
        one for one in mine if one in wanted and sending.consents(record["consent_settings"], one)
    ]
    if mine and not usable:
        return None
    systems = [sending.SYSTEM_OF[one] for one in usable]
    return {_FIELDS[one]: found[one] for one in systems}

"""What an event asks for, and where its appointments are: in itself, or in a file of the bucket."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from chroniccare.core.time import parse_instant, to_local, zone
from chroniccare.notifications.batch_file import BatchFileError, entries
from chroniccare.notifications.daily.rules import parcels
from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError

MOST_FILE_BYTES = 20_000_000
"""Some 80,000 appointments; a function of 512 MB holds them, and no clinic has as many in a day."""
_KEYS = ("appointments/{}.csv", "appointments/{}.json")
_SCHEDULED = ("schedule", "date", "detail-type")
_READ_S = 60.0


class EventError(Exception):
    """The event asks for nothing that the function does; the message is the 400 answer's."""


class SourceError(Exception):
    """There is no list, or it cannot be read: nothing was sent; the message holds no row."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One event, understood.

    Attributes:
        rows: the appointments that it brings; None: those of the file of `day`.
        batch_id: the batch that it goes on with, if it does.
        round: how many runs that batch has had before.
    """

    rows: list[Any] | None
    day: date | None = None
    batch_id: str | None = None
    round: int = 0

    def again(self, batch_id: str, rest: list[Any]) -> list[dict[str, Any]]:
        """Return the events that go on: with what is left of a list, of a file with its log."""
        common = {"batchId": batch_id, "round": self.round + 1}
        if self.day is not None:
            return [common | {"date": self.day.isoformat()}]
        return [common | {"appointments": parcel} for parcel in parcels(rest)]


def asked(event: Any, *, now: datetime, zone_name: str) -> Asked:
    """Return what an event asks for.

    With `appointments` it brings them. Else it is a tick of the clock: `schedule` has its instant,
    or `date` the day; without either, as from an EventBridge rule, it is today in `zone_name`.

    Raises:
        EventError: it has another shape, or an empty list.
    """
    if not isinstance(event, Mapping):
        raise EventError("The event must be an object")
    batch_id, count = event.get("batchId"), event.get("round", 0)
    if not isinstance(batch_id, str | None) or type(count) is not int:
        raise EventError("batchId must be text and round a number")
    if "appointments" in event:
        rows = event["appointments"]
        if not isinstance(rows, list):
            raise EventError("appointments must be a list")
        if not rows:
            raise EventError("No appointments provided")
        return Asked(rows, None, batch_id, count)
    if not any(name in event for name in _SCHEDULED):
        raise EventError("No appointments provided")
    return Asked(None, _day(event, now, zone_name), batch_id, count)


def _day(event: Mapping[str, Any], now: datetime, zone_name: str) -> date:
    try:
        if "date" in event:
            return date.fromisoformat(event["date"])
        at = event.get("schedule")
        # An emulator leaves the schedule's placeholder as it stands.
        tick = now if not isinstance(at, str) or at.startswith("<") else datetime.fromisoformat(at)
        local: date = to_local(parse_instant(tick, field="schedule"), zone(zone_name)).date()
    except (TypeError, ValueError):
        raise EventError("date must be like 2026-12-01, schedule an instant") from None
    return local


@dataclass(frozen=True, slots=True)
class Files:
    """The bucket; `client` is one of S3."""

    client: Client
    bucket: str
    names: tuple[str, ...] = field(default=_KEYS)

    async def read(self, day: date) -> list[tuple[int, Any]]:
        """Return the lines of the day's file; see `batch_file.entries`.

        Raises:
            SourceError: there is none, or it cannot be read.
        """
        for name in self.names:
            key = name.format(day.isoformat())
            try:
                async with asyncio.timeout(_READ_S):
                    data = await self._read(key)
            except TimeoutError:
                raise SourceError(f"{key}: took more than {_READ_S:.0f} s to be read") from None
            if data is not None:
                # What is not UTF-8 is a fault of its own row: it cannot be a name or an address.
                text = data.decode("utf-8-sig", errors="surrogateescape")
                try:
                    return entries(key, text)
                except BatchFileError as error:
                    raise SourceError(str(error)) from None
        key = self.names[0].format(day.isoformat())
        raise SourceError(f"{key}: is not in the bucket; a day without visits has an empty list")

    async def _read(self, key: str) -> bytes | None:
        try:
            answer = await self.client.call("get_object", Bucket=self.bucket, Key=key)
            async with answer["Body"] as body:
                if answer["ContentLength"] > MOST_FILE_BYTES:
                    raise SourceError(
                        f"{key}: has {answer['ContentLength']} bytes, more than {MOST_FILE_BYTES}"
                    )
                data: bytes = await body.read()
        except AwsError as error:
            if error.aws == "NoSuchKey":
                return None
            raise SourceError(f"{key}: {error.code} {error.aws}") from None
        return data

"""Slot: a time of somebody's hours. It has no row: its id says all, and nothing of a patient.

    base64url with "-" and "." ( provider, 16 bytes | facility, 16 | start, 4 | minutes, 2 )

The start is in minutes since 1970. The same time has the same id for ever, whoever asks.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, said
from chroniccare.fhir.resources.places import visit_type

_LETTERS = b"-."
_LENGTH = 51
_MOST_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Time:
    """A time with a provider at a facility; `start` is a UTC instant on a whole minute."""

    provider_id: UUID
    facility_id: UUID
    start: datetime
    minutes: int

    @property
    def end(self) -> datetime:
        """Return its end, a UTC instant."""
        return self.start + timedelta(minutes=self.minutes)


def slot_id(time: Time) -> str:
    """Return the id of a time."""
    minute = int(time.start.timestamp()) // 60
    raw = (
        time.provider_id.bytes
        + time.facility_id.bytes
        + minute.to_bytes(4, "big")
        + time.minutes.to_bytes(2, "big")
    )
    return base64.b64encode(raw, altchars=_LETTERS).decode().rstrip("=")


def opened(text: str) -> Time | None:
    """Return the time that an id says; None when it is none of ours."""
    if len(text) != _LENGTH or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "=", altchars=_LETTERS, validate=True)
    except ValueError:
        return None
    start = datetime.fromtimestamp(int.from_bytes(raw[32:36], "big") * 60, UTC)
    time = Time(
        UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), start, int.from_bytes(raw[36:], "big")
    )
    # The text, not the bytes: the last letter has bits to spare.
    is_ours = 0 < time.minutes <= _MOST_MINUTES and slot_id(time) == text
    return time if is_ours else None


def of_visit(provider_id: UUID, facility_id: UUID, start: datetime, minutes: int) -> Resource:
    """Return the reference to the time that a visit takes."""
    return {"reference": f"Slot/{slot_id(Time(provider_id, facility_id, start, minutes))}"}


def to_fhir(
    time: Time, status: str, schedule_id: UUID, tenant_id: UUID, service: str | None
) -> Resource:
    """Return a time; its version is its state, for nothing else of it can change."""
    return said(
        {"resourceType": "Slot", "id": slot_id(time), "meta": {"versionId": status}},
        serviceType=None if service is None else [visit_type(service, tenant_id)],
        schedule=common.reference("Schedule", schedule_id),
        status=status,
        start=time.start,
        end=time.end,
    )

"""A time that `$find` proposes: an Appointment without a row, whose id says what to book.

    base64url with "-" and "." (Schedule, 16 bytes | start, 4 | minutes, 2 | patient, 16 | kind, 4)

The start is in minutes since 1970; the patient is 0 where nobody was named; the kind of visit is a
digest of its code. Nothing is kept and nothing promised: to hold or book it is to ask for the time.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chroniccare.fhir.resources import common, slot
from chroniccare.fhir.resources.common import Resource
from chroniccare.fhir.resources.places import visit_type

_LETTERS = b"-."
_LENGTH = 56
_NOBODY = UUID(int=0)
_KIND = 4


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an id says; `start` is a UTC instant on a whole minute."""

    schedule_id: UUID
    start: datetime
    minutes: int
    patient_id: UUID | None
    kind: bytes


def kind_of(code: str) -> bytes:
    """Return what stands for a kind of visit."""
    return hashlib.blake2s(code.encode(), digest_size=_KIND).digest()


def written(proposal: Proposal) -> str:
    """Return the id of a proposal."""
    raw = (
        proposal.schedule_id.bytes
        + (int(proposal.start.timestamp()) // 60).to_bytes(4, "big")
        + proposal.minutes.to_bytes(2, "big")
        + (proposal.patient_id or _NOBODY).bytes
        + proposal.kind
    )
    return base64.b64encode(raw, altchars=_LETTERS).decode()


def opened(text: str) -> Proposal | None:
    """Return what an id proposes; None when it is no proposal."""
    if len(text) != _LENGTH or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text, altchars=_LETTERS, validate=True)
    except ValueError:
        return None
    if len(raw) != 42:  # noqa: PLR2004  see above
        return None
    patient_id = UUID(bytes=raw[22:38])
    return Proposal(
        UUID(bytes=raw[:16]),
        datetime.fromtimestamp(int.from_bytes(raw[16:20], "big") * 60, UTC),
        int.from_bytes(raw[20:22], "big"),
        None if patient_id == _NOBODY else patient_id,
        raw[38:],
    )


def to_fhir(
    schedule: Any, time: slot.Time, code: str, patient_id: UUID | None, tenant_id: UUID
) -> Resource:
    """Return the visit that could be booked; `schedule` names provider and facility."""
    name = Proposal(schedule.id, time.start, time.minutes, patient_id, kind_of(code))
    actors = [
        common.reference("Practitioner", time.provider_id, schedule.provider_name),
        common.reference("Location", time.facility_id, schedule.facility_name),
    ]
    participants = [{"actor": one, "status": "accepted"} for one in actors]
    if patient_id is not None:
        patient = common.reference("Patient", patient_id)
        participants.insert(0, {"actor": patient, "status": "needs-action"})
    return {
        "resourceType": "Appointment",
        "id": written(name),
        "status": "proposed",
        "serviceType": [visit_type(code, tenant_id)],
        "start": time.start,
        "end": time.end,
        "minutesDuration": time.minutes,
        "slot": [slot.of_visit(time.provider_id, time.facility_id, time.start, time.minutes)],
        "participant": participants,
    }

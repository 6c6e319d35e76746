"""What was reported, or is inferred, about doses: the one way in which a dose is settled."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.platform.postgres import Tx

Status = Literal["taken", "skipped", "missed"]
Source = Literal["patient", "caregiver", "staff", "device", "inference"]


async def settle(
    tx: Tx, dose_ids: Sequence[UUID], status: Status, *, source: Source, taken_at: datetime | None,
    reason: str | None = None, notes: str | None = None,
) -> list[UUID]:  # fmt: skip
    """Write a report about each dose and what it changes; return the doses that changed."""
    raise NotImplementedError

"""What the API asks of notifications."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core import paging
from chroniccare.core.errors import Invalid, NotFound
from chroniccare.notifications import queries
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx

_DEFAULT_RANGE = timedelta(days=7)
_LONGEST_RANGE = timedelta(days=366)


async def get(tx: Tx, notification_id: UUID) -> queries.Notification:
    """Return one message.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    found = await tx.one(queries.GET, notification_id)
    if found is None:
        raise NotFound("No such notification.")
    return found


async def of_patient(
    tx: Tx, patient_id: UUID, *, filters: list[Any], cursor: str | None, limit: int
) -> paging.Page[queries.Notification]:
    """Return one page of a patient's messages, the latest first; `filters` are status and type.

    Raises:
        NotFound: no such patient.
    """
    await patients.get(tx, patient_id)
    listing = f"notifications of {patient_id}"
    after = paging.decode(cursor, listing, filters, [datetime.fromisoformat, UUID])
    rows = await tx.all(
        queries.LIST_OF_PATIENT, patient_id, *filters, *(after or [None, None]), limit + 1
    )
    return paging.page(
        rows, limit, listing=listing, filters=filters,
        key=lambda row: [row.scheduled_send_time, row.id],
    )  # fmt: skip


async def counts(tx: Tx, start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """Count the messages meant for [start, end): a week up to now unless told.

    Raises:
        Invalid: the range is empty or longer than 366 days.
    """
    end = end or (tx.now if start is None else start + _DEFAULT_RANGE)
    start = start or end - _DEFAULT_RANGE
    if not start < end <= start + _LONGEST_RANGE:
        raise Invalid.field("to", "must lie after `from`, by 366 days at most", "range")
    rows = await tx.all(queries.COUNTS, start, end)
    total = sum(row.count for row in rows)
    return {"from": start, "to": end, "total": total, "counts": rows}

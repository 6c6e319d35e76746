"""Time off and extra hours of providers: made, listed, removed; never changed."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.providers import queries
from chroniccare.providers.schemas import ExceptionWrite

_FARTHEST = timedelta(hours=14)  # no clock is further from UTC
_ENTITY = "availability_exception"


async def add(tx: Tx, provider: queries.Provider, body: ExceptionWrite) -> queries.DayException:
    """Write an exception of `provider`, whose row this transaction has locked.

    Visits that are booked already stay as they are.

    Raises:
        Unprocessable: the day is over, only one of two times is told, the provider does not work
            there, or extra hours do not say where they are.
    """
    if faults := _faults(provider, body, today=(tx.now - _FARTHEST).date()):
        raise Unprocessable(details=faults)
    document = {"id": str(new_id()), **body.model_dump(mode="json")}
    made = await tx.one(
        queries.INSERT_EXCEPTION, document, tx.caller.tenant_id, provider.id, tx.now
    )
    if made is None:
        raise NotFound
    await record(tx, action="create", entity_type=_ENTITY, entity_id=made.id, after=made)
    return made


async def get(tx: Tx, provider_id: UUID, exception_id: UUID) -> queries.DayException:
    """Return one exception.

    Raises:
        NotFound: the provider has none with this id.
    """
    found = await tx.one(queries.GET_EXCEPTION, provider_id, exception_id)
    if found is None:
        raise NotFound("No such exception.")
    return found


async def remove(tx: Tx, exception: queries.DayException, *, provider_id: UUID) -> None:
    """Delete `exception`: the week is what it was.

    Raises:
        NotFound: somebody else was quicker.
    """
    if not await tx.run(queries.DELETE_EXCEPTION, provider_id, exception.id):
        raise NotFound("No such exception.")
    await record(tx, action="delete", entity_type=_ENTITY, entity_id=exception.id, before=exception)


async def search(
    tx: Tx, provider_id: UUID, *, days: list[date | None], cursor: str | None, limit: int
) -> paging.Page[queries.DayException]:
    """Return one page of exceptions by day; `days` are the first and the last, each or None."""
    filters: list[Any] = [provider_id, *days]
    after = paging.decode(cursor, "exceptions", filters, [date.fromisoformat, UUID])
    rows = await tx.all(queries.LIST_EXCEPTIONS, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing="exceptions", filters=filters, key=lambda row: [row.day, row.id]
    )


def _faults(provider: queries.Provider, body: ExceptionWrite, *, today: date) -> list[FieldError]:
    faults = []
    if body.day < today:
        faults.append(FieldError("day", "lies in the past", "past"))
    if (body.start_time is None) != (body.end_time is None):
        missing = "start_time" if body.start_time is None else "end_time"
        faults.append(FieldError(missing, "both times, or none for the whole day", "missing"))
    if body.facility_id is None:
        if body.is_available:
            faults.append(FieldError("facility_id", "extra hours are at a facility", "missing"))
    elif str(body.facility_id) not in {link["facility_id"] for link in provider.facilities}:
        faults.append(FieldError("facility_id", "the provider does not work there", "unknown"))
    return faults

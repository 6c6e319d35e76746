"""Time off and extra hours of providers and facilities: made, listed, removed; never changed.

A provider's exceptions name the provider; a facility's name the facility and no provider.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.facilities.queries import Facility
from chroniccare.platform.postgres import Tx
from chroniccare.providers.actions import works_at
from chroniccare.providers.queries import Provider
from chroniccare.scheduling.availability import queries, rules, stranding
from chroniccare.scheduling.availability.schemas import ExceptionWrite, FacilityExceptionWrite
from chroniccare.scheduling.availability.stranding import Affected, Changed, Choice
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.slots.intervals import less

Owner = Provider | Facility

_Change = Callable[[Sequence[slots.Dated]], list[slots.Dated]]

_FARTHEST = timedelta(hours=14)  # no clock is further from UTC
_ENTITY = "availability_exception"


def today(tx: Tx) -> date:
    """Return the date where it is earliest: a day before it is over everywhere."""
    return (tx.now - _FARTHEST).date()


async def add(
    tx: Tx, provider: Provider, body: ExceptionWrite, *, choice: Choice
) -> Changed[queries.DayException]:
    """Write an exception of `provider`, whose row this transaction has locked.

    Raises:
        Unprocessable: the day is over, only one of two times is told, the provider does not work
            there, or extra hours do not say where they are.
        StrandedVisits: see `stranding.apply`.
    """
    if faults := [*_faults(body, today=today(tx)), *_place_faults(provider, body)]:
        raise Unprocessable(details=faults)
    place = body.facility_id
    document = {**body.model_dump(mode="json"), "provider_id": provider.id}
    return await _add(tx, provider, body, document, place, choice=choice)


async def add_to_facility(
    tx: Tx, facility: Facility, body: FacilityExceptionWrite, *, choice: Choice
) -> Changed[queries.DayException]:
    """Write an exception of `facility`, whose row this transaction has locked.

    Raises:
        Unprocessable: the day is over, or only one of two times is told.
        StrandedVisits: see `stranding.apply`.
    """
    if faults := _faults(body, today=today(tx)):
        raise Unprocessable(details=faults)
    document = {**body.model_dump(mode="json"), "facility_id": facility.id}
    return await _add(tx, facility, body, document, facility.id, choice=choice)


async def _add(
    tx: Tx,
    owner: Owner,
    body: FacilityExceptionWrite,
    document: dict[str, Any],
    place: UUID | None,
    *,
    choice: Choice,
) -> Changed[queries.DayException]:
    one = rules.dated(
        place, body.day, body.start_time, body.end_time, is_available=body.is_available
    )

    def change(hours: rules.Hours) -> rules.Hours:
        return _with_exceptions(hours, owner, lambda known: [*known, one])

    async def write() -> queries.DayException:
        [made] = await tx.all(
            queries.INSERT_EXCEPTIONS, [{"id": new_id(), **document}], tx.caller.tenant_id, tx.now
        )
        await record(tx, action="create", entity_type=_ENTITY, entity_id=made.id, after=made)
        return made

    return await stranding.apply(
        tx, affected(owner, body.day, body.day), change, write, choice=choice
    )


async def get(tx: Tx, provider_id: UUID, exception_id: UUID) -> queries.DayException:
    """Return one exception of a provider.

    Raises:
        NotFound: the provider has none with this id.
    """
    found = await tx.one(queries.GET_EXCEPTION, provider_id, exception_id)
    return _found(found)


async def get_of_facility(tx: Tx, facility_id: UUID, exception_id: UUID) -> queries.DayException:
    """Return one exception of a facility.

    Raises:
        NotFound: the facility has none with this id.
    """
    found = await tx.one(queries.GET_FACILITY_EXCEPTION, facility_id, exception_id)
    return _found(found)


async def remove(
    tx: Tx, owner: Owner, exception: queries.DayException, *, choice: Choice
) -> Changed[None]:
    """Delete `exception` of `owner`, whose row this transaction has locked: the week holds again.

    Raises:
        NotFound: somebody else was quicker.
        StrandedVisits: see `stranding.apply`.
    """
    one = rules.dated(
        exception.facility_id, exception.day, exception.start_time, exception.end_time,
        is_available=exception.is_available,
    )  # fmt: skip

    def change(hours: rules.Hours) -> rules.Hours:
        return _with_exceptions(hours, owner, lambda known: less(known, one))

    async def write() -> None:
        if not await tx.run(queries.DELETE_EXCEPTION, exception.id):
            raise NotFound("No such exception.")
        await record(
            tx, action="delete", entity_type=_ENTITY, entity_id=exception.id, before=exception
        )

    where = affected(owner, exception.day, exception.day)
    return await stranding.apply(tx, where, change, write, choice=choice)


async def search(
    tx: Tx, owner: Owner, *, days: list[date | None], cursor: str | None, limit: int
) -> paging.Page[queries.DayException]:
    """Return one page of exceptions by day; `days` are the first and the last, each or None."""
    filters: list[Any] = [owner.id, *days]
    after = paging.decode(cursor, "exceptions", filters, [date.fromisoformat, UUID])
    query = queries.LIST_EXCEPTIONS
    if isinstance(owner, Facility):
        query = queries.LIST_FACILITY_EXCEPTIONS
    rows = await tx.all(query, *filters, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing="exceptions", filters=filters, key=lambda row: [row.day, row.id]
    )


def affected(owner: Owner, first: date, last: date) -> Affected:
    """Return whose hours change, and when."""
    if isinstance(owner, Facility):
        return Affected(facility_id=owner.id, days=(first, last))
    return Affected(provider_id=owner.id, days=(first, last))


def _with_exceptions(hours: rules.Hours, owner: Owner, change: _Change) -> rules.Hours:
    if isinstance(owner, Facility):
        return rules.with_place(
            hours, owner.id, lambda place: replace(place, exceptions=change(place.exceptions))
        )
    return rules.with_calendar(
        hours, owner.id, lambda calendar: replace(calendar, exceptions=change(calendar.exceptions))
    )


def _found(exception: queries.DayException | None) -> queries.DayException:
    if exception is None:
        raise NotFound("No such exception.")
    return exception


def _faults(body: FacilityExceptionWrite, *, today: date) -> list[FieldError]:
    faults = []
    if body.day < today:
        faults.append(FieldError("day", "lies in the past", "past"))
    if (body.start_time is None) != (body.end_time is None):
        missing = "start_time" if body.start_time is None else "end_time"
        faults.append(FieldError(missing, "both times, or none for the whole day", "missing"))
    return faults


def _place_faults(provider: Provider, body: ExceptionWrite) -> list[FieldError]:
    if body.facility_id is None:
        if not body.is_available:
            return []
        return [FieldError("facility_id", "extra hours are at a facility", "missing")]
    if str(body.facility_id) not in works_at(provider):
        return [FieldError("facility_id", "the provider does not work there", "unknown")]
    return []

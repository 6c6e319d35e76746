"""Entries of a batch that no record answers: histories, Slots, operations, a patient's answers.

Each goes through what its own address goes through, with scopes and transaction of its own.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid, NotFound
from chroniccare.core.wire import dumps
from chroniccare.fhir import (
    asking,
    checking,
    conditional,
    everything,
    history,
    matching,
    outcome,
    responses,
    slot_overrides,
    slots,
)
from chroniccare.fhir import operations_booking as booking
from chroniccare.fhir.kind import Check, Resource
from chroniccare.fhir.operations import Given, In, from_query, read
from chroniccare.fhir.operations_find import FIND, find

_READS = frozenset({"GET", "HEAD"})
MOST_FOUND = 100
"""Versions of a history in a Bundle, which is one request: the next link leads on."""


class Step(Protocol):
    """An entry, as far as this goes."""

    @property
    def method(self) -> str:
        """Its method of HTTP."""
        ...

    @property
    def path(self) -> list[str]:
        """What its address names."""
        ...

    @property
    def query(self) -> str | None:
        """What stands behind the question mark."""
        ...

    @property
    def resource(self) -> Resource | None:
        """Its resource."""
        ...

    @property
    def request(self) -> Resource:
        """Its request, with what the headers would say."""
        ...


@dataclass(frozen=True, slots=True)
class _Operation:
    """How an operation is done.

    Attributes:
        known: its parameters.
        of_one: it is of one record.
        by_get: GET may ask for it.
    """

    known: Mapping[str, In]
    do: Callable[[Caller, str, Given, Check], Awaitable[Resource]]
    of_one: bool = False
    by_get: bool = False


_OPERATIONS: Mapping[tuple[str, str], _Operation] = {
    ("Appointment", "$find"): _Operation(
        FIND, lambda caller, _, given, __: find(caller, given), by_get=True
    ),
    ("Appointment", "$hold"): _Operation(
        booking.HOLD, lambda caller, _, given, __: booking.hold(caller, given)
    ),
    ("Appointment", "$book"): _Operation(
        booking.BOOK, lambda caller, _, given, __: booking.book(caller, given)
    ),
    ("Appointment", "$reschedule"): _Operation(
        booking.RESCHEDULE, booking.reschedule, of_one=True
    ),
    ("Appointment", "$cancel"): _Operation(booking.CANCEL, booking.cancel, of_one=True),
    ("Patient", "$everything"): _Operation(
        everything.EVERYTHING,
        lambda caller, text, given, _: everything.everything(caller, text, given),
        of_one=True, by_get=True,
    ),
    ("Patient", "$match"): _Operation(
        matching.MATCH, lambda caller, _, given, __: matching.match(caller, given)
    ),
}  # fmt: skip


async def answered(
    caller: Caller, step: Step, read_as: Callable[[Resource], Resource]
) -> Resource | None:
    """Return the entry's answer; None: it is of a record. `read_as` makes one of what was read.

    Raises:
        Problem: as its own address answers it.
    """
    path, method = step.path, step.method
    if "_history" in path and method in _READS:
        past = await history.by_path(caller, path, step.query or "", most=MOST_FOUND)
        return read_as(past)
    if path[-1].startswith("$"):
        return _whole(await _operation(caller, step))
    if path[0] == "Slot" and len(path) <= 2:  # noqa: PLR2004  type and id
        return await _slot(caller, step)
    if path == ["AppointmentResponse"] and method == "POST":
        made = await responses.create(caller, _body(step))
        return _whole(made, "201", location=_name(made))
    return None


async def _slot(caller: Caller, step: Step) -> Resource:
    path, is_one = step.path, len(step.path) > 1
    match step.method:
        case "GET" | "HEAD":
            if is_one:
                found = _whole(await slots.read(caller, path[1]))
            else:
                pairs = asking.pairs_of(step.query or "")
                found = _whole(await slots.search(caller, pairs, strict=True))
            return found if step.method == "GET" else {"response": found["response"]}
        case "POST" if not is_one:
            made, is_new = await slot_overrides.create(caller, _body(step))
            return _whole(made, "201" if is_new else "200", location=_name(made))
        case "PUT" if is_one:
            return _whole(await slot_overrides.update(caller, path[1], _body(step)))
    raise outcome.NotWritable


async def _operation(caller: Caller, step: Step) -> Resource:
    path, method = step.path, step.method
    if path[-1] == "$validate" and len(path) in {2, 3}:
        body = _body(step) if method == "POST" else b""
        return await checking.validate(caller, path[0], path[1] if len(path) > 2 else None, body)  # noqa: PLR2004  type, id, operation
    known = _OPERATIONS.get((path[0], path[-1]))
    if known is None or len(path) != 2 + known.of_one:
        raise NotFound("There is no such operation, or none that a batch can ask for.")
    if method == "GET" and known.by_get:
        given = from_query(asking.pairs_of(step.query or ""), known.known)
    elif method == "POST":
        given = read(dumps(step.resource) if step.resource else b"", known.known)
    else:
        raise outcome.NotWritable
    check = conditional.checked(step.request.get("ifMatch"), step.request.get("ifNoneMatch"))
    return await known.do(caller, path[1], given, check)


def _body(step: Step) -> bytes:
    if step.resource is None:
        raise Invalid.field("resource", "is needed", "required")
    return dumps(step.resource)


def _name(made: Resource) -> str:
    return f"{made['resourceType']}/{made['id']}"


def _whole(resource: Resource, status: str = "200", **more: Any) -> Resource:
    return {"resource": resource, "response": {"status": status, **more}}

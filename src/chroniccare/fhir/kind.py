"""What the server knows of one resource type."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from chroniccare.fhir.parameters import Parameter
from chroniccare.platform.postgres import Command, Query, Tx

Resource = dict[str, Any]


class Row(Protocol):
    """A record as its type's statement reads it."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...

    @property
    def version(self) -> int:
        """Its version."""
        ...

    @property
    def updated_at(self) -> datetime:
        """UTC instant of the last change."""
        ...

    @property
    def keys(self) -> list[Any]:
        """What the search sorts by, in the same order."""
        ...


@dataclass(frozen=True, slots=True)
class Include:
    """What a search may bring along: which type, and the ids that a record refers to.

    Attributes:
        column: SQL of the id, where the row that a page is found in has just one; else None.
    """

    target: str
    ids: Callable[[Any], list[UUID]]
    column: str | None = None


Check = Callable[[int], None]
"""Raises when the record's version is not the one that the client knows."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The id that a record will have, and the records that the same transaction makes after it.

    Attributes:
        id: None: it is not chosen beforehand.
        coming: as references name them.
    """

    id: UUID | None
    coming: frozenset[str]


@dataclass(frozen=True, slots=True)
class Many:
    """How several records of a type are made by one statement.

    Attributes:
        ready: returns the arguments for the record that a resource makes.
        insert: the statement; no row comes back of a record that cannot be.
        id: of the record, from its arguments.
        turn: from them as well, what must not be there twice: where two statements make the same,
            one waits for the other, and in this order neither for what the other waits for.
        finish: does what is left of `Writer.create`, given the row or None, and returns the same.
    """

    ready: Callable[[Tx, Resource], Awaitable[list[Any]]]
    insert: Query[Any]
    id: Callable[[list[Any]], UUID]
    turn: Callable[[list[Any]], str]
    finish: Callable[[Tx, Resource, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Writer:
    """How records of a type are written: through the actions of their own slice.

    Attributes:
        scope: what keys and staff need.
        places: where in the resource a field of the record is, for errors.
        create: returns the id of the record that it makes of a resource, or the record itself, if
            that is known already as `Kind.read` has it.
        update: replaces a record by a resource; False: it took one step with it and no more; None:
            they are never changed.
        delete: removes a record; None: they cannot be removed.
        patient: of whom a record is; None: of nobody.
        is_whole: the record is the resource, so nothing of it is kept beside.
        decided: elements that the record tells, whatever a client says.
        told: addresses of the extensions that the record tells itself: they are never kept beside.
        keeps: what no column holds is kept beside the record; False: it is refused instead.
        many: None: each is made by itself.
        create_planned: makes a record whose id others know before it is there; None: it cannot.
    """

    scope: str
    places: Mapping[str, str]
    create: Callable[[Tx, Resource], Awaitable[Any]]
    update: Callable[[Tx, UUID, Resource, Check], Awaitable[bool]] | None
    delete: Callable[[Tx, UUID, Check], Awaitable[None]] | None
    patient: Callable[[Any], UUID | None]
    is_whole: bool = False
    decided: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    keeps: bool = True
    many: Many | None = None
    create_planned: Callable[[Tx, Resource, Planned], Awaitable[UUID]] | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """Where the earlier versions of a type are: its record is one row that has a version.

    Attributes:
        table: that the row is in.
        beside: other tables whose rows of then are kept with it; of any other, today's are told.
        is_soft: removed rows stay, with `deleted_at`.
        kept_as: what they are kept as, if not as the table's: it holds several types.
        where: which rows of the table, called t, are of the type.
    """

    table: str
    beside: tuple[str, ...] = ()
    is_soft: bool = True
    kept_as: str | None = None
    where: str = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One resource type.

    Attributes:
        name: of the type.
        scope: what keys and staff need to read it.
        tag: of the operations of /api/v1 whose masks hold here.
        entity: what the audit calls the record; None: nothing of a patient, so reads are not kept.
        read: statement for one record; searches put their page in the place of `ONE`.
        source: table and alias that a page is found in.
        id: expression of the id.
        where: condition that a record is there.
        gone: statement that says whether the record was removed; None: none ever is.
        parameters: by name.
        includes: by the name of the parameter, for `_include`.
        order: parameters that a search sorts by unless told.
        to_fhir: makes the resource of a record; the second argument is the tenant.
        writer: None: it is only read.
        shown: what of a record the caller's scopes leave.
        versions: None: there is no history of it.
        is_named: SMART scopes for `*` do not open it, only those that name it.
        stamp: expression of text over all that the resource is made of: where it is the same, so
            is the resource. What is told is then held in memory, see `holding`; every change drops
            its key there. None: it is made anew each time.
        grows: expression of when a record was made, where reads make more of them: pages and
            exports end at those that were there when they began.
        view: what callers have in common for whom `shown` leaves the same.
        always: elements that `_elements` and `_summary` never leave out.
        summary: elements of `_summary=true`, beside those.
        is_alone: it tells of nothing but its own record, and to everybody the same, so its version
            says whether it is.
    """

    name: str
    scope: str
    tag: str
    entity: str | None
    read: Query[Any]
    source: str
    id: str
    where: str
    gone: Command | None
    parameters: Mapping[str, Parameter]
    includes: Mapping[str, tuple[Include, ...]]
    order: tuple[str, ...]
    to_fhir: Callable[[Any, UUID], Resource]
    always: frozenset[str]
    summary: frozenset[str]
    writer: Writer | None = None
    versions: Versions | None = None
    is_named: bool = False
    shown: Callable[[Any, Any], Any] = field(default=lambda _caller, row: row)
    stamp: str | None = None
    grows: str | None = None
    view: Callable[[Any], Hashable] = field(default=lambda _caller: None)
    is_alone: bool = False


def is_told_by_version(kind: Kind) -> bool:
    """Say whether a version says all that is told: so it is of stored resources, and of few others.

    Most types tell of other records, too, and to some callers a part.
    """
    return kind.is_alone or (kind.writer is not None and kind.writer.is_whole)


def named(*parameters: Parameter) -> dict[str, Parameter]:
    """Return the parameters by name."""
    return {one.name: one for one in parameters}

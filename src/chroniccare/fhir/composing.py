"""The statement of a search, put together from the constants of a type and its conditions.

Nothing that a client sent becomes part of the text: values are arguments, and names of parameters
are looked up. A statement depends on which parameters are given, not on their values, so PostgreSQL
plans each kind of search once a connection.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from chroniccare.fhir.kind import Kind
from chroniccare.fhir.parameters import Asked
from chroniccare.fhir.queries import ONE
from chroniccare.platform.postgres import Command, Query

Order = Sequence[tuple[str, str, bool]]
"""Expression, type, and whether the largest come first; the last is the id."""


def page(
    kind: Kind, asked: Asked, conditions: Sequence[str], order: Order, *,
    after: Sequence[Any] | None, limit: int,
) -> Query[Any]:  # fmt: skip
    """Return the statement of one page, whose arguments are those of `asked` by then."""
    wanted, by, keys = _parts(kind, asked, conditions, order, after)
    found = (
        f"(SELECT {kind.id} AS id, jsonb_build_array({keys}) AS keys,"  # noqa: S608  see above
        f" row_number() OVER (ORDER BY {by}) AS n FROM {kind.source}"
        f" WHERE {wanted} ORDER BY {by} LIMIT {asked.put(limit, 'int')}) page"
    )
    return replace(kind.read, sql=f"{kind.read.sql.replace(ONE, found)} ORDER BY page.n")


def _parts(
    kind: Kind, asked: Asked, conditions: Sequence[str], order: Order, after: Sequence[Any] | None
) -> tuple[str, str, str]:
    """Return the condition of a page, what it is ordered by, and its keys."""
    wanted = [kind.where, *conditions]
    if after is not None:
        wanted.append(_behind(asked, order, after))
    by = ", ".join(f"{one} DESC" if is_down else one for one, _, is_down in order)
    return " AND ".join(wanted), by, ", ".join(one for one, _, _ in order)


class Stamped(NamedTuple):
    """A record of a page, without what it says; a tuple, which is made in half the time.

    Attributes:
        keys: what the page is sorted by, as JSON.
        stamp: another one once the resource is.
        beside: id of the record that comes along, if its stamp was asked for with the page's.
        beside_stamp: None: it is not there any more.
    """

    id: UUID
    keys: str
    stamp: str
    beside: UUID | None = None
    beside_stamp: str | None = None


class Beside(NamedTuple):
    """What a page brings along by a column of its own; its stamps come in the page's statement."""

    kind: Kind
    column: str


def stamps(
    kind: Kind, asked: Asked, conditions: Sequence[str], order: Order, *,
    after: Sequence[Any] | None, limit: int, beside: Beside | None = None,
) -> Query[Stamped]:  # fmt: skip
    """Return the statement of the ids and stamps of one page; see `page`."""
    wanted, by, keys = _parts(kind, asked, conditions, order, after)
    return Query(
        Stamped,
        f"SELECT {kind.id} AS id, jsonb_build_array({keys})::text AS keys,"  # noqa: S608  see above
        f" {_stamp(kind)} AS stamp{_beside(beside)} FROM {kind.source} WHERE {wanted}"
        f" ORDER BY {by} LIMIT {asked.put(limit, 'int')}",
    )


def _beside(one: Beside | None) -> str:
    if one is None:
        return ""
    kind, column = one
    return (
        f", {column} AS beside, (SELECT {_stamp(kind)} FROM {kind.source}"  # noqa: S608  see above
        f" WHERE {kind.where} AND {kind.id} = {column}) AS beside_stamp"
    )


def _stamp(kind: Kind) -> str:
    return f"hashtextextended({kind.stamp}, 0)::text"


def stamped(kind: Kind) -> Query[Any]:
    """Return the statement that reads the records in $1, each with its stamp as its only key."""
    found = (
        f"(SELECT {kind.id} AS id, jsonb_build_array({_stamp(kind)}) AS keys"  # noqa: S608  see above
        f" FROM {kind.source} WHERE {kind.where} AND {kind.id} = ANY($1::uuid[])) page"
    )
    return replace(kind.read, sql=kind.read.sql.replace(ONE, found))


def _behind(asked: Asked, order: Order, after: Sequence[Any]) -> str:
    """Return the condition that a record comes behind the one with the keys `after`."""
    places = [asked.put(key, cast) for key, (_, cast, _) in zip(after, order, strict=True)]
    expressions = [one for one, _, _ in order]
    directions = {is_down for _, _, is_down in order}
    if len(directions) == 1:  # PostgreSQL walks an index by a row; not by what follows
        sign = "<" if directions == {True} else ">"
        return f"({', '.join(expressions)}) {sign} ({', '.join(places)})"
    found = []
    for number, (one, _, is_down) in enumerate(order):
        same = [f"{expressions[i]} = {places[i]}" for i in range(number)]
        found.append(" AND ".join([*same, f"{one} {'<' if is_down else '>'} {places[number]}"]))
    return f"({' OR '.join(found)})"


def count(kind: Kind, conditions: Sequence[str]) -> Command:
    """Return the statement that counts."""
    wanted = " AND ".join([kind.where, *conditions])
    return Command(f"SELECT count(*) FROM {kind.source} WHERE {wanted}")  # noqa: S608  see above


def matches(kind: Kind, conditions: Sequence[str]) -> Command:
    """Return the statement that finds ids alone."""
    wanted = " AND ".join([kind.where, *conditions])
    return Command(f"SELECT {kind.id} FROM {kind.source} WHERE {wanted}")  # noqa: S608  see above


THIS = "this.id"
"""The id of the record that `exists` is asked of."""


def exists(kind: Kind, other: Kind, conditions: Sequence[str]) -> str:
    """Return the condition that some record of `other` meets `conditions`, which say THIS.

    The record has a name of its own there: both sources may use the same aliases.
    """
    wanted = " AND ".join([other.where, *conditions])
    return (
        f"EXISTS (SELECT FROM (SELECT {kind.id} AS id) this CROSS JOIN LATERAL"  # noqa: S608  see above
        f" (SELECT FROM {other.source} WHERE {wanted}) that)"
    )


def ids(kind: Kind, column: str, conditions: Sequence[str]) -> str:
    """Return what stands behind an expression that must be among `column` of the records found."""
    wanted = " AND ".join([kind.where, *conditions])
    return f"IN (SELECT {column} FROM {kind.source} WHERE {wanted})"  # noqa: S608  see above

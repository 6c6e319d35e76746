"""Rows of one kind that a transaction writes together: a round trip for all, and not for each.

Who makes a hundred records in one transaction has a hundred rows of the audit and of the outbox,
which nobody looks at before the commit. While `gathered` stands in the transaction, `later` keeps
them, and `settle` sends those of one statement at once, and the single rows of several as one
statement.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

_PLACEHOLDER = re.compile(r"\$([0-9]+)")


@dataclass(slots=True)
class Gathered:
    """What one transaction keeps.

    Attributes:
        rows: arguments by statement, in the order in which the first of each came.
        known: what statements without arguments answered, see `once`.
    """

    rows: dict[str, list[Sequence[Any]]] = field(default_factory=dict)
    known: dict[str, list[Any]] = field(default_factory=dict)


class _Statement(Protocol):
    """A `Command`."""

    @property
    def sql(self) -> str: ...


class Gathers(Protocol):
    """A `Tx`, which stands above this module."""

    connection: Any
    gathered: Gathered | None

    async def opened(self, query: Any, records: Sequence[Any]) -> list[Any]:
        """Return what records of a statement become."""
        ...


async def later(tx: Gathers, command: _Statement, *args: Any) -> None:
    """Execute now, or where rows are gathered before the next `settle`."""
    if tx.gathered is None:
        await tx.connection.execute(command.sql, *args)
    else:
        tx.gathered.rows.setdefault(command.sql, []).append(args)


async def once(tx: Gathers, command: _Statement) -> list[Any]:
    """Return the first column of every row, where rows are gathered as it was the first time."""
    known = tx.gathered.known if tx.gathered else {}
    if command.sql not in known:
        found = await tx.connection.fetch(command.sql)
        known[command.sql] = [record[0] for record in found]
    return known[command.sql]


async def settle(tx: Gathers) -> None:
    """Execute what was kept; from now on all that is known is read anew."""
    if tx.gathered is None:
        return
    rows, tx.gathered = tx.gathered.rows, Gathered()
    alone = {sql: arguments[0] for sql, arguments in rows.items() if len(arguments) == 1}
    for sql, arguments in rows.items():
        if sql not in alone:
            await tx.connection.executemany(sql, arguments)
    if alone:
        flat = [one for arguments in alone.values() for one in arguments]
        await tx.connection.execute(_joined(tuple(alone.items())), *flat)


def _joined(statements: Sequence[tuple[str, Sequence[Any]]]) -> str:
    """Return the statements as one: all but the last stand before it, each with its arguments."""
    found, before = [], 0
    for sql, arguments in statements:
        found.append(_moved(sql, before))
        before += len(arguments)
    first = ", ".join(f"row_{number} AS ({sql})" for number, sql in enumerate(found[:-1]))
    return f"WITH {first} {found[-1]}" if first else found[-1]


@cache
def _moved(sql: str, by: int) -> str:
    return _PLACEHOLDER.sub(lambda match: f"${int(match[1]) + by}", sql)


@asynccontextmanager
async def gathered(tx: Gathers) -> AsyncIterator[None]:
    """Keep what `later` writes in this block until its end; after it, that writes at once again."""
    tx.gathered = Gathered()
    yield
    await settle(tx)
    tx.gathered = None


async def each(tx: Gathers, query: Any, arguments: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the rows of a statement for each of many arguments, in a round trip."""
    records = await tx.connection.fetchmany(query.sql, arguments)
    return await tx.opened(query, records)

"""PostgreSQL: one transaction concept, `Tx`, and one way to open it, `begin`.

A transaction carries the caller and a frozen clock, so that row-level security, audit and every
rule see the same tenant, actor and time. After commit it drops the cache keys and wakes the loops
that the actions named; a rolled-back transaction does neither.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg
import orjson

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Unavailable
from chroniccare.core.wire import dumps
from chroniccare.platform import sealing
from chroniccare.platform.gathering import Gathered
from chroniccare.platform.outages import RETRY_AFTER_S, translate, translated
from chroniccare.settings import Settings

R = TypeVar("R")
_Connection = Any  # asyncpg's pool hands out proxies that its stubs do not call connections

APP_ROLE = "chroniccare_app"
"""Sees one tenant's rows; owns nothing."""
SYSTEM_ROLE = "chroniccare_system"
"""Sees ids and due times across tenants, for authentication and dispatch; nothing of a patient."""

_STATEMENT_TIMEOUT_MS = "5000"
_LOCK_TIMEOUT_MS = "2000"
_IDLE_IN_TRANSACTION_MS = "30000"
CONNECT_TIMEOUT_S = 5.0
_COMMAND_TIMEOUT_S = 8.0  # the server's own limit is no help when the server is mute
_ACQUIRE_TIMEOUT_S = 5.0
_UNKNOWN_OUTCOME = (
    "The database went away while the change was being committed, so it may or may not have been"
    " made; repeat the request with the same Idempotency-Key."
)


@dataclass(frozen=True, slots=True)
class Query(Generic[R]):
    """One SQL statement and the record its rows become; a test prepares each against the schema.

    Attributes:
        opens: fields of the record that are sealed in the table, see `sealing`.
    """

    row: type[R]
    sql: str
    opens: tuple[sealing.Opens, ...] = ()
    places: sealing.Places = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find the sealed fields once."""
        object.__setattr__(self, "places", sealing.places(self.row, self.opens))


@dataclass(frozen=True, slots=True)
class Command:
    """One SQL statement whose rows, if any, are read as bare values."""

    sql: str


@dataclass(slots=True)
class Tx:
    """An open transaction: connection, caller and frozen clock.

    Attributes:
        caller: whose tenant and actor this transaction acts for.
        now: UTC instant at which the transaction began; the only clock inside it.
        settings: what the operator set.
        rekeyed: it has changed the tenant's keys: they are read anew, and remembered by nobody.
        gathered: rows that wait to be written with others of their kind, see `gathering`.
    """

    connection: "asyncpg.Connection[asyncpg.Record]"
    caller: Caller
    now: datetime
    settings: Settings
    dropped: list[str] = field(default_factory=list)
    bumped: list[str] = field(default_factory=list)
    woken: set[str] = field(default_factory=set)
    rekeyed: bool = False
    gathered: Gathered | None = None

    async def one(self, query: Query[R], *args: Any) -> R | None:
        """Return the first row, or None."""
        record = await self.connection.fetchrow(query.sql, *args)
        if record is None:
            return None
        return (await self.opened(query, [record]))[0] if query.opens else query.row(*record)

    async def all(self, query: Query[R], *args: Any) -> list[R]:
        """Return every row."""
        row = query.row
        records = await self.connection.fetch(query.sql, *args)
        if query.opens:
            return await self.opened(query, records)
        return [row(*record) for record in records]

    async def value(self, command: Command, *args: Any) -> Any:
        """Return the first column of the first row, or None."""
        return await self.connection.fetchval(command.sql, *args)

    async def values(self, command: Command, *args: Any) -> list[Any]:
        """Return the first column of every row."""
        return [record[0] for record in await self.connection.fetch(command.sql, *args)]

    async def run(self, command: Command, *args: Any) -> int:
        """Execute and return the number of rows affected."""
        status = await self.connection.execute(command.sql, *args)
        return int(status.rpartition(" ")[2]) if status[-1:].isdigit() else 0

    async def keyring(self, *, afresh: bool = False) -> sealing.Keyring:
        """Return the keys of the transaction's tenant; a process remembers them for seconds."""
        tenant = self.caller.tenant_id
        held = None if afresh or self.rekeyed else sealing.remembered(tenant)
        if held is None:
            rows = await self.connection.fetch(_KEYS.sql)
            held = sealing.unlocked(tenant, [_KEYS.row(*row) for row in rows])
            if not self.rekeyed:  # nobody may seal with a key that is rolled back
                sealing.remember(held)
        return held

    async def opened(self, query: Query[R], records: Sequence[Any]) -> list[R]:
        """Return what records of a statement become, unsealed."""
        row, places = query.row, query.places
        if not any(sealing.is_sealed(places, record) for record in records):
            return [row(*record) for record in records]
        keys = await self.keyring()
        try:
            return [row(*keys.opened(places, one)) for one in records]
        except sealing.UnknownVersion:  # rotated a moment ago, elsewhere
            keys = await self.keyring(afresh=True)
            return [row(*keys.opened(places, one)) for one in records]

    async def plan_afresh(self) -> None:
        """Plan for the values: absent filters and batches need it, and point reads cost twice."""
        await self.connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    def drop(self, *keys: str) -> None:
        """Name cache keys that are stale once this commits."""
        self.dropped.extend(keys)

    def bump(self, *keys: str) -> None:
        """Name generation counters of cached lists that are stale once this commits."""
        self.bumped.extend(keys)

    def wake(self, loop: str) -> None:
        """Name a background loop that has work once this commits."""
        self.woken.add(loop)


_KEYS = Query(
    sealing.WrappedKey,
    "SELECT purpose, version, wrapped, master_id, state, stored_at FROM tenant_keys"
    " WHERE state <> 'destroyed'",
)
AfterCommit = Callable[[Tx], Awaitable[None]]


async def _nothing(_tx: Tx) -> None: ...


def utc_now() -> datetime:
    """Return the wall clock; read here, at the edge, and nowhere deeper."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Database:
    """The pool of one process.

    Attributes:
        clock: what `Tx.now` is read from; tests put their own here.
        after_commit: drops cache keys and wakes loops; set by the wiring.
        idle: connections taken out of the pool and not in use: the pool's own acquire and release
            take 40 us a transaction, a sixth of a read from PostgreSQL (docs/benchmarks.md).
        waiting: callers that wait for the pool; while there are any, connections go back to it.
    """

    pool: "asyncpg.Pool[asyncpg.Record]"
    settings: Settings
    clock: Callable[[], datetime] = utc_now
    after_commit: AfterCommit = _nothing
    idle: "list[_Connection]" = field(default_factory=list)
    waiting: int = 0

    async def acquire(self) -> "_Connection":
        """Return a connection for one transaction; give it back with `release`."""
        while self.idle:
            connection = self.idle.pop()
            if _alive(connection):
                return connection
            await _give_back(self.pool, connection)  # lost while it was idle
        self.waiting += 1
        try:
            return await self.pool.acquire(timeout=_ACQUIRE_TIMEOUT_S)
        finally:
            self.waiting -= 1

    async def release(self, connection: "_Connection") -> None:
        """Take `connection` back."""
        if _alive(connection) and not self.waiting:
            self.idle.append(connection)
        else:
            await _give_back(self.pool, connection)

    async def ping(self) -> None:
        """Make sure that PostgreSQL answers.

        Raises:
            Unavailable: it does not.
        """
        with translated():
            connection = await self.acquire()
            try:
                await connection.fetchval("SELECT 1", timeout=_ACQUIRE_TIMEOUT_S)
            finally:
                await self.release(connection)


def _alive(connection: "_Connection") -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # the server closed it, and the pool has taken it back already
        return False


async def _give_back(pool: "asyncpg.Pool[asyncpg.Record]", connection: "_Connection") -> None:
    # A connection that is lost at this very moment is free already, which asyncpg calls an error.
    with suppress(asyncpg.InternalClientError):
        await pool.release(connection)


_database: Database | None = None


async def open_database(settings: Settings) -> Database:
    """Open the process's pool; the wiring calls it once.

    Raises:
        Unavailable: nothing answers at `settings.database_url`.
    """
    global _database  # noqa: PLW0603  one pool a process, opened and closed by the wiring alone
    with translated():
        pool = await asyncpg.create_pool(
            settings.database_url,
            min_size=1,
            max_size=settings.pool_size,
            init=prepare_connection,
            reset=_no_reset,
            timeout=CONNECT_TIMEOUT_S,
            statement_cache_size=500,
            command_timeout=_COMMAND_TIMEOUT_S,
            server_settings={
                "application_name": "chroniccare",
                "TimeZone": "UTC",
                "statement_timeout": _STATEMENT_TIMEOUT_MS,
                "lock_timeout": _LOCK_TIMEOUT_MS,
                "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_MS,
            },
        )
    _database = Database(pool, settings)
    return _database


async def close_database() -> None:
    """Close the pool; transactions still open get three seconds."""
    global _database
    if _database is None:
        return
    held, _database = _database, None
    pool = held.pool
    try:
        while held.idle:
            await _give_back(pool, held.idle.pop())
        await asyncio.wait_for(pool.close(), timeout=3)
    except TimeoutError:
        pool.terminate()


def database() -> Database:
    """Return the open database."""
    if _database is None:
        raise Unavailable
    return _database


async def prepare_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have jsonb travel as Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + dumps(value),
        decoder=lambda raw: orjson.loads(raw[1:]),
        format="binary",
    )


async def _no_reset(_connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Skip asyncpg's reset round trip: every setting of ours is LOCAL to a transaction."""


def begin(caller: Caller) -> "_Begin":
    """Open a transaction in which only the caller's tenant can be seen.

    Use as `async with begin(caller) as tx:`. Leaving the block commits, an exception rolls back.

    Raises:
        Unavailable: PostgreSQL cannot be reached or did not answer in time; nothing was changed.
        Conflict: a lock was not granted within two seconds.
    """
    return _Begin(caller, APP_ROLE)


def begin_system(job: str) -> "_Begin":
    """Open a transaction across tenants that sees ids and due times only; `job` names the work."""
    return _Begin(Caller(_NO_TENANT, None, "system", request_id=job), SYSTEM_ROLE)


_NO_TENANT = UUID(int=0)


class _Begin:
    """A class and not a generator: one read pays for this on every request."""

    __slots__ = ("caller", "connection", "database", "role", "tx")

    def __init__(self, caller: Caller, role: str) -> None:
        self.caller = caller
        self.role = role

    async def __aenter__(self) -> Tx:
        self.database = database()
        with translated():
            self.connection = await self.database.acquire()
            try:
                # One simple-protocol call. Both values are ours: a constant and a parsed UUID.
                await self.connection.execute(
                    f"BEGIN; SET LOCAL ROLE {self.role};"
                    f" SET LOCAL app.tenant_id = '{self.caller.tenant_id}'"
                )
            except BaseException:
                if _alive(self.connection):
                    self.connection.terminate()
                await self.database.release(self.connection)
                raise
        self.tx = Tx(self.connection, self.caller, self.database.clock(), self.database.settings)
        return self.tx

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        if error is not None or self.tx.gathered is not None:
            await self._end("ROLLBACK")
            problem = translate(error) if error else RuntimeError("gathered rows are not written")
            if problem is not None:
                raise problem from None
            return
        try:
            status = await self._end("COMMIT")
        except BaseException as failure:
            await self._after_commit()  # it may have been made: what it named is stale either way
            if translate(failure) is None:
                raise
            raise Unavailable(_UNKNOWN_OUTCOME, retry_after=RETRY_AFTER_S) from None
        if status != "COMMIT":
            # PostgreSQL answers ROLLBACK to COMMIT when a statement failed and was ignored.
            raise Unavailable(retry_after=RETRY_AFTER_S)
        await self._after_commit()

    async def _after_commit(self) -> None:
        if self.tx.rekeyed:
            sealing.forget(self.caller.tenant_id)
        if self.tx.dropped or self.tx.bumped or self.tx.woken:
            await self.database.after_commit(self.tx)

    async def _end(self, word: str) -> str:
        try:
            return str(await self.connection.execute(word))
        except BaseException:
            # Unknown state: never hand this connection to another caller.
            if _alive(self.connection):
                self.connection.terminate()
            if word == "COMMIT":
                raise
            return word
        finally:
            await self.database.release(self.connection)

"""What an error of the database's driver means to a client: an outage, or a lock not granted."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from chroniccare.core.errors import Conflict, Problem, Unavailable

log = logging.getLogger(__name__)

RETRY_AFTER_S = 2

_OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
    asyncpg.InterfaceError,
    # The server ended the session between two statements, and the socket's end was not read yet.
    asyncpg.InternalClientError,
)
_CONTENTION = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # An update met a unique key that another request took just now: a repeat is told which.
    asyncpg.UniqueViolationError,
)


def translate(error: BaseException) -> Problem | None:
    """Return the problem behind a driver's error: an outage, or a lock that was not granted."""
    if isinstance(error, _CONTENTION):
        return Conflict("Another request is changing the same records; try again.")
    if isinstance(error, _OUTAGES):
        log.warning("database unavailable", extra={"kind": type(error).__name__})
        return Unavailable(retry_after=RETRY_AFTER_S)
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Raise the problem behind a driver's error in its place."""
    try:
        yield
    except Exception as error:
        problem = translate(error)
        if problem is None:
            raise
        raise problem from None

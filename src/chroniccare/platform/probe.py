"""Asks each outside thing whether it is there and fit for us; what `doctor` shows.

A failure is one line for the operator, made of what the server says about our login, never of
data.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiosmtplib
import asyncpg

from chroniccare.platform.broker import connect
from chroniccare.platform.cache import Cache
from chroniccare.platform.mail import smtp_client

_TIMEOUT_S = 5.0


class ProbeError(Exception):
    """Something outside cannot be used; the message says what, why and what to do."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """What a PostgreSQL server is to our login.

    Attributes:
        version: as in `server_version_num`, 180001 for 18.1.
        takes_roles: the login may act as both roles of ours; None before the first migration.
        may_migrate: it may create what migrations create.
    """

    version: int
    user: str
    encoding: str
    timezone: str
    max_connections: int
    takes_roles: bool | None
    may_migrate: bool
    has_btree_gist: bool


_FACTS = """
SELECT current_setting('server_version_num')::int, current_user::text,
    current_setting('server_encoding'), current_setting('TimeZone'),
    current_setting('max_connections')::int,
    (SELECT bool_and(pg_has_role(r.oid, 'MEMBER')) FROM pg_roles r
        WHERE r.rolname IN ('chroniccare_app', 'chroniccare_system')),
    has_schema_privilege('public', 'CREATE') AND (
        has_database_privilege(current_database(), 'CREATE')
        OR EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist')
    ) AND ((SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)
        OR (SELECT count(*) = 2 FROM pg_roles
            WHERE rolname IN ('chroniccare_app', 'chroniccare_system'))),
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist')
"""


async def postgres(url: str) -> Postgres:
    """Return what the server at `url` is to us.

    Raises:
        ProbeError: it cannot be reached, or refuses the login.
    """
    async with _login(url) as connection:
        row = await connection.fetchrow(_FACTS, timeout=_TIMEOUT_S)
    if row is None:
        raise ProbeError("PostgreSQL answered nothing")
    return Postgres(*row)


@asynccontextmanager
async def _login(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    try:
        connection = await asyncpg.connect(url, timeout=_TIMEOUT_S)
    except (OSError, TimeoutError) as error:
        raise ProbeError(
            f"PostgreSQL cannot be reached ({_why(error)}): is it running, is DATABASE_URL right?"
        ) from None
    except asyncpg.PostgresError as error:
        raise ProbeError(f"PostgreSQL refuses the login of DATABASE_URL: {error}") from None
    except (asyncpg.InterfaceError, ValueError):
        raise ProbeError(
            "DATABASE_URL cannot be read: it must be like postgresql://user:password@host:5432/name"
        ) from None
    try:
        yield connection
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ProbeError(f"PostgreSQL does not answer: {_why(error)}") from None
    finally:
        await connection.close(timeout=_TIMEOUT_S)


def explain(error: BaseException) -> str | None:
    """Return one line for a refusal that the operator can mend; None for anything else."""
    if isinstance(error, asyncpg.InsufficientPrivilegeError | asyncpg.InvalidSchemaNameError):
        return f"PostgreSQL: {error}: give the login of DATABASE_URL the right to do so"
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return f"PostgreSQL refuses the login of DATABASE_URL: {error}"
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        return f"PostgreSQL: {error}: run `chroniccare migrate`"
    return None


async def cache(url: str) -> None:
    """Make sure that the cache at `url` answers.

    Raises:
        ProbeError: it does not.
    """
    held = Cache(url)
    try:
        await held.open()
        answers = await held.ping()
    except ValueError:
        raise ProbeError("REDIS_URL cannot be read: it must be like redis://host:6379/0") from None
    finally:
        await held.close()
    if not answers:
        raise ProbeError("the cache cannot be reached: is it running, is REDIS_URL right?")


async def broker(url: str) -> None:
    """Make sure that RabbitMQ at `url` accepts our login.

    Raises:
        ProbeError: it does not.
    """
    try:
        connection = await asyncio.wait_for(connect(url), _TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  the driver raises many kinds, none documented
        raise ProbeError(
            f"RabbitMQ cannot be used ({_why(error)}): is it running, is RABBITMQ_URL right?"
        ) from None
    await connection.close()


async def smtp(url: str) -> None:
    """Make sure that the mail server at `url` takes our login and TLS; no message is sent.

    Raises:
        ProbeError: it does not.
    """
    try:
        # The client of delivery: what it would refuse, such as a relay without TLS, shows here.
        async with smtp_client(url) as client:
            await client.noop()
    except (OSError, ValueError, aiosmtplib.SMTPException) as error:
        raise ProbeError(
            f"the mail server cannot be used ({_why(error)}): check CHRONICCARE_SMTP_URL"
        ) from None


async def gateway(url: str) -> None:
    """Make sure that something listens where SMS are posted; nothing is posted.

    Raises:
        ProbeError: nothing does.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except OSError as error:  # TimeoutError is one
        raise ProbeError(
            f"nothing answers ({_why(error)}): check CHRONICCARE_HTTP_SMS_URL"
        ) from None
    writer.close()


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__

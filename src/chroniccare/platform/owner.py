"""A connection of the schema's owner, outside the pool: for migrations, probes and tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from chroniccare.platform.outages import translated
from chroniccare.platform.postgres import CONNECT_TIMEOUT_S, prepare_connection

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def owner_connection(url: str) -> AsyncIterator[Owner]:
    """Open one connection as the schema's owner, outside the pool: migrations and tests only."""
    with translated():
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        await prepare_connection(connection)
        yield connection
    finally:
        await connection.close()

"""Databases of their own, for tests that change the schema or a role's rights."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from chroniccare.platform.owner import owner_connection


@asynccontextmanager
async def new_database(url: str) -> AsyncIterator[str]:
    """Create an empty database on the server behind `url`, yield its URL, drop it."""
    name = f"probe_{uuid4().hex}"
    async with owner_connection(url) as owner:
        await owner.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        async with owner_connection(url) as owner:
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")

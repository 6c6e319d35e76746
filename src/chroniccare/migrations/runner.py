"""Applies the numbered SQL files in order, each once, each in its own transaction.

A file that has been applied must not change: its checksum is compared at every start. Two
processes that start at once take turns on an advisory lock. Files are numbered without gaps.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from chroniccare.platform.owner import owner_connection

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x6363_6D69_6772  # "ccmigr": one lock a database, taken by migrations only
_OLDEST_SERVER = 150_000

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file and the SHA-256 of its text."""

    number: int
    name: str
    sql: str
    checksum: str


def available() -> list[Migration]:
    """Return the migrations of this release, in order.

    Raises:
        MigrationError: two files share a number, or a number is missing.
    """
    found = []
    for entry in files("chroniccare.migrations").joinpath("sql").iterdir():
        match = _NAME.match(entry.name)
        if match:
            sql = entry.read_text(encoding="utf-8")
            checksum = hashlib.sha256(sql.encode()).hexdigest()
            found.append(Migration(int(match[1]), entry.name, sql, checksum))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError("migration numbers must run from 0001 without gaps or doubles")
    return found


async def migrate(url: str) -> list[str]:
    """Bring the database at `url` up to date; return the names of the files just applied.

    Raises:
        MigrationError: an applied file has changed, the database is newer than this release, or
            the server is older than PostgreSQL 15.
    """
    applied: list[str] = []
    async with owner_connection(url) as connection:
        if int(await connection.fetchval("SHOW server_version_num")) < _OLDEST_SERVER:
            raise MigrationError("PostgreSQL 15 or later is needed")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            await connection.execute(_LEDGER)
            rows = await connection.fetch("SELECT number, name, checksum FROM schema_migrations")
            done = {row["number"]: row for row in rows}
            migrations = available()
            if max(done, default=0) > len(migrations):
                raise MigrationError("the database was migrated by a newer release than this one")
            for migration in migrations:
                row = done.get(migration.number)
                if row is None:
                    async with connection.transaction():
                        await connection.execute(migration.sql)
                        await connection.execute(
                            "INSERT INTO schema_migrations (number, name, checksum)"
                            " VALUES ($1, $2, $3)",
                            migration.number,
                            migration.name,
                            migration.checksum,
                        )
                    applied.append(migration.name)
                elif row["checksum"] != migration.checksum:
                    raise MigrationError(f"{migration.name} was changed after it was applied")
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return applied


async def pending(url: str) -> list[str]:
    """Return the names of the files that `migrate` would apply."""
    async with owner_connection(url) as connection:
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            return [migration.name for migration in available()]
        rows = await connection.fetch("SELECT number FROM schema_migrations")
        done = {row["number"] for row in rows}
    return [migration.name for migration in available() if migration.number not in done]

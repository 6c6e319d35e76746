"""The migration runner: once, in order, all or nothing, never against what it did not make."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import asyncpg
import pytest

from chroniccare.migrations import runner
from chroniccare.migrations.runner import Migration, MigrationError, available, migrate, pending
from chroniccare.platform.embedded import EngineUrls
from chroniccare.platform.owner import owner_connection
from tests.contracts.databases import new_database

PROGRAM = """
import asyncio, sys
from chroniccare.migrations.runner import migrate
sys.stdin.readline()
print(len(asyncio.run(migrate(sys.argv[1]))))
"""


@pytest.fixture
async def empty(urls: EngineUrls) -> AsyncIterator[str]:
    async with new_database(urls.database_url) as url:
        yield url


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what makes the runner see another release's files."""

    def see(*migrations: Migration) -> None:
        monkeypatch.setattr(runner, "available", lambda: list(migrations))

    return see


def step(number: int, sql: str) -> Migration:
    return Migration(number, f"{number:04d}_step.sql", sql, f"checksum of {sql}")


async def tables(url: str) -> list[str]:
    async with owner_connection(url) as connection:
        rows = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
    return [row[0] for row in rows]


def test_the_files_are_numbered_without_gaps() -> None:
    found = available()
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    assert all(len(step.checksum) == 64 for step in found)


async def test_a_database_is_brought_up_to_date_once(empty: str) -> None:
    names = [step.name for step in available()]
    assert await pending(empty) == names
    assert await migrate(empty) == names
    assert await pending(empty) == []
    assert await migrate(empty) == []


async def test_two_processes_that_start_at_once_take_turns(empty: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, empty, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        for _ in range(2)
    ]
    await asyncio.sleep(0.5)  # both have imported what they need
    done = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0], done
    assert sorted(int(out) for out, _ in done) == [0, len(available())]


async def test_many_in_one_process_take_turns(empty: str) -> None:
    done = await asyncio.gather(*(migrate(empty) for _ in range(5)))
    assert sorted(map(len, done)) == [0, 0, 0, 0, len(available())]


async def test_a_file_that_was_changed_after_it_was_applied_is_refused(
    empty: str, release: Callable[..., None]
) -> None:
    one, two = step(1, "CREATE TABLE one ()"), step(2, "CREATE TABLE two ()")
    release(one)
    await migrate(empty)
    release(replace(one, checksum="another"), two)
    with pytest.raises(MigrationError, match=r"0001_step\.sql was changed"):
        await migrate(empty)
    assert await tables(empty) == ["one", "schema_migrations"]


async def test_a_database_of_a_newer_release_is_refused(
    empty: str, release: Callable[..., None]
) -> None:
    one, two = step(1, "CREATE TABLE one ()"), step(2, "CREATE TABLE two ()")
    release(one, two)
    await migrate(empty)
    release(one)
    with pytest.raises(MigrationError, match="newer release"):
        await migrate(empty)


@pytest.mark.parametrize("fault", ["SELECT 1 / 0", "CREATE TABLE one ()", "not SQL"])
async def test_a_file_that_fails_leaves_nothing_of_itself(
    empty: str, release: Callable[..., None], fault: str
) -> None:
    one, three = step(1, "CREATE TABLE one ()"), step(3, "CREATE TABLE three ()")
    bad = step(2, f"CREATE TABLE two (); INSERT INTO two DEFAULT VALUES; {fault}")
    release(one, bad, three)
    with pytest.raises(asyncpg.PostgresError):
        await migrate(empty)
    assert await tables(empty) == ["one", "schema_migrations"]
    assert await pending(empty) == [bad.name, three.name]
    # The lock is free and the corrected file goes on from there.
    release(one, step(2, "CREATE TABLE two ()"), three)
    assert await migrate(empty) == [bad.name, three.name]


async def test_an_old_server_is_refused(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_OLDEST_SERVER", 990_000)
    with pytest.raises(MigrationError, match="PostgreSQL 15"):
        await migrate(empty)
    assert await tables(empty) == []


async def test_a_login_that_is_no_superuser_can_migrate(empty: str) -> None:
    """Amazon's master user is none: it owns the database and may create roles."""
    async with owner_connection(empty) as owner:
        database = await owner.fetchval("SELECT current_database()")
        login = f"master_{database[-12:]}"
        await owner.execute(f"CREATE ROLE {login} LOGIN CREATEROLE PASSWORD 'x'")
        await owner.execute(f"ALTER DATABASE {database} OWNER TO {login}")
        for role in ("chroniccare_app", "chroniccare_system"):
            exists = await owner.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role)
            if exists:  # another database of this server was migrated before
                await owner.execute(f"GRANT {role} TO {login} WITH ADMIN OPTION")
    before, after = empty.split("@", 1)
    scheme = before.split("://", 1)[0]
    assert await migrate(f"{scheme}://{login}:x@{after}") == [step.name for step in available()]

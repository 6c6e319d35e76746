"""Transactions: what they promise when statements fail, callers vanish and the server stops."""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx
import psutil
import pytest

from chroniccare.app import build
from chroniccare.core.errors import Conflict, NotFound, Unavailable
from chroniccare.core.ids import new_id
from chroniccare.migrations.runner import migrate
from chroniccare.platform import cache as cache_module
from chroniccare.platform import postgres
from chroniccare.platform.embedded import EngineUrls, engines
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, Database, Tx, begin, begin_system, open_database
from chroniccare.settings import Settings
from tests.client import Clinic, Contract, new_clinic
from tests.conftest import Running

ONE = Command("SELECT 1")
SLEEP = Command("SELECT pg_sleep(30)")
TENANT = Command("SELECT current_setting('app.tenant_id', true)")
ROLE = Command("SELECT current_user::text")
COUNT = Command("SELECT count(*) FROM suppressions")
INSERT = Command(
    "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at)"
    " VALUES ($1, $2, 'sms', $3, 'test', $4)"
)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("statement_timeout", "5s"), ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ],
)  # fmt: skip
async def test_a_transaction_waits_no_longer_than_its_limits(
    clinic: Clinic, name: str, most: str
) -> None:
    async with begin(clinic.caller) as tx, begin_system("test") as system_tx:
        for one in (tx, system_tx):
            assert await one.value(Command(f"SHOW {name}")) == most


async def insert(tx: Tx, value: str = "x") -> None:
    await tx.run(INSERT, new_id(), tx.caller.tenant_id, value, tx.now)


async def count(clinic: Clinic) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(COUNT))


@asynccontextmanager
async def small_pool(settings: Settings, size: int) -> AsyncIterator[Database]:
    """Put a pool of `size` in the place of the process's, for as long as the block runs."""
    held = postgres._database
    made = await open_database(settings.model_copy(update={"pool_size": size}))
    try:
        yield made
    finally:
        await postgres.close_database()
        postgres._database = held


async def test_leaving_the_block_commits_and_an_exception_undoes(clinic: Clinic) -> None:
    async with begin(clinic.caller) as tx:
        await insert(tx)
    assert await count(clinic) == 1
    with suppress(NotFound):
        async with begin(clinic.caller) as tx:
            await insert(tx, "y")
            raise NotFound
    assert await count(clinic) == 1


async def test_what_a_transaction_names_happens_after_its_commit_only(
    clinic: Clinic, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], list[str], set[str], int]] = []

    async def after_commit(tx: Tx) -> None:
        seen.append((tx.dropped, tx.bumped, tx.woken, await count(clinic)))

    monkeypatch.setattr(running.platform.database, "after_commit", after_commit)
    with suppress(NotFound):
        async with begin(clinic.caller) as tx:
            await insert(tx)
            tx.drop("a")
            raise NotFound
    assert seen == []
    async with begin(clinic.caller) as tx:
        await insert(tx)
        tx.drop("a", "b")
        tx.bump("list")
        tx.wake("dispatch")
    assert seen == [(["a", "b"], ["list"], {"dispatch"}, 1)]
    async with begin(clinic.caller) as tx:
        await insert(tx, "y")
    assert len(seen) == 1  # nothing named, nothing to do


async def test_the_clock_stands_still_inside_and_is_the_databases_own(
    clinic: Clinic, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = postgres.utc_now().replace(year=2031)
    monkeypatch.setattr(running.platform.database, "clock", lambda: moment)
    async with begin(clinic.caller) as tx:
        assert tx.now == moment
        await asyncio.sleep(0.01)
        assert tx.now == moment


async def test_a_connection_goes_back_without_tenant_and_role(
    clinic: Clinic, settings: Settings
) -> None:
    async with small_pool(settings, 1) as own:
        async with begin(clinic.caller) as tx:
            assert await tx.value(TENANT) == str(clinic.tenant_id)
            assert await tx.value(ROLE) == postgres.APP_ROLE
        with suppress(NotFound):
            async with begin(clinic.caller):
                raise NotFound
        connection = await own.acquire()
        assert await connection.fetchval(TENANT.sql) == ""
        assert await connection.fetchval(ROLE.sql) not in {
            postgres.APP_ROLE,
            postgres.SYSTEM_ROLE,
        }
        await own.release(connection)
        async with begin_system("test") as tx:
            assert await tx.value(ROLE) == postgres.SYSTEM_ROLE


async def test_an_aborted_transaction_is_never_reported_as_committed(clinic: Clinic) -> None:
    with pytest.raises(Unavailable):
        async with begin(clinic.caller) as tx:
            await insert(tx)
            with suppress(asyncpg.PostgresError):
                await tx.value(Command("SELECT 1 / 0"))
    assert await count(clinic) == 0


async def test_a_lock_that_is_not_granted_is_a_conflict(clinic: Clinic, database_url: str) -> None:
    async with owner_connection(database_url) as owner, owner.transaction():
        await owner.execute("LOCK TABLE suppressions IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Conflict):
            async with begin(clinic.caller) as tx:
                await insert(tx)
    assert await count(clinic) == 0


async def test_a_statement_that_takes_too_long_is_an_outage(clinic: Clinic) -> None:
    with pytest.raises(Unavailable) as caught:
        async with begin(clinic.caller) as tx:
            await tx.connection.execute("SET LOCAL statement_timeout = '100ms'")
            await tx.value(SLEEP)
    assert caught.value.retry_after == 2


async def test_an_error_of_ours_is_not_called_an_outage(clinic: Clinic) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with begin(clinic.caller) as tx:
            await tx.value(Command("SELECT * FROM no_such_table"))


@pytest.mark.parametrize("size", [1, 3])
async def test_cancelled_callers_give_their_connections_back(
    clinic: Clinic, settings: Settings, size: int
) -> None:
    async def slow() -> None:
        async with begin(clinic.caller) as tx:
            await insert(tx)
            await tx.value(SLEEP)

    async with small_pool(settings, size):
        for _ in range(5):
            tasks = [asyncio.create_task(slow()) for _ in range(2 * size)]
            await asyncio.sleep(0.05)  # some hold a connection, some wait for one
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in done)
        counts = await asyncio.wait_for(
            asyncio.gather(*(count(clinic) for _ in range(4 * size))), timeout=5
        )
    assert set(counts) == {0}


async def test_more_callers_than_connections_take_turns(clinic: Clinic, settings: Settings) -> None:
    async def one() -> None:
        async with begin(clinic.caller) as tx:
            await tx.value(Command("SELECT pg_sleep(0.01)"))

    async with small_pool(settings, 3) as own:
        await asyncio.wait_for(asyncio.gather(*(one() for _ in range(60))), timeout=5)
        await asyncio.wait_for(own.ping(), timeout=2)  # also when every connection is ours


async def test_a_lost_connection_is_replaced(clinic: Clinic, settings: Settings) -> None:
    async with small_pool(settings, 1):
        async with begin(clinic.caller) as tx:
            pid = await tx.value(Command("SELECT pg_backend_pid()"))
        async with owner_connection(settings.database_url) as owner:
            await owner.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
        await asyncio.sleep(0.05)
        assert await count(clinic) == 0
        with pytest.raises(Unavailable):
            async with begin(clinic.caller) as tx:
                await insert(tx)
                pid = await tx.value(Command("SELECT pg_backend_pid()"))
                async with owner_connection(settings.database_url) as owner:
                    await owner.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
                await tx.value(ONE)
        assert await count(clinic) == 0


async def test_a_commit_without_an_answer_says_that_the_outcome_is_unknown(
    clinic: Clinic, settings: Settings
) -> None:
    async with small_pool(settings, 1):
        with pytest.raises(Unavailable) as caught:
            async with begin(clinic.caller) as tx:
                await insert(tx)
                pid = await tx.value(Command("SELECT pg_backend_pid()"))
                async with owner_connection(settings.database_url) as owner:
                    await owner.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
        assert "may or may not" in caught.value.message
        assert caught.value.retry_after == 2


@asynccontextmanager
async def relayed(settings: Settings) -> AsyncIterator[Settings]:
    """Put a relay before PostgreSQL that passes on everything but the end of a connection."""
    [folder] = parse_qs(urlsplit(settings.database_url).query)["host"]

    async def passed(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source, target = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        await asyncio.gather(passed(source, writer), passed(reader, target))
        target.close()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="cct-", dir="/tmp") as own:
        server = await asyncio.start_unix_server(serve, f"{own}/.s.PGSQL.5432")
        url = settings.database_url.replace(quote(folder), quote(own))
        async with server:
            yield settings.model_copy(update={"database_url": url})


async def test_a_session_that_was_ended_between_two_statements_is_an_outage(
    clinic: Clinic, settings: Settings
) -> None:
    async with relayed(settings) as through, small_pool(through, 1):
        with pytest.raises(Unavailable):
            async with begin(clinic.caller) as tx:
                await insert(tx)
                pid = await tx.value(Command("SELECT pg_backend_pid()"))
                async with owner_connection(settings.database_url) as owner:
                    await owner.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
                await asyncio.sleep(0.1)  # the server's last word is read, the end is not
                await tx.value(ONE)
        assert await count(clinic) == 0


@pytest.fixture
def own_engines() -> Iterator[tuple[EngineUrls, Path]]:
    """PostgreSQL of this test's own, to be stopped and started."""
    base = Path(tempfile.mkdtemp(prefix="cct-"))
    base.chmod(0o755)
    try:
        with engines(base / "data", valkey=False) as urls:  # durable: what is committed must last
            yield urls, base / "data"
    finally:
        rmtree(base, ignore_errors=True)


@dataclass(slots=True)
class Server:
    """The PostgreSQL of one test: stopped as a crash would, and started again as it was."""

    process: psutil.Process

    def crash(self) -> None:
        """Stop it at once, every backend with it."""
        self.process.send_signal(signal.SIGQUIT)
        psutil.wait_procs([self.process], timeout=10)

    @contextmanager
    def again(self, command: list[str], account: tuple[int, int]) -> Iterator[None]:
        uid, gid = account
        as_root = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **as_root)  # type: ignore[call-overload]
        try:
            yield
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=10)


async def answered(
    http: httpx.AsyncClient, path: str, status: int, contract: Contract
) -> httpx.Response:
    """Ask until the answer has this status; every answer must be one that is documented."""
    deadline = time.monotonic() + 10
    while True:
        response = await http.get(path)
        if path.startswith("/api"):
            contract.check(response)
        if response.status_code == status:
            return response
        assert response.status_code in {200, 503}, response.text
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_an_outage_is_a_503_that_says_when_to_come_back_and_ends_by_itself(
    settings: Settings, own_engines: tuple[EngineUrls, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    urls, data = own_engines
    await migrate(urls.database_url)
    server = Server(psutil.Process(int((data / "postgres/postmaster.pid").read_text().split()[0])))
    command, ids = server.process.cmdline(), server.process
    account = (ids.uids().real, ids.gids().real)
    # The application below puts its own in their place; they are put back afterwards.
    monkeypatch.setattr(postgres, "_database", postgres._database)
    monkeypatch.setattr(cache_module, "_cache", cache_module._cache)
    update = {"database_url": urls.database_url, "redis_url": "", "pool_size": 3}
    app = build(settings.model_copy(update=update))
    contract = Contract(app.openapi())
    async with app.router.lifespan_context(app), new_clinic(app, contract) as clinic:
        patient = await clinic.patient()
        del patient["warnings"]  # said when it is written, and then alone
        path = f"/api/v1/patients/{patient['id']}"
        server.crash()
        for refused in (
            await answered(clinic.http, path, 503, contract),
            await answered(clinic.http, "/readyz", 503, contract),
            await clinic.post("/patients", clinic.patient_body()),
        ):
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "2"
            assert refused.json()["error"]["code"] == "UNAVAILABLE"
            assert not any(
                word in refused.text for word in ("postgres", "asyncpg", "socket", "data")
            )
        assert (await clinic.http.get("/healthz")).status_code == 200
        with server.again(command, account):
            found = await answered(clinic.http, path, 200, contract)
            assert found.json()["data"] == patient
            assert (await answered(clinic.http, "/readyz", 200, contract)).json() == {
                "status": "ready",
                "cache": "away",
            }

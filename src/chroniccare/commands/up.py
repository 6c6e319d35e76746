"""`up`: engines, migrations, API and worker in one go, watched until Ctrl-C.

Start: engines, old children gone, migrations, demo clinic, children, ready. Stop is the reverse:
API and worker drain, then the engines stop.
"""

import asyncio
import http.client
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chroniccare.commands import demo, welcome
from chroniccare.commands.children import Child, Say, await_old_ones, running
from chroniccare.commands.interrupts import Interrupts, Stopped
from chroniccare.commands.serve import free_port, is_free
from chroniccare.commands.servers import (
    backup_dir,
    environment,
    with_heads,
    with_secrets,
    with_urls,
    work,
)
from chroniccare.commands.tail import Tail
from chroniccare.migrations import runner
from chroniccare.platform import probe
from chroniccare.platform.embedded import EngineError, engines, running_urls
from chroniccare.platform.embedded_postgres import LEAST_CONNECTIONS
from chroniccare.platform.embedded_process import log_tail, make_dirs, rotated_logs
from chroniccare.settings import Settings, load

_TICK_S = 0.25
_LOOK_AT_POSTGRES_S = 3.0
_READY_S = 60.0
_CONNECTIONS_BESIDE_POOLS = 2  # a process hears of work on one; one more while it replaces it
_CONNECTIONS_OF_OTHERS = 20  # other commands, psql, and what PostgreSQL keeps for its owner
_OK = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asked for; None leaves the setting as it is."""

    directory: Path
    host: str | None
    port: int | None
    workers: int | None
    demo: bool


def up(wanted: Wanted, say: Say) -> int:
    """Run everything until the operator stops it; return the exit code.

    Raises:
        SettingsError: a setting cannot be used.
        EngineError: an engine or the API does not start, or another `up` runs there.
    """
    with Interrupts() as interrupts:
        try:
            with ExitStack() as stack:
                return _run(stack, wanted, interrupts, say)
        except Stopped:
            return 0
        finally:
            if interrupts.count:
                say("stopped")


def _run(stack: ExitStack, wanted: Wanted, interrupts: Interrupts, say: Say) -> int:
    settings = _settings(wanted)
    is_free(settings.host, settings.port)  # a host that is none shows before anything starts
    embedded = not settings.database_url
    say(f"starting on {wanted.directory} ...")
    urls = stack.enter_context(
        engines(
            wanted.directory,
            postgres=not settings.database_url,
            valkey=not settings.redis_url,
            connections=connections(settings),
            backup=backup_dir(settings),
            say=say,
        )
    )
    await_old_ones(wanted.directory)
    settings = with_urls(settings, urls.database_url, urls.cache_url)
    settings = with_secrets(settings, wanted.directory, embedded=embedded)
    settings = with_heads(settings, wanted.directory)
    asyncio.run(_migrated(settings))
    shown = work(
        settings,
        lambda: demo.prepared(settings, wanted.directory, wanted=wanted.demo, say=say),
    )
    settings = settings.model_copy(update={"port": free_port(settings.host, settings.port)})
    children = _children(settings, wanted.directory)
    stack.enter_context(rotated_logs([child.log for child in children]))
    tail = Tail(children[1].log)  # from here on: what was due before goes out while we start
    stack.enter_context(running(children, interrupts.again))
    _await_ready(settings, children[0])
    interrupts.started()
    for line in welcome.lines(settings, shown, wanted.directory):
        say(line)
    return _watch(wanted, children, tail, interrupts, say, embedded=embedded)


def connections(settings: Settings) -> int:
    """Return how many connections the embedded PostgreSQL allows: enough for every process."""
    each = settings.pool_size + _CONNECTIONS_BESIDE_POOLS
    wanted = (settings.workers + 1) * each + _CONNECTIONS_OF_OTHERS
    return max(LEAST_CONNECTIONS, wanted)


def _settings(wanted: Wanted) -> Settings:
    given = {"host": wanted.host, "port": wanted.port, "workers": wanted.workers}
    update = {name: value for name, value in given.items() if value is not None}
    return load().model_copy(update=update)


async def _migrated(settings: Settings) -> None:
    await probe.postgres(settings.database_url)
    await runner.migrate(settings.database_url)


def _children(settings: Settings, directory: Path) -> list[Child]:
    make_dirs(directory / "log", 0o700)
    given = environment(settings, host=settings.host, port=settings.port, workers=settings.workers)
    return [
        Child(name, [command, "--with-stdin"], given, directory / "log" / f"{name}.log")
        for name, command in (("api", "serve"), ("worker", "work"))
    ]


def _await_ready(settings: Settings, api: Child) -> None:
    """Wait until the API answers that it is ready.

    Raises:
        EngineError: it ended, or was too slow.
    """
    offset = api.log.stat().st_size
    deadline = time.monotonic() + _READY_S
    # Also after an answer: on the port of an API that has ended a stranger may answer.
    while not _is_ready(settings) or api.has_ended():
        if api.has_ended() or time.monotonic() > deadline:
            raise EngineError(f"the API did not start; {api.log} ends: {log_tail(api.log, offset)}")
        time.sleep(0.02)


def _is_ready(settings: Settings) -> bool:
    connection = http.client.HTTPConnection(welcome.address(settings), settings.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _watch(
    wanted: Wanted,
    children: list[Child],
    tail: Tail,
    interrupts: Interrupts,
    say: Say,
    *,
    embedded: bool,
) -> int:
    """Keep the children running and show what is delivered; return the exit code.

    An `embedded` PostgreSQL that ends ends everything; Valkey is looked after beside this.
    """
    look_at = time.monotonic() + _LOOK_AT_POSTGRES_S
    while not interrupts.asked.wait(_TICK_S):
        for child in children:
            child.tend(say)
        for line in tail.lines():
            say(line)
        if embedded and time.monotonic() > look_at:
            if running_urls(wanted.directory) is None:
                say(f"PostgreSQL has ended, so everything stops: see {wanted.directory / 'log'}")
                return 1
            look_at = time.monotonic() + _LOOK_AT_POSTGRES_S
    say("stopping (Ctrl-C again to hurry) ...")
    return 0

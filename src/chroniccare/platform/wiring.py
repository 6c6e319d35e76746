"""Everything a process opens and closes, in order, on one screen."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chroniccare.core.errors import Unavailable
from chroniccare.platform import cache, masterkey, masterkey_file, postgres, wake
from chroniccare.platform.memory import memory
from chroniccare.settings import Settings

_PATIENCE_S = 30.0
_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Platform:
    """What is open."""

    settings: Settings
    database: postgres.Database
    cache: cache.Cache
    bell: wake.Bell


@asynccontextmanager
async def opened(
    settings: Settings, *, hear: Callable[[str], None] | None = None, alone: bool = False
) -> AsyncIterator[Platform]:
    """Open database, cache and bell; close them in reverse order.

    `hear` is called with the name of each loop that is rung for, in processes that run loops.
    `alone`: nothing goes on in the background, and rings go through the pool.

    Raises:
        Unavailable: PostgreSQL cannot be reached. An absent cache is no error.
        SettingsError: the master keys cannot be read.
    """
    async with AsyncExitStack() as stack:
        stack.callback(masterkey.hold, masterkey.held())  # whoever had opened before keeps theirs
        masterkey.hold(await masterkey_file.read(settings))
        database = await postgres.open_database(settings)
        stack.push_async_callback(postgres.close_database)
        held = await cache.open_cache(settings.redis_url, settings.key_pepper.get_secret_value())
        stack.push_async_callback(held.close)
        stack.callback(memory().clear)
        bell = wake.Bell(settings.database_url, hear)
        if not alone:
            bell.open()
            stack.push_async_callback(bell.close)

        async def after_commit(tx: postgres.Tx) -> None:
            memory().drop(tx.dropped)
            await held.drop(tx.dropped, tx.bumped)
            if tx.woken and alone:
                await wake.ring_through(database, tx.woken)
            elif tx.woken:
                bell.ring(tx.woken)

        database.after_commit = after_commit
        yield Platform(settings, database, held, bell)


@asynccontextmanager
async def opened_soon(settings: Settings) -> AsyncIterator[Platform]:
    """Do the same for a worker that may be born while PostgreSQL is away: wait for it a while.

    Were it to end at once, its supervisor would take the outage for a fault of ours, and give up.

    Raises:
        Unavailable: PostgreSQL could not be reached for half a minute.
        SettingsError: the master keys cannot be read.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_S
    async with AsyncExitStack() as stack:
        while True:
            try:
                platform = await stack.enter_async_context(opened(settings))
                break
            except Unavailable:
                if loop.time() > until:
                    raise
            await asyncio.sleep(_AGAIN_S)
        yield platform


def keep_what_stands() -> None:
    """Keep the collector from walking again and again what is there after the start.

    That took 40 % of a cached read and a tenth of a batch (docs/benchmarks.md). For a process that
    goes on to do its work, once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

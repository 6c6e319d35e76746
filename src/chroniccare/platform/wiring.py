"""Everything a process opens and closes, in order, on one screen."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chroniccare.platform import cache, masterkey, masterkey_file, postgres, wake
from chroniccare.settings import Settings


@dataclass(frozen=True, slots=True)
class Platform:
    """What is open."""

    settings: Settings
    database: postgres.Database
    cache: cache.Cache
    bell: wake.Bell


@asynccontextmanager
async def opened(
    settings: Settings, *, hear: Callable[[str], None] | None = None
) -> AsyncIterator[Platform]:
    """Open database, cache and bell; close them in reverse order.

    `hear` is called with the name of each loop that is rung for, in processes that run loops.

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
        bell = wake.Bell(settings.database_url, hear)
        bell.open()
        stack.push_async_callback(bell.close)

        async def after_commit(tx: postgres.Tx) -> None:
            await held.drop(tx.dropped, tx.bumped)
            if tx.woken:
                bell.ring(tx.woken)

        database.after_commit = after_commit
        yield Platform(settings, database, held, bell)


def keep_what_stands() -> None:
    """Keep the collector from walking again and again what is there after the start.

    That took 40 % of a cached read and a tenth of a batch (docs/benchmarks.md). For a process that
    goes on to do its work, once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

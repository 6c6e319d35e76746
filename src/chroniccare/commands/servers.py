"""Where a command finds PostgreSQL, the cache and the secrets.

Each comes from the environment, else from an `up` that runs on the data directory; PostgreSQL is
else started for the command's own duration. The secrets else are files of the directory.
"""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from chroniccare.migrations import runner
from chroniccare.platform import masterkey_file, probe, wiring
from chroniccare.platform.embedded import EngineError, default_data_dir, engines, running_urls
from chroniccare.platform.embedded_process import make_data_dir
from chroniccare.settings import DATA_DIR, Settings, SettingsError, load, values_of, variable

T = TypeVar("T")

_PEPPER = "pepper"
_MASTER = "master.key"
_STORE = "tenant-keys"
_PRIVATE = 0o600


def data_dir(option: Path | None) -> Path:
    """Return the data directory: the option, else CHRONICCARE_DATA_DIR, else the default.

    Raises:
        EngineError: this account has no home directory.
    """
    told = os.environ.get(DATA_DIR)
    chosen = option or (Path(told) if told else None)
    try:
        return (chosen or default_data_dir()).expanduser().resolve()
    except RuntimeError:
        raise EngineError("this account has no home directory: pass --data-dir") from None


def found(directory: Path) -> Settings:
    """Return the settings with what an `up` on `directory` runs in the empty places.

    Raises:
        SettingsError: a setting cannot be used.
        EngineError: the directory belongs to another account.
    """
    settings = load()
    if settings.database_url and settings.redis_url:
        return with_secrets(settings, directory, embedded=False)
    embedded = not settings.database_url
    running = running_urls(directory)
    if running is not None:
        settings = with_urls(settings, running.database_url, running.cache_url)
    if not settings.database_url:
        return settings
    return with_secrets(settings, directory, embedded=embedded)


def with_urls(settings: Settings, database_url: str, redis_url: str) -> Settings:
    """Return `settings` with the embedded servers where none are set."""
    update = {
        "database_url": settings.database_url or database_url,
        "redis_url": settings.redis_url or redis_url,
    }
    return settings.model_copy(update=update)


def needed(directory: Path) -> Settings:
    """Return the settings of servers that run already, or say that there are none.

    Raises:
        SettingsError: there is no DATABASE_URL and no running `up`.
    """
    settings = found(directory)
    if not settings.database_url:
        raise SettingsError(
            f"DATABASE_URL is not set and no `chroniccare up` runs on {directory}:"
            " set it, or start `chroniccare up`, which runs everything"
        )
    asyncio.run(_check(settings.database_url))
    return settings


@contextmanager
def servers(directory: Path, *, migrated: bool = True) -> Iterator[Settings]:
    """Yield settings whose servers answer, starting PostgreSQL when there is none.

    With `migrated`, the schema is up to date: a database that the command started is migrated, any
    other is only checked.
    """
    settings = found(directory)
    if settings.database_url:
        asyncio.run(_check(settings.database_url, migrated=migrated))
        yield settings
        return
    with engines(directory, valkey=False, backup=backup_dir(settings)) as urls:
        settings = with_urls(settings, urls.database_url, "")
        settings = with_secrets(settings, directory, embedded=True)
        if migrated:
            asyncio.run(runner.migrate(settings.database_url))
        yield settings


def backup_dir(settings: Settings) -> Path | None:
    """Return where backups of the embedded PostgreSQL go; None: nowhere."""
    return Path(settings.backup_dir) if settings.backup_dir else None


async def _check(url: str, *, migrated: bool = True) -> None:
    await probe.postgres(url)
    waiting = await runner.pending(url) if migrated else []
    if waiting:
        raise runner.MigrationError(
            f"{len(waiting)} migrations wait, from {waiting[0]} on: run `chroniccare migrate`"
        )


def work(settings: Settings, job: Callable[[], Awaitable[T]]) -> T:
    """Run `job` with database, cache and bell open."""

    async def opened() -> T:
        async with wiring.opened(settings):
            return await job()

    return asyncio.run(opened())


def with_secrets(settings: Settings, directory: Path, *, embedded: bool) -> Settings:
    """Return `settings` with pepper and master keys of the data directory where none are set.

    `embedded`: PostgreSQL is the directory's own, and so is the store of tenants' keys.

    Raises:
        SettingsError: other accounts may read a file.
    """
    settings = with_master_file(with_pepper(settings, directory), directory)
    path = Path(settings.master_key_file)
    if path == directory / _MASTER and not path.exists():
        make_data_dir(directory)
        if embedded:
            # Only beside a first master key: who began without it copies no such directory yet.
            (directory / _STORE).mkdir(mode=0o700, exist_ok=True)
        masterkey_file.make(path)
    return with_store(settings, directory) if embedded else settings


def with_store(settings: Settings, directory: Path) -> Settings:
    """Return `settings` with the data directory's store of tenants' keys, if it has one.

    For the embedded PostgreSQL alone: of other servers' processes each has its own data directory.
    """
    store = directory / _STORE
    if settings.tenant_key_dirs or not store.is_dir():
        return settings
    return settings.model_copy(update={"tenant_key_dirs": str(store)})


def with_master_file(settings: Settings, directory: Path) -> Settings:
    """Return `settings` with the place of the data directory's master keys, unless one is set."""
    if settings.master_key_file:
        return settings
    return settings.model_copy(update={"master_key_file": str(directory / _MASTER)})


def with_pepper(settings: Settings, directory: Path) -> Settings:
    """Return `settings` with the pepper of the data directory, made at first, unless one is set.

    Raises:
        SettingsError: other accounts may read the file.
    """
    if settings.key_pepper.get_secret_value():
        return settings
    path = directory / _PEPPER
    if not path.exists():
        _make_pepper(path)
    pepper = private_text(path)
    return settings.model_copy(update={"key_pepper": SecretStr(pepper)})


def with_heads(settings: Settings, directory: Path) -> Settings:
    """Return `settings` with heads of the audit and `$export` in the data directory, unless set."""
    update = {"audit_heads_dir": directory / "audit", "fhir_export_dir": directory / "exports"}
    left = {name: str(place) for name, place in update.items() if not getattr(settings, name)}
    return settings.model_copy(update=left)


def _make_pepper(path: Path) -> None:
    """Write a new pepper in one step; of two processes that do so at once, one wins."""
    make_data_dir(path.parent)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()


def private_text(path: Path) -> str:
    """Return the text of a file that holds a secret.

    Raises:
        SettingsError: other accounts may read the file.
    """
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"other accounts may read {path}: `chmod 600` it")
    return path.read_text(encoding="utf-8").strip()


def environment(settings: Settings, **more: Any) -> dict[str, str]:
    """Return our own environment with `settings`' servers, secrets and heads, for a child."""
    names = (
        "database_url", "redis_url", "key_pepper", "master_key_file", "tenant_key_dirs",
        "audit_heads_dir", "fhir_export_dir",
    )  # fmt: skip
    return {
        **os.environ,
        **{variable(name): values_of(settings, name) for name in names},
        **{variable(name): str(value) for name, value in more.items()},
    }


def given(settings: Settings, **options: Any) -> Settings:
    """Return `settings` with the options that were given on the command line."""
    update = {name: value for name, value in options.items() if value is not None}
    return settings.model_copy(update=update)

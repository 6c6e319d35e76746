"""What one environment of Lambda keeps from one invocation to the next: loop, settings, platform.

Lambda freezes the process between two invocations, so nothing goes on in the background here: one
connection to PostgreSQL, opened by the first invocation that needs it, and none beside it.
"""

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from functools import cache
from typing import Any, TypeVar

from chroniccare.lambdas import IS_LAMBDA
from chroniccare.platform import aws_secrets, wiring
from chroniccare.platform.aws_emf import document, emit
from chroniccare.platform.postgres import utc_now
from chroniccare.platform.telemetry import configure_logging
from chroniccare.settings import Settings, load

T = TypeVar("T")

if IS_LAMBDA:
    gc.disable()  # until `start`: nothing of what is loaded now is thrown away; a tenth of its time

BY_ARN = "SECRET_"
"""Before a setting's variable: the ARN of the secret whose text it is, such as SECRET_REDIS_URL."""
NAMESPACE = "ChronicCare"
_NO_KEYS = {"master_key_file": "", "master_key_kms": "", "tenant_key_dirs": ""}
_DEFAULTS = {
    "CHRONICCARE_POOL_SIZE": "1",  # an environment serves one request at a time
    "CHRONICCARE_REQUESTS_AT_ONCE": "1",
}


def settings_of(environ: Mapping[str, str]) -> Settings:
    """Return the settings of a function; the region is the one that Lambda runs in.

    Raises:
        SettingsError: one cannot be used; SecretError: a secret cannot be read.
    """
    wanted = {
        name.removeprefix(BY_ARN): arn for name, arn in environ.items() if name.startswith(BY_ARN)
    }
    region = {"CHRONICCARE_AWS_REGION": environ.get("AWS_REGION", "")}
    secrets = aws_secrets.read(wanted, environ, utc_now())
    return load(_DEFAULTS | region | dict(environ) | secrets)


@cache
def settings() -> Settings:
    """Return the settings of this environment, read once."""
    return settings_of(os.environ)


class _Environment:
    """The loop of this process, and what is open in it."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.platform: wiring.Platform | None = None
        asyncio.set_event_loop(self.runner.get_loop())  # Mangum asks for it

    async def open(self, *, keys: bool) -> wiring.Platform:
        if self.platform is None:
            given = settings() if keys else settings().model_copy(update=_NO_KEYS)
            opened = wiring.opened(given, alone=True)
            self.platform = await self.stack.enter_async_context(opened)
        return self.platform


@cache
def _environment() -> _Environment:
    configure_logging(settings().log_level)
    return _Environment()


def start(*prepare: Callable[[], object]) -> None:
    """Call `prepare` now if this is Lambda, where an environment starts with a whole CPU.

    To be called last: what stands then is kept from the collector.
    """
    if IS_LAMBDA:
        with loading():
            _environment()
            for one in prepare:
                one()


@contextmanager
def loading() -> Iterator[None]:
    """Keep what is loaded meanwhile from the collector, as all of it stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def loop() -> None:
    """Make the loop, if there is none yet."""
    _environment()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` in the loop of this environment."""
    return _environment().runner.run(coroutine)


async def platform(*, keys: bool = True) -> wiring.Platform:
    """Return what is open; the first call opens it, as does the next when that failed.

    Without `keys` whatever is sealed stays so: for a function that never looks at it.

    Raises:
        Unavailable: PostgreSQL cannot be reached.
    """
    return await _environment().open(keys=keys)


async def kept(context: AbstractAsyncContextManager[T]) -> T:
    """Enter `context` and keep it open as long as the environment lives."""
    return await _environment().stack.enter_async_context(context)


def count(function: str, **values: float) -> None:
    """Count something as a metric of CloudWatch, by function and environment."""
    dimensions = {
        "Environment": os.environ.get("ENVIRONMENT_SUFFIX", "dev"), "Function": function,
    }  # fmt: skip
    told = {name: (value, "Count") for name, value in values.items()}
    emit(document(NAMESPACE, dimensions, told, utc_now()))

"""From an event of Lambda to an answer: the one function that `lambdas.notify` calls."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from chroniccare.notifications.batch_file import rows
from chroniccare.notifications.channels import by_aws, email, sms
from chroniccare.notifications.channels.message import Calls
from chroniccare.notifications.daily import rules, run
from chroniccare.notifications.daily.log import Log
from chroniccare.notifications.daily.source import Asked, EventError, Files, SourceError, asked
from chroniccare.notifications.daily.visits import Visits
from chroniccare.notifications.mesh.switchboard import Line
from chroniccare.platform import aws_secrets
from chroniccare.platform.aws_emf import document, emit
from chroniccare.platform.aws_error import AwsError
from chroniccare.platform.reader import Reader, is_sealed
from chroniccare.settings import Settings, drivers

log = logging.getLogger(__name__)

NAMESPACE = "HealthcareNotifications"
RESERVE_S = 30.0
"""Seconds before the function's time is up in which nothing new begins: a call takes up to 14."""
MOST_ROUNDS = 50
_DRIVERS = {"sms": sms, "email": email}
_NEEDED = {"table": "NOTIFICATION_TABLE", "bucket": "APPOINTMENTS_BUCKET"}
_API, _API_SECRET = "PLATFORM_URL", "PLATFORM_KEY_SECRET"


class SetupError(Exception):
    """The function is not set up; the message names the variable."""


class StuckError(Exception):
    """Rows are left, and going on would not help: nothing moves, or nobody can be asked to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the function runs: what the stack's template sets.

    Attributes:
        environment: dimension of every metric.
        zone: IANA zone of the schedule and of times without an offset.
        country: ISO 3166, for numbers without a country code.
        api_url: of the platform, where a day's appointments are asked for; empty: in the bucket.
        api_secret: ARN of the secret that is the API's key.
    """

    table: str
    bucket: str
    environment: str
    zone: str
    country: str
    api_url: str = ""
    api_secret: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Place":
        """Return the place that the environment variables describe.

        Raises:
            SetupError: one is missing, or the API's address is none that a key may be sent to.
        """
        missing = [name for name in _NEEDED.values() if not environ.get(name)]
        if missing:
            raise SetupError(f"{', '.join(missing)}: not set")
        api_url, api_secret = environ.get(_API, "").rstrip("/"), environ.get(_API_SECRET, "")
        if api_url and not is_sealed(api_url):
            raise SetupError(f"{_API}: must begin with https:// and have no query")
        if api_url and not api_secret:
            raise SetupError(f"{_API_SECRET}: not set")
        return cls(
            environ[_NEEDED["table"]], environ[_NEEDED["bucket"]],
            environ.get("ENVIRONMENT_SUFFIX", "dev"), environ.get("SCHEDULE_ZONE", "UTC"),
            environ.get("PHONE_COUNTRY", "US"), api_url, api_secret,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the function.

    Attributes:
        id: the same when Lambda repeats it, so it names the batch.
        function: its own name, for the next run.
        time_left: returns the seconds until Lambda ends it.
        clock: returns the time (UTC).
    """

    id: str
    function: str
    time_left: Callable[[], float]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Function:
    """The function as it is set up."""

    place: Place
    settings: Settings

    async def handle(self, event: Any, invocation: Invocation) -> dict[str, Any]:
        """Send what an event asks for; the answer is that of an HTTP function.

        Raises:
            AwsError: the delivery log cannot be read; SourceError: nor the list.
            StuckError: what is left cannot be handed on.
        """
        try:
            found = asked(event, now=invocation.clock(), zone_name=self.place.zone)
        except EventError as error:
            self._measure({"RejectedEvents": (1, "Count")}, invocation)
            return _answer(400, {"error": str(error)})
        return await self._run(found, invocation)

    async def _run(self, found: Asked, invocation: Invocation) -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            listed = await self._listed(stack, found, invocation)
            means = await stack.enter_async_context(self._means(invocation))
            checked = rows(listed, region=self.place.country, zone=self.place.zone)
            batch_id = found.batch_id or invocation.id
            report, left = await run.send(batch_id, checked, means)
            self._measure(rules.metrics(report), invocation)
            told = rules.answer(report)
            log.info("run over", extra={name: told[name] for name in told if name != "problems"})
            if left:
                if not report.processed or found.round >= MOST_ROUNDS:
                    raise StuckError(f"{len(left)} rows are left and nothing moves")
                rest = [dict(listed)[line] for line in sorted(left)]
                again = found.again(batch_id, rest)
                await self._hand_over(stack, again, function=invocation.function)
        return _answer(200, told)

    async def _listed(
        self, stack: AsyncExitStack, found: Asked, invocation: Invocation
    ) -> list[tuple[int, Any]]:
        if found.rows is not None:
            return list(enumerate(found.rows, start=1))
        assert found.day is not None  # noqa: S101  see `Asked`
        if self.place.api_url:
            now = invocation.clock()
            reader = Reader(self.place.api_url, await self._api_key(now))
            stack.push_async_callback(reader.close)
            visits = Visits(
                reader, self.place.zone, lambda: invocation.time_left() - RESERVE_S
            )  # fmt: skip
            return await visits.read(found.day, now)
        client = by_aws.client(self.settings, "s3")
        stack.push_async_callback(client.close)
        return await Files(client, self.place.bucket).read(found.day)

    async def _api_key(self, now: datetime) -> str:
        """Return the API's key, read anew by each run: a new one needs no deployment."""
        wanted = {_API_SECRET: self.place.api_secret}
        try:
            found = await asyncio.to_thread(aws_secrets.read, wanted, os.environ, now)
        except aws_secrets.SecretError as error:
            raise SourceError(f"the platform's API: {error}") from None
        return found[_API_SECRET].strip()

    @asynccontextmanager
    async def _means(self, invocation: Invocation) -> AsyncIterator[run.Means]:
        async with AsyncExitStack() as stack:
            client = by_aws.client(self.settings, "dynamodb")
            stack.push_async_callback(client.close)
            lines = {channel: self._line(stack, channel) for channel in _DRIVERS}
            # What takes long the first time comes before any claim.
            await asyncio.gather(*(one.ready() for one in map(_calls, lines.values())))
            yield run.Means(
                Log(client, self.place.table), lines, invocation.clock,
                lambda: invocation.time_left() - RESERVE_S,
            )  # fmt: skip

    def _line(self, stack: AsyncExitStack, channel: str) -> Line:
        names = list(drivers(self.settings, channel))
        line = Line(channel, _DRIVERS[channel].driver(names[0], self.settings, stack))
        if len(names) > 1 or not isinstance(line.driver, Calls):
            raise SetupError(f"the {channel} driver must be one that calls a provider")
        return line

    async def _hand_over(
        self, stack: AsyncExitStack, events: list[dict[str, Any]], *, function: str
    ) -> None:
        """Have the next invocation go on."""
        client = by_aws.client(self.settings, "lambda")
        stack.push_async_callback(client.close)
        for one in events:
            try:
                await client.call(
                    "invoke", FunctionName=function, InvocationType="Event",
                    Payload=orjson.dumps(one),
                )  # fmt: skip
            except AwsError as error:
                raise StuckError(f"cannot hand over: {error.code} {error.aws}") from None

    def _measure(self, values: dict[str, tuple[float, str]], invocation: Invocation) -> None:
        dimensions = {"Environment": self.place.environment}
        emit(document(NAMESPACE, dimensions, values, invocation.clock()))


def _calls(line: Line) -> Calls:
    assert isinstance(line.driver, Calls)  # noqa: S101  see `Function._line`
    return line.driver


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "body": orjson.dumps(body).decode()}


__all__ = ["Function", "Invocation", "Place", "SetupError", "SourceError", "StuckError"]

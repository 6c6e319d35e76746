"""AWS: clients are made here and nowhere else; each call is one HTTP request, never repeated.

What a failure means is decided here too, because only here is it known how far the request got:
before the connection stood AWS has nothing, once the request was on the wire it may have it.
"""

import asyncio
import re
import socket
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]
from aiobotocore.session import get_session  # type: ignore[import-untyped]
from botocore import exceptions as boto  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from chroniccare.platform.aws_error import AwsError, Kind
from chroniccare.platform.aws_straight import Straight, UnusualError, learn

_CONNECT_S = 2.0
_READ_S = 8.0
BUDGET_S = _CONNECT_S + _READ_S + 4.0
"""No call takes longer than this; the rest is for names and credentials to be looked up."""
_IDLE_S = 4.0  # well below AWS's own limit: a connection that it closes meanwhile leaves doubt
_TOO_MANY = 429
_GATEWAY_TIMEOUT = 504
_SERVER_FAULT = 500


@dataclass(slots=True)
class Client:
    """One service in one region. Its first call opens it: credentials may take a moment to find.

    Credentials come from AWS's default chain: environment, files, role. `endpoint_url` replaces
    the region's public address, for a private endpoint or the simulator.
    """

    service: str
    region: str
    endpoint_url: str = ""
    connections: int = 10
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    client: Any = None
    http: Any = None
    straight: dict[str, Straight | None] = field(default_factory=dict)

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call `operation`, named as a method (`send_email`), once.

        Raises:
            AwsError: there is no answer, or not the one hoped for.
        """
        return await self._once(self._by_client(operation, parameters))

    async def send(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Do the same with what is worked out for the first call only; for what is called often.

        Raises:
            AwsError: there is no answer, or not the one hoped for.
        """
        return await self._once(self._straight(operation, parameters))

    async def _by_client(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        client = self.client or await self.open()
        answer: dict[str, Any] = await getattr(client, operation)(**parameters)
        return answer

    async def _straight(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation not in self.straight:
            await self._learn(operation, parameters)
        known = self.straight[operation]
        if known is None:
            return await self._by_client(operation, parameters)
        return await known.call(parameters)

    async def _learn(self, operation: str, parameters: dict[str, Any]) -> None:
        client = self.client or await self.open()
        async with self.opening:
            if operation in self.straight:
                return
            try:
                self.straight[operation] = await learn(
                    client, operation, parameters,
                    credentials=await session().get_credentials(), connections=self.http,
                )  # fmt: skip
            except UnusualError:
                self.straight[operation] = None

    async def _once(self, calling: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        try:
            answer = await calling
        except (boto.ClientError, boto.BotoCoreError, ResponseParserError) as error:
            failure = _failure(error)
        except (aiohttp.ClientError, OSError, TimeoutError):
            failure = AwsError("unknown", "disconnected")  # in the middle of the answer
        else:
            return answer
        raise failure from None

    async def close(self) -> None:
        """Close the connections."""
        await self.stack.aclose()
        self.client = self.http = None
        self.straight.clear()

    async def open(self) -> Any:
        """Return the client behind this one; the first time that takes a moment.

        Raises:
            BotoCoreError: AWS's description of the service is not there.
        """
        if self.client is not None:
            return self.client
        async with self.opening:
            if self.client is None:
                config = AioConfig(
                    connect_timeout=_CONNECT_S,
                    read_timeout=_READ_S,
                    max_pool_connections=self.connections,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    user_agent="chroniccare",  # botocore would work one out for each call
                    warm_up_loader_caches=True,  # in a thread: it reads large files
                    connector_args={"keepalive_timeout": _IDLE_S, "socket_factory": _socket},
                    http_session_cls=self._connections,
                )
                made = session().create_client(
                    self.service,
                    region_name=self.region,
                    endpoint_url=self.endpoint_url or None,
                    config=config,
                )
                self.client = await self.stack.enter_async_context(made)
            return self.client

    def _connections(self, **options: Any) -> Any:
        """Make the client's connections, and keep them in reach."""
        self.http = AIOHTTPSession(**options)
        return self.http


@cache
def session() -> Any:
    """Return what clients are made from: it reads credentials and models once a process."""
    return get_session()


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """Make a socket that notices a peer which is gone; aiobotocore ignores `tcp_keepalive`."""
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


_NEVER_CONNECTED = (aiohttp.ClientConnectorError, socket.gaierror)
# The first that fits counts: some of these are kinds of others.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], Kind, str], ...] = (
    (
        (boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError),
        "transient",
        "unreachable",
    ),
    (
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.TokenRetrievalError,
            boto.ProfileNotFound,
            boto.NoRegionError,
            boto.ParamValidationError,
            boto.UnknownEndpointError,
            boto.EndpointProviderError,
        ),
        "transient",
        "configuration",
    ),
    ((boto.ReadTimeoutError,), "unknown", "timeout"),
    ((boto.EndpointConnectionError, boto.HTTPClientError), "unknown", "disconnected"),
    ((Exception,), "unknown", "unreadable"),
)


def _failure(error: Exception) -> AwsError:
    """Return what an exception of botocore means."""
    if isinstance(error, boto.ClientError):
        return understand(error.response)
    # aiobotocore says the same of a connection that was refused and of one that broke later.
    if isinstance(error, boto.EndpointConnectionError) and isinstance(
        error.kwargs.get("error"), _NEVER_CONNECTED
    ):
        return AwsError("transient", "unreachable")
    kind, code = next((k, c) for types, k, c in _MEANINGS if isinstance(error, types))
    return AwsError(kind, code, type(error).__name__)


_QUOTA = frozenset({"ServiceQuotaExceededException", "LimitExceededException"})
_THROTTLED = re.compile(r"Throttl|TooManyRequests|RequestLimit|SlowDown")
GONE = frozenset({"EndpointDisabled", "EndpointDisabledException"})
"""SNS's words for a device that takes nothing any more."""
_REASONS: Mapping[str, str] = {
    "DESTINATION_PHONE_NUMBER_OPTED_OUT": "opted_out",
    "DESTINATION_COUNTRY_BLOCKED": "country_blocked",
    "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION": "country_blocked",
    "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": "country_blocked",
    "COUNTRY_NOT_ENABLED": "country_blocked",
    "INTERNATIONAL_SENDING_NOT_SUPPORTED": "country_blocked",
    "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": "country_blocked",
    "PRICE_OVER_THRESHOLD": "too_expensive",
    "MAXIMUM_SIZE_EXCEEDED": "too_long",
}
_SNS_ADDRESS = re.compile(r"PhoneNumber|TargetArn|Token Reason|[Ee]ndpoint")
_SNS_KNOWN = re.compile(r"Endpoint (arn:aws[\w-]*:sns:[\w:/.-]+) already exists")
_SES_ADDRESS = re.compile(r"address|local part|final '@|domain", re.IGNORECASE)


def understand(response: Mapping[str, Any]) -> AwsError:
    """Return what an error answer, as botocore parses it, means."""
    error = response.get("Error", {})
    code, text = str(error.get("Code", "")), str(error.get("Message", ""))
    reason = str(response.get("Reason", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    known = ".".join(part for part in (code, reason) if re.fullmatch(r"[\w.-]{1,80}", part))
    refusal = _REASONS.get(reason) or _refusal(code, text, response)
    if refusal:
        there = _SNS_KNOWN.search(text)
        return AwsError("rejected", refusal, known, there[1] if there else "")
    if status == _GATEWAY_TIMEOUT:
        return AwsError("unknown", "timeout", known)
    return AwsError("transient", _obstacle(code, text, status), known)


def _refusal(code: str, text: str, response: Mapping[str, Any]) -> str | None:
    """Return why this recipient or this message is refused for good, if it is."""
    if code in {"OptedOut", "OptedOutException"}:
        return "opted_out"
    if _is_address(code, text, response):
        return "invalid_address"
    if code == "MessageRejected" and "not verified" not in text:
        return "refused"
    return None


def _obstacle(code: str, text: str, status: int) -> str:
    """Return what keeps AWS from sending now; whatever is not known is for the operator."""
    if code in _QUOTA or (_THROTTLED.search(code) and "quota" in text):
        return "quota"
    if _THROTTLED.search(code) or status == _TOO_MANY:
        return "throttled"
    if status >= _SERVER_FAULT or code in {"InternalServerException", "RequestTimeout"}:
        return "unavailable"
    return "configuration"


def _is_address(code: str, text: str, response: Mapping[str, Any]) -> bool:
    """Say whether the address is at fault; AWS's text is looked at, and never kept."""
    if code in GONE:
        return True
    if code == "ValidationException":
        fields = {str(one.get("Name", "")) for one in response.get("Fields") or ()}
        return "DestinationPhoneNumber" in fields
    if code in {"InvalidParameter", "ParameterValueInvalid", "NotFound"}:
        return bool(_SNS_ADDRESS.search(text))
    if code == "BadRequestException":
        return bool(_SES_ADDRESS.search(text)) and "verified" not in text and "From" not in text
    return False

"""What every request passes first and last: its id, the body limit, the log line, the headers."""

import asyncio
import logging
import re
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from opentelemetry import propagate, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chroniccare.core import wire
from chroniccare.core.errors import Invalid, Problem, TooLarge, TooSlow
from chroniccare.core.ids import new_id
from chroniccare.fhir import doors, outcome
from chroniccare.platform import meters
from chroniccare.platform.cache import Allowance

log = logging.getLogger("chroniccare.access")

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?", re.ASCII)
_BODY_S = 20.0
"""Seconds a body may take: it is read before the key is looked at."""
_REFUSED = 400
_SERVER_ERROR = 500
_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
_BY_ADDRESS = ("/calendars/", "/doses/", "/offers/", "/unsubscribe/", "/visits/")
"""Whoever has such an address may use what is there, so it must not be passed on by accident."""
_FOR_NOBODY_ELSE = [
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow, noarchive"),
]


class Front:
    """ASGI middleware; one, because each costs every request.

    `turns`: whether a client that asks for FHIR gets a record of /api/v1 as it stands below /fhir.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, *, turns: bool = True) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever escapes the application becomes a 500 without internals."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope["chroniccare.request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_headers(scope, request_id, status)]
            await send(message)

        try:
            if _declared_length(scope) > self.max_body_bytes:
                raise TooLarge  # noqa: TRY301  answered below, like a body that grows too large
            _check_encoding(scope)
            if self.turns and scope["method"] == "GET":
                _turn_to_fhir(scope)
            await self.app(scope, self._limited(receive), send_with_headers)
        except Exception as error:  # nothing but an answer may leave
            problem = error if isinstance(error, Problem) else Problem()
            if status:
                raise  # the answer has begun: the server must cut the connection
            if problem.status >= _SERVER_ERROR:
                log.exception("unhandled", extra={"requestId": request_id})
            await _answer(scope, problem, request_id, send_with_headers)
        finally:
            _log(scope, request_id, status, started)

    def _limited(self, receive: Receive) -> Receive:
        """Return `receive` that stops a body at the limit of size or of time."""
        received, reading = 0, True
        deadline = asyncio.get_running_loop().time() + _BODY_S

        async def limited() -> Message:
            nonlocal received, reading
            try:
                # After the body, receive only waits for the client to go away.
                async with asyncio.timeout_at(deadline if reading else None):
                    message = await receive()
            except TimeoutError:
                raise TooSlow from None
            reading = message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > self.max_body_bytes:
                raise TooLarge
            return message

        return limited


class Traced:
    """ASGI middleware: a span for each request, of the caller's trace if it names one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request inside its span, which is called after the route."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, method = 0, _method(scope)

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with meters.tracer.start_as_current_span(
            method, propagate.extract(sent), trace.SpanKind.SERVER,
            record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            try:
                await self.app(scope, receive, send_and_see)
            finally:
                route = getattr(scope.get("route"), "path", "none")
                span.update_name(f"{method} {route}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                span.set_attribute(
                    "chroniccare.request_id", scope.get("chroniccare.request_id", "")
                )
                if status >= _SERVER_ERROR or not status:
                    span.set_status(trace.StatusCode.ERROR)


class Proxied:
    """ASGI middleware: the client is whom the last of `proxies`, networks of ours, was asked by.

    Each proxy appends to `X-Forwarded-For` whom it was asked by, so that the list is true from its
    end up to the first address that is none of ours; what stands before that, the client wrote.
    """

    def __init__(self, app: ASGIApp, proxies: Iterable[str]) -> None:
        self.app = app
        self.proxies = tuple(ip_network(one) for one in proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under the address of its client."""
        if scope["type"] == "http" and scope.get("client") is not None:
            host = scope["client"][0]
            if (found := self._asked_by(host, scope["headers"])) != host:
                scope = {**scope, "client": (found, 0)}
        await self.app(scope, receive, send)

    def _asked_by(self, host: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        said = ",".join(
            value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"
        )
        told = [one.strip() for one in said.split(",") if one.strip()]
        found = _address(host)
        while told and found is not None and any(found in one for one in self.proxies):
            before = _address(told.pop())
            if before is None:
                break
            found = before
        return host if found is None else str(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address as one writes it: without a port, and IPv4 that IPv6 carries as IPv4."""
    with_port = _WITH_PORT.fullmatch(text)
    try:
        found = ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if _REQUEST_ID.match(text) else str(new_id())
    return str(new_id())


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _check_encoding(scope: Scope) -> None:
    """Refuse a body that must be unpacked: a small one could become any size.

    Raises:
        Invalid: Content-Encoding is not `identity`.
    """
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise Invalid.field(
                "Content-Encoding", "must be identity: bodies come unpacked", "type"
            )


def _turn_to_fhir(scope: Scope) -> None:
    """Have a record of /api/v1 read under /fhir when the client accepts FHIR."""
    for name, value in scope["headers"]:
        if name == b"accept":
            path = doors.other(scope["path"], value)
            if path is not None:
                scope["path"], scope["raw_path"] = path, path.encode()


def _headers(scope: Scope, request_id: str, status: int) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
    if scope["path"].startswith("/api/") or outcome.is_fhir(scope["path"]):
        headers.append((b"cache-control", b"no-store"))  # answers may hold patient data
    if scope["path"].startswith(_BY_ADDRESS):
        headers += _FOR_NOBODY_ELSE
        if status >= _REFUSED:
            headers.append((b"cache-control", b"no-store"))
    allowance: Allowance | None = scope.get("chroniccare.allowance")
    if allowance is not None:
        headers.append((b"ratelimit-limit", b"%d" % allowance.limit))
        headers.append((b"ratelimit-remaining", b"%d" % allowance.remaining))
        headers.append((b"ratelimit-reset", b"%d" % allowance.reset_s))
    return headers


async def _answer(scope: Scope, problem: Problem, request_id: str, send: Send) -> None:
    is_fhir = outcome.is_fhir(scope["path"])
    body = outcome.body(problem) if is_fhir else wire.failure(problem, request_id)
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", (outcome.MEDIA_TYPE if is_fhir else wire.JSON).encode()),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _method(scope: Scope) -> str:
    """Return the method; a word that is none is not repeated, for a client may write anything."""
    method: str = scope["method"]
    return method if method in _METHODS else "_OTHER"


def _log(scope: Scope, request_id: str, status: int, started: float) -> None:
    """Count and log the request: the route's template, never the path, which may hold anything."""
    seconds = time.perf_counter() - started
    route, method = getattr(scope.get("route"), "path", None), _method(scope)
    labels: dict[str, str | int] = {
        "http.request.method": method,
        "http.response.status_code": status,
    }
    meters.requests.record(seconds, labels | {"http.route": route or "none"})
    if not log.isEnabledFor(logging.INFO):
        return
    log.info(
        "request",
        extra={
            "requestId": request_id,
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
        },
    )

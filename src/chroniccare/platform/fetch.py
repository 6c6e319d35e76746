"""One small document from a host that is trusted already: no redirect, no repetition, bounded."""

import asyncio
import http.client
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

_TIMEOUT_S = 5.0
_MOST = 65_536


class FetchError(Exception):
    """There is no answer, or not the one wanted; never with what the server said.

    Attributes:
        refused: the server has no such document, and will not have it later.
    """

    def __init__(self, code: str, *, refused: bool = False) -> None:
        self.refused = refused
        super().__init__(code)


async def fetch(url: str, *, most: int = _MOST) -> bytes:
    """Return what a GET of `url` answers with 200, up to `most` bytes (64 KiB).

    Raises:
        FetchError: it does not answer so within five seconds.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S + 1):
            return await asyncio.to_thread(_ask, url, most)
    except (OSError, TimeoutError, ValueError, http.client.HTTPException) as error:
        raise FetchError(type(error).__name__) from None


async def post_form(url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
    """Return what a POST of a form to `url` answers with 200, up to 64 KiB.

    Raises:
        FetchError: it does not answer so within five seconds.
    """
    form = urlencode(fields).encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    try:
        async with asyncio.timeout(_TIMEOUT_S + 1):
            return await asyncio.to_thread(_ask, url, _MOST, "POST", form, sent)
    except (OSError, TimeoutError, ValueError, http.client.HTTPException) as error:
        raise FetchError(type(error).__name__) from None


def _ask(
    url: str, most: int, method: str = "GET", form: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> bytes:  # fmt: skip
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=_TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, form, dict(headers))
        answer = connection.getresponse()
        body = answer.read(most + 1)
    finally:
        connection.close()
    if answer.status != 200 or len(body) > most:  # noqa: PLR2004
        raise FetchError(str(answer.status), refused=answer.status < 500)  # noqa: PLR2004
    return body

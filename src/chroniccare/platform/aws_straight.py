"""One operation of AWS that is called a thousand times: what stays the same is worked out once.

botocore resolves the endpoint, prepares, signs and emits some twenty events anew for each call,
1.3 ms of CPU. Here it makes one request that is not sent, and what it made is kept: address,
headers, and whom it signed for. Parameters are still checked and written, and answers read, by
botocore and its models; connections are aiobotocore's.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.parsers import create_parser  # type: ignore[import-untyped]
from botocore.serialize import create_serializer  # type: ignore[import-untyped]

from chroniccare.platform.postgres import utc_now

_SIGNED_FOR = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/(?P<scope>[^,]+), ")
_KEPT = frozenset({"content-type", "user-agent", "x-amz-target"})
_MADE_ANEW = frozenset({"x-amz-date", "x-amz-security-token", "authorization", "content-length",
                        "amz-sdk-invocation-id", "amz-sdk-request"})  # fmt: skip
_ERROR = 300


class UnusualError(Exception):
    """The request holds something that is not known to be the same in the next one."""


class _Seen(Exception):  # noqa: N818  how the request is taken out of botocore, not a fault
    def __init__(self, request: Any) -> None:
        self.request = request
        super().__init__()


@dataclass(frozen=True, slots=True)
class _Request:
    """What aiobotocore's connections ask of a request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    stream_output: bool = False
    context: None = None


@dataclass(slots=True)
class Straight:
    """An operation, ready to be called.

    Attributes:
        headers: those that every request has; names in lower case.
        scope: for whom requests are signed: region, service, `aws4_request`.
        key: the day's signing key and what it was made from.
    """

    operation: Any
    url: str
    headers: dict[str, str]
    scope: str
    credentials: Any
    connections: Any
    serializer: Any = field(init=False)
    parser: Any = field(init=False)
    key: tuple[str, str, bytes] = ("", "", b"")

    def __post_init__(self) -> None:
        protocol = self.operation.service_model.resolved_protocol
        self.serializer, self.parser = create_serializer(protocol), create_parser(protocol)

    async def call(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call once.

        Raises:
            ClientError: AWS refuses.
            BotoCoreError: there is no answer, or parameters or credentials are none.
        """
        made = self.serializer.serialize_to_request(parameters, self.operation)["body"]
        body = urlencode(made).encode() if isinstance(made, dict) else bytes(made)
        credentials = await self.credentials.get_frozen_credentials()
        headers = self.signed(body, credentials, utc_now())
        answer = await self.connections.send(_Request("POST", self.url, headers, body))
        return self._read(answer.status_code, answer.headers, await answer.content)

    def signed(self, body: bytes, credentials: Any, at: datetime) -> dict[str, str]:
        """Return the headers of a request with its signature (AWS Signature Version 4)."""
        target = urlsplit(self.url)
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        headers = {**self.headers, "host": target.netloc, "x-amz-date": stamp}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = sorted(headers.keys() - {"user-agent"})
        lines = "".join(f"{name}:{headers[name]}\n" for name in names)
        listed, digest = ";".join(names), hashlib.sha256(body).hexdigest()
        asked = f"POST\n{target.path or '/'}\n\n{lines}\n{listed}\n{digest}"
        scope = f"{stamp[:8]}/{self.scope}"
        hashed = hashlib.sha256(asked.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
        signature = hmac.digest(self._key(credentials.secret_key, scope), text.encode(), "sha256")
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope},"
            f" SignedHeaders={listed}, Signature={signature.hex()}"
        )
        return headers

    def _key(self, secret: str, scope: str) -> bytes:
        if self.key[:2] != (secret, scope):
            made = f"AWS4{secret}".encode()
            for part in scope.split("/"):
                made = hmac.digest(made, part.encode(), "sha256")
            self.key = secret, scope, made
        return self.key[2]

    def _read(self, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        answer = {
            "headers": headers,
            "status_code": status,
            "body": body,
            "context": {"operation_name": self.operation.name},
        }
        found: dict[str, Any] = self.parser.parse(answer, self.operation.output_shape)
        if status < _ERROR:
            return found
        code = found.get("Error", {}).get("Code")
        shape = code and self.operation.service_model.shape_for_error_code(code)
        if shape:
            found.update(self.parser.parse(answer, shape))
        raise ClientError(found, self.operation.name)


async def learn(
    client: Any, method: str, parameters: Mapping[str, Any], *, credentials: Any, connections: Any
) -> Straight:
    """Return an operation, named as a method of `client`; nothing is sent.

    Raises:
        UnusualError: it is to be called by way of `client`.
        BotoCoreError: parameters, credentials or settings are none.
    """
    model = client.meta.service_model
    operation = model.operation_model(client.meta.method_to_api_mapping[method])
    event = f"before-send.{model.service_id.hyphenize()}.{operation.name}"
    client.meta.events.register(event, _take)
    try:
        await getattr(client, method)(**parameters)
    except _Seen as seen:
        request = seen.request
    finally:
        client.meta.events.unregister(event, _take)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    found = _SIGNED_FOR.match(headers.get("authorization", ""))
    target = urlsplit(request.url)
    plain = (
        request.method == "POST" and not target.query and "{" not in operation.http["requestUri"]
    )
    if found is None or not plain or headers.keys() - _KEPT - _MADE_ANEW:
        raise UnusualError(operation.name)
    kept = {name: value for name, value in headers.items() if name in _KEPT}
    return Straight(operation, request.url, kept, found["scope"], credentials, connections)


def _take(request: Any, **_more: Any) -> None:
    raise _Seen(request)

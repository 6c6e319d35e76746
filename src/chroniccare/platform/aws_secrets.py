"""Secrets of AWS Secrets Manager, read once while a function starts: plain HTTP, signed here.

botocore would do the same, and takes more of a cold start to load than all the rest of a request
(docs/serverless.md). The signature is AWS's version 4:
<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
"""

import hashlib
import hmac
import http.client
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import orjson

_SERVICE, _TARGET = "secretsmanager", "secretsmanager.GetSecretValue"
_MEDIA = "application/x-amz-json-1.1"
_TIMEOUT_S = 5.0
_MOST = 262_144
_OK = 200
_ENDPOINT = "AWS_ENDPOINT_URL_SECRETS_MANAGER"


class SecretError(Exception):
    """A secret cannot be read; the message names the variable and AWS's code, never its text."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whom requests are signed for; `token` is that of a role's passing credentials."""

    region: str
    key_id: str
    secret: str
    token: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Signer":
        """Return the signer that Lambda describes in a function's environment."""
        return cls(
            environ.get("AWS_REGION", ""), environ.get("AWS_ACCESS_KEY_ID", ""),
            environ.get("AWS_SECRET_ACCESS_KEY", ""), environ.get("AWS_SESSION_TOKEN", ""),
        )  # fmt: skip

    def headers(self, host: str, body: bytes, now: datetime) -> dict[str, str]:
        """Return the headers of a POST of `body` to the root of `host`, signed."""
        at = now.strftime("%Y%m%dT%H%M%SZ")
        signed = {
            "content-type": _MEDIA, "host": host, "x-amz-date": at, "x-amz-target": _TARGET,
        }  # fmt: skip
        if self.token:
            signed["x-amz-security-token"] = self.token
        names = sorted(signed)
        listed = ";".join(names)
        lines = [f"{name}:{signed[name]}" for name in names]
        canonical = "\n".join(["POST", "/", "", *lines, "", listed, _sha256(body)])
        scope = f"{at[:8]}/{self.region}/{_SERVICE}/aws4_request"
        told = "\n".join(["AWS4-HMAC-SHA256", at, scope, _sha256(canonical.encode())])
        key = f"AWS4{self.secret}".encode()
        for step in scope.split("/"):
            key = hmac.digest(key, step.encode(), "sha256")
        signature = hmac.new(key, told.encode(), "sha256").hexdigest()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key_id}/{scope},"
            f" SignedHeaders={listed}, Signature={signature}"
        )
        return signed


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(wanted: Mapping[str, str], environ: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the texts of secrets: `wanted` has the ARN of each by the variable that it stands for.

    Raises:
        SecretError: one of them cannot be read.
    """
    if not wanted:
        return {}
    signer = Signer.of(environ)
    url = environ.get(_ENDPOINT) or f"https://{_SERVICE}.{signer.region}.amazonaws.com"
    found = {}
    with closing(_connection(url)) as connection:
        for name, arn in wanted.items():
            body = orjson.dumps({"SecretId": arn})
            headers = signer.headers(urlsplit(url).netloc, body, now)
            try:
                connection.request("POST", "/", body, headers)
                answer = connection.getresponse()
                status, told = answer.status, answer.read(_MOST)
            except (OSError, http.client.HTTPException) as error:
                raise SecretError(f"{name}: no answer, {type(error).__name__}") from None
            found[name] = _text(name, status, told)
    return found


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_S)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT_S, context=context)


def _text(name: str, status: int, told: bytes) -> str:
    try:
        document = orjson.loads(told)
    except orjson.JSONDecodeError:
        document = {}
    text = document.get("SecretString") if isinstance(document, dict) else None
    if status == _OK and isinstance(text, str) and text:
        return text
    code = str(document.get("__type", "no text")) if isinstance(document, dict) else "no object"
    raise SecretError(f"{name}: {status} {code.rpartition('#')[2][:60]}")

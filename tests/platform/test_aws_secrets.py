"""Secrets are asked for as AWS's own library would ask, and a missing one is named."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from chroniccare.platform import aws_secrets
from chroniccare.platform.aws_secrets import SecretError, Signer, read

NOW = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
HOST = "secretsmanager.eu-central-1.amazonaws.com"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pepper-a1b2c3"


@pytest.mark.parametrize("token", ["", "a session's token=="])
def test_the_signature_is_that_of_awss_own_library(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"SecretId": ARN}).encode()
    ours = Signer("eu-central-1", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7", token).headers(HOST, body, NOW)
    request = AWSRequest("POST", f"https://{HOST}/", {
        "content-type": ours["content-type"], "x-amz-target": ours["x-amz-target"],
    }, body)  # fmt: skip
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW)
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7", token or None)
    SigV4Auth(credentials, "secretsmanager", "eu-central-1").add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]


class _Answers(BaseHTTPRequestHandler):
    given: ClassVar[dict[str, tuple[int, bytes]]] = {}

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, body = self.given[asked["SecretId"]]
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    _Answers.given = {
        "good": (200, b'{"SecretString": "the text"}'),
        "more": (200, b'{"SecretString": "another"}'),
        "away": (400, b'{"__type": "com.amazonaws#ResourceNotFoundException"}'),
        "denied": (400, b'{"__type": "AccessDeniedException", "Message": "the text"}'),
        "binary": (200, b'{"SecretBinary": "AAAA"}'),
        "broken": (502, b"<html>"),
        "list": (200, b"[]"),
    }
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://127.0.0.1:{server.server_port}",
        "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
    }  # fmt: skip
    server.shutdown()
    thread.join()
    server.server_close()


def test_secrets_are_read_by_the_variables_that_they_stand_for(environ: dict[str, str]) -> None:
    found = read({"DATABASE_URL": "good", "REDIS_URL": "more"}, environ, NOW)
    assert found == {"DATABASE_URL": "the text", "REDIS_URL": "another"}
    assert read({}, {}, NOW) == {}


@pytest.mark.parametrize(
    ("arn", "said"),
    [("away", "400 ResourceNotFoundException"), ("denied", "400 AccessDeniedException"),
     ("binary", "200 no text"), ("broken", "502 no text"), ("list", "200 no object")],
)  # fmt: skip
def test_a_secret_that_cannot_be_read_is_named_without_its_text(
    environ: dict[str, str], arn: str, said: str
) -> None:
    with pytest.raises(SecretError) as error:
        read({"REDIS_URL": "good", "DATABASE_URL": arn}, environ, NOW)
    assert str(error.value) == f"DATABASE_URL: {said}"


def test_nobody_there_is_an_error_that_names_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_secrets, "_TIMEOUT_S", 0.5)
    environ = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9"}
    with pytest.raises(SecretError, match="REDIS_URL: no answer, ConnectionRefusedError"):
        read({"REDIS_URL": "good"}, environ, NOW)

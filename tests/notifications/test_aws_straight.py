"""The short way to AWS sends what botocore would send, and says what botocore would say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.platform import aws
from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError
from chroniccare.platform.aws_straight import Straight
from chroniccare.simulator.server import Answer, Request, listening, speaking_http

_CALLS: dict[str, tuple[str, str, dict[str, Any], bytes]] = {
    "aws": (
        "pinpoint-sms-voice-v2", "send_text_message",
        {"DestinationPhoneNumber": "+14155550123", "MessageBody": "María, ☎ & + = %",
         "Context": {"attempt": "1"}}, b'{"MessageId": "m1"}',
    ),
    "sns": (
        "sns", "publish",
        {"PhoneNumber": "+14155550123", "Message": "María, ☎ & + = %",
         "MessageAttributes": {"a": {"DataType": "String", "StringValue": "b"}}},
        b"<A><PublishResult><MessageId>m1</MessageId></PublishResult></A>",
    ),
    "ses": (
        "sesv2", "send_email",
        {"FromEmailAddress": "a@example.com", "Content": {"Raw": {"Data": b"\x00letter\xff"}}},
        b'{"MessageId": "m1"}',
    ),
}  # fmt: skip
_CHANGES = ("x-amz-date", "authorization", "amz-sdk-invocation-id", "amz-sdk-request")


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "simulated")


@asynccontextmanager
async def hearing(answer: Answer) -> AsyncIterator[tuple[str, list[Request]]]:
    """Yield the address of a server that answers always the same, and what it heard."""
    heard: list[Request] = []

    async def take(request: Request) -> Answer:
        heard.append(request)
        return answer

    async with listening(speaking_http(take)) as port:
        yield f"http://127.0.0.1:{port}", heard


@pytest.mark.parametrize("name", list(_CALLS))
@pytest.mark.parametrize("token", ["", "a session's token"])
async def test_a_request_is_the_same_either_way(
    name: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, operation, parameters, body = _CALLS[name]
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    aws.session.cache_clear()  # it remembers credentials
    async with hearing(Answer(200, body)) as (url, heard):
        client = Client(service, "us-east-1", url)
        answers = [
            await client.call(operation, **parameters),
            await client.send(operation, **parameters),
            await client.send(operation, **parameters),
        ]
        await client.close()
    aws.session.cache_clear()
    assert len(heard) == 3  # learning sends nothing
    usual, *short = heard
    for request in short:
        assert (request.method, request.path, request.body) == (
            usual.method, usual.path, usual.body,
        )  # fmt: skip
        assert _constant(request) == _constant(usual)
        assert _signed_for(request) == _signed_for(usual)
    assert [one["MessageId"] for one in answers] == ["m1"] * 3


def _constant(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name not in _CHANGES}


def _signed_for(request: Request) -> tuple[str, str]:
    """Return the scope but for the day's date, and which headers were signed."""
    scope, headers, _signature = request.headers["authorization"].split(", ")
    return scope.rpartition("Credential=")[2].split("/", 2)[2], headers


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"__type": "ConflictException", "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT"}'),
        (400, b'{"__type": "ValidationException", "Fields": [{"Name": "DestinationPhoneNumber"}]}'),
        (400, b'{"__type": "ThrottlingException"}'),
        (400, b'{"__type": "NeverHeardOf"}'),
        (500, b"<html>"),
        (504, b""),
        (200, b"\x00{"),
    ],
)  # fmt: skip
async def test_an_answer_means_the_same_either_way(status: int, body: bytes) -> None:
    service, operation, parameters, _ = _CALLS["aws"]
    found = []
    async with hearing(Answer(status, body)) as (url, _heard):
        client = Client(service, "us-east-1", url)
        for way in (client.call, client.send):
            try:
                found.append(("answered", (await way(operation, **parameters)).get("MessageId")))
            except AwsError as error:
                found.append((error.kind, (error.code, error.aws)))
        await client.close()
    assert found[0] == found[1]


async def test_what_is_not_known_to_stay_the_same_goes_the_usual_way() -> None:
    async with hearing(Answer(200, b"{}")) as (url, heard):
        client = Client("sesv2", "us-east-1", url)
        await client.send("get_email_identity", EmailIdentity="a@example.com")
        await client.send("get_email_identity", EmailIdentity="b@example.com")
        await client.close()
    assert [one.path for one in heard] == [
        "/v2/email/identities/a%40example.com", "/v2/email/identities/b%40example.com",
    ]  # fmt: skip
    assert {one.method for one in heard} == {"GET"}


_WORD = st.text("abcXYZ019/+=", min_size=1, max_size=40)


@given(
    body=st.binary(max_size=200), secret=_WORD, token=st.none() | _WORD,
    at=st.datetimes(timezones=st.just(UTC)),
    path=st.sampled_from(["", "/", "/v2/email/outbound-emails"]),
)  # fmt: skip
def test_a_signature_is_the_one_of_botocore(
    body: bytes, secret: str, token: str | None, at: datetime, path: str
) -> None:
    url, scope = f"https://sms.example.com{path}", "us-east-1/sms-voice/aws4_request"
    credentials = ReadOnlyCredentials("AKID", secret, token)
    headers = {"content-type": "application/x-amz-json-1.0", "user-agent": "chroniccare"}
    straight = Straight.__new__(Straight)
    straight.url, straight.headers, straight.scope = url, headers, scope
    straight.key = ("", "", b"")
    ours = straight.signed(body, credentials, at)
    theirs = AWSRequest("POST", url, headers=headers, data=body)
    with patch("botocore.auth.get_current_datetime", return_value=at):
        SigV4Auth(credentials, "sms-voice", "us-east-1").add_auth(theirs)
    assert ours["authorization"] == theirs.headers["Authorization"]

"""Drivers against simulated providers over real sockets: what each answer, or none, leads to."""

import logging
import socket
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from email import message_from_string
from typing import Any

import pytest

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice, email_ses, push_sns, sms_aws, sms_sns
from chroniccare.notifications.channels.message import Outcome
from chroniccare.platform import aws, aws_model, http
from chroniccare.platform.mail import CALL_S
from chroniccare.platform.telemetry import configure_logging
from chroniccare.simulator.faults import TAKEN, Fault, Kind
from chroniccare.simulator.run import Simulator
from chroniccare.simulator.server import Answer, Request, listening, speaking_http
from tests.notifications.provider import Provider, by_sms
from tests.notifications.simulated import (
    ADDRESS,
    BODY,
    BY_AWS,
    CHANNELS,
    NUMBER,
    SECRET,
    chosen,
    line,
    message,
)
from tests.notifications.support import NOON, Bench

EVERY = tuple(CHANNELS)
HTTP = ("aws", "sns", "http", "push", "ses")


async def told(simulator: Simulator, name: str, kind: Kind, **changes: str) -> tuple[str, Any]:
    """Send once with this fault; return status and code after counting the requests."""
    async with line(simulator, name, **changes) as open_line:
        outcome = await open_line.send(kind)
    ledger = simulator.ledger
    assert [call.fault for call in ledger.calls] == [kind]  # one request, whatever happened
    copies = 2 if kind == "duplicate" else int(kind in TAKEN)
    assert len(ledger.reached) == copies
    return outcome.status, outcome.error_code


@pytest.mark.parametrize("name", EVERY)
async def test_an_accepted_message_reaches_the_phone_with_the_attempts_id(
    simulator: Simulator, name: str
) -> None:
    sent = message(name)
    async with line(simulator, name) as open_line:
        outcome = await open_line.driver.send(sent)
    [reached] = simulator.ledger.reached
    assert (outcome.status, outcome.provider_message_id) == ("accepted", reached.message_id)
    assert reached.to == sent.recipient
    assert reached.attempt == ("" if name == "sns" else str(sent.attempt_id))


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "close_after", "timeout"])
@pytest.mark.parametrize("name", HTTP)
async def test_no_answer_is_doubt_and_is_asked_for_once(
    simulator: Simulator, name: str, kind: Kind
) -> None:
    status, code = await told(simulator, name, kind)
    assert (status, code) == ("unknown", "timeout" if kind == "timeout" else "disconnected")


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "close_after", "garble"])
async def test_a_mail_server_that_breaks_off_leaves_doubt(simulator: Simulator, kind: Kind) -> None:
    expected = "unreadable" if kind == "garble" else "disconnected"
    assert await told(simulator, "smtp", kind) == ("unknown", expected)


@pytest.mark.parametrize("name", BY_AWS)
async def test_an_answer_of_aws_that_cannot_be_read_is_doubt(
    simulator: Simulator, name: str
) -> None:
    assert await told(simulator, name, "garble") == ("unknown", "unreadable")


@pytest.mark.parametrize("kind", ["hang", "hang_after"])
@pytest.mark.parametrize("name", HTTP)
async def test_a_call_that_hangs_ends_in_time_and_in_doubt(
    simulator: Simulator, name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "_READ_S", 0.3)
    monkeypatch.setattr(http, "_READ_S", 0.3)
    assert await told(simulator, name, kind) == ("unknown", "timeout")


def test_no_budget_outlives_a_lease() -> None:
    assert aws.BUDGET_S < 20
    assert aws._CONNECT_S + aws._READ_S < aws.BUDGET_S
    assert http._CONNECT_S + http._READ_S < http.BUDGET_S < 20
    assert (aws._CONNECT_S, aws._READ_S, CALL_S) == (2, 8, 8)


@pytest.mark.parametrize("name", HTTP)
async def test_a_refused_connection_is_no_doubt(simulator: Simulator, name: str) -> None:
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: refused
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with line(simulator, name, aws_endpoint_url=away, http_sms_url=away) as open_line:
            outcome = await open_line.send()
    assert (outcome.status, outcome.error_code) == ("transient", "unreachable")


@pytest.mark.parametrize("name", ["aws", "http"])
async def test_a_connection_that_is_never_made_is_no_doubt(
    simulator: Simulator, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "_CONNECT_S", 0.3)
    monkeypatch.setattr(http, "_CONNECT_S", 0.3)
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # room for one that nobody accepts; the next one is not even refused
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        away = f"http://127.0.0.1:{full.getsockname()[1]}"
        async with line(simulator, name, aws_endpoint_url=away, http_sms_url=away) as open_line:
            outcome = await open_line.send()
        for each in waiting:
            each.close()
    assert (outcome.status, outcome.error_code) == ("transient", "unreachable")


_ANSWERS: dict[str, dict[Kind, tuple[str, str]]] = {
    "aws": {
        "error": ("transient", "unavailable"),
        "unavailable": ("transient", "unavailable"),
        "throttle": ("transient", "throttled"),
        "quota": ("transient", "quota"),
        "denied": ("transient", "configuration"),
        "opted_out": ("rejected", "opted_out"),
        "invalid": ("rejected", "invalid_address"),
    },
    "http": {
        "error": ("transient", "http_500"),
        "unavailable": ("transient", "http_503"),
        "throttle": ("transient", "http_429"),
        "denied": ("transient", "configuration"),
        "opted_out": ("rejected", "opted_out"),
        "invalid": ("rejected", "invalid_address"),
    },
    "smtp": {
        "error": ("transient", "smtp_451"),
        "unavailable": ("transient", "smtp_421"),
        "quota": ("transient", "smtp_452"),
        "denied": ("rejected", "smtp_554"),
        "invalid": ("rejected", "smtp_550"),
    },
}
_ANSWERS["sns"] = _ANSWERS["aws"]
_ANSWERS["push"] = {**_ANSWERS["aws"], "opted_out": ("rejected", "invalid_address")}
_ANSWERS["ses"] = {**_ANSWERS["aws"], "opted_out": ("rejected", "refused")}


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in EVERY for kind in _ANSWERS[name]]
)
async def test_each_answer_has_its_class(simulator: Simulator, name: str, kind: Kind) -> None:
    assert await told(simulator, name, kind) == _ANSWERS[name][kind]


@pytest.mark.parametrize("name", EVERY)
async def test_a_driver_goes_on_after_every_fault(simulator: Simulator, name: str) -> None:
    async with line(simulator, name) as open_line:
        for kind in _ANSWERS[name]:
            await open_line.send(kind)
        await open_line.send("reset_after")
        assert (await open_line.send()).status == "accepted"


async def answered(simulator: Simulator, *answers: Answer) -> tuple[Outcome, list[str]]:
    """Send one message to a gateway that answers so; return the outcome and the paths asked."""
    paths: list[str] = []

    async def handle(request: Request) -> Answer:
        paths.append(request.path)
        return answers[len(paths) - 1]

    async with listening(speaking_http(handle)) as port:
        url = f"http://127.0.0.1:{port}/send"
        async with line(simulator, "http", http_sms_url=url) as open_line:
            return await open_line.driver.send(message("http")), paths


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_gateway_is_not_followed_elsewhere(simulator: Simulator, status: int) -> None:
    moved = Answer(status, b"", headers={"Location": "/elsewhere"})
    outcome, paths = await answered(simulator, moved, Answer(200, b'{"id": "2"}'))
    assert (outcome.status, outcome.error_code) == ("transient", "configuration")
    assert paths == ["/send"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"id": 17}', "17"),
        (b'{"id": "m-1"}', "m-1"),
        (b"", None),
        (b"thank you", None),
        (b"[]", None),
        (b'{"id": {"x": 1}}', None),
        (b'{"id": "' + b"x" * 201 + b'"}', None),
        (b'{"id": "1", "more": "' + b"x" * 200_000 + b'"}', None),
    ],
)
async def test_what_a_gateway_has_taken_is_taken_whatever_else_it_says(
    simulator: Simulator, body: bytes, found: str | None
) -> None:
    outcome, _ = await answered(simulator, Answer(200, body))
    assert (outcome.status, outcome.provider_message_id) == ("accepted", found)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ("rejected", "http_400")),
        (404, ("transient", "configuration")),
        (408, ("transient", "http_408")),
        (502, ("transient", "http_502")),
        (504, ("unknown", "timeout")),
    ],
)
async def test_a_gateways_status_has_its_class(
    simulator: Simulator, status: int, expected: tuple[str, str]
) -> None:
    outcome, _ = await answered(simulator, Answer(status, b'{"error": "+14155550123"}'))
    assert (outcome.status, outcome.error_code) == expected


async def test_a_wrong_secret_is_the_operators_to_mend(simulator: Simulator) -> None:
    wrong = {"http_sms_secret": "another"}
    async with line(simulator, "http", **wrong) as open_line:
        outcome = await open_line.send()
    assert (outcome.status, outcome.error_code) == ("transient", "configuration")
    assert simulator.ledger.calls == []


async def test_without_credentials_nothing_is_sent_and_the_operator_hears_of_it(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    tmp_path: Any,
) -> None:  # fmt: skip
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    aws.session.cache_clear()  # it remembers credentials
    async with line(simulator, "aws") as open_line:
        outcomes = [await open_line.send() for _ in range(3)]
    assert {(one.status, one.error_code) for one in outcomes} == {("transient", "configuration")}
    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    aws.session.cache_clear()
    assert len(errors) == 1  # not once a message
    assert "doctor" in errors[0].message


async def test_a_message_of_no_use_after_its_time_says_so(simulator: Simulator) -> None:
    settings = chosen(simulator, "aws")
    late = message("aws", expires_at=NOON + timedelta(seconds=1))
    far = message("aws", expires_at=NOON + timedelta(days=30))
    always = message("aws", expires_at=None)
    ttls = [sms_aws.request(settings, one).get("TimeToLive") for one in (late, far, always)]
    assert ttls == [5, 259_200, None]


async def test_every_request_is_one_that_aws_allows(simulator: Simulator) -> None:
    bare = {"sms_configuration_set": "", "sms_max_price": "", "ses_configuration_set": ""}
    for changes in ({}, bare, {"sms_origination": "CLINIC", "sms_protect_configuration": "pc-1"}):
        for name, service, operation in (
            ("aws", sms_aws.SERVICE, "SendTextMessage"),
            ("sns", "sns", "Publish"),
            ("ses", email_ses.SERVICE, "SendEmail"),
        ):
            settings = chosen(simulator, name, **changes)
            module = {"aws": sms_aws, "sns": sms_sns, "ses": email_ses}[name]
            aws_model.check(service, operation, module.request(settings, message(name)))
    aws_model.check("sns", "Publish", push_sns.request(message("push")))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("DestinationPhoneNumber", "call me"),
        ("MessageType", "LOUD"),
        ("MaxPrice", "1,50"),
        ("TimeToLive", 4),
        ("Context", {str(n): "x" for n in range(6)}),
        ("Colour", "red"),
    ],
)
async def test_the_contract_bites(simulator: Simulator, field: str, value: Any) -> None:
    good = sms_aws.request(chosen(simulator, "aws"), message("aws"))
    with pytest.raises(aws_model.WireError) as caught:
        aws_model.check(sms_aws.SERVICE, "SendTextMessage", {**good, field: value})
    assert "call me" not in str(caught.value)


async def test_a_letter_through_ses_is_the_letter_of_smtp(simulator: Simulator) -> None:
    sent = message("ses")
    for name in ("ses", "smtp"):
        async with line(simulator, name) as open_line:
            await open_line.driver.send(sent)
    by_ses, by_smtp = (message_from_string(one.text) for one in simulator.ledger.reached)
    for header in ("From", "To", "Subject", "Message-ID", "Date"):
        assert by_ses[header] == by_smtp[header]
    kinds = [[part.get_content_type() for part in one.walk()] for one in (by_ses, by_smtp)]
    assert kinds[0] == kinds[1]
    assert "text/calendar" in kinds[0]


async def test_a_letter_that_cannot_be_written_is_not_sent(simulator: Simulator) -> None:
    async with line(simulator, "ses") as open_line:
        outcome = await open_line.send(recipient="märia@example.com")
    assert (outcome.status, outcome.error_code) == ("rejected", "address_not_ascii")
    assert simulator.ledger.calls == []


async def test_a_push_goes_to_a_device_only(simulator: Simulator) -> None:
    async with line(simulator, "push") as open_line:
        outcome = await open_line.send(recipient="arn:aws:sns:us-east-1:123456789012:everybody")
    assert (outcome.status, outcome.error_code) == ("rejected", "invalid_address")
    assert simulator.ledger.calls == []


@pytest.mark.parametrize("name", EVERY)
async def test_no_log_line_holds_a_patient(
    simulator: Simulator, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logging("DEBUG")
    try:
        async with line(simulator, name) as open_line:
            for kind in ("ok", *_ANSWERS[name], "reset_after", "garble"):
                await open_line.send(kind)
            logging.getLogger("chroniccare").debug("that was it")
    finally:
        root.handlers[:], root.level = before
    written = capsys.readouterr().err
    assert "that was it" in written
    for secret in (NUMBER, NUMBER[1:], "5550123", ADDRESS, BODY, "Maria", SECRET, "5e3e9847"):
        assert secret not in written


def test_no_provider_is_loaded_before_it_is_chosen() -> None:
    program = (
        "import sys, chroniccare.app;"
        " assert not {'aiobotocore', 'botocore', 'aiohttp'} & set(sys.modules), 'loaded';"
        " import chroniccare.worker;"  # which sends webhooks with aiohttp
        " assert not {'aiobotocore', 'botocore'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_a_due_message_goes_through_aws_and_is_found_again(
    bench: Bench, simulator: Simulator
) -> None:
    simulator.plan.script.append(Fault("ok"))
    await bench.planned()
    async with choice.opened(chosen(simulator, "aws")) as channels:
        await dispatch.drain(channels)
    assert (await bench.statuses())[-1] == "accepted"
    response = await bench.clinic.get(f"/notifications/{(await bench.rows())[-1].id}")
    [attempt] = response.json()["data"]["attempts"]
    [reached] = simulator.ledger.reached
    assert (attempt["id"], attempt["driver"]) == (reached.attempt, "aws")
    [_, _, delivered] = [event for _, event in simulator.receipts.told]
    assert delivered["context"] == {"attempt": attempt["id"]}


async def test_a_driver_is_told_until_when_a_message_has_a_point(bench: Bench) -> None:
    provider = Provider()
    visit = await bench.planned(bench.clock.at + timedelta(hours=2))
    await dispatch.drain(by_sms(bench, provider.calls()))
    [sent] = provider.got
    assert sent.expires_at == visit.starts_at
    assert sent.ttl_s == 7200


async def test_a_due_message_whose_answer_is_lost_is_in_doubt_and_not_sent_again(
    bench: Bench, simulator: Simulator
) -> None:
    simulator.plan.script.append(Fault("reset_after"))
    await bench.planned()
    async with choice.opened(chosen(simulator, "aws")) as channels:
        await dispatch.drain(channels)
        await dispatch.drain(channels)
    assert (await bench.statuses())[-1] == "unknown"
    assert len(simulator.ledger.calls) == len(simulator.ledger.reached) == 1

"""The simulator itself: faults that can be repeated, receipts in every order, a true ledger."""

import asyncio
import hmac
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.platform.http import Poster
from chroniccare.simulator import run
from chroniccare.simulator.faults import KINDS, Fault, Plan, parse_chances
from chroniccare.simulator.forward import forwarding
from chroniccare.simulator.ledger import Ledger
from chroniccare.simulator.receipts import Order, Receipts, Sent, shapes, through_sns
from chroniccare.simulator.run import Simulator
from chroniccare.simulator.server import Answer, Request, listening, speaking_http
from tests.notifications.simulated import SECRET, line, message


@given(st.integers(), st.integers(min_value=0, max_value=200))
def test_the_same_seed_makes_the_same_faults(seed: int, count: int) -> None:
    chances = parse_chances("slow=0.2,reset_after=0.3,throttle=0.1")
    runs = [Plan(chances=chances, seed=seed) for _ in range(2)]
    drawn = [[plan.next().kind for _ in range(count)] for plan in runs]
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) <= {"ok", "slow", "reset_after", "throttle"}


def test_chances_are_kept_to() -> None:
    plan = Plan(chances={"reset_after": 0.25}, seed=1)
    drawn = Counter(plan.next().kind for _ in range(4000))
    assert 900 < drawn["reset_after"] < 1100
    assert drawn["ok"] == 4000 - drawn["reset_after"]


@pytest.mark.parametrize("text", ["fire=0.1", "slow=2", "slow=0.6,hang=0.6", "slow=-1", "slow=x"])
def test_chances_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  several texts, each the operator's to read
        parse_chances(text)
    assert set(KINDS) >= {"ok", "hang", "reset_after"}


_KINDS = ["TEXT_PENDING", "TEXT_SENT", "TEXT_DELIVERED"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("late", _KINDS),
        ("early", _KINDS),
        ("reversed", _KINDS[::-1]),
        ("duplicate", [kind for kind in _KINDS for _ in range(2)]),
        ("lost", []),
    ],
)
async def test_receipts_come_in_the_order_asked_for(
    simulator: Simulator, order: Order, expected: list[str]
) -> None:
    answered: list[bool] = []
    done: list[bool] = []

    async def tell(_service: str, _event: dict[str, Any]) -> None:
        answered.append(bool(done))

    simulator.receipts.tell = tell
    simulator.receipts.delay_ms = 20
    simulator.receipts.script.append(order)
    sent = message("aws")
    async with line(simulator, "aws") as open_line:
        await open_line.driver.send(sent)
        done.append(True)
        await simulator.receipts.finished()
    events = [event for _, event in simulator.receipts.told]
    assert [event["eventType"] for event in events] == expected
    assert {event["context"]["attempt"] for event in events} <= {str(sent.attempt_id)}
    assert set(answered) <= {order != "early"}


@pytest.mark.parametrize("name", ["aws", "ses", "http", "sns"])
async def test_receipts_say_which_attempt_they_are_about(simulator: Simulator, name: str) -> None:
    sent = message(name)
    async with line(simulator, name) as open_line:
        outcome = await open_line.driver.send(sent)
        await simulator.receipts.finished()
    texts = [json.dumps(event) for _, event in simulator.receipts.told]
    assert texts
    assert all(str(outcome.provider_message_id) in text for text in texts)
    assert all((str(sent.attempt_id) in text) == (name != "sns") for text in texts)


def test_every_end_of_a_message_has_a_shape() -> None:
    services, outcomes = ("aws", "ses", "http", "sns", "smtp"), ("delivered", "bounced")
    found: list[Any] = [
        shapes(run_sent(service, outcome)) for service in services for outcome in outcomes
    ]
    assert [len(one) for one in found] == [3, 3, 2, 2, 2, 2, 1, 1, 0, 0]
    [bounce] = [event for event in found[3] if event["eventType"] == "Bounce"]
    assert bounce["bounce"]["bouncedRecipients"][0]["emailAddress"] == "+14155550123"
    notified = [through_sns(event, at_ms=1) for event in (bounce, bounce, found[0][0])]
    assert notified[0]["MessageId"] == notified[1]["MessageId"] != notified[2]["MessageId"]


def run_sent(service: Any, outcome: Any) -> Any:
    return Sent(service, "attempt", "+14155550123", "message", 1, outcome)


async def test_the_ledger_is_written_before_the_answer(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    async with run.running(Simulator(ledger=Ledger(file))) as made:
        made.plan.script += [Fault("duplicate"), Fault("reset_before"), Fault("ok")]
        poster = Poster(made.gateway_url)
        body = {"to": "+14155550123", "text": "x", "reference": "a"}
        await poster.post(body)
        lines = [json.loads(each) for each in file.read_text().splitlines()]
        assert [(one["kind"], one.get("copy")) for one in lines] == [
            ("call", None),
            ("reached", 1),
            ("reached", 2),
        ]
        await poster.close()
        assert made.ledger.duplicates() == 1


async def test_what_aws_would_refuse_is_refused_and_noted() -> None:
    async with run.running(Simulator(secret=SECRET)) as made:
        answers = []
        for path, headers, body in (
            ("/", {"X-Amz-Target": "PinpointSMSVoiceV2.SendTextMessage"}, b"{}"),
            ("/", {"X-Amz-Target": "PinpointSMSVoiceV2.Dance"}, b"{}"),
            ("/", {}, b"Action=Publish&Version=2010-03-31&Message=x"),
            ("/v2/email/outbound-emails", {}, b"{}"),
            ("/gateway/messages", {}, b"{}"),
            ("/gateway/messages", {"Authorization": f"Bearer {SECRET}"}, b"[]"),
        ):
            answers.append(await raw(made.url, path, headers, body))
        assert answers == [400, 400, 400, 400, 401, 400]
        assert len(made.ledger.violations) == 5
        assert made.ledger.calls == []


async def raw(url: str, path: str, headers: dict[str, str], body: bytes) -> int:
    """Send a request that no client of AWS would make; return the status."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode())
    writer.write(body)
    status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


@pytest.mark.parametrize(
    "data", [b"\r\n\r\n", b"GET /\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"x"]
)
async def test_nonsense_ends_the_connection_and_nothing_else(
    simulator: Simulator, data: bytes
) -> None:
    host, port = simulator.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    async with line(simulator, "http") as open_line:
        assert (await open_line.send()).status == "accepted"


def test_it_runs_from_the_command_line(tmp_path: Path) -> None:
    program = [
        sys.executable, "-m", "chroniccare.cli", "simulate", "--port", "0", "--smtp-port", "0",
        "--ledger", str(tmp_path / "ledger"), "--faults", "slow=0.1",
    ]  # fmt: skip
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(13)]
        values = dict(one.strip().split("=", 1) for one in lines)
        url = values["CHRONICCARE_HTTP_SMS_URL"]

        async def once() -> int:
            poster = Poster(url)
            answer = await poster.post({"to": "+1415", "text": "x", "reference": "r"})
            await poster.close()
            return answer.status

        assert asyncio.run(once()) == 202
        process.terminate()
        rest = process.stdout.read()
        assert process.wait(10) == 0
    assert "1 calls, 1 messages" in rest
    wrong = subprocess.run(
        [*program[:-1], "fire=1"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (wrong.returncode, "--faults: fire" in wrong.stderr) == (2, True)


def test_every_kind_of_order_is_known() -> None:
    assert set(get_args(Order)) == {"late", "early", "lost", "reversed", "duplicate"}
    assert Receipts(orders={"lost": 1.0})._order() == "lost"


async def test_receipts_are_posted_signed(simulator: Simulator) -> None:
    got: list[Request] = []

    async def take(request: Request) -> Answer:
        got.append(request)
        return Answer(200, b"{}")

    async with listening(speaking_http(take)) as port:
        poster = Poster(f"http://127.0.0.1:{port}/receipts")
        simulator.receipts.tell = forwarding(poster, SECRET)
        for name in ("aws", "http"):
            async with line(simulator, name) as open_line:
                await open_line.send()
            await simulator.receipts.finished()
        await poster.close()
    bodies = [json.loads(request.body) for request in got]
    assert [next(iter(body)) for body in bodies] == ["events"] * 3 + ["receipts"] * 2
    assert bodies[-1]["receipts"][0]["status"] == "delivered"
    for request in got:
        text = request.headers["x-receipt-timestamp"].encode() + b"." + request.body
        expected = hmac.new(SECRET.encode(), text, "sha256").hexdigest()
        assert request.headers["x-receipt-signature"] == expected

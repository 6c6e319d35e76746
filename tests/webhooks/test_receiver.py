"""SEC-30: the sample receiver takes our deliveries once, and refuses everything else."""

import asyncio
import base64
import contextlib
import os
import re
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from examples.webhook_receiver import Inbox, Refused, verify

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import begin
from chroniccare.webhooks import rules, signing
from chroniccare.webhooks.actions import emit
from tests.client import Clinic
from tests.webhooks.conftest import Drain

NOW = 1_800_000_000
EVENT = UUID("01900000-0000-7000-8000-000000000001")
BODY = rules.body(
    event_type="patient.created", entity_type="patient", entity_id=EVENT, payload={"version": 1},
    at=datetime.fromtimestamp(NOW, UTC),
)  # fmt: skip
SECRET, OTHER = (signing.new_secret("hmac") for _ in range(2))


def sent(*live: str, at: float = NOW) -> dict[str, str]:
    return signing.headers(
        event_id=EVENT, event_type="patient.created", at=datetime.fromtimestamp(at, UTC),
        body=BODY, live=live or (SECRET,),
    )  # fmt: skip


def test_sec_30_a_delivery_is_taken() -> None:
    event_id, event = verify([SECRET], sent(), BODY, now=NOW + 299)
    assert (event_id, event["type"]) == (str(EVENT), "patient.created")


def test_sec_30_the_published_vector_is_taken() -> None:
    headers = {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert verify([secret], headers, b'{"test": 2432232314}', now=1614265330)[1] == {
        "test": 2432232314
    }


@pytest.mark.parametrize("mine", [[SECRET], [OTHER], [OTHER, SECRET]])
def test_sec_30_during_a_rotation_either_secret_takes_it(mine: list[str]) -> None:
    assert verify(mine, sent(SECRET, OTHER), BODY, now=NOW)[0] == str(EVENT)


@pytest.mark.parametrize("late", [-301, 301, 86_400])
def test_sec_30_a_replay_after_five_minutes_is_refused(late: int) -> None:
    with pytest.raises(Refused, match="timestamp"):
        verify([SECRET], sent(), BODY, now=NOW + late)


def _changed(**headers: str) -> dict[str, str]:
    return {**sent(), **{name.replace("_", "-"): value for name, value in headers.items()}}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (sent(), BODY + b" "),
        (sent(), BODY.replace(b"1}", b"2}").replace(b"created", b"removed")),
        (sent(), b""),
        (sent(OTHER), BODY),
        (_changed(webhook_id=str(new_id())), BODY),
        (_changed(webhook_timestamp=str(NOW + 1)), BODY),
        (_changed(webhook_signature="v1,"), BODY),
        (_changed(webhook_signature="v1a," + sent()["webhook-signature"][3:]), BODY),
        (_changed(webhook_signature=base64.b64encode(b"0" * 32).decode()), BODY),
    ],
)
def test_sec_30_what_was_altered_or_signed_by_another_is_refused(
    headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(Refused, match="signature"):
        verify([SECRET], headers, body, now=NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_sec_30_without_a_header_it_is_refused(name: str) -> None:
    headers = {key: value for key, value in sent().items() if key != name}
    with pytest.raises(Refused, match="headers"):
        verify([SECRET], headers, BODY, now=NOW)


def test_sec_30_every_flipped_bit_of_a_signature_is_refused() -> None:
    signature = base64.b64decode(sent()["webhook-signature"][3:])
    for bit in range(len(signature) * 8):
        wrong = bytearray(signature)
        wrong[bit // 8] ^= 1 << bit % 8
        forged = _changed(webhook_signature="v1," + base64.b64encode(wrong).decode())
        with pytest.raises(Refused):
            verify([SECRET], forged, BODY, now=NOW)


def test_a_repetition_is_answered_and_not_acted_on() -> None:
    acted: list[str] = []
    inbox = Inbox([SECRET], lambda event_id, _: acted.append(event_id))
    assert [inbox.receive(sent(at=NOW + n), BODY, now=NOW + n) for n in range(3)] == [204] * 3
    assert acted == [str(EVENT)]
    assert inbox.receive(sent(OTHER), BODY, now=NOW) == 401


def test_an_event_whose_handling_failed_is_taken_again() -> None:
    outcomes: list[Any] = [RuntimeError("full"), None]

    def act(_event_id: str, _event: dict[str, Any]) -> None:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    inbox = Inbox([SECRET], act)
    with pytest.raises(RuntimeError):
        inbox.receive(sent(), BODY, now=NOW)
    assert inbox.receive(sent(), BODY, now=NOW) == 204
    assert outcomes == []


async def test_sec_30_the_program_receives_what_the_worker_sends(
    clinic: Clinic, drain: Drain
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    made = await clinic.make("/webhooks", {"url": url, "events": ["*"]})
    program = await asyncio.create_subprocess_exec(
        sys.executable, "examples/webhook_receiver.py", "--port", str(port),
        cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "WEBHOOK_SECRET": made["secret"]},
    )  # fmt: skip
    try:
        await _listens(port)
        async with begin(clinic.caller) as tx:
            await emit(tx, "patient.created", entity_type="patient", entity_id=EVENT)
        await drain()
        listed = await clinic.get(f"/webhooks/{made['id']}/deliveries")
        (row,) = listed.json()["data"]["items"]
        assert row["status"] == "delivered"
        assert program.stdout is not None
        line = (await program.stdout.readline()).decode()
        assert re.match(rf"{row['event_id']} .*patient.created", line)
    finally:
        program.kill()
        await program.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)

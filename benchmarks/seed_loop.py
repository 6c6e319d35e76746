"""The plain daily job, to compare with: one message after the other, each written to a log.

For each appointment: check the number, make the text, publish, on an error wait and try again up to
three times, then put the row of the log; go on. Its log is a table of DynamoDB, which answers here
after 5 ms (AWS promises single-digit milliseconds). What it publishes once at its end, its metrics,
is left out in its favour, and so are email and HTML, which no row of this day needs.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.session import get_session  # type: ignore[import-untyped]

from chroniccare.platform import aws_model
from chroniccare.simulator.server import Answer, Misbehaviour, Request, listening, speaking_http

LOG_MS = 5
_TRIES = 3
_KEEP_S = 90 * 24 * 3600
_PRICED = {
    "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
    "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": "0.50"},
}
_LENGTHS = (10, 11)


@dataclass(slots=True)
class Took:
    """Seconds: the whole loop, and its calls of SNS alone."""

    whole: float = 0.0
    publishing: float = 0.0
    sent: int = 0


def one_after_the_other(sns_url: str, table_url: str, rows: list[dict[str, str]]) -> Took:
    """Send a message for each row and return how long that took."""
    sns, table = _client("sns", sns_url), _client("dynamodb", table_url)
    took, batch, started = Took(), str(uuid4()), time.perf_counter()
    for row in rows:
        if not _is_number(row["phoneNumber"]):
            continue
        text = (
            f"Reminder: Your appointment with Dr. {row.get('doctorName', 'your doctor')} is"
            f" scheduled for {row['appointmentTime']}."
            " Reply CONFIRM to confirm or CANCEL to cancel."
        )
        for attempt in range(_TRIES):
            began = time.perf_counter()
            try:
                answer = sns.publish(
                    PhoneNumber=row["phoneNumber"], Message=text, MessageAttributes=_PRICED
                )
            except ClientError:
                took.publishing += time.perf_counter() - began
                time.sleep(2**attempt)
                continue
            took.publishing += time.perf_counter() - began
            _log(table, row, "SMS_SENT", answer["MessageId"], batch)
            took.sent += 1
            break
    took.whole = time.perf_counter() - started
    return took


def _log(table: Any, row: Mapping[str, str], status: str, message_id: str, batch: str) -> None:
    now = time.time()
    texts = {
        "notificationId": str(uuid4()),
        "patientId": row["patientId"],
        "status": status,
        "messageId": message_id,
        "batchId": batch,
        "appointmentTime": row["appointmentTime"],
        "doctorName": row.get("doctorName", ""),
        "phoneNumber": row["phoneNumber"],
        "email": row["email"],
        "createdAt": datetime.now(UTC).isoformat(),
    }
    numbers = {"timestamp": int(now * 1000), "ttl": int(now) + _KEEP_S}
    item = {name: {"S": text} for name, text in texts.items()}
    item |= {name: {"N": str(number)} for name, number in numbers.items()}
    table.put_item(TableName="notification-delivery-logs", Item=item)


def _is_number(phone: str) -> bool:
    digits = "".join(filter(str.isdigit, phone))
    return len(digits) in _LENGTHS and (len(digits) == _LENGTHS[0] or digits[0] == "1")


def _client(service: str, url: str) -> Any:
    return get_session().create_client(
        service, region_name="us-east-1", endpoint_url=url,
        aws_access_key_id="x", aws_secret_access_key="x",  # noqa: S106  nobody's
    )  # fmt: skip


async def _put(request: Request) -> Answer | Misbehaviour:
    """Answer PutItem as DynamoDB does, after checking it against AWS's model."""
    if request.headers.get("x-amz-target") == "DynamoDB_20120810.PutItem":
        aws_model.parse_json("dynamodb", "PutItem", request.body)
        await asyncio.sleep(LOG_MS / 1000)
    return Answer(200, b"{}", "application/x-amz-json-1.0")


async def _serve(port: int) -> None:
    async with listening(speaking_http(_put), port=port):
        await asyncio.Event().wait()


@contextmanager
def table(environment: dict[str, str], port: int) -> Iterator[str]:
    """Run the log's table in a process of its own and yield its address."""
    command = [sys.executable, "-m", "benchmarks.seed_loop", str(port)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 20
        while True:
            try:
                httpx.get(url, timeout=1)
                break
            except httpx.TransportError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(timeout=20)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))

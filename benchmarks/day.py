"""Claim: a day of 2,300 SMS goes out at least 50 times faster than one after the other, within 5 s.

One after the other is the loop of a plain daily job: publish, wait for the answer, try again up to
three times with a pause, go on. Its log is left out, in its favour. The simulated provider, a
process of its own, takes 50 ms for each answer, in the same run for both. A part of the day is
sent the slow way and the rest worked out.
"""

import asyncio
import csv
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.session import get_session  # type: ignore[import-untyped]

from chroniccare.migrations.runner import migrate
from chroniccare.notifications.batch import notify
from chroniccare.notifications.channels import choice
from chroniccare.platform import wiring
from chroniccare.settings import load as load_settings

from .clinic import new_clinic
from .stage import Stage, settings_of, stage

DAY = 2_300
SLOW = 100
DELAY_MS = 50
_TRIES = 3
_SENDER = "+12065550100"


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def provider(environment: dict[str, str], *, delay_ms: int) -> Iterator[str]:
    """Run the simulated providers and yield their address."""
    port = _port()
    process = subprocess.Popen(
        [sys.executable, "-m", "chroniccare.cli", "simulate", "--port", str(port), "--smtp-port",
         "0", "--delay-ms", str(delay_ms)],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
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
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def one_after_the_other(url: str, count: int) -> float:
    """Return the seconds for `count` messages."""
    client = get_session().create_client(
        "sns", region_name="us-east-1", endpoint_url=url,
        aws_access_key_id="x", aws_secret_access_key="x",  # noqa: S106  nobody's
    )  # fmt: skip
    started = time.perf_counter()
    for number in range(count):
        for attempt in range(_TRIES):
            try:
                client.publish(PhoneNumber=_phone(number), Message=f"Your visit {number}")
                break
            except ClientError:
                time.sleep(2**attempt)
    return time.perf_counter() - started


def _phone(number: int) -> str:
    return f"+1415{555 + number // 10_000}{number % 10_000:04d}"


def _file(folder: Path) -> Path:
    path = folder / "day.csv"
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=24)
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["patientId", "phoneNumber", "email", "appointmentTime", "appointmentId"])
        rows.writerows(
            [f"P{n}", _phone(n), f"p{n}@example.com", (first + timedelta(seconds=n)).isoformat(),
             f"A{n}"]
            for n in range(DAY)
        )  # fmt: skip
    return path


async def _ours(where: Stage, url: str, folder: Path) -> float:
    chosen: dict[str, Any] = {
        "CHRONICCARE_SMS_DRIVER": "aws", "CHRONICCARE_AWS_REGION": "us-east-1",
        "CHRONICCARE_AWS_ENDPOINT_URL": url, "CHRONICCARE_SMS_ORIGINATION": _SENDER,
        "CHRONICCARE_PROVIDER_CONNECTIONS": "100", "CHRONICCARE_QUIET_HOURS": "00:00-00:00",
    }  # fmt: skip
    settings = load_settings({**settings_of(where), **chosen})
    async with wiring.opened(settings), choice.opened(settings) as channels:
        caller, _ = await new_clinic()
        path = _file(folder)
        # The first call of a process reads AWS's models; a worker has done that long before.
        await asyncio.gather(*(line.driver.ready() for line in channels.drivers["sms"]))  # type: ignore[union-attr]
        wiring.keep_what_stands()  # as the command does
        started = time.perf_counter()
        result = await notify(path, tenant_id=caller.tenant_id, channels=channels)
        seconds = time.perf_counter() - started
    assert result.success == DAY, result
    return seconds


def main() -> None:
    """Run the benchmark."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "x")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "x")
    with (
        stage() as where,
        provider(where.environment, delay_ms=DELAY_MS) as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        asyncio.run(migrate(where.database_url))
        slow = one_after_the_other(url, SLOW) * DAY / SLOW
        ours = asyncio.run(_ours(where, url, Path(folder)))
    print(f"one after the other, {DELAY_MS} ms each, from {SLOW} of {DAY}: {slow:.1f} s")
    print(f"ours: {ours:.2f} s = {DAY / ours:.0f}/s, {slow / ours:.1f} times as fast")
    assert ours <= 5, "a day took more than 5 s"
    assert slow / ours >= 50, "less than 50 times as fast"


if __name__ == "__main__":
    main()

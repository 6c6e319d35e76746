"""Claim: a day of 2,300 SMS goes out at least 50 times faster than one after the other, within 5 s.

One after the other is the loop of a plain daily job: `seed_loop`. The simulated provider, a process
of its own, takes 50 ms for each answer, in the same run for both; the job's log takes 5 ms. A part
of the day is sent the slow way and the rest worked out. The claim is kept without that log, too.
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

from chroniccare.migrations.runner import migrate
from chroniccare.notifications.batch import notify
from chroniccare.notifications.channels import choice
from chroniccare.platform import wiring
from chroniccare.settings import load as load_settings

from .clinic import new_clinic
from .meter import cpu_seconds, told
from .seed_loop import LOG_MS, one_after_the_other, table
from .stage import Stage, settings_of, stage

DAY = 2_300
SLOW = 100
DELAY_MS = 50
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


def _phone(number: int) -> str:
    return f"+1415{555 + number // 10_000}{number % 10_000:04d}"


def _rows() -> list[dict[str, str]]:
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=24)
    return [
        {
            "patientId": f"P{n}",
            "phoneNumber": _phone(n),
            "email": f"p{n}@example.com",
            "appointmentTime": (first + timedelta(seconds=n)).isoformat(),
            "appointmentId": f"A{n}",
        }
        for n in range(DAY)
    ]


def _file(folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / "day.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


async def _ours(where: Stage, url: str, folder: Path) -> float:
    chosen: dict[str, Any] = {
        "CHRONICCARE_SMS_DRIVER": "aws", "CHRONICCARE_AWS_REGION": "us-east-1",
        "CHRONICCARE_AWS_ENDPOINT_URL": url, "CHRONICCARE_SMS_ORIGINATION": _SENDER,
        "CHRONICCARE_PROVIDER_CONNECTIONS": "150", "CHRONICCARE_QUIET_HOURS": "00:00-00:00",
    }  # fmt: skip
    settings = load_settings({**settings_of(where), **chosen})
    async with wiring.opened(settings), choice.opened(settings) as channels:
        caller, _ = await new_clinic()
        path = _file(folder, _rows())
        # The first call of a process reads AWS's models; a worker has done that long before.
        await asyncio.gather(*(line.driver.ready() for line in channels.drivers["sms"]))  # type: ignore[union-attr]
        wiring.keep_what_stands()  # as the command does
        before, started = cpu_seconds(), time.perf_counter()
        result = await notify(path, tenant_id=caller.tenant_id, channels=channels)
        seconds = time.perf_counter() - started
        print(told(before, cpu_seconds(), each=DAY))
    assert result.success == DAY, result
    return seconds


def main() -> None:
    """Run the benchmark."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "x")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "x")
    with (
        stage() as where,
        provider(where.environment, delay_ms=DELAY_MS) as url,
        table(where.environment, _port()) as table_url,
        tempfile.TemporaryDirectory() as folder,
    ):
        asyncio.run(migrate(where.database_url))
        took = one_after_the_other(url, table_url, _rows()[:SLOW])
        ours = asyncio.run(_ours(where, url, Path(folder)))
    assert took.sent == SLOW, took
    slow, unlogged = took.whole * DAY / SLOW, took.publishing * DAY / SLOW
    print(f"one after the other, {DELAY_MS} ms each and {LOG_MS} ms for its log: {slow:.1f} s")
    print(f"the same without its log: {unlogged:.1f} s (both from {SLOW} of {DAY})")
    print(
        f"ours: {ours:.2f} s = {DAY / ours:.0f}/s, {slow / ours:.1f} times as fast,"
        f" {unlogged / ours:.1f} times without that log"
    )
    assert ours <= 5, "a day took more than 5 s"
    assert unlogged / ours >= 50, "less than 50 times as fast"


if __name__ == "__main__":
    main()

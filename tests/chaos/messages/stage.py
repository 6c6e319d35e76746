"""The stage of a run: providers in a process of their own, and what workers find around them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.chaos.messages.storm import ROOT
from tests.chaos.servers import Servers
from tests.e2e.process import clean_environment
from tests.rabbitmq import Node

SECRET = "a secret of receipts that only chaos knows"
FAULTS = (
    "slow=0.01,hang=0.004,hang_after=0.006,reset_before=0.01,reset_after=0.02,close_after=0.01,"
    "error=0.02,unavailable=0.01,timeout=0.01,throttle=0.02,garble=0.01,duplicate=0.005"
)
_ORDERS = {"early": 0.2, "reversed": 0.15, "duplicate": 0.15}


@dataclass(frozen=True, slots=True)
class Arm:
    """One run: how messages travel, who carries them, and how many receipts are lost."""

    name: str
    rabbitmq: bool
    echo: bool
    messages: int
    seconds: float
    lost_receipts: float = 0.0
    outages: int = 1
    pace: int = 3
    doubt_s: float = 10.0
    api_dies: bool = True
    faults: str = FAULTS


@contextmanager
def provider(
    arm: Arm, servers: Servers, path: Path, seed: int
) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, str]]]:
    order = {
        "receipts_url": f"http://127.0.0.1:{servers.port}/receipts/http", "secret": SECRET,
        "faults": arm.faults, "seed": seed, "delay_ms": 5, "slow_ms": 1500, "ledger": str(path),
        "orders": {**_ORDERS, "lost": arm.lost_receipts},
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.messages.provider", json.dumps(order)],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=clean_environment(), cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, orjson.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def ended(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Have the provider post what it still has, and return what it says at its end."""
    process.terminate()
    assert process.stdout is not None
    said: dict[str, Any] = orjson.loads(process.stdout.readline())
    return said


def environment(
    arm: Arm, servers: Servers, where: dict[str, str], node: Node | None
) -> dict[str, str]:
    drivers = ("aws", "ses") if arm.echo else ("sns", "smtp")
    return {
        **servers.settings,
        "CHRONICCARE_SMS_DRIVER": drivers[0], "CHRONICCARE_EMAIL_DRIVER": drivers[1],
        "CHRONICCARE_AWS_REGION": "us-east-1", "CHRONICCARE_AWS_ENDPOINT_URL": where["url"],
        "CHRONICCARE_SMTP_URL": where["smtp_url"],
        "CHRONICCARE_PROVIDER_CONNECTIONS": "20",
        "CHRONICCARE_SMS_ORIGINATION": "+12065550100",
        "CHRONICCARE_SMS_CONFIGURATION_SET": "chroniccare",
        "CHRONICCARE_SES_CONFIGURATION_SET": "chroniccare",
        "AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_EC2_METADATA_DISABLED": "true",
        **({"RABBITMQ_URL": node.url} if node else {}),
    }  # fmt: skip

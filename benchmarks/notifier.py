"""Claim: the AWS function sends a day of 2,300 appointments in 10 s, in 512 MB.

The function runs in a process of its own, as on Lambda, against the simulated SNS, which takes
50 ms for each answer, and a simulated table, which takes 5. Then the same event again, of which
nothing is sent. On Lambda 512 MB come with 0.29 of a CPU: what that would make of it is told, too.
"""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from chroniccare.simulator.faults import Plan
from chroniccare.simulator.run import Simulator, running
from chroniccare.simulator.stack import Stack

DAY = 2_300
DELAY_MS, TABLE_MS = 50, 5
MOST_S, MOST_MB = 10.0, 512
_KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
_CPU_AT_512_MB = 512 / 1769
"""AWS: 1,769 MB are one CPU."""


def _event() -> dict[str, Any]:
    at = (datetime.now(UTC) + timedelta(hours=24)).isoformat()
    return {
        "appointments": [
            {
                "patientId": f"P{n}", "phoneNumber": f"+1415555{n:04d}", "appointmentTime": at,
                "email": f"p{n}@example.com", "doctorName": "Lee", "location": "Oak Clinic",
                "appointmentId": f"A{n}",
            }
            for n in range(DAY)
        ]
    }  # fmt: skip


class _Context:
    """Lambda's, as far as the handler looks."""

    aws_request_id, function_name = "request-1", "notifier"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 300_000


def _function() -> None:
    """Run the handler twice and print what that took; a process of its own."""
    began = time.process_time()
    started = time.perf_counter()
    from chroniccare import lambdas  # noqa: PLC0415  the cold start is measured
    from chroniccare.notifications.daily import entry  # noqa: PLC0415

    assert entry.NAMESPACE
    cold = time.perf_counter() - started, time.process_time() - began
    event, told = _event(), []
    for _ in range(2):
        started, began = time.perf_counter(), time.process_time()
        answer = json.loads(lambdas.notify(event, _Context)["body"])
        told.append([time.perf_counter() - started, time.process_time() - began, answer])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cold": cold, "runs": told, "mb": most}))


async def _serve() -> None:
    """Run the simulator, print its address, and stay."""
    simulator = Simulator(plan=Plan(delay_ms=DELAY_MS), stack=Stack(delay_ms=TABLE_MS))
    async with running(simulator) as made:
        print(made.url, flush=True)
        await asyncio.Event().wait()


def _child(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.notifier", *arguments], stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL, text=True, env={**os.environ, **environment},
    )  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    server = _child("serve")
    assert server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        function = _child(
            "function", CHRONICCARE_AWS_ENDPOINT_URL=url, AWS_REGION="us-east-1",
            NOTIFICATION_TABLE="log", **_KEYS,
            APPOINTMENTS_BUCKET="lists", CHRONICCARE_SMS_DRIVER="sns",
            CHRONICCARE_EMAIL_DRIVER="ses", CHRONICCARE_PROVIDER_CONNECTIONS="100",
            CHRONICCARE_EMAIL_FROM="noreply@clinic.example",
        )  # fmt: skip
        lines = function.communicate(timeout=300)[0].splitlines()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
    found = json.loads(lines[-1])
    (first, cpu, answer), (second, cpu_again, again) = found["runs"]
    wall, cold = found["cold"]
    print(f"imports: {wall:.2f} s, {cold:.2f} s of CPU; load {os.getloadavg()[0]:.1f}")
    print(f"{DAY} appointments: {first:.2f} s, {1000 * cpu / DAY:.2f} ms of CPU each")
    print(f"the same event again: {second:.2f} s, {1000 * cpu_again / DAY:.2f} ms of CPU each")
    print(f"with {_CPU_AT_512_MB:.2f} of this CPU: at least {cpu / _CPU_AT_512_MB:.1f} s")
    print(f"at most {found['mb']:.0f} MB")
    assert answer["results"]["success"] == DAY, answer["results"]
    assert again["alreadySent"] == DAY, again["results"]
    assert found["mb"] <= MOST_MB, "more than 512 MB"
    assert first <= MOST_S, "a day took more than 10 s"


if __name__ == "__main__":
    {"serve": lambda: asyncio.run(_serve()), "function": _function}.get(
        "".join(sys.argv[1:]), main
    )()

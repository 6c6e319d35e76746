"""The package under AWS's own emulator of Lambda's runtime, fed with recorded events."""

import json
import os
import platform
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chroniccare.simulator.run import Simulator
from tests.aws.cloud import wait_for
from tests.aws.environments import folder, program
from tests.e2e.test_up import free_port
from tests.notifications.daily.conftest import visit

EVENTS = json.loads((Path(__file__).parent / "events.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def call(
    package: Path, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Run the handler; return what calls it with an event."""
    code = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package) as made:
        made.extractall(code)
    port, runtime = free_port(), free_port()
    kind = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")
    [emulator] = folder("rie").glob(f"lib/*/site-packages/samcli/local/rapid/aws-lambda-rie-{kind}")
    emulator.chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(code), "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_LAMBDA_FUNCTION_NAME": "notifier", "AWS_LAMBDA_FUNCTION_TIMEOUT": "300",
        "NOTIFICATION_TABLE": "log", "APPOINTMENTS_BUCKET": "lists",
        "CHRONICCARE_AWS_ENDPOINT_URL": simulator.url, "CHRONICCARE_SMS_DRIVER": "sns",
        "CHRONICCARE_EMAIL_DRIVER": "ses", "CHRONICCARE_EMAIL_FROM": "noreply@clinic.example",
    }  # fmt: skip
    process = subprocess.Popen(
        [str(emulator), "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
         "--runtime-api-address", f"127.0.0.1:{runtime}", program("rie", "python"), "-m",
         "awslambdaric", "chroniccare.lambdas.notify"],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd=code,
    )  # fmt: skip

    def invoke(event: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations",
            json.dumps(event).encode(),
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310  ours
            found: dict[str, Any] = json.loads(answer.read())
        return found

    wait_for(lambda: _open(port), seconds=20)
    yield invoke
    process.terminate()
    process.wait(timeout=20)


def _open(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", EVENTS)
def test_recorded_events_are_answered_as_ever(call: Any, name: str) -> None:
    recorded = EVENTS[name]
    found = call(recorded["event"])
    if "body" in found:
        found = {"statusCode": found["statusCode"], **json.loads(found["body"])}
    wanted = recorded["answer"]
    assert {key: found.get(key) for key in wanted} == wanted


def test_a_second_call_is_warm(call: Any) -> None:
    assert call({"appointments": []})["statusCode"] == 400
    started = time.perf_counter()
    assert call({"appointments": []})["statusCode"] == 400
    assert time.perf_counter() - started < 1.0
    row = visit(9, appointmentTime="2126-03-04T10:00:00Z")
    assert json.loads(call({"appointments": [row]})["body"])["results"]["success"] == 1

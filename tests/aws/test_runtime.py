"""The package under AWS's own emulator of Lambda's runtime, fed with recorded events."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chroniccare.simulator.run import Simulator
from tests.aws import rie
from tests.notifications.daily.conftest import visit

EVENTS = json.loads((Path(__file__).parent / "events.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def call(
    package: Path, simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[rie.Function]:
    """Run the handler; it is called with an event."""
    code = rie.unpacked(package, tmp_path_factory.mktemp("task"))
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "notifier",
        "NOTIFICATION_TABLE": "log", "APPOINTMENTS_BUCKET": "lists",
        "CHRONICCARE_AWS_ENDPOINT_URL": simulator.url, "CHRONICCARE_SMS_DRIVER": "sns",
        "CHRONICCARE_EMAIL_DRIVER": "ses", "CHRONICCARE_EMAIL_FROM": "noreply@clinic.example",
    }  # fmt: skip
    log = tmp_path_factory.mktemp("logs") / "notifier"
    with rie.running(code, "chroniccare.lambdas.notify", environment, log) as made:
        yield made


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

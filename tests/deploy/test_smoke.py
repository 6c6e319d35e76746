"""The questions to a real account: each is told, and one that fails stops no other."""

import importlib.util
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest

from chroniccare.platform.aws_error import AwsError
from tests.checks.code import ROOT


@pytest.fixture(scope="module")
def smoke() -> ModuleType:
    spec = importlib.util.spec_from_file_location("smoke", ROOT / "deploy" / "aws" / "smoke.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


class _Gateway(BaseHTTPRequestHandler):
    ready = True

    def do_GET(self) -> None:
        good = self.headers.get("Authorization") == "Bearer good"
        if self.path == "/readyz":
            good = self.ready
        body = b'{"success": true}' if good else b'{"success": false}'
        self.send_response(200 if good else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _account(smoke: ModuleType, url: str, key: str = "good", **changed: Any) -> Any:
    """Return an account in which all is well but what `changed` says."""
    answers: dict[str, Any] = {
        "describe_stacks": {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Outputs": [
            {"OutputKey": "ApiUrl", "OutputValue": url},
            {"OutputKey": "BrokerId", "OutputValue": "b-1"},
        ]}]},
        "get_metric_statistics": {"Datapoints": [{"Maximum": 3.0}, {"Maximum": 1.0}]},
        "describe_broker": {"BrokerState": "RUNNING", "EngineType": "RABBITMQ",
                            "EngineVersion": "4.2"},
        "get_account": {"ProductionAccessEnabled": True, "SendQuota": {"Max24HourSend": 50000.0}},
        **changed,
    }  # fmt: skip

    class Told(smoke.Account):  # type: ignore[name-defined, misc]  # loaded above
        async def call(self, service: str, operation: str, **_: Any) -> Any:
            assert service
            if isinstance(answers[operation], Exception):
                raise answers[operation]
            return answers[operation]

    return Told("clinic-prod", "us-east-1", key)


async def test_all_that_is_well_is_told(
    smoke: ModuleType, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await smoke.run(_account(smoke, url), smoke.CHECKS)
    said = capsys.readouterr().out
    assert said.count("ok ") == len(smoke.CHECKS)
    assert "3 pinned at most in an hour" in said
    assert "RABBITMQ 4.2" in said
    assert await smoke.run(_account(smoke, url, key=""), smoke.CHECKS)
    assert "left out: no --key" in capsys.readouterr().out


@pytest.mark.parametrize(
    "amiss",
    [("describe_stacks", {"Stacks": [{"StackStatus": "UPDATE_ROLLBACK_COMPLETE"}]},
      "amiss  stacks: AmissError UPDATE_ROLLBACK_COMPLETE"),
     ("get_metric_statistics", {"Datapoints": []}, "amiss  RDS Proxy: AmissError no measurements"),
     ("describe_broker", {"BrokerState": "REBOOT_IN_PROGRESS"}, "the broker is REBOOT_IN_PROGRESS"),
     ("get_account", {"ProductionAccessEnabled": False}, "SES is in its sandbox"),
     ("get_account", AwsError("rejected", "denied", "AccessDenied"), "amiss  SES: AwsError")],
)  # fmt: skip
async def test_what_is_amiss_is_named_and_stops_no_other(
    smoke: ModuleType, url: str, capsys: pytest.CaptureFixture[str], amiss: tuple[str, Any, str]
) -> None:
    operation, answer, said = amiss
    assert not await smoke.run(_account(smoke, url, **{operation: answer}), smoke.CHECKS)
    told = capsys.readouterr().out
    assert said in told
    assert len(told.splitlines()) == len(smoke.CHECKS)


async def test_a_key_that_opens_nothing_is_amiss(
    smoke: ModuleType, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not await smoke.run(_account(smoke, url, key="bad"), smoke.CHECKS)
    assert "amiss  a key: AmissError answered 401" in capsys.readouterr().out


async def test_that_functions_reach_postgresql_is_asked_before_all_that_needs_it(
    smoke: ModuleType, url: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(_Gateway, "ready", False)
    assert not await smoke.run(_account(smoke, url), smoke.CHECKS)
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("amiss  PostgreSQL: AmissError /readyz answered 401")


@pytest.mark.parametrize("comes", [True, False])
async def test_an_event_that_fails_must_become_a_dead_letter(
    smoke: ModuleType, *, comes: bool
) -> None:
    class Queue(smoke.Account):  # type: ignore[name-defined, misc]  # loaded above
        called: list[dict[str, Any]] = []  # noqa: RUF012  one test's

        async def call(self, service: str, operation: str, **given: Any) -> Any:
            if operation == "describe_stacks":
                outputs = {"DeadLetterQueueUrl": "https://q/1", "LambdaFunctionArn": "arn:f"}
                return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": [
                    {"OutputKey": key, "OutputValue": value} for key, value in outputs.items()
                ]}]}  # fmt: skip
            if operation == "invoke":
                assert (service, given["InvocationType"]) == ("lambda", "Event")
                self.called.append(given)
            letters = 2 + (comes and bool(self.called))
            return {"Attributes": {"ApproximateNumberOfMessages": str(letters)}}

    account = Queue("clinic-prod", "us-east-1")
    if comes:
        assert "failed three times" in await smoke.dead_letter(account, "reminders", pause_s=0)
    else:
        with pytest.raises(smoke.AmissError, match="no letter came"):
            await smoke.dead_letter(account, "reminders", pause_s=0, times=3)
    assert [one["FunctionName"] for one in account.called] == ["arn:f"]

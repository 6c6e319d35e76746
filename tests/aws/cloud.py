"""MiniStack with IAM enforced, and our stack on it.

What it cannot do is taken out of the template before, and nowhere else: see `emulated`.
"""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.config import Config  # type: ignore[import-untyped]
from botocore.session import get_session  # type: ignore[import-untyped]

from tests.aws.environments import program
from tests.deploy.template import load
from tests.e2e.test_up import free_port

REGION = "us-east-1"
STACK = "reminders"
CODE, KEY = "code-of-the-functions", "notifier.zip"
_MATH = ("DeliveryFailureAlarm", "SpendAlarm")


@dataclass(slots=True)
class Cloud:
    """The emulator at `url`."""

    url: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a client that may do everything."""
        if service not in self.clients:
            self.clients[service] = get_session().create_client(
                service, region_name=REGION, endpoint_url=self.url, aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"},
                              read_timeout=120),
            )  # fmt: skip
        return self.clients[service]

    def page(self, path: str) -> Any:
        """Return what the emulator tells of itself."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:  # noqa: S310  ours
            return json.loads(answer.read())


@contextmanager
def running(base: Path) -> Iterator[Cloud]:
    """Run MiniStack on loopback, with an empty state."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("AWS_", "CHRONICCARE_", "PYTHON", "COV_"))}  # fmt: skip
    environment = {
        **kept, "AUTH": "true", "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port), "MINISTACK_REGION": REGION, "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0",
        "STATE_DIR": str(base),
        "TMPDIR": str(base), "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
        "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "1",
    }  # fmt: skip
    with (base / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [program("emulator", "ministack")], env=environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    cloud = Cloud(f"http://127.0.0.1:{port}")
    try:
        wait_for(lambda: _answers(cloud), seconds=60)
        yield cloud
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(cloud: Cloud) -> bool:
    try:
        cloud.page("/_ministack/health")
    except OSError:
        return False
    return True


def wait_for(done: Callable[[], Any], *, seconds: float, pause: float = 0.2) -> Any:
    """Return what `done` returns once that is something."""
    until = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(pause)
    return found


def emulated(sns_url: str) -> dict[str, Any]:
    """Return the template without what MiniStack does not have.

    Metric math: such an alarm looks at its last metric alone. Of SES's SendEmail neither the key
    `ses:FromAddress` nor the resource. `SetSMSAttributes`: asked of `sns_url`. The DKIM records of
    a domain: no outputs. TLS: what denies requests without it is left out.
    """
    made = load()
    del made["Resources"]["AppointmentsBucketPolicy"]
    for name in [one for one in made["Outputs"] if one.startswith("Dkim")]:
        del made["Outputs"][name]
    for name in _MATH:
        without_math(made["Resources"][name]["Properties"])
    role = made["Resources"]["ProcessorRole"]["Properties"]
    for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
        if statement.get("Sid") == "EmailFromOneAddress":
            del statement["Condition"]
            statement["Resource"] = "*"
    made["Resources"]["AccountFunction"]["Properties"]["Environment"] = {
        "Variables": {"AWS_ENDPOINT_URL_SNS": sns_url}
    }
    return made


def without_math(alarm: dict[str, Any]) -> None:
    """Have an alarm look at its last metric alone."""
    last = [one for one in alarm.pop("Metrics") if "MetricStat" in one][-1]["MetricStat"]
    metric = last["Metric"].get("Fn::If", [None, None, last["Metric"]])[2]
    alarm.update(metric, Period=last["Period"], Statistic=last["Stat"])


@dataclass(slots=True)
class Deployed:
    """Our stack, as it stands on the emulator."""

    cloud: Cloud
    body: str
    parameters: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)

    def apply(self, **changes: str) -> str:
        """Create or update the stack and return the state it comes to."""
        self.parameters |= changes
        client = self.cloud.client("cloudformation")
        call = client.update_stack if self.outputs else client.create_stack
        call(
            StackName=STACK, TemplateBody=self.body,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value}
                        for name, value in self.parameters.items()],
        )  # fmt: skip
        made = wait_for(self._settled, seconds=180)
        assert "ROLLBACK" not in made["StackStatus"], self._faults()
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in made.get("Outputs", ())}
        return str(made["StackStatus"])

    def _settled(self) -> Any:
        [made] = self.cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return None if made["StackStatus"].endswith("IN_PROGRESS") else made

    def _faults(self) -> list[str]:
        told = self.cloud.client("cloudformation").describe_stack_events(StackName=STACK)
        return [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}"
                for one in told["StackEvents"] if "FAILED" in one["ResourceStatus"]]  # fmt: skip

    def resource(self, name: str) -> str:
        """Return the physical id of a resource."""
        client = self.cloud.client("cloudformation")
        found = client.describe_stack_resource(StackName=STACK, LogicalResourceId=name)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def invoke(self, event: Any) -> dict[str, Any]:
        """Call the function and wait; return its answer, or `errorType` and `errorMessage`."""
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.outputs["LambdaFunctionArn"], Payload=json.dumps(event)
        )
        found = json.loads(answer["Payload"].read())
        return json.loads(found["body"]) if "body" in found else found  # type: ignore[no-any-return]

    def tick(self) -> None:
        """Let the schedule fire within ten seconds: a copy of it is due since a minute."""
        client = self.cloud.client("scheduler")
        made = client.get_schedule(Name=self.resource("DailySchedule"))
        past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
        client.create_schedule(
            Name="due-now", ScheduleExpression=f"at({past})", Target=made["Target"],
            FlexibleTimeWindow=made["FlexibleTimeWindow"],
        )  # fmt: skip

    def put(self, name: str, text: str) -> None:
        """Upload a list, such as `2031-01-01.csv`."""
        self.cloud.client("s3").put_object(
            Bucket=self.outputs["AppointmentsBucketName"], Key=f"appointments/{name}",
            Body=text.encode(),
        )  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """Return the items of the delivery log."""
        table = self.outputs["DynamoDBTableName"]
        found: list[dict[str, Any]] = self.cloud.client("dynamodb").scan(TableName=table)["Items"]
        return found

    def texts(self) -> list[str]:
        """Return the numbers that texts went to."""
        told = self.cloud.page("/_ministack/sns/sms-messages")
        return sorted(_values(told, "PhoneNumber"))

    def emails(self) -> list[str]:
        """Return the addresses that emails went to."""
        told = self.cloud.page("/_ministack/ses/messages")
        return sorted(address for one in _values(told, "To") for address in one)


def _values(document: Any, name: str) -> Iterator[Any]:
    """Yield every value called `name`, however deep; letter case is not looked at."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key.lower() == name.lower():
                yield value
            yield from _values(value, name)
    elif isinstance(document, list):
        for value in document:
            yield from _values(value, name)

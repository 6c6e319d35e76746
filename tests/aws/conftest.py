"""One emulator and one stack for all tests here; `make test-aws` runs them."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from tools import lambda_package

from chroniccare.settings import Settings, values_of, variable
from chroniccare.simulator.run import Simulator
from chroniccare.simulator.run import running as simulating
from chroniccare.simulator.stack import Stack
from tests.aws import cloud as emulator
from tests.aws import rie
from tests.aws.cloud import CODE, KEY, STACK, Cloud, Deployed, emulated, wait_for
from tests.aws.gateway import Gateway
from tests.client import Clinic
from tests.deploy.gateway import FUNCTIONS

_KEPT = ("database_url", "redis_url", "key_pepper", "master_key_file", "tenant_key_dirs")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions' package, with what this environment has."""
    path = tmp_path_factory.mktemp("package") / "notifier.zip"
    lambda_package.build(path, installed=True)
    return path


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """Our simulated account, for what MiniStack does not know."""
    loop, made, ready = asyncio.new_event_loop(), Simulator(stack=Stack()), threading.Event()
    end = asyncio.Event()

    async def serve() -> None:
        async with simulating(made):
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    yield made
    loop.call_soon_threadsafe(end.set)
    thread.join(20)
    loop.close()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with emulator.running(tmp_path_factory.mktemp("ministack")) as made:
        yield made


@pytest.fixture(scope="session")
def deployed(cloud: Cloud, package: Path, simulator: Simulator) -> Iterator[Deployed]:
    """The stack; it is deleted at the end, which must work."""
    storage = cloud.client("s3")
    storage.create_bucket(Bucket=CODE)
    storage.put_object(Bucket=CODE, Key=KEY, Body=package.read_bytes())
    parameters = {
        "EnvironmentSuffix": "test", "EmailDomain": "clinic.example", "CodeBucket": CODE,
        "AlarmEmail": "ops@clinic.example", "CodeKey": KEY, "ScheduleZone": "UTC",
        "SNSSpendLimit": "77",
    }  # fmt: skip
    made = Deployed(cloud, json.dumps(emulated(simulator.url)), parameters)
    assert made.apply() == "CREATE_COMPLETE"
    yield made
    bucket = made.outputs["AppointmentsBucketName"]
    for one in storage.list_object_versions(Bucket=bucket).get("Versions", ()):
        storage.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
    cloud.client("cloudformation").delete_stack(StackName=STACK)
    wait_for(lambda: _gone(cloud), seconds=60)


def _gone(cloud: Cloud) -> bool:
    try:
        [made] = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    except ClientError:
        return True
    assert made["StackStatus"] != "DELETE_FAILED"
    return bool(made["StackStatus"] == "DELETE_COMPLETE")


@pytest.fixture(scope="session")
def platform_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the platform's functions, with what this environment has."""
    path = tmp_path_factory.mktemp("platform") / "platform.zip"
    lambda_package.build(path, installed=True, kind=lambda_package.PLATFORM)
    return path


@pytest.fixture(scope="session")
def code(platform_package: Path) -> Path:
    """The same, unpacked."""
    return rie.unpacked(platform_package, platform_package.parent / "task")


@pytest.fixture(scope="session")
def secret(cloud: Cloud, settings: Settings) -> str:
    """The ARN of a secret that has the address of the database."""
    made = cloud.client("secretsmanager").create_secret(
        Name="database-url", SecretString=settings.database_url
    )
    return str(made["ARN"])


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the auditor exports the heads of the audit."""
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="session")
def given(settings: Settings, secret: str, cloud: Cloud, heads: Path) -> dict[str, str]:
    """What every function is told."""
    told = {variable(name): values_of(settings, name) for name in _KEPT}
    del told["DATABASE_URL"]
    return told | {
        "SECRET_DATABASE_URL": secret, "AWS_ENDPOINT_URL_SECRETS_MANAGER": cloud.url,
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "CHRONICCARE_AUDIT_HEADS_DIR": str(heads),
    }  # fmt: skip


@pytest.fixture(scope="session")
def function(
    code: Path, given: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], rie.Function]]:
    """Return what starts a function at its first use, as its template names it."""
    started: dict[str, rie.Function] = {}
    logs = tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:

        def start(name: str) -> rie.Function:
            if name not in started:
                started[name] = stack.enter_context(
                    rie.running(code, FUNCTIONS[name]["Handler"], given, logs / name)
                )
            return started[name]

        yield start


@pytest.fixture
async def served(
    clinic: Clinic, function: Callable[[str], rie.Function]
) -> AsyncIterator[tuple[Clinic, Gateway]]:
    """A clinic whose requests go through gateway and functions; answers are still checked."""
    gateway = Gateway(function)
    async with httpx.AsyncClient(
        transport=gateway, base_url="https://api.clinic.test", headers={"X-API-Key": clinic.key}
    ) as http:
        yield Clinic(clinic.tenant_id, clinic.key, clinic.app, clinic.contract, http), gateway

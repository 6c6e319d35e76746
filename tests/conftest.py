"""What every test stands on: real engines, one application a worker, a new clinic a test."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import httpx
import hypothesis
import pytest
from fastapi import FastAPI

from chroniccare.app import build
from chroniccare.migrations.runner import migrate
from chroniccare.platform import masterkey_file
from chroniccare.platform.embedded import EngineUrls, engines
from chroniccare.platform.wiring import Platform
from chroniccare.settings import Settings, load
from tests.client import Clinic, Contract, new_clinic
from tests.contracts.operations import document
from tests.rabbitmq import Node, NoRabbitError, private_node

hypothesis.settings.register_profile("clinic", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("clinic")

# They need tools that `make test-aws` installs first.
collect_ignore = [] if os.environ.get("TEST_AWS") else ["aws"]
PEPPER = "a pepper that only the tests know, 32+"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-route", action="store_true", help="fail when no test touched some route"
    )


def pytest_runtest_setup() -> None:
    from pytest_socket import socket_allow_hosts  # noqa: PLC0415  the plugin's own way

    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def urls() -> Iterator[EngineUrls]:
    """PostgreSQL and Valkey of this worker; not durable, so that tests are quick."""
    base = Path(tempfile.mkdtemp(prefix="cct-"))
    base.chmod(0o755)
    try:
        with engines(base / "data", durable=False) as started:
            yield started
    finally:
        rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
async def database_url(urls: EngineUrls) -> str:
    """A migrated database of this worker."""
    await migrate(urls.database_url)
    return urls.database_url


@pytest.fixture(scope="session")
def master_keys() -> Iterator[Path]:
    """Master keys of this worker, under which every test's clinic is.

    In memory where that is possible: each new clinic's key is synced to the disk, for nobody here.
    """
    memory = Path("/dev/shm")  # noqa: S108  mkdtemp makes a folder that is ours alone
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cck-", dir=place) as folder:
        path = Path(folder) / "master.key"
        masterkey_file.make(path)
        yield path


@pytest.fixture(scope="session")
def settings(urls: EngineUrls, database_url: str, master_keys: Path) -> Settings:
    return load(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": urls.cache_url,
            "CHRONICCARE_KEY_PEPPER": PEPPER,
            "CHRONICCARE_MASTER_KEY_FILE": str(master_keys),
            "CHRONICCARE_TENANT_KEY_DIRS": str(master_keys.parent),
            "CHRONICCARE_RATE_LIMIT_PER_MINUTE": "1000000",
            "CHRONICCARE_REQUESTS_AT_ONCE": "10000",
            "CHRONICCARE_RATE_LIMIT_BURST": "100000",
            "CHRONICCARE_WRONG_KEYS_PER_MINUTE": "100000",
            "CHRONICCARE_WRONG_PASSWORDS_PER_MINUTE": "100000",
            "CHRONICCARE_LOG_LEVEL": "WARNING",
        }
    )


@dataclass(frozen=True, slots=True)
class Running:
    """The application of this worker, opened."""

    app: FastAPI
    platform: Platform
    contract: Contract


@pytest.fixture(scope="session")
async def running(settings: Settings) -> AsyncIterator[Running]:
    app = build(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield Running(app, app.state.platform, Contract(document()))


@dataclass(frozen=True, slots=True)
class Rabbit:
    """A broker: RABBITMQ_URL's, which cannot be restarted, or a node of our own."""

    url: str
    node: Node | None


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Rabbit]:
    """RabbitMQ of this worker; see tests/rabbitmq.py for where it comes from."""
    if os.environ.get("RABBITMQ_URL"):
        yield Rabbit(os.environ["RABBITMQ_URL"], None)
        return
    with ExitStack() as stack:
        try:
            node = stack.enter_context(private_node())
        except NoRabbitError as error:
            pytest.skip(str(error))
        yield Rabbit(node.url, node)


@pytest.fixture
async def clinic(running: Running) -> AsyncIterator[Clinic]:
    """A clinic of its own, with a key that may do everything."""
    async with new_clinic(running.app, running.contract) as made:
        yield made


@pytest.fixture
async def other_clinic(running: Running) -> AsyncIterator[Clinic]:
    """A second clinic, which must see nothing of the first."""
    async with new_clinic(running.app, running.contract) as made:
        yield made


@pytest.fixture
async def anonymous(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, and without the contract check."""
    transport = httpx.ASGITransport(running.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.test") as client:
        yield client


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Gather the routes that the workers touched; with --every-route, miss none."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["touched"] = sorted(Contract.touched)
        output["routes"] = sorted(Contract.routes)
        return
    missed = Contract.routes - Contract.touched
    if session.config.getoption("--every-route") and missed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        names = "\n  ".join(sorted(missed))
        session.config.get_terminal_writer().line(f"\nno test touched:\n  {names}", red=True)


def pytest_testnodedown(node: object, error: object) -> None:
    """Take over what one xdist worker touched."""
    del error
    output = getattr(node, "workeroutput", {})
    Contract.touched.update(output.get("touched", []))
    Contract.routes.update(output.get("routes", []))

"""The server's own process, on the engines of the tests."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from chroniccare.settings import Settings
from tests.conftest import PEPPER
from tests.e2e.process import COMMAND, clean_environment, wait_for


@contextmanager
def served(settings: Settings, folder: Path) -> Iterator[str]:
    """Run `chroniccare serve` and give its address; its log is in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = clean_environment(
        DATABASE_URL=settings.database_url, REDIS_URL=settings.redis_url,
        CHRONICCARE_KEY_PEPPER=PEPPER, CHRONICCARE_LOG_LEVEL="WARNING",
        CHRONICCARE_MASTER_KEY_FILE=str(settings.master_key_file),
        CHRONICCARE_TENANT_KEY_DIRS=settings.tenant_key_dirs,
        CHRONICCARE_RATE_LIMIT_PER_MINUTE="1000000", CHRONICCARE_RATE_LIMIT_BURST="100000",
    )  # fmt: skip
    log = folder / "serve.log"
    with log.open("wb") as out:
        command = [*COMMAND, "serve", "--port", str(port), "--workers", "1"]
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    base = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{base}/readyz", timeout=2).is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, "the API")
        yield base
    finally:
        process.terminate()
        process.wait(30)

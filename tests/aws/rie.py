"""AWS's own emulator of Lambda's runtime, with one handler in it."""

import json
import os
import platform
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws.cloud import wait_for
from tests.aws.environments import folder, program
from tests.e2e.test_up import free_port


@dataclass(frozen=True, slots=True)
class Function:
    """A handler that is called over HTTP; `log` has what it wrote."""

    url: str
    log: Path

    def __call__(self, event: Any) -> Any:
        """Invoke it and wait; an error is `errorType` and `errorMessage`."""
        request = urllib.request.Request(  # noqa: S310  ours
            f"{self.url}/2015-03-31/functions/function/invocations", json.dumps(event).encode()
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310  ours
            return json.loads(answer.read())

    def timed(self, event: Any) -> tuple[Any, float]:
        """Return the answer, and the milliseconds until it was there."""
        started = time.perf_counter()
        return self(event), (time.perf_counter() - started) * 1000

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics that it has written to its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"_aws"')]


def unpacked(package: Path, to: Path) -> Path:
    """Unpack a package as Lambda does."""
    with zipfile.ZipFile(package) as made:
        made.extractall(to)
    return to


@contextmanager
def running(code: Path, handler: str, environment: Mapping[str, str], log: Path
            ) -> Iterator[Function]:  # fmt: skip
    """Run `handler` of the unpacked package at `code`."""
    port, runtime = free_port(), free_port()
    kind = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")
    [emulator] = folder("rie").glob(f"lib/*/site-packages/samcli/local/rapid/aws-lambda-rie-{kind}")
    emulator.chmod(0o755)
    given = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(code), "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_LAMBDA_FUNCTION_NAME": "ours", "AWS_LAMBDA_FUNCTION_TIMEOUT": "300",
    }  # fmt: skip
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(emulator), "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
             "--runtime-api-address", f"127.0.0.1:{runtime}", program("rie", "python"), "-m",
             "awslambdaric", handler],
            env={**given, **environment}, stdin=subprocess.DEVNULL, stdout=written,
            stderr=subprocess.STDOUT, cwd=code,
        )  # fmt: skip
    try:
        wait_for(lambda: _open(port), seconds=20, pause=0.02)
        yield Function(f"http://127.0.0.1:{port}", log)
    finally:
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

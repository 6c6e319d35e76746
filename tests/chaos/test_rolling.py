"""One exchange of workers; `python -m tests.chaos.rolling` makes fifty (R15)."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.process import clean_environment


def test_no_request_fails_while_workers_are_exchanged() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.rolling", "--small"],
        cwd=Path(__file__).parents[2], env=clean_environment(), capture_output=True, text=True,
        check=False, timeout=170,
    )  # fmt: skip
    assert done.stdout, done.stderr
    came = json.loads(done.stdout)
    assert came["wrong"] == {}
    assert done.returncode == 0
    assert came["made"] > 0
    assert len(came["exchanges_s"]) == came["restarts"]

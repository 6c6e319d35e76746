"""The worker's own process dies in the middle of an export."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.process import clean_environment


def test_a_killed_worker_leaves_an_export_that_another_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.exports"],
        cwd=Path(__file__).parents[2], env=clean_environment(), capture_output=True, text=True,
        check=False, timeout=240,
    )  # fmt: skip
    assert done.stdout, done.stderr
    came = json.loads(done.stdout)
    assert not came["early"], "it was over before the worker was dead"
    assert came == {"early": False, "files": 2, "resources": 500, "different": 500}

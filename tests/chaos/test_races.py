"""A race of seconds; `python -m tests.chaos` runs the one of minutes (docs/races.md)."""

import json
import subprocess
import sys
from pathlib import Path

from tests.chaos.attacks import ATTACKS
from tests.e2e.process import clean_environment

_PATIENCE_S = 170


def test_nobody_is_booked_twice_whatever_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--small", "--json"],
        cwd=Path(__file__).parents[2], env=clean_environment(), capture_output=True, text=True,
        check=False, timeout=_PATIENCE_S,
    )  # fmt: skip
    assert done.stdout, done.stderr
    came = json.loads(done.stdout)
    assert came["violations"] == [], came["errors"]
    assert done.returncode == 0, done.stderr
    paths = came["paths"].values()
    assert sum(one["attempts"] for one in paths) >= 1500
    assert len(paths) >= len(ATTACKS)
    # It was a fight: some won, more did not, and everything that was to be killed was.
    assert sum(one["won"] for one in paths) > 200
    assert sum(one["taken"] for one in paths) > 200
    assert came["acknowledged"] > 200
    assert came["looks"] > 1
    assert set(came["kills"]) == {
        "client, kill -9", "backend, pg_terminate_backend", "backend, kill -9",
        "API worker, kill -9",
    }  # fmt: skip

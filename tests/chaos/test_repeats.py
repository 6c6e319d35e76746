"""Repeats of seconds; `python -m tests.chaos.repeats` runs those of minutes (R5, R13)."""

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.process import clean_environment


def test_sec_32_a_key_has_one_effect_and_one_answer_whatever_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.repeats", "--small"],
        cwd=Path(__file__).parents[2], env=clean_environment(), capture_output=True, text=True,
        check=False, timeout=170,
    )  # fmt: skip
    assert done.stdout, done.stderr
    came = json.loads(done.stdout)
    assert came["wrong"] == []
    assert done.returncode == 0
    assert came["sent"] >= came["keys"]
    assert came["answers"]["201"] >= came["sent"] * came["each"]
    assert sum(came["kills"].values()) == 3

"""Seconds of storm; `python -m tests.chaos.messages` runs the minutes (docs/delivery-proof.md)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import clean_environment

_PATIENCE_S = 240
_BUSY = {"its echo came after the wait", "frozen between deadline check and socket"}
"""What a machine without time to spare may bring about; the page says why."""


def _ran(arm: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.messages", "--small", "--json", "--arm", str(arm)],
        cwd=Path(__file__).parents[2], env=clean_environment(), capture_output=True, text=True,
        check=False, timeout=_PATIENCE_S,
    )  # fmt: skip
    assert done.stdout, done.stderr
    came: dict[str, Any] = json.loads(done.stdout)
    if "skipped" in came:
        pytest.skip(came["skipped"])
    assert came.get("verdict", came)["violations"] == []
    assert done.returncode == 0, done.stderr
    return came


def _stormed(arm: int) -> dict[str, Any]:
    came = _ran(arm)
    found = came["verdict"]
    assert found["messages"] == came["arm"]["messages"]
    assert found["lost"] == 0
    # It was a storm: calls failed in many ways, workers died at several points, engines went away.
    assert len(found["faults"]) >= 8
    assert sum(came["deaths"].values()) >= 4
    assert len(came["deaths"]) >= 3
    assert len(came["outages"]) >= 2
    return came


def test_with_an_echo_nothing_is_lost_and_nothing_sent_twice() -> None:
    found = _stormed(0)["verdict"]
    assert found["reached"] + found["given_up"] == found["messages"]
    unexcused = [why for why in found["duplicates"] if why.rpartition(", ")[2] not in _BUSY]
    assert unexcused == []


def test_without_an_echo_nothing_is_lost_and_every_duplicate_has_its_unanswered_call() -> None:
    found = _stormed(1)["verdict"]
    assert sum(found["duplicates"].values()) <= found["ambiguous"]
    assert "unexplained" not in found["duplicates"]


def test_after_a_cancel_or_a_move_nothing_of_the_old_time_goes_out() -> None:
    came = _ran(2)
    assert came["cancelled"] + came["moved"] == 500
    assert came["told_of_move"] == came["moved"] > 150
    # It was a race: some were sent before the change, others never were.
    assert came["before"] >= 5
    assert came["never"] >= 5
    assert came["latest_ms"] <= 1000

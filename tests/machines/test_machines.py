"""Appointment, notification and consent beside their models in plain Python."""

import pytest

from chroniccare.scheduling import rules
from tests.client import Clinic
from tests.machines import all as machines
from tests.machines.running import DiffersError

PAPER, STORED = 190_000, 10_000
"""Steps of all three, in CI; `python -m tests.chaos.machines` takes as many as asked for."""


def test_the_rules_agree_with_the_models() -> None:
    assert sum(machines.on_paper(PAPER, seed=1).values()) >= PAPER


async def test_the_database_agrees_with_the_models(clinic: Clinic) -> None:
    assert sum((await machines.stored(clinic, STORED, seed=1)).values()) >= STORED


async def test_a_step_that_should_not_be_there_is_found(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, target = rules.STEPS["confirm"]
    monkeypatch.setitem(rules.STEPS, "confirm", (sources | {"cancelled"}, target))
    with pytest.raises(DiffersError, match=r"^confirm: "):
        machines.on_paper(30_000, seed=1)
    with pytest.raises(DiffersError, match=r"^confirm: "):
        await machines.stored(clinic, 3_000, seed=1)

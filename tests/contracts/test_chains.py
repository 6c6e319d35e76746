"""Generated sequences of requests: ids of earlier answers are used by later ones."""

import json
import os
from pathlib import Path

import pytest

from tests.client import Clinic
from tests.contracts.chains import Chain
from tests.fhir.generated import thrown

STEPS = int(os.environ.get("CHRONICCARE_CHAIN_CASES", "250"))
"""Steps of each chain; `python -m tests.chaos.fuzz --stateful` asks for more."""
PARTS = int(os.environ.get("CHRONICCARE_CHAIN_PARTS", "1"))
SEED = int(os.environ.get("CHRONICCARE_CHAIN_SEED", "1"))
TALLY = os.environ.get("CHRONICCARE_FUZZ_TALLY")
_MOST = 20
"""Faults that are told of a chain."""


def tally(name: str, answers: dict[str, int]) -> None:
    if TALLY:
        Path(TALLY, name).write_text(json.dumps(answers))


@pytest.mark.parametrize("part", range(PARTS))
async def test_what_earlier_answers_named_is_worked_on(clinic: Clinic, part: int) -> None:
    chain = Chain(clinic, thrown(SEED + part))
    await chain.begin()
    faults: list[str] = []
    for number in range(STEPS):
        step = chain.step()
        try:
            await chain.take(step)
        except AssertionError as error:
            faults.append(f"#{number} {step}\n  {str(error)[:3000]}")
        if len(faults) == _MOST:
            break
    tally(f"chain-{part}", chain.answers)
    assert not faults, "\n\n".join(faults)
    # Were every step refused, nothing would have been worked on: 145 of 250 succeed.
    done = {name: many for name, many in chain.answers.items() if name.split()[1].startswith("2")}
    assert sum(done.values()) >= sum(chain.answers.values()) / 3, chain.answers
    assert {name.split()[0] for name in done} == {"DELETE", "GET", "POST", "PUT"}, chain.answers

"""Every machine, so many steps of each: the rules on paper, then the database."""

from collections.abc import Callable
from typing import Any

from tests.client import Clinic
from tests.fhir.generated import thrown
from tests.machines import consents, messages, visits

PAPER: dict[str, Callable[..., int]] = {
    "appointment": visits.on_paper,
    "notification": messages.on_paper,
    "consent": consents.on_paper,
}
STORED: dict[str, Callable[..., Any]] = {
    "appointment": visits.Stored,
    "notification": messages.Stored,
    "consent": consents.Stored,
}
ROUND = 200
"""Steps in a transaction."""


def on_paper(steps: int, seed: int) -> dict[str, int]:
    """Compare the rules with the models in `steps` steps, a third of each."""
    each = -(-steps // len(PAPER))
    return {name: run(each, thrown(seed)) for name, run in PAPER.items()}


async def stored(clinic: Clinic, steps: int, seed: int) -> dict[str, int]:
    """Compare the database with the models in `steps` steps, a third of each."""
    each = -(-steps // len(STORED))
    done = dict.fromkeys(STORED, 0)
    for name, machine in STORED.items():
        one = machine(clinic, thrown(seed))
        await one.begin()
        while done[name] < each:
            done[name] += await one.round(ROUND)
    return done

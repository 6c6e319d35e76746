"""One client process: several connections, each of which attacks until the run is stopped.

`python -m tests.chaos.client WORLD NUMBER`. A request that got no answer, or 503, is sent again
with the same Idempotency-Key; so is every unanswered request of a predecessor that was killed.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from tests.chaos import world as worlds
from tests.chaos.attacker import Attacker, Wire
from tests.chaos.attacks import ATTACKS
from tests.chaos.journal import Journal, Sent
from tests.chaos.world import World


async def _attack(attacker: Attacker, pending: list[Sent], stop: str) -> None:
    for sent in pending:
        await attacker.until_answered(sent, attacker.wire)
    weights = [attack.weight for attack in ATTACKS]
    while not os.path.exists(stop):  # noqa: ASYNC240, PTH110  a moment
        [attack] = attacker.dice.choices(ATTACKS, weights)
        await attack.act(attacker)


async def run(world: World, client: int) -> None:
    """Attack with every connection until the run is stopped."""
    journal = Journal(world.journal(client))
    pending = journal.open()
    async with asyncio.TaskGroup() as group:
        for task in range(world.tasks):
            attacker = Attacker(
                world, journal, random.Random(f"{world.run}-{client}-{task}-{os.getpid()}"),  # noqa: S311
                Wire(world.port, world.key), Wire(world.port, world.key),
            )  # fmt: skip
            mine = pending[task :: world.tasks]
            group.create_task(_attack(attacker, mine, world.stop))


if __name__ == "__main__":
    asyncio.run(run(worlds.read(Path(sys.argv[1])), int(sys.argv[2])))

"""Whatever an endpoint answers: each record's events arrive in order, none lost, none skipped."""

import asyncio
from collections import defaultdict
from random import Random
from uuid import UUID

import pytest

from chroniccare.core.ids import new_id
from tests.client import Clinic
from tests.notifications.support import Clock
from tests.webhooks.conftest import Drain, Hook
from tests.webhooks.receiver import Came, Receiver
from tests.webhooks.test_delivery import deliveries, told


@pytest.mark.parametrize("seed", range(6))
async def test_events_of_a_record_arrive_in_order_whatever_fails(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver, *, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311  a run that can be repeated
    made = await hook(receiver)
    entities = [new_id() for _ in range(4)]
    written: dict[UUID, int] = defaultdict(int)
    taken: list[tuple[str, int]] = []

    def answered(came: Came) -> int:
        status = chance.choice([204, 204, 200, 500, 503, 404, 429, 302])
        if status < 300:
            _ok(came, taken)
        return status

    receiver.status = answered
    for _ in range(12):
        for _ in range(chance.randrange(4)):
            entity = chance.choice(entities)
            written[entity] += 1
            await told(clinic, entity, written[entity])
        await asyncio.gather(*(drain() for _ in range(chance.randrange(1, 3))))
        clock.forward(seconds=chance.choice([1, 30, 400]))
    receiver.status = lambda came: _ok(came, taken)
    for _ in range(6):
        await drain()
        clock.forward(hours=13)
    first: dict[str, list[int]] = defaultdict(list)
    for entity_id, version in taken:
        if version not in first[entity_id]:
            first[entity_id].append(version)
    assert first == {str(one): list(range(1, count + 1)) for one, count in written.items()}
    assert {d["status"] for d in await deliveries(clinic, made)} == {"delivered"}


def _ok(came: Came, taken: list[tuple[str, int]]) -> int:
    data = came.document["data"]
    taken.append((data["entity_id"], data["version"]))
    return 204

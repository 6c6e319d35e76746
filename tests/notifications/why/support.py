"""What the tests of timelines and replays share."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chroniccare.platform.postgres import Query, begin
from tests.notifications.support import Bench


@dataclass(frozen=True, slots=True)
class Step:
    notification_id: UUID
    from_status: str | None
    to_status: str
    reason: str | None


_STEPS = Query(
    Step,
    "SELECT notification_id, from_status, to_status, reason FROM notification_history"
    " ORDER BY notification_id, seq",
)


async def steps(bench: Bench) -> dict[UUID, list[Step]]:
    """Return the history of every message of the clinic."""
    found: dict[UUID, list[Step]] = {}
    async with begin(bench.clinic.caller) as tx:
        for step in await tx.all(_STEPS):
            found.setdefault(step.notification_id, []).append(step)
    return found


async def check_history(bench: Bench) -> None:
    """Every history leads without a gap from planning to where the message stands."""
    found = await steps(bench)
    rows = await bench.rows()
    assert set(found) == {row.id for row in rows}
    for row in rows:
        path = found[row.id]
        assert path[0].from_status is None
        assert [step.from_status for step in path[1:]] == [step.to_status for step in path[:-1]]
        assert path[-1].to_status == row.delivery_status
        assert all(step.from_status != step.to_status for step in path)


async def timeline(bench: Bench, notification_id: UUID) -> dict[str, Any]:
    response = await bench.clinic.get(f"/notifications/{notification_id}/timeline")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["data"]
    return found


def codes(found: dict[str, Any]) -> list[str]:
    return [event["code"] for event in found["events"]]

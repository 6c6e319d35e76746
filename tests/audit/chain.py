"""A log of a clinic's own, sealed, and its owner, who may do anything to it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from chroniccare.audit import queries, sealing
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import begin_system
from tests.client import Clinic

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
APART = timedelta(minutes=10)

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Chain:
    """A sealed log; `ids[n - 1]` is the row with number n."""

    tenant_id: UUID
    ids: list[UUID]

    async def set(self, owner: Owner, number: int, column: str, value: str) -> None:
        """Have the owner put `value`, an SQL expression, into a column of a row."""
        await owner.execute(
            f"UPDATE audit_logs SET {column} = {value} WHERE id = $1",  # noqa: S608  the test's own
            self.ids[number - 1],
        )

    async def delete(self, owner: Owner, number: int, *, seal: bool) -> None:
        """Have the owner remove a row, with its seal or without."""
        await owner.execute("DELETE FROM audit_logs WHERE id = $1", self.ids[number - 1])
        if seal:
            await owner.execute(
                "DELETE FROM audit_seals WHERE tenant_id = $1 AND seq = $2", self.tenant_id, number
            )


async def write(clinic: Clinic, count: int, *, first: datetime = NOON) -> list[UUID]:
    """Write rows ten minutes apart."""
    rows: list[dict[str, Any]] = [
        {
            "ids": [new_id()], "tenant_id": clinic.tenant_id, "entity_type": "patient",
            "seen": [new_id()], "action": "read", "user_id": new_id(), "user_type": "staff",
            "metadata": {"requestId": f"r{number}"}, "ip_address": "192.0.2.7",
            "created_at": first + number * APART,
        }
        for number in range(count)
    ]  # fmt: skip
    async with begin_system("test") as tx:
        await tx.run(queries.INSERT_READS, rows)
    return [row["ids"][0] for row in rows]


async def chain_of(clinic: Clinic, count: int, *, first: datetime = NOON) -> Chain:
    """Write and seal `count` rows."""
    ids = await write(clinic, count, first=first)
    assert await sealing.seal(clinic.tenant_id)
    return Chain(clinic.tenant_id, ids)

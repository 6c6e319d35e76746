"""The opt-out list as it stands, in clear."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.notifications.preferences.queries import BARRED
from chroniccare.platform.postgres import Query, begin
from chroniccare.platform.sealing import Opens


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry, whether it still bars its address or not."""

    id: UUID
    channel: str
    address: str
    reason: str
    lifted_at: datetime | None


_LIST = Query(
    Listed,
    "SELECT id, channel, value AS address, reason, lifted_at FROM suppressions ORDER BY id",
    (Opens(BARRED, "address"),),
)


async def opt_outs(caller: Caller) -> list[Listed]:
    """Return the list of a clinic."""
    async with begin(caller) as tx:
        return await tx.all(_LIST)

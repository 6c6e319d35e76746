"""What the worker processes know of their drivers."""

from chroniccare.notifications.mesh import queries
from chroniccare.notifications.mesh.loop import FORGOTTEN
from chroniccare.platform.postgres import begin_system


async def states() -> list[queries.State]:
    """Return every driver of every worker process that lives; the same for all tenants."""
    async with begin_system("drivers") as tx:
        return await tx.all(queries.STATES, tx.now - FORGOTTEN)

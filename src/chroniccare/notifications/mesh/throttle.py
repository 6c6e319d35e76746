"""Message parts a second: a batch's turns are planned at once, before any call is prepared.

Every process plans for the same sender through the cache. While that is away, each keeps to its
part of the rate: never faster, and slower where fewer processes run than the settings say.
"""

import asyncio
from collections.abc import Sequence

from chroniccare.notifications.mesh import rules
from chroniccare.notifications.mesh.switchboard import Line
from chroniccare.notifications.templates.segments import count
from chroniccare.platform.cache import cache
from chroniccare.platform.redis_connection import CacheAway


async def turns(line: Line, texts: Sequence[str], *, processes: int) -> tuple[int, list[float]]:
    """Return how many of the messages may be sent now, and in how many seconds each has its turn.

    The turns of those that may not are when to ask again.
    """
    asked = [count(text).segments for text in texts]
    per_second = float(line.parts_per_second)
    try:
        grant = rules.Grant(
            *await cache().reserve(
                f"sender:{line.channel}:{line.name}", asked, per_second=per_second,
                horizon_s=rules.HORIZON_S,
            )
        )  # fmt: skip
    except CacheAway:
        per_second /= processes
        clock = asyncio.get_running_loop().time()
        grant, line.free_at = rules.admit(line.free_at, clock, asked, per_second=per_second)
    return grant.count, rules.turns(asked, grant, per_second=per_second)

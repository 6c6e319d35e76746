"""The audit logger: each minute, seals what the audit has gained and copies it where it is kept.

Records of the audit are written in the transaction of what they tell of, by whoever does it. A
function that is called to write one afterwards would lose it with the call.
"""

import logging
from typing import Any

from chroniccare.audit import copying, sealing
from chroniccare.audit.places import CopyError
from chroniccare.core.errors import Unavailable
from chroniccare.lambdas import environment

log = logging.getLogger(__name__)

NAME = "auditor"
environment.start()


def handler(_event: Any, _context: Any) -> dict[str, int]:
    """Seal and copy; any event is a tick.

    Raises:
        Unavailable: PostgreSQL is away; CopyError: the copy was not taken. The next tick goes on.
    """
    try:
        copied = environment.run(_kept())
    except (Unavailable, CopyError):
        environment.count(NAME, FailedRounds=1)
        raise
    environment.count(NAME, Copied=copied, Runs=1)
    return {"copied": copied}


async def _kept() -> int:
    settings = environment.settings()
    await environment.platform()
    await sealing.round_from(0)
    if not settings.audit_copy:
        return 0
    async with copying.opened(settings) as place:
        return await copying.sweep(place)

"""The audit logger: each minute, seals what the audit has gained, and copies it where it is kept.

With a directory for them it also exports the signed heads of the chains. It opens no master keys:
what is sealed in a record stays so.

Records of the audit are written in the transaction of what they tell of, by whoever does it. A
function that is called to write one afterwards would lose it with the call.
"""

import logging
from typing import Any
from uuid import UUID

from chroniccare.audit import copying, heads, sealing
from chroniccare.audit.places import CopyError
from chroniccare.core.errors import Unavailable
from chroniccare.lambdas import environment
from chroniccare.platform.key_file import BadKeyFile

log = logging.getLogger(__name__)

NAME = "auditor"
environment.start()

_told: dict[UUID, int] = {}
"""How long each chain was when its head was exported last; a new environment exports all again."""


def handler(_event: Any, _context: Any) -> dict[str, int]:
    """Seal, export heads and copy; any event is a tick.

    Raises:
        Unavailable: PostgreSQL is away; CopyError: the copy was not taken; OSError, BadKeyFile:
            heads could not be exported. The next tick goes on.
    """
    try:
        exported, copied = environment.run(_kept())
    except (Unavailable, CopyError, OSError, BadKeyFile):
        environment.count(NAME, FailedRounds=1)
        raise
    environment.count(NAME, Copied=copied, Heads=exported, Runs=1)
    return {"copied": copied, "heads": exported}


async def _kept() -> tuple[int, int]:
    settings = environment.settings()
    await environment.platform(keys=False)
    await sealing.round_from(0)
    exported = copied = 0
    try:
        if settings.audit_heads_dir:
            exported = await heads.export(settings, _told)
    finally:  # a directory that is away holds up no copy
        if settings.audit_copy:
            async with copying.opened(settings) as place:
                copied = await copying.sweep(place)
    return exported, copied

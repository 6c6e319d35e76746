"""A look at the chain for somebody who waits: one at a time in a process, and bounded in time."""

import asyncio

from chroniccare.audit.verifying import Report, verify
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict

_MOST_S = 20.0
_turn = asyncio.Lock()


class ChainTooLong(Conflict):
    """The chain cannot be looked at from end to end while somebody waits."""

    code = "CHAIN_TOO_LONG"
    message = "The chain takes too long to check here: run `chroniccare audit verify`."


async def check(caller: Caller) -> Report:
    """Return what is found in the chain of the caller's clinic.

    Raises:
        ChainTooLong: it takes more than 20 seconds, waiting for others included.
    """
    try:
        async with asyncio.timeout(_MOST_S), _turn:
            return await verify(caller.tenant_id)
    except TimeoutError:
        raise ChainTooLong from None

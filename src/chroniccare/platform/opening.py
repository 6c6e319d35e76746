"""Sealed values that no `Query` opens by itself."""

from collections.abc import Callable
from typing import TypeVar

from chroniccare.platform.postgres import Tx
from chroniccare.platform.sealing import Keyring, UnknownVersion

T = TypeVar("T")


async def opened(tx: Tx, read: Callable[[Keyring], T]) -> T:
    """Return what `read` makes of the tenant's keys; read anew if they were rotated meanwhile.

    Raises:
        Unreadable: a value is not what was sealed for its place.
    """
    try:
        return read(await tx.keyring())
    except UnknownVersion:  # this process remembers the keys of before
        return read(await tx.keyring(afresh=True))

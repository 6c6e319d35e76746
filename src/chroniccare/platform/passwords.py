"""Passwords as Argon2id keeps them (RFC 9106): hashed in threads, a few at once.

The parameters are the RFC's second recommendation: 64 MiB, three passes, four lanes. Each hash
takes that much memory while it is made, hence no more than two at once.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chroniccare.core.errors import Unavailable

T = TypeVar("T")

_AT_ONCE = 2
_WAITING = 40
_RETRY_S = 2

hasher = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
_waiting = 0


async def hashed(password: str) -> str:
    """Return what is kept of a password: a new salt, the parameters and the hash.

    Raises:
        Unavailable: too many wait for theirs.
    """
    return await _in_thread(lambda: hasher.hash(_normal(password)))


async def is_right(password: str, kept: str | None) -> bool:
    """Return whether `password` is the one of which `kept` was kept; None: of nobody.

    For nobody it takes as long.

    Raises:
        Unavailable: see `hashed`.
    """
    return await _in_thread(lambda: _is_right(_normal(password), kept))


def is_stale(kept: str) -> bool:
    """Return whether `kept` was made with other parameters than new ones are."""
    return hasher.check_needs_rehash(kept)


def _normal(password: str) -> bytes:
    """Return a password in the one form in which it is hashed (NIST 800-63B: NFKC)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _is_right(password: bytes, kept: str | None) -> bool:
    if kept is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


async def _in_thread(job: Callable[[], T]) -> T:
    global _waiting  # noqa: PLW0603  how many wait for the threads of this process
    if _waiting >= _AT_ONCE + _WAITING:
        raise Unavailable(retry_after=_RETRY_S)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, job)
    finally:
        _waiting -= 1

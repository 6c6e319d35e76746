"""Wrong keys and tokens, by where they come from: who guesses must wait, longer each time.

Only what cannot have been handed out counts: an unknown id, a wrong secret, a bad signature. Keys
and tokens that were good once do not, nor do typing errors that the check digits show. Whom this
process knows already, or another one by what the cache says, is served meanwhile, so that a guesser
behind the same address (a proxy, a clinic's router) does not lock out those who work there.
"""

import ipaddress
import time
from dataclasses import dataclass, field

from chroniccare.core.errors import RateLimited, Unauthenticated
from chroniccare.platform.cache import LocalBucket, cache
from chroniccare.platform.redis_connection import CacheAway

_FIRST_S = 60.0
_LONGEST_S = 3600.0
_REMEMBERED_S = 3600.0
"""A source that guesses again within this time after its wait must wait twice as long."""
_GOOD_S = 86_400
"""How long a key that one process has accepted is no stranger to the others."""
_MOST = 10_000
_HOST_BITS = 64
"""Of an IPv6 address: one subscriber has all of them."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Guess(Unauthenticated):
    """A credential that nobody can have been given."""


class TooManyGuesses(RateLimited):
    """Too many wrong keys or tokens from this address; `retry_after` grows."""

    code = "TOO_MANY_GUESSES"
    message = "Too many wrong keys or tokens from this address."


def networks(listed: list[str]) -> tuple[Network, ...]:
    """Return the networks that a key may be used from; empty: any.

    Raises:
        ValueError: one of them is none, or has bits of a host.
    """
    return tuple(ipaddress.ip_network(one) for one in listed)


def inside(address: str | None, allowed: tuple[Network, ...]) -> bool:
    """Return whether `address` is in one of `allowed`."""
    found = _address(address)
    return found is not None and any(found in one for one in allowed)


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def source(address: str | None) -> str:
    """Return what is counted for `address`: itself, or the network of an IPv6 address."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, _HOST_BITS), strict=False))
    return "unknown" if found is None else str(found)


@dataclass(frozen=True, slots=True)
class _Wait:
    until: float  # monotonic seconds
    length: float


@dataclass(slots=True)
class Guesses:
    """How often each source has guessed; counted in the cache for all processes, or without it.

    Attributes:
        of: what is guessed, if it is counted by itself.
    """

    per_minute: int
    of: str = ""
    waits: dict[str, _Wait] = field(default_factory=dict)
    local: LocalBucket = field(default_factory=LocalBucket)

    def check(self, address: str | None) -> None:
        """Refuse a source that must wait.

        Raises:
            TooManyGuesses: it must.
        """
        wait = self.waits.get(source(address)) if self.waits else None
        left = 0.0 if wait is None else wait.until - time.monotonic()
        if left > 0:
            raise TooManyGuesses(retry_after=int(left) + 1)

    async def check_stranger(self, address: str | None, name: str) -> None:
        """Refuse a source that must wait, unless whoever has `name` was good at another process.

        An empty `name` is nobody's.

        Raises:
            TooManyGuesses: it must, and nobody knows them, or the cache is away.
        """
        try:
            self.check(address)
        except TooManyGuesses:
            if not name or await cache().get(f"good:{name}") is None:
                raise

    def good(self, name: str) -> None:
        """Have other processes know that whoever has `name` is no stranger."""
        cache().put(f"good:{name}", b"1", _GOOD_S)

    async def note(self, address: str | None) -> None:
        """Count a guess.

        Raises:
            TooManyGuesses: it was one too many.
        """
        name = source(address)
        key, rate = f"guesses:{self.of}{name}", self.per_minute / 60
        try:
            allowance = await cache().take(key, per_second=rate, burst=self.per_minute)
        except CacheAway:
            if len(self.local.tokens) >= _MOST:
                self.local.tokens.clear()
            allowance = self.local.take(key, per_second=rate, burst=self.per_minute)
        if allowance.allowed:
            return
        now, last = time.monotonic(), self.waits.get(name)
        again = last is not None and now - last.until < _REMEMBERED_S
        length = min(_LONGEST_S, last.length * 2) if last is not None and again else _FIRST_S
        if len(self.waits) >= _MOST:
            self.waits.clear()
        self.waits[name] = _Wait(now + length, length)
        raise TooManyGuesses(retry_after=int(length))

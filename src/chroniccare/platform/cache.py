"""Redis or Valkey: cached records, cached lists and rate limits. Away means slower, never wrong.

Keys and lifetimes are the seed's, each with its tenant:

    patient:{tenant}:{id}                            5 minutes
    patient:{tenant}:{id}:fhir                       5 minutes: its stamp, see fhir/holding
    patients:{tenant}:list                           generation of the clinic's patient lists
    patients:{tenant}:list:{generation}:{page}       2 minutes
    provider:{tenant}:{id}                           10 minutes
    facility:{tenant}:{id}                           10 minutes
    appointment:{tenant}:{id}                        5 minutes
    appointment:{tenant}:{id}:telehealth             5 minutes: with the way into a video visit
    appointment:{tenant}:{id}:fhir                   5 minutes, as of patients
    patient:{tenant}:{id}:appointments               generation of one patient's visits
    patient:{tenant}:{id}:appointments:{...}:{page}  5 minutes
    provider:{tenant}:{id}:appointments              generation of one provider's visits
    provider:{tenant}:{id}:appointments:{...}:{page} 1 hour
    patient:{tenant}:{id}:medications:active         generation of what one patient takes
    patient:{tenant}:{id}:medications:active:{...}   10 minutes
    ratelimit:{tenant}:{key id}                      until the bucket is full again
    guesses:{address}                                wrong keys from there, as above; of no tenant
    guesses:signin:{address}                         wrong passwords and codes from there, likewise
    births:{tenant}:{patient}                        birth dates tried at links, as above
    good:{hash of a key, or client id}               1 day: some process has accepted it
    sender:{channel}:{driver}                        until what was planned for it has been sent;
                                                     no tenant: all share the sender

Each value begins with 16 bytes that bind it to its key, made with a secret that Redis has not:
what somebody else put there, or took from another key, is not served.

A changed record is not deleted but replaced by an empty value for a few seconds, and a record is
only cached where no value stands: so a reader that read the old row before the change committed
cannot put it back afterwards. A list's key holds a generation that every change replaces
(DEL takes no wildcard). Drops that could not be delivered are owed, and are sent before anything
is read over a new connection.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hmac import compare_digest
from math import ceil
from secrets import token_bytes
from typing import Any

import hiredis

from chroniccare.core.wire import dumps
from chroniccare.platform import meters
from chroniccare.platform.cache_scripts import BUCKET, SENDER, SENDER_SHA
from chroniccare.platform.redis_connection import CacheAway, Connection, Reply, connect

log = logging.getLogger(__name__)

_TOMBSTONE_S = "10"  # longer than the statement timeout: no reader of the old row is older
_GENERATION_S = "86400"
_RECONNECT_S = 0.5
_CONNECT_S = 2.0
_FRESH_S = 8  # a tombstone may have come and gone while a slower reader read
_LONGEST_S = 3600  # the longest lifetime of what is cached
_MAX_OWED = 100_000
_SEAL_BYTES = 16
_SECRET_BYTES = 64


@dataclass(frozen=True, slots=True)
class Rendered:
    """A record as it goes over the wire, with its version (the ETag)."""

    version: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list as it goes over the wire, with the ids in it, for the audit."""

    seen: list[str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a token bucket answered.

    Attributes:
        limit: tokens a full bucket holds.
        remaining: whole tokens left.
        reset_s: seconds until the bucket is full again.
        wait_s: seconds until the next token when none is left, else 0.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int
    wait_s: int


def _allowance(*, allowed: bool, tokens: float, per_second: float, burst: int) -> Allowance:
    wait = 0 if tokens >= 1 else ceil((1 - tokens) / per_second)
    return Allowance(allowed, burst, int(tokens), ceil((burst - tokens) / per_second), wait)


@dataclass(frozen=True, slots=True, eq=False)
class _Debt:
    """A drop that has not been answered yet."""

    is_list: bool


@dataclass(slots=True)
class Cache:
    """One multiplexed connection, reopened in the background when it is lost."""

    url: str
    secret: bytes = field(default=b"", repr=False)
    connection: Connection | None = None
    script: bytes = b""
    owed: "dict[str, _Debt]" = field(default_factory=dict)
    resting_until: float = 0.0  # monotonic seconds
    keeper: "asyncio.Task[None] | None" = None

    async def get(self, key: str) -> bytes | None:
        """Return what is cached under `key`; None for nothing, a tombstone or no cache.

        What was not put under this very key by who holds the secret, such as another tenant's
        value, is none of ours; it is buried, so that what is loaded can take its place.
        """
        try:
            reply = await self._ask("GET", key)
        except CacheAway:
            reply = None
        if not isinstance(reply, bytes) or not reply:
            meters.cached.add(1, {"found": False})
            return None
        meters.cached.add(1, {"found": True})
        seal, value = reply[:_SEAL_BYTES], reply[_SEAL_BYTES:]
        if compare_digest(seal, self._seal(key, value)):
            return value
        log.warning("cache holds what is not ours", extra={"kind": key.partition(":")[0]})
        self._tell(*_drop_words(key, is_list=False))
        return None

    def put(self, key: str, value: bytes, ttl_s: int) -> None:
        """Cache `value` for `ttl_s` seconds unless a value or a tombstone stands there; at once."""
        self._tell("SET", key, self._seal(key, value) + value, "NX", "EX", str(ttl_s))

    def _tell(self, *words: bytes | str) -> None:
        if self.connection is not None:
            with suppress(CacheAway):
                self.connection.send(*words)

    def _seal(self, key: str, value: bytes) -> bytes:
        """Return what binds `value` to its key, and so to its tenant."""
        made = hashlib.blake2b(key.encode(), key=self.secret, digest_size=_SEAL_BYTES)
        made.update(b"\n")
        made.update(value)
        return made.digest()

    async def through(
        self, key: str, ttl_s: int, load: Callable[[], Awaitable[Rendered]]
    ) -> Rendered:
        """Return the record cached under `key`; on a miss `load` it and cache it."""
        held = await self.get(key)
        if held is not None:
            version, _, data = held.partition(b"\n")
            return Rendered(int(version), data)
        started = time.monotonic()
        found = await load()
        if time.monotonic() - started < _FRESH_S:
            self.put(key, b"%d\n%s" % (found.version, found.data), ttl_s)
        return found

    async def listed(
        self, name: str, what: Sequence[Any], ttl_s: int, load: Callable[[], Awaitable[Listing]]
    ) -> Listing:
        """Return the page `what` (filters, cursor, limit) of the list `name`, cached or loaded.

        `name` is also the key of the list's generation. It is read before the rows are, so that a
        page read before a change can only be cached where nobody looks after it.
        """
        generation = await self._generation(name)
        if generation is None:
            return await load()
        digest = hashlib.blake2s(dumps(what), digest_size=12).hexdigest()
        key = f"{name}:{generation.hex()}:{digest}"
        held = await self.get(key)
        if held is not None:
            seen, _, data = held.partition(b"\n")
            return Listing(seen.decode().split(), data)
        found = await load()
        self.put(key, b"%s\n%s" % (" ".join(found.seen).encode(), found.data), ttl_s)
        return found

    async def drop(self, keys: list[str], generations: list[str]) -> None:
        """Make `keys` stale and start a new generation of the lists in `generations`."""
        if not keys and not generations:
            return
        self._owe(keys, generations)
        try:
            if self.connection is None:
                raise CacheAway  # noqa: TRY301  answered just below, as a lost connection is
            await self._settle(self.connection)
        except CacheAway:
            log.warning("cache away: drops are owed", extra={"count": len(self.owed)})

    async def _generation(self, key: str) -> bytes | None:
        """Return the list generation under `key`; None when lists must not be cached now."""
        try:
            reply = await self._ask("GET", key)
            if isinstance(reply, bytes):
                return reply
            # None yet, or evicted: this reader caches nothing, the next one has a generation.
            await self._ask("SET", key, token_bytes(8), "NX", "EX", _GENERATION_S)
        except CacheAway:
            pass
        return None

    async def take(self, key: str, *, per_second: float, burst: int) -> Allowance:
        """Take one token from the bucket under `key`.

        Raises:
            CacheAway: the cache cannot be reached; the caller limits locally.
        """
        words = ("1", key, repr(per_second), str(burst))
        reply = await self._ask("EVALSHA", self.script, *words)
        if isinstance(reply, hiredis.ReplyError):  # NOSCRIPT after a restart or a flush
            reply = await self._ask("EVAL", BUCKET, *words)
        if not isinstance(reply, list):
            raise CacheAway
        return _allowance(
            allowed=bool(reply[0]), tokens=float(reply[1]), per_second=per_second, burst=burst
        )

    async def reserve(
        self, key: str, parts: Sequence[int], *, per_second: float, horizon_s: float
    ) -> tuple[int, float]:
        """Plan messages for the sender under `key`; return how many, and the first one's wait (s).

        Raises:
            CacheAway: the cache cannot be reached; the caller limits locally.
        """
        words = ("1", key, repr(per_second), repr(horizon_s * 1000), *map(str, parts))
        reply = await self._ask("EVALSHA", SENDER_SHA, *words)
        if isinstance(reply, hiredis.ReplyError):  # NOSCRIPT: the first time, or after a restart
            reply = await self._ask("EVAL", SENDER, *words)
        if not isinstance(reply, list):
            raise CacheAway
        return int(reply[0]), float(reply[1]) / 1000

    async def ping(self) -> bool:
        """Say whether the cache answers."""
        with suppress(CacheAway):
            return await self._ask("PING") in {b"PONG", "PONG"}
        return False

    async def open(self) -> None:
        """Connect, and keep connecting in the background; an absent cache is no error."""
        await self._connect_once()
        self.keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Close the connection and stop reopening it."""
        if self.keeper is not None:
            self.keeper.cancel()
            await asyncio.gather(self.keeper, return_exceptions=True)
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    async def _ask(self, *words: bytes | str) -> Reply:
        if self.connection is None:
            raise CacheAway
        return await self.connection.send(*words)

    def _owe(self, keys: list[str], generations: list[str]) -> None:
        for is_list, names in ((False, keys), (True, generations)):
            # A debt of its own for each drop: paying an earlier one does not pay this one.
            self.owed.update({name: _Debt(is_list) for name in names})
        if len(self.owed) > _MAX_OWED:
            # Too many to name: rest until whatever is cached has expired by itself.
            self.owed.clear()
            self.resting_until = time.monotonic() + _LONGEST_S

    async def _settle(self, connection: Connection) -> None:
        """Send every owed drop over `connection`; those that were not answered stay owed.

        Raises:
            CacheAway: some drop was not made; nothing more is read over this connection.
        """
        sending = dict(self.owed)
        drops = [_drop_words(key, is_list=debt.is_list) for key, debt in sending.items()]
        replies = await asyncio.gather(*(connection.send(*words) for words in drops))
        if any(isinstance(reply, hiredis.ReplyError) for reply in replies):
            # Out of memory, read only ...: what is cached may be stale, so it must not be read.
            connection.close()
            raise CacheAway
        for key, debt in sending.items():
            if self.owed.get(key) is debt:
                del self.owed[key]

    async def _keep(self) -> None:
        """Reconnect when the connection is lost, twice a second."""
        while True:
            if time.monotonic() < self.resting_until:
                self.connection = None
            elif self.connection is None or self.connection.transport is None:
                await self._connect_once()
            await asyncio.sleep(_RECONNECT_S)

    async def _connect_once(self) -> None:
        self.connection = None
        try:
            # Not wait_for: in Python 3.11 it can swallow the cancellation of `close`.
            async with asyncio.timeout(_CONNECT_S):
                connection = await connect(self.url)
            script = await connection.send("SCRIPT", "LOAD", BUCKET)
            # Nothing is read over this connection before what is owed has been dropped, what came
            # to be owed meanwhile included.
            await self._settle(connection)
            while self.owed:
                await self._settle(connection)
        except (OSError, TimeoutError, CacheAway) as error:
            log.warning("cache cannot be reached", extra={"kind": type(error).__name__})
            return
        self.script = script if isinstance(script, bytes) else b""
        self.connection = connection


def _drop_words(key: str, *, is_list: bool) -> tuple[bytes | str, ...]:
    if is_list:
        return ("SET", key, token_bytes(8), "EX", _GENERATION_S)
    return ("SET", key, b"", "EX", _TOMBSTONE_S)


@dataclass(slots=True)
class LocalBucket:
    """The token bucket of one process, for the time in which the cache is away."""

    tokens: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, key: str, *, per_second: float, burst: int) -> Allowance:
        """Take one token; the same arithmetic as on the server, on the monotonic clock."""
        now = time.monotonic()
        held, last = self.tokens.get(key, (float(burst), now))
        held = min(float(burst), held + (now - last) * per_second)
        allowed = held >= 1
        held -= allowed
        self.tokens[key] = (held, now)
        return _allowance(allowed=allowed, tokens=held, per_second=per_second, burst=burst)


_cache = Cache("")


async def open_cache(url: str, secret: str = "") -> Cache:
    """Open the process's cache; the wiring calls it once. An empty `url` means no cache.

    What is cached is sealed with `secret`, which every process of the installation has.
    """
    global _cache  # noqa: PLW0603  one a process, opened and closed by the wiring alone
    key = hashlib.blake2b(secret.encode(), digest_size=_SECRET_BYTES, person=b"cache").digest()
    _cache = Cache(url, key)
    if url:
        await _cache.open()
    return _cache


def cache() -> Cache:
    """Return the process's cache; before the wiring opened it, one that is always away."""
    return _cache

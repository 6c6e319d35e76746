"""From a credential to a Caller, and the caller's allowance.

An authorisation is remembered for less than a second, in the process, so revocation is everywhere
within a second with no message that could be lost (ADR 0007). Expiry is checked on every request.
"""

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Unauthenticated
from chroniccare.platform.cache import Allowance, LocalBucket, cache
from chroniccare.platform.postgres import Tx, begin_system
from chroniccare.platform.redis_connection import CacheAway
from chroniccare.tenancy import queries, rules, smart_scopes
from chroniccare.tenancy.guesses import Guess, Guesses, Network, inside, networks
from chroniccare.tenancy.people import People
from chroniccare.tenancy.turns import Turns

_REMEMBER_S = 0.8
_NOTE_USE_EVERY = timedelta(minutes=1)
_NOTE_AGAIN_S = 60.0
_MAX_REMEMBERED = 10_000
_DOTS = 2
"""Between the parts of a signed token; a key has none."""
_STRANGERS = 2
"""Look-ups at a time of keys this process has never accepted: guesses must not use up the pool."""
SMART = "smart_client"
"""Kind of caller behind an access token of a SMART client."""


class NotAccepted(Unauthenticated):
    """A genuine key or token of a clinic's that is revoked, expired, or used from elsewhere.

    The answer is that of any other; `caller` is for the clinic's audit.
    """

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self.caller = caller


@dataclass(frozen=True, slots=True)
class _Remembered:
    caller: Caller
    expires_at: datetime | None
    until: float  # monotonic seconds
    networks: tuple[Network, ...]


@dataclass(slots=True)
class Authority:
    """What one process needs to turn API keys, and access tokens of SMART clients, into callers.

    Attributes:
        pepper: keys the hashes of API keys.
        per_second: tokens a second that each key's bucket gains.
        burst: tokens a full bucket holds.
        people: who turns the tokens of staff into callers.
        guesses: counts wrong keys and tokens by where they come from.
        turns: how many requests of one tenant are worked on at once.
    """

    pepper: str
    per_second: float
    burst: int
    people: People = field(default_factory=lambda: People([]))
    guesses: Guesses = field(default_factory=lambda: Guesses(10))
    turns: Turns = field(default_factory=lambda: Turns(8))
    remembered: dict[str, _Remembered] = field(default_factory=dict)
    asking: "dict[str, asyncio.Task[_Remembered]]" = field(default_factory=dict)
    local: LocalBucket = field(default_factory=LocalBucket)
    noted: dict[UUID, float] = field(default_factory=dict)
    strangers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STRANGERS))

    async def identify(
        self, credential: str, *, now: datetime, address: str | None, clinic: str | None
    ) -> Caller:
        """Return the caller behind a key or a token that comes from `address`.

        Raises:
            Unauthenticated: see `authenticate` and `People.authenticate`.
            TooManyGuesses: it proves nothing, as others before it, and is not known here.
            Unavailable: the database, or the issuer's keys, cannot be reached.
        """
        is_token = credential.count(".") == _DOTS
        known = self.people.knows(credential) if is_token else credential in self.remembered
        # A token proves itself by arithmetic, so good ones are let in meanwhile: staff get new ones
        # every few minutes, and behind a proxy everybody has one address.
        if not known and not is_token:
            name = self._name(credential) if _is_whole(credential) else ""
            await self.guesses.check_stranger(address, name)
        try:
            if is_token:
                return await self.people.authenticate(credential, now=now, clinic=clinic)
            return await self.authenticate(credential, now=now, address=address)
        except Guess:
            if is_token:
                self.guesses.check(address)
            await self.guesses.note(address)
            raise Unauthenticated from None

    async def authenticate(self, key: str, *, now: datetime, address: str | None = None) -> Caller:
        """Return the caller behind a key or an access token, without request id and address.

        Raises:
            Unauthenticated: malformed, unknown, wrong, expired, revoked, or used from another
                network than its own; all answer the same.
            Unavailable: the database cannot say.
        """
        found = self.remembered.get(key)
        if found is None or found.until < time.monotonic():
            found = await self._ask_once(key)
        if found.expires_at is not None and found.expires_at <= now:
            raise NotAccepted(found.caller)
        if found.networks and not inside(address, found.networks):
            raise NotAccepted(found.caller)
        return found.caller

    async def _ask_once(self, key: str) -> _Remembered:
        """Ask the database once for all requests that wait for the same key."""
        if not _is_whole(key):
            raise Unauthenticated
        task = self.asking.get(key)
        if task is None:
            # An entry stays after its time: this key has been good before.
            ask = self._ask if key in self.remembered else self._ask_strange
            task = asyncio.create_task(ask(key))
            self.asking[key] = task
            task.add_done_callback(lambda _: self.asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask_strange(self, key: str) -> _Remembered:
        async with self.strangers:
            return await self._ask(key)

    async def _ask(self, key: str) -> _Remembered:
        started = (
            time.monotonic()
        )  # before the read: remembered time counts from what was true then
        parts = rules.parse_key(key)
        async with begin_system("authenticate") as tx:
            found = await (self._token(tx, key) if parts is None else self._key(tx, parts))
        found = replace(found, until=started + _REMEMBER_S)
        if len(self.remembered) >= _MAX_REMEMBERED:
            self.remembered.clear()
        self.remembered[key] = found
        self.guesses.good(self._name(key))
        return found

    def _name(self, key: str) -> str:
        """Return what other processes call a key, which the cache must not hold."""
        return rules.token_hash(key, self.pepper).hex()

    async def _key(self, tx: Tx, parts: rules.KeyParts) -> _Remembered:
        # Looked for by id and hash, so that a wrong secret takes as long as an unknown id. How far
        # two hashes agree tells nothing: without the pepper nobody can aim one.
        record = await tx.one(queries.FIND_KEY, parts.key_id, rules.key_hash(parts, self.pepper))
        if record is None:
            raise Guess
        if not record.tenant_is_active:  # nothing is written for a clinic that is closed
            raise Unauthenticated
        caller = Caller(record.tenant_id, record.id, "api_key", frozenset(record.scopes))
        if not record.is_active or record.environment != parts.environment:
            raise NotAccepted(caller)
        if record.last_used_at is None or tx.now - record.last_used_at >= _NOTE_USE_EVERY:
            await tx.run(queries.NOTE_KEY_USE, record.id, tx.now)
        return _Remembered(caller, record.expires_at, 0.0, networks(record.networks))

    async def _token(self, tx: Tx, token: str) -> _Remembered:
        record = await tx.one(queries.FIND_TOKEN, rules.token_hash(token, self.pepper))
        if record is None:
            raise Guess
        if not record.is_active:
            raise Unauthenticated
        # What has been taken from the client since is taken from its tokens as well.
        try:
            scopes = smart_scopes.granted(
                *map(smart_scopes.parsed, (record.scopes, record.allowed))
            )
        except smart_scopes.ScopeError:
            raise Unauthenticated from None
        caller = Caller(record.tenant_id, record.client_id, SMART, smart_scopes=scopes)
        return _Remembered(caller, record.expires_at, 0.0, networks(record.networks))

    def is_to_note(self, caller: Caller) -> bool:
        """Return whether a caller that was not accepted goes into the audit: once a minute.

        Whoever has a revoked key could else fill the audit of its clinic.
        """
        now = time.monotonic()
        if (
            self.noted.get(caller.actor_id or caller.tenant_id, -_NOTE_AGAIN_S)
            > now - _NOTE_AGAIN_S
        ):
            return False
        if len(self.noted) >= _MAX_REMEMBERED:
            self.noted.clear()
        self.noted[caller.actor_id or caller.tenant_id] = now
        return True

    async def take(
        self, caller: Caller, *, per_second: float | None = None, burst: int | None = None
    ) -> Allowance:
        """Take one token from the bucket of the caller's key; the answer says if there was one.

        The bucket is as large as the settings say, unless the caller is of a kind with its own.
        """
        name = f"ratelimit:{caller.tenant_id}:{caller.actor_id}"
        rate, most = per_second or self.per_second, burst or self.burst
        try:
            return await cache().take(name, per_second=rate, burst=most)
        except CacheAway:
            return self.local.take(name, per_second=rate, burst=most)


def _is_whole(credential: str) -> bool:
    """Return whether this is a key or an access token by its form: others ask nobody."""
    return rules.parse_key(credential) is not None or rules.is_token(credential)


def with_request(
    caller: Caller, *, request_id: str, ip_address: str | None,
    hidden: frozenset[str] = frozenset(), purpose: str = "",
) -> Caller:  # fmt: skip
    """Return `caller` for one request; dataclasses.replace takes four times as long."""
    return Caller(
        caller.tenant_id, caller.actor_id, caller.actor_type, caller.scopes, request_id, ip_address,
        caller.role, hidden, caller.emergency_id, caller.smart_scopes, purpose,
    )  # fmt: skip

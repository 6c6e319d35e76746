"""From a token of an issuer to the member of staff behind it.

The token proves who somebody is. Which clinic they work for and what they may do there stands in
`staff_users` and nowhere else; it is remembered for less than a second, as keys are (ADR 0007), a
proved token for a minute.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from hmac import compare_digest
from typing import Any, Protocol
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Unauthenticated, Unavailable
from chroniccare.platform import jose
from chroniccare.platform.fetch import FetchError, fetch
from chroniccare.platform.postgres import begin_system
from chroniccare.settings_identity import Issuer
from chroniccare.tenancy import queries, roles
from chroniccare.tenancy.claims import Person, person
from chroniccare.tenancy.guesses import Guess

log = logging.getLogger(__name__)

ALGORITHMS = frozenset({"RS256", "ES256"})
_BETWEEN_FETCHES_S = 60.0
_BETWEEN_FIRST_S = 5.0
"""As long as an issuer's keys could never be fetched, nobody can sign in: ask again sooner."""
_OLD_S = 3600.0
_TOO_OLD_S = 86_400.0
_PROVED_S = 60.0
_MEMBER_S = 0.8
_MOST = 10_000


async def _of_issuer(url: str) -> tuple[bytes, float]:
    return await fetch(url), _OLD_S


@dataclass(slots=True)
class KeySet:
    """The keys of one signer: fetched when they are an hour old, or for a key that is unknown.

    Never more than once a minute, whatever tokens name.

    Attributes:
        read: returns the document at the URL, and for how many seconds it may be kept.
        lasts_s: seconds for which keys are used that cannot be fetched anew; 0: as long as they
            may be kept.
    """

    url: str
    algorithms: frozenset[str] = ALGORITHMS
    read: Callable[[str], Awaitable[tuple[bytes, float]]] = _of_issuer
    lasts_s: float = _TOO_OLD_S
    old_s: float = _OLD_S
    keys: dict[str, jose.Key] = field(default_factory=dict)
    tried_at: float = float("-inf")  # monotonic seconds, as below
    read_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, kid: str) -> jose.Key | None:
        """Return the key with this id, if the signer has it.

        Raises:
            Unavailable: no keys could be fetched for as long as old ones last.
        """
        now = time.monotonic()
        if kid not in self.keys or now - self.read_at > self.old_s:
            async with self.turn:
                await self._fetch(kid)
        if time.monotonic() - self.read_at > max(self.lasts_s, self.old_s):
            raise Unavailable(retry_after=int(_BETWEEN_FIRST_S))
        return self.keys.get(kid)

    async def _fetch(self, kid: str) -> None:
        now = time.monotonic()
        wait = _BETWEEN_FETCHES_S if self.keys else _BETWEEN_FIRST_S
        fresh = (
            kid in self.keys and now - self.read_at <= self.old_s
        )  # by whoever had the turn before
        if fresh or now - self.tried_at < wait:
            return
        self.tried_at = now
        try:
            document, old_s = await self.read(self.url)
            self.keys = jose.key_set(document, self.algorithms)
        except (FetchError, ValueError) as error:
            log.warning("no keys of a signer", extra={"kind": type(error).__name__})
            return
        self.read_at, self.old_s = now, old_s


class Known(Protocol):
    """A member of staff as they stand in the list, with break-glass access if there is any."""

    @property
    def id(self) -> UUID: ...  # noqa: D102  named as the columns are
    @property
    def tenant_id(self) -> UUID: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def emergency_id(self) -> UUID | None: ...  # noqa: D102
    @property
    def emergency_until(self) -> datetime | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Acting:
    """As whom a member of staff acts: as always, and while their break-glass access lasts."""

    caller: Caller
    emergency: Caller | None
    emergency_until: datetime | None

    def at(self, now: datetime) -> Caller:
        """Return as whom they act at `now`."""
        end = self.emergency_until
        if self.emergency is not None and end is not None and now < end:
            return self.emergency
        return self.caller


def acting(known: Known) -> Acting:
    """Return as whom somebody acts who has proved who they are.

    Raises:
        Unauthenticated: their role is none of staff.
    """
    if known.role not in roles.STAFF:
        raise Unauthenticated
    scopes = roles.ROLES[known.role]
    caller = Caller(known.tenant_id, known.id, "staff", scopes, role=known.role)
    if known.emergency_id is None:
        return Acting(caller, None, None)
    emergency = replace(caller, scopes=scopes | roles.EMERGENCY, emergency_id=known.emergency_id)
    return Acting(caller, emergency, known.emergency_until)


@dataclass(frozen=True, slots=True)
class _Member:
    acting: Acting
    until: float  # monotonic seconds


@dataclass(slots=True)
class People:
    """What one process needs to turn tokens into callers."""

    issuers: list[Issuer]
    sets: dict[str, KeySet] = field(init=False)
    proved: dict[bytes, tuple[Person, float]] = field(default_factory=dict)
    members: dict[tuple[str, str, str | None], _Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sets = {one.issuer: KeySet(one.keys_at) for one in self.issuers}

    def knows(self, token: str) -> bool:
        """Return whether `token` has been proved here lately."""
        return hashlib.sha256(token.encode()).digest() in self.proved

    async def authenticate(self, token: str, *, now: datetime, clinic: str | None) -> Caller:
        """Return the caller behind `token`; `clinic` is the subdomain of one they work for.

        Without it, the clinic that has known them longest.

        Raises:
            Unauthenticated: no token for us and for now, or of nobody who works for a clinic.
            Unavailable: the issuer's keys, or the database, cannot be reached.
        """
        who = await self._who(token, now=now)
        if who.until <= now.timestamp():
            raise Unauthenticated
        key = (who.issuer, who.subject, clinic)
        member = self.members.get(key)
        if member is None or member.until < time.monotonic():
            member = await self._look_up(key)
        caller = member.acting.at(now)
        return replace(caller, smart_scopes=who.smart_scopes) if who.smart_scopes else caller

    async def signed_in(
        self, token: str, issuer: Issuer, *, nonce: str, clinic: str | None, now: datetime
    ) -> queries.Member:
        """Return who has signed in at `issuer`, which has just told us so with an ID token.

        Raises:
            Unauthenticated: no token for us, for now and for this sign-in, or of nobody here.
            Unavailable: the issuer's keys, or the database, cannot be reached.
        """
        try:
            key = await self.sets[issuer.issuer].find(jose.key_id(token))
            claims = {} if key is None else jose.proved(token, key)
        except jose.BadToken:
            raise Unauthenticated from None
        is_ours = compare_digest(str(claims.get("nonce")).encode(), nonce.encode())
        who = person(claims, issuer.for_id_tokens, now=now) if is_ours else None
        if who is None or claims.get("azp", issuer.client_id) != issuer.client_id:
            raise Unauthenticated
        async with begin_system("authenticate") as tx:
            found = await tx.one(queries.FIND_MEMBER, who.issuer, who.subject, clinic)
        if found is None:
            raise Unauthenticated
        return found

    async def _who(self, token: str, *, now: datetime) -> Person:
        digest = hashlib.sha256(token.encode()).digest()
        held = self.proved.get(digest)
        if held is not None and time.monotonic() < held[1]:
            return held[0]
        until = time.monotonic() + _PROVED_S
        who = await self._prove(token, now=now)
        if len(self.proved) >= _MOST:
            self.proved.clear()
        self.proved[digest] = (who, until)
        return who

    async def _prove(self, token: str, *, now: datetime) -> Person:
        try:
            named: Any = jose.unproved(token).get("iss")
            issuer = next((one for one in self.issuers if one.issuer == named), None)
            if issuer is None:
                raise Guess
            key = await self.sets[issuer.issuer].find(jose.key_id(token))
            if key is None:
                raise Guess
            who = person(jose.proved(token, key), issuer, now=now)
        except jose.BadToken:
            raise Guess from None
        if who is None:
            raise Unauthenticated
        return who

    async def _look_up(self, key: tuple[str, str, str | None]) -> _Member:
        started = time.monotonic()  # before the read, as for keys
        async with begin_system("authenticate") as tx:
            found = await tx.one(queries.FIND_MEMBER, *key)
        if found is None:
            raise Unauthenticated
        member = _Member(acting(found), started + _MEMBER_S)
        if len(self.members) >= _MOST:
            self.members.clear()
        self.members[key] = member
        return member

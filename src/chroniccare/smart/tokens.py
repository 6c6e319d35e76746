"""An assertion that a client has signed becomes an access token, once.

Until the signature is proved every refusal is the same; from then on it says what is wrong, to
whoever holds the client's key. Nothing is written before everything is right.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller, SmartScope
from chroniccare.core.errors import RateLimited, Unavailable
from chroniccare.platform import jose
from chroniccare.platform.fetch import FetchError
from chroniccare.platform.postgres import begin, begin_system
from chroniccare.platform.public_hosts import EgressError
from chroniccare.smart import queries
from chroniccare.smart.actions import ALGORITHMS, ENTITY
from chroniccare.smart.rules import BadAssertionError, judged, kept_s
from chroniccare.tenancy import rules, smart_scopes
from chroniccare.tenancy.caller import SMART, Authority
from chroniccare.tenancy.guesses import Guess, inside, networks
from chroniccare.tenancy.people import KeySet

LIFE = timedelta(seconds=300)
"""Of an access token."""
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_KEPT = timedelta(hours=1)
"""How long a token is known after its end: until then, whoever sends it is no guesser."""
_MOST = 1000
_STRANGERS = 2
"""Look-ups at a time of clients that have never signed in here, as for keys."""
_ACQUAINTANCES = 4
"""Of those that have: who knows a client's id can ask in its name, and must leave connections."""


class OAuthError(Exception):
    """An answer other than a token (RFC 6749, 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        self.error, self.description, self.status = error, description, status
        super().__init__(error)


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)


@dataclass(frozen=True, slots=True)
class Issued:
    """An access token, which is shown once."""

    token: str
    scopes: tuple[SmartScope, ...]


@dataclass(slots=True)
class Desk:
    """What one process needs to hand out access tokens.

    Attributes:
        token_url: what an assertion must name in `aud`.
        anywhere: keys may be read from private hosts, in development.
    """

    authority: Authority
    token_url: str
    anywhere: bool = False
    known: set[UUID] = field(default_factory=set)
    sets: dict[tuple[UUID, str], KeySet] = field(default_factory=dict)
    strangers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STRANGERS))
    acquaintances: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_ACQUAINTANCES)
    )

    async def issue(
        self, form: Mapping[str, str], *, request_id: str, address: str | None, now: datetime
    ) -> Issued:
        """Return an access token for a request of `client_credentials`.

        Raises:
            OAuthError: the request, the assertion or the scopes cannot be taken.
            TooManyGuesses: nobody has signed it, as others before it from this address.
            RateLimited: the client asks too often.
            Unavailable: the database, or the client's keys, cannot be reached.
        """
        requested = _requested(form)
        assertion = form["client_assertion"]
        try:
            signer, claims = await self._proved(assertion, address)
        except Guess:
            self.authority.guesses.check(address)
            await self.authority.guesses.note(address)
            raise _refused("No client of ours has signed this assertion.") from None
        if not signer.is_active:
            raise _refused("The client is disabled.")
        allowed_from = networks(signer.networks)
        if allowed_from and not inside(address, allowed_from):
            raise _refused("The client may not come from this network.")
        try:
            jti, until = judged(claims, client_id=str(signer.id), token_url=self.token_url, now=now)
            scopes = smart_scopes.granted(requested, smart_scopes.parsed(signer.scopes))
        except BadAssertionError as error:
            raise _refused(f"The assertion is not good: {error}.") from None
        except smart_scopes.ScopeError as error:
            raise OAuthError("invalid_scope", f"scope {error}.") from None
        if not scopes:
            raise OAuthError("invalid_scope", "The client may have none of these scopes.")
        caller = Caller(signer.tenant_id, signer.id, SMART, frozenset(), request_id, address)
        allowance = await self.authority.take(caller)
        if not allowance.allowed:
            raise RateLimited(retry_after=allowance.wait_s)
        return await self._take(caller, jti, until, scopes)

    async def _take(
        self, caller: Caller, jti: str, until: datetime, scopes: tuple[SmartScope, ...]
    ) -> Issued:
        token, listed = rules.new_token(), [smart_scopes.written(one) for one in scopes]
        async with begin(caller) as tx:
            ends = tx.now + LIFE
            taken = await tx.run(
                queries.TAKE, caller.tenant_id, caller.actor_id,
                hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest(),
                rules.token_hash(token, self.authority.pepper), listed, tx.now, ends,
                max(until, ends) + _KEPT,
            )  # fmt: skip
            if not taken:
                raise _refused("The assertion is not good: its jti has been used.")
            assert caller.actor_id is not None  # noqa: S101  a client's id
            await record(
                tx, action="token", entity_type=ENTITY, entity_id=caller.actor_id,
                after={"scopes": listed},
            )  # fmt: skip
        return Issued(token, scopes)

    async def _proved(
        self, assertion: str, address: str | None
    ) -> tuple[queries.Signer, dict[str, Any]]:
        """Return the client that has signed `assertion`, and what it says.

        Raises:
            Guess: none has.
            TooManyGuesses, Unavailable: see `issue`.
        """
        try:
            client_id = UUID(str(jose.unproved(assertion).get("iss")))
            kid, key_url = jose.key_id(assertion), jose.key_url(assertion)
        except (jose.BadToken, ValueError):
            raise Guess from None
        signer = await self._signer(client_id, address)
        # SMART: a place of keys that is not the registered one is refused, and never asked.
        if signer is None or key_url not in {None, signer.jwks_url}:
            raise Guess
        key = (await self._keys(signer, kid)).get(kid)
        if key is None:
            raise Guess
        try:
            claims = jose.proved(assertion, key)
        except jose.BadToken:
            raise Guess from None
        if len(self.known) >= _MOST:
            self.known.clear()
        self.known.add(signer.id)
        self.authority.guesses.good(str(signer.id))
        return signer, claims

    async def _signer(self, client_id: UUID, address: str | None) -> queries.Signer | None:
        if client_id in self.known:
            async with self.acquaintances:
                return await _find(client_id)
        await self.authority.guesses.check_stranger(address, str(client_id))
        async with self.strangers:
            return await _find(client_id)

    async def _keys(self, signer: queries.Signer, kid: str) -> dict[str, jose.Key]:
        if signer.jwks_url is None:
            return jose.key_set(orjson.dumps(signer.jwks), ALGORITHMS)
        place = (signer.id, signer.jwks_url)
        if place not in self.sets:
            if len(self.sets) >= _MOST:
                self.sets.clear()
            self.sets[place] = KeySet(signer.jwks_url, ALGORITHMS, self._read, lasts_s=0.0)
        try:
            key = await self.sets[place].find(kid)
        except Unavailable:
            raise OAuthError(
                "temporarily_unavailable", "The client's keys cannot be read at its jwks_url.", 503
            ) from None
        return {} if key is None else {kid: key}

    async def _read(self, url: str) -> tuple[bytes, float]:
        from chroniccare.platform.egress import MOST_ANSWER, Egress  # noqa: PLC0415

        egress = Egress(anywhere=self.anywhere)
        try:
            found = await egress.get(url)
        except EgressError as error:
            raise FetchError(error.code) from None
        finally:
            await egress.close()
        if found.status != 200 or len(found.body) >= MOST_ANSWER:  # noqa: PLR2004
            raise FetchError(str(found.status))
        return found.body, kept_s(found.cache_control)


async def _find(client_id: UUID) -> queries.Signer | None:
    async with begin_system("authenticate") as tx:
        return await tx.one(queries.FIND_SIGNER, client_id)


def _requested(form: Mapping[str, str]) -> tuple[SmartScope, ...]:
    """Return the scopes that a request asks for, once its form is right.

    Raises:
        OAuthError: it is not.
    """
    if "grant_type" not in form:
        raise OAuthError("invalid_request", "grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise OAuthError("unsupported_grant_type", "grant_type must be client_credentials.")
    if form.get("client_assertion_type") != ASSERTION:
        raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION}.")
    if not form.get("client_assertion"):
        raise OAuthError("invalid_request", "client_assertion is missing.")
    try:
        return smart_scopes.parse_all(form.get("scope", ""))
    except smart_scopes.ScopeError as error:
        raise OAuthError("invalid_scope", f"scope {error}.") from None

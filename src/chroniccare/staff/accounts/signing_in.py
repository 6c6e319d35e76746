"""Signing in: clinic, email address and password, then a code if there is a second factor.

Whoever is unknown, set aside or without a password gets the answer of a wrong password, after as
long. No transaction is open while a password is hashed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller, system
from chroniccare.core.errors import NotFound, Unauthenticated
from chroniccare.platform import passwords
from chroniccare.platform.postgres import Tx, begin, database
from chroniccare.settings import Settings, values_of
from chroniccare.staff.accounts import attempts, queries, rules
from chroniccare.staff.accounts.attempts import ENTITY, SignInFailed
from chroniccare.staff.sessions import actions as sessions
from chroniccare.staff.sessions.actions import Place
from chroniccare.tenancy.actions import find_tenant
from chroniccare.tenancy.guesses import Guesses

_LONGEST = 320
"""Characters of an email address."""


@dataclass(frozen=True, slots=True)
class Started:
    """A session that has begun.

    Attributes:
        needs: what comes next: `` (nothing), `code`, `password` or `factor`.
    """

    token: str
    needs: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody has typed to sign in."""

    clinic: str
    email: str
    password: str


@dataclass(slots=True)
class Reception:
    """Where staff sign in; `guesses` counts wrong attempts by the address they come from."""

    guesses: Guesses

    async def sign_in(self, typed: Typed, place: Place) -> Started:
        """Return a new session for whoever knows the password.

        Raises:
            SignInFailed: they do not, or nobody is known so.
            AccountRests: too many wrong attempts at this account.
            TooManyGuesses: too many from this address.
            Unavailable: the database cannot say, or too many passwords are being hashed.
        """
        self.guesses.check(place.address)
        account, tenant_id = await _asked_for(typed, place)
        kept = None if account is None else account.password_hash
        right = await passwords.is_right(typed.password[: rules.MOST + 1], kept)
        if not right or account is None or tenant_id is None:
            await self._refuse(tenant_id, account, place)
        assert account is not None and tenant_id is not None and kept is not None  # noqa: S101, PT018
        fresh = await passwords.hashed(typed.password) if passwords.is_stale(kept) else None
        async with begin(_caller(tenant_id, account, place)) as tx:
            await tx.value(queries.LOCK, account.id)
            now = await tx.one(queries.GET, account.id)
            if now is None or not now.is_active or now.password_hash != kept:
                raise SignInFailed  # changed at this moment
            if fresh is not None:
                await tx.run(queries.REHASH, account.id, kept, fresh)
            return await _begun(tx, now, place)

    async def second_step(self, token: str, code: str, place: Place) -> Started:
        """Return the session of a sign-in whose second step this is, with another token.

        Raises:
            SignInFailed: the code is wrong, has been used, or the first step is too long ago.
            AccountRests, TooManyGuesses, Unavailable: see `sign_in`.
        """
        self.guesses.check(place.address)
        waiting = await sessions.unfinished(token, now=database().clock())
        if waiting is None:
            raise SignInFailed
        caller = Caller(
            waiting.tenant_id, waiting.id, "staff", frozenset(), place.request_id, place.address,
            role=waiting.role,
        )  # fmt: skip
        async with begin(caller) as tx:
            account = await _account(tx, waiting.id)
            await attempts.claim(tx, account.email)
        async with begin(caller) as tx:
            right = await is_code(tx, account, code)
            if right:
                needs = needed(account, tx.settings, has_given_code=True)
                fresh = await sessions.rotate(tx, token, waiting.session_id, needs=needs)
                await _signed_in(tx, account)
                return Started(fresh, needs)
        await self._refuse(waiting.tenant_id, account, place)
        raise SignInFailed

    async def _refuse(
        self, tenant_id: UUID | None, account: queries.Account | None, place: Place
    ) -> None:
        if tenant_id is not None:
            await attempts.note_refused(_caller(tenant_id, account, place))
        await self.guesses.note(place.address)
        raise SignInFailed


async def _asked_for(typed: Typed, place: Place) -> tuple[queries.Account | None, UUID | None]:
    """Return whom the typed address is of and in which clinic, after the attempt was counted.

    Raises:
        AccountRests: see `attempts.claim`.
    """
    try:
        tenant = await find_tenant(_plain(typed.clinic))
    except NotFound:
        return None, None
    if not tenant.is_active:
        return None, None
    email = _plain(typed.email)
    async with begin(_caller(tenant.id, None, place)) as tx:
        await attempts.claim(tx, email)
        found = await tx.one(queries.BY_EMAIL, email)
        usable = found is not None and found.is_active and not _is_over(found, tx.now)
    return (found if usable else None), tenant.id


def _plain(text: str) -> str:
    """Return what was typed as it may be looked for; what nobody can be called is empty."""
    text = text.strip().lower()[:_LONGEST]
    return text if text.isprintable() else ""


def _is_over(account: queries.Account, now: datetime) -> bool:
    return account.expires_at is not None and account.expires_at <= now


def needed(account: queries.Account, settings: Settings, *, has_given_code: bool) -> str:
    """Return what somebody must do next who has given the right password."""
    if account.code_since is not None and not has_given_code:
        return "code"
    if account.must_change:
        return "password"
    wanted = settings.second_factor == "required" and account.code_since is None
    return "factor" if wanted else ""


async def is_code(tx: Tx, account: queries.Account, code: str) -> bool:
    """Return whether `code` is one of the account's, and use it up."""
    if account.code_secret is None or account.code_since is None:
        return False
    plain = rules.plain_code(code)
    step = rules.code_step(account.code_secret, plain, tx.now)
    if step is not None:
        return bool(await tx.run(queries.USE_STEP, account.id, step))
    kept = rules.recovery_hash(code, str(account.id), values_of(tx.settings, "key_pepper"))
    if not await tx.run(queries.USE_RECOVERY, account.id, kept):
        return False
    await record(
        tx, action="use", entity_type=ENTITY, entity_id=account.id, after={"recovery_code": "used"}
    )
    return True


async def _begun(tx: Tx, account: queries.Account, place: Place) -> Started:
    needs = needed(account, tx.settings, has_given_code=False)
    token = await sessions.start(tx, account.id, account.role, needs=needs, place=place)
    if needs == "code":
        await attempts.undo(tx, account.email)
    else:
        await _signed_in(tx, account)
    return Started(token, needs)


async def _signed_in(tx: Tx, account: queries.Account) -> None:
    await attempts.clear(tx, account.email)
    await record(tx, action="sign_in", entity_type=ENTITY, entity_id=account.id)


async def _account(tx: Tx, staff_id: UUID) -> queries.Account:
    found = await tx.one(queries.GET, staff_id)
    if found is None:
        raise Unauthenticated
    return found


def _caller(tenant_id: UUID, account: queries.Account | None, place: Place) -> Caller:
    if account is None:
        job = system(tenant_id, job=place.request_id or "sign-in")
        return Caller(tenant_id, None, job.actor_type, frozenset(), job.request_id, place.address)
    more: dict[str, Any] = {"request_id": place.request_id, "ip_address": place.address}
    return Caller(tenant_id, account.id, "staff", role=account.role, **more)

"""Local accounts: passwords given, changed and reset; second factors set up and removed.

Passwords are hashed before a transaction is opened. The audit has that something changed, never
what.
"""

from dataclasses import dataclass
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, Invalid, NotFound
from chroniccare.platform import passwords
from chroniccare.platform.postgres import Tx, begin, database
from chroniccare.settings import values_of
from chroniccare.staff import actions as staff
from chroniccare.staff.accounts import attempts, queries, rules
from chroniccare.staff.accounts.attempts import ENTITY, SignInFailed
from chroniccare.staff.accounts.signing_in import is_code, needed
from chroniccare.staff.queries import Staff
from chroniccare.staff.schemas import StaffWrite
from chroniccare.staff.sessions import actions as sessions
from chroniccare.staff.sessions.actions import Session


class OwnAccount(Conflict):
    """Who has lost their own password or authenticator is helped by a colleague."""

    code = "OWN_ACCOUNT"
    message = "Change your own password with the old one, or have somebody else reset it."


class NoPassword(Conflict):
    """The member of staff signs in with tokens of an issuer alone."""

    code = "NO_PASSWORD"
    message = "This member of staff has no password here."


class FactorStands(Conflict):
    """A second factor is replaced by removing it first, which takes one of its codes."""

    code = "FACTOR_STANDS"
    message = "There is a second factor already: remove it first."


class FactorNeeded(Conflict):
    """The operator wants everybody to have one."""

    code = "FACTOR_NEEDED"
    message = "Everybody needs a second factor here; an administrator can reset yours."


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator is told, shown until its first code proves that it has heard."""

    secret: str
    address: str


async def new_password() -> tuple[str, str]:
    """Return a password for somebody, which is shown once, and what is kept of it."""
    password = rules.one_time_password()
    return password, await passwords.hashed(password)


async def give_password(
    caller: Caller, staff_id: UUID, *, must_change: bool = True, factor_too: bool = False
) -> str:
    """Give somebody a password and return it; see `put_password`."""
    password, kept = await new_password()
    async with begin(caller) as tx:
        await put_password(tx, staff_id, kept, must_change=must_change, factor_too=factor_too)
    return password


async def add(caller: Caller, body: StaffWrite, *, must_change: bool = True) -> tuple[Staff, str]:
    """Add a member of staff who signs in with a password; return both, see `put_password`.

    Raises:
        staff.StaffTaken: the email address or the person is taken.
    """
    password, kept = await new_password()
    async with begin(caller) as tx:
        made = await staff.create(tx, body)
        await put_password(tx, made.id, kept, must_change=must_change)
    return made, password


async def put_password(
    tx: Tx, staff_id: UUID, kept: str, *, must_change: bool = True, factor_too: bool = False
) -> queries.Given:
    """Keep what is kept of a password that somebody is given, and sign them out everywhere.

    They must change it, within three days; without `must_change` it is theirs. `factor_too` removes
    their second factor as well.

    Raises:
        NotFound: no such member of staff in the caller's tenant.
        OwnAccount: that is the caller.
    """
    if tx.caller.actor_id == staff_id:
        raise OwnAccount
    if await tx.value(queries.LOCK, staff_id) is None:
        raise NotFound("No such member of staff.")
    ends = tx.now + rules.ONE_TIME_LASTS if must_change else None
    await tx.run(
        queries.PUT_PASSWORD, tx.caller.tenant_id, staff_id, kept, must_change, ends, tx.now
    )
    after: dict[str, object] = {"given": "password", "must_change": must_change}
    if factor_too and await tx.run(queries.REMOVE_FACTOR, staff_id):
        after["second_factor"] = "removed"
    await record(tx, action="reset", entity_type=ENTITY, entity_id=staff_id, after=after)
    await sessions.end_others(tx, staff_id)
    account = await get(tx, staff_id)
    await attempts.clear(tx, account.email)
    return queries.Given(staff_id, ends, account.code_since is not None)


async def change_password(session: Session, token: str, *, old: str, new: str) -> str:
    """Change one's own password; return the session's new token. Other sessions end.

    Raises:
        SignInFailed: the old one is wrong.
        AccountRests: as so often before.
        Invalid: the new one cannot be taken, or is the old one.
        NoPassword: they have none.
    """
    account = await _proved(session, old)
    fault = rules.password_fault(
        new, (account.email.partition("@")[0], account.display_name, account.clinic,
              account.subdomain),
    )  # fmt: skip
    if fault is not None:
        raise Invalid.field("new_password", fault[1], fault[0])
    if await passwords.is_right(new, account.password_hash):
        raise Invalid.field("new_password", "must be another one than before", "same")
    kept = await passwords.hashed(new)
    async with begin(session.caller) as tx:
        now = await _unchanged(tx, account)
        await tx.run(queries.PUT_PASSWORD, tx.caller.tenant_id, now.id, kept, False, None, tx.now)
        await attempts.clear(tx, now.email)
        await record(
            tx, action="update", entity_type=ENTITY, entity_id=now.id,
            after={"changed": "password"},
        )  # fmt: skip
        await sessions.end_others(tx, now.id, but=session.id)
        changed = await get(tx, now.id)
        needs = needed(changed, tx.settings, has_given_code=True)
        return await sessions.rotate(
            tx, token, session.id, needs=needs, until=session.absolute_until
        )


async def begin_factor(session: Session, *, password: str | None) -> Enrolment:
    """Return a new secret for an authenticator; it counts once `confirm_factor` has a code of it.

    `password` may be left out by whoever has just signed in and must set one up.

    Raises:
        SignInFailed: the password is wrong.
        AccountRests: as so often before.
        FactorStands: there is a second factor.
        NoPassword: they have no password; their issuer asks for its own.
    """
    if password is None and session.needs == "factor":
        async with begin(session.caller) as tx:
            account = await get(tx, session.staff_id)
    else:
        account = await _proved(session, password or "")
    secret = rules.new_secret()
    async with begin(session.caller) as tx:
        sealed = (await tx.keyring()).sealed(queries.SECRET, account.id, secret)
        if not await tx.run(queries.PUT_SECRET, account.id, sealed):
            raise FactorStands
        await record(
            tx, action="update", entity_type=ENTITY, entity_id=account.id,
            after={"second_factor": "begun"},
        )  # fmt: skip
    address = rules.address_of(secret, account=account.email, clinic=account.clinic)
    return Enrolment(secret, address)


async def confirm_factor(session: Session, token: str, *, code: str) -> tuple[str, list[str]]:
    """Have codes of the authenticator be asked for from now on.

    Return the session's new token, and recovery codes, which are shown once. Other sessions end.

    Raises:
        SignInFailed: that is no code of the secret that `begin_factor` has shown.
        AccountRests: as so often before.
    """
    account = await _claimed(session)
    codes = rules.new_recovery_codes()
    async with begin(session.caller) as tx:
        await tx.value(queries.LOCK, account.id)
        account = await get(tx, account.id)
        step = (
            None if account.code_secret is None
            else rules.code_step(account.code_secret, rules.plain_code(code), tx.now)
        )  # fmt: skip
        if step is not None and await tx.run(queries.USE_STEP, account.id, step):
            pepper = values_of(tx.settings, "key_pepper")
            kept = [rules.recovery_hash(one, str(account.id), pepper) for one in codes]
            if not await tx.run(queries.CONFIRM, account.id, tx.now, kept):
                raise FactorStands
            return await _changed_factor(tx, session, token, account, "set up"), codes
    await attempts.note_refused(session.caller)
    raise SignInFailed


async def remove_factor(session: Session, token: str, *, code: str) -> str:
    """Sign in without codes from now on; return the session's new token. Other sessions end.

    Raises:
        SignInFailed: that is no code of it.
        AccountRests: as so often before.
        FactorNeeded: the operator wants everybody to have one.
    """
    if database().settings.second_factor == "required":
        raise FactorNeeded
    account = await _claimed(session)
    async with begin(session.caller) as tx:
        if await is_code(tx, account, code):
            await tx.run(queries.REMOVE_FACTOR, account.id)
            return await _changed_factor(tx, session, token, account, "removed")
    await attempts.note_refused(session.caller)
    raise SignInFailed


async def get(tx: Tx, staff_id: UUID) -> queries.Account:
    """Return a member of staff and how they sign in.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    found = await tx.one(queries.GET, staff_id)
    if found is None:
        raise NotFound("No such member of staff.")
    return found


async def state(tx: Tx, staff_id: UUID) -> queries.State | None:
    """Return how somebody signs in, as others may see it; None: without a password."""
    return await tx.one(queries.STATE, staff_id)


async def is_any(tx: Tx) -> bool:
    """Return whether anybody of the transaction's tenant has a password."""
    return bool(await tx.value(queries.ANY))


async def tidy(tx: Tx) -> int:
    """Delete what of sessions and attempts is of no use any more."""
    return await sessions.tidy(tx) + await attempts.tidy(tx)


async def _changed_factor(
    tx: Tx, session: Session, token: str, account: queries.Account, what: str
) -> str:
    await attempts.clear(tx, account.email)
    await record(
        tx, action="update", entity_type=ENTITY, entity_id=account.id,
        after={"second_factor": what},
    )  # fmt: skip
    await sessions.end_others(tx, account.id, but=session.id)
    needs = needed(await get(tx, account.id), tx.settings, has_given_code=True)
    return await sessions.rotate(tx, token, session.id, needs=needs, until=session.absolute_until)


async def _claimed(session: Session) -> queries.Account:
    async with begin(session.caller) as tx:
        account = await get(tx, session.staff_id)
        await attempts.claim(tx, account.email)
    return account


async def _proved(session: Session, password: str) -> queries.Account:
    """Return the account of whoever knows its password; see `change_password`."""
    account = await _claimed(session)
    if account.password_hash is None:
        raise NoPassword
    if not await passwords.is_right(password[: rules.MOST + 1], account.password_hash):
        await attempts.note_refused(session.caller)
        raise SignInFailed
    async with begin(session.caller) as tx:
        await attempts.undo(tx, account.email)
    return account


async def _unchanged(tx: Tx, account: queries.Account) -> queries.Account:
    await tx.value(queries.LOCK, account.id)
    now = await get(tx, account.id)
    if now.password_hash != account.password_hash:
        raise SignInFailed  # changed at this moment
    return now

"""Attempts at an account: counted before they are judged, so that many at once are many.

What counts is the email address that was typed, whether or not somebody has it: who guesses learns
nothing from being told to wait.
"""

from math import ceil

from chroniccare.audit.reads import read_log
from chroniccare.core.caller import Caller
from chroniccare.core.errors import RateLimited, Unauthenticated
from chroniccare.platform.postgres import Tx
from chroniccare.settings import values_of
from chroniccare.staff.accounts import queries, rules

ENTITY = "staff"


class SignInFailed(Unauthenticated):
    """What was typed is not what is kept, or nobody is known by it; all answer the same."""

    code = "SIGN_IN_FAILED"
    message = "Clinic, email address, password or code is not right."


class AccountRests(RateLimited):
    """Too many wrong attempts at this account; `retry_after` grows."""

    code = "ACCOUNT_RESTS"
    message = "Too many wrong attempts: wait before the next one."


async def claim(tx: Tx, email: str) -> None:
    """Count an attempt, as wrong until it has proved right; wait for others at the same account.

    Raises:
        AccountRests: no attempt is looked at yet.
    """
    key = _key(tx, email)
    await tx.run(queries.FIRST_ATTEMPT, tx.caller.tenant_id, key, tx.now)
    held = await tx.one(queries.ATTEMPTS, key)
    if held is None:  # cleared at this moment by the right one
        return
    if held.rests_until is not None and tx.now < held.rests_until:
        raise AccountRests(retry_after=ceil((held.rests_until - tx.now).total_seconds()))
    count = 1 if tx.now - held.last_at >= rules.FORGOTTEN else held.failures + 1
    pause = rules.rest(count)
    until = None if pause is None else tx.now + pause
    await tx.run(queries.NOTE_ATTEMPT, key, count, tx.now, until)


async def undo(tx: Tx, email: str) -> None:
    """Take back the attempt that was claimed: it was right, and more is asked for."""
    await tx.run(queries.UNDO_ATTEMPT, _key(tx, email))


async def clear(tx: Tx, email: str) -> None:
    """Forget every attempt: somebody has signed in."""
    await tx.run(queries.CLEAR_ATTEMPTS, _key(tx, email))


async def note_refused(caller: Caller) -> None:
    """Record an attempt that was wrong; without an actor nobody is known by what was typed."""
    seen = [] if caller.actor_id is None else [caller.actor_id]
    await read_log().record(
        caller, entity_type=ENTITY, seen=seen, action="sign_in", outcome="refused"
    )


async def tidy(tx: Tx) -> int:
    """Delete attempts of the transaction's tenant that count no more."""
    return await tx.run(queries.FORGET_ATTEMPTS, tx.now - rules.FORGOTTEN)


def _key(tx: Tx, email: str) -> bytes:
    return rules.account_hash(email, values_of(tx.settings, "key_pepper"))

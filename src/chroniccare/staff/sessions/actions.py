"""Sessions: begin, look up, rotate, end.

A session is remembered for less than a second, in the process, so that whoever is set aside, gets
another role or signs out elsewhere is out everywhere within a second (ADR 0050). Both timeouts are
looked at on every request.
"""

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound, Unauthenticated
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx, begin_system, database
from chroniccare.settings import Settings, values_of
from chroniccare.staff.sessions import queries, rules
from chroniccare.tenancy.people import Acting, acting

ENTITY = "staff"
_REMEMBER_S = 0.8
_MOST = 10_000
_NOTE_USE_EVERY = timedelta(seconds=30)
_UNFINISHED = timedelta(minutes=5)
"""How long the second step may take."""
_STRANGERS = 2
"""Look-ups at a time of tokens this process has never accepted, as for keys."""
_NOTHING: frozenset[str] = frozenset()
Needs = str
"""What must be done before anything else: `` (nothing), `code`, `password` or `factor`."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in.

    Attributes:
        caller: as whom they act; without scopes while they must change their password, or must
            set up a second factor.
        csrf: what forms of this session carry.
        idle_until: when it ends unless they do something.
        absolute_until: when it ends whatever they do.
        needs: what must be done before anything else: `password`: change it; `factor`: set up a
            second one; empty: nothing.
    """

    caller: Caller
    staff_id: UUID
    display_name: str
    csrf: str
    locale: str
    theme: str
    idle_until: datetime
    absolute_until: datetime
    needs: Needs
    id: UUID

    @property
    def must_change_password(self) -> bool:
        """Return whether somebody else has given them the password."""
        return self.needs == "password"


@dataclass(slots=True)
class _Held:
    found: queries.Found
    acting: Acting
    until: float  # monotonic seconds


@dataclass(slots=True)
class _Memory:
    """What one process remembers of sessions, by the hash of the token."""

    held: dict[bytes, _Held] = field(default_factory=dict)
    strangers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STRANGERS))


_memory = _Memory()


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody signs in from."""

    address: str | None = None
    device: str = ""
    request_id: str = ""


async def opened(
    token: str, *, now: datetime, address: str | None = None, request_id: str = "",
    seen: bool = True,
) -> Session | None:  # fmt: skip
    """Return the session behind `token`; None: it is over, or never was.

    `seen`: somebody did something, so that it is idle no more; a page that only refreshes itself
    says no.

    Raises:
        Unavailable: the database cannot say.
    """
    settings = database().settings
    held = await _held(token, _pepper(settings)) if rules.is_token(token) else None
    if held is None or held.found.needs == "code":
        return None
    found, idle = held.found, timedelta(minutes=settings.session_idle_minutes)
    if now >= found.expires_at or now >= found.seen_at + idle:
        return None
    if seen and now - found.seen_at >= min(_NOTE_USE_EVERY, idle / 10):
        async with begin_system("authenticate") as tx:
            await tx.run(queries.NOTE_USE, found.session_id, now)
        held.found = found = replace(found, seen_at=now)
    caller = held.acting.at(now)
    caller = replace(
        caller, scopes=_NOTHING if found.needs else caller.scopes, ip_address=address,
        request_id=request_id,
    )  # fmt: skip
    return Session(
        caller, found.id, found.display_name, rules.csrf(token, _pepper(settings)), found.locale,
        found.theme, found.seen_at + idle, found.expires_at, found.needs, found.session_id,
    )  # fmt: skip


async def unfinished(token: str, *, now: datetime) -> queries.Found | None:
    """Return whose sign-in waits for its second step; None: there is none, or no more."""
    held = await _held(token, _pepper(database().settings)) if rules.is_token(token) else None
    if held is None or held.found.needs != "code" or now >= held.found.expires_at:
        return None
    return held.found


async def start(tx: Tx, staff_id: UUID, role: str, *, needs: Needs, place: Place) -> str:
    """Begin a session in the transaction's tenant and return its token, which is shown once."""
    token = rules.new_token()
    await tx.run(
        queries.INSERT, new_id(), tx.caller.tenant_id, staff_id, _hash(tx, token), role, needs,
        place.address, rules.device(place.device), tx.now, _end(tx, needs),
    )  # fmt: skip
    return token


async def rotate(
    tx: Tx, token: str, session_id: UUID, *, needs: Needs = "", until: datetime | None = None
) -> str:
    """Give a session another token, because it may do more from now on; the old one is over.

    `until`: when it ends at the latest; None: as long from now as a new one.

    Raises:
        Unauthenticated: it has ended meanwhile.
    """
    fresh = rules.new_token()
    last = until or _end(tx, needs)
    if not await tx.run(queries.ROTATE, session_id, _hash(tx, fresh), needs, tx.now, last):
        raise Unauthenticated
    forget(token)
    return fresh


async def end(tx: Tx, staff_id: UUID, session_id: UUID) -> None:
    """Sign out of one session of `staff_id`.

    Raises:
        NotFound: they have no such session, or it has ended.
    """
    if not await tx.run(queries.END, session_id, staff_id, tx.now):
        raise NotFound("No such session.")
    await record(tx, action="sign_out", entity_type=ENTITY, entity_id=staff_id)


async def end_others(tx: Tx, staff_id: UUID, *, but: UUID | None = None) -> int:
    """End every session of somebody `but` one; return how many there were."""
    count = await tx.run(queries.END_OTHERS, staff_id, but, tx.now)
    if count:
        await record(
            tx, action="sign_out", entity_type=ENTITY, entity_id=staff_id, after={"sessions": count}
        )
    return count


async def listed(tx: Tx, staff_id: UUID) -> list[queries.Listed]:
    """Return the sessions of somebody that are not over, the last used first."""
    idle = timedelta(minutes=tx.settings.session_idle_minutes)
    return await tx.all(queries.LIST, staff_id, tx.now, tx.now - idle)


async def prefer(tx: Tx, session: Session, *, locale: str, theme: str) -> None:
    """Keep in which language and look somebody wants the console; it shows within a second."""
    await tx.run(queries.PREFER, session.staff_id, locale, theme)
    before = {"locale": session.locale, "theme": session.theme}
    await record(
        tx, action="update", entity_type=ENTITY, entity_id=session.staff_id, before=before,
        after={"locale": locale, "theme": theme},
    )  # fmt: skip


async def tidy(tx: Tx) -> int:
    """Delete sessions of the transaction's tenant that are long over."""
    return await tx.run(queries.FORGET, tx.now - timedelta(days=1))


def csrf_of(token: str) -> str:
    """Return what forms of a session carry, also of one that is over; empty: it is no token."""
    return rules.csrf(token, _pepper(database().settings)) if rules.is_token(token) else ""


def owner_of(caller: Caller) -> str:
    """Return what forms of whoever `caller` is carry, so that what they enter stays theirs."""
    return rules.owner(caller.tenant_id, caller.actor_id, _pepper(database().settings))


def forget(token: str) -> None:
    """Let go of what this process remembers of a session that has ended or changed."""
    _memory.held.pop(rules.token_hash(token, _pepper(database().settings)), None)


async def _held(token: str, pepper: str) -> _Held | None:
    name = rules.token_hash(token, pepper)
    held = _memory.held.get(name)
    if held is not None and held.until >= time.monotonic():
        return held
    if held is not None:  # it has been good before
        return await _ask(name)
    async with _memory.strangers:
        return await _ask(name)


async def _ask(name: bytes) -> _Held | None:
    started = time.monotonic()  # before the read: remembered time counts from what was true then
    async with begin_system("authenticate") as tx:
        found = await tx.one(queries.FIND, name)
    if found is None:
        _memory.held.pop(name, None)
        return None
    held = _Held(found, acting(found), started + _REMEMBER_S)
    if len(_memory.held) >= _MOST:
        _memory.held.clear()
    _memory.held[name] = held
    return held


def _end(tx: Tx, needs: Needs) -> datetime:
    if needs == "code":
        return tx.now + _UNFINISHED
    return tx.now + timedelta(hours=tx.settings.session_hours)


def _hash(tx: Tx, token: str) -> bytes:
    return rules.token_hash(token, _pepper(tx.settings))


def _pepper(settings: Settings) -> str:
    return values_of(settings, "key_pepper")

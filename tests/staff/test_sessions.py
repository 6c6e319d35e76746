"""Sessions (SEC-17): how they end, what they are of, and what a browser never gets to keep."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from argon2 import PasswordHasher

from chroniccare.core.errors import NotFound, Unauthenticated
from chroniccare.platform import passwords
from chroniccare.platform.postgres import Command, begin, database, utc_now
from chroniccare.staff.accounts import actions as accounts
from chroniccare.staff.emergency import actions as emergency
from chroniccare.staff.emergency.schemas import BreakGlassWrite
from chroniccare.staff.sessions import actions as sessions
from chroniccare.staff.sessions.rules import new_token
from chroniccare.tenancy.masks import hidden
from tests.client import Clinic
from tests.conftest import Running
from tests.notifications.support import Clock
from tests.staff.accounts import let_pass, opened, worker

STORED = Command("SELECT jsonb_agg(s)::text FROM staff_sessions s")
COUNT = Command("SELECT count(*) FROM staff_sessions")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little work: what it costs in earnest is another test's."""
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(1, 1024, 1))


@pytest.fixture
async def clock(running: Running) -> AsyncIterator[Clock]:
    """A clock that stands at noon until it is moved."""
    made = Clock()
    running.platform.database.clock = made
    try:
        yield made
    finally:
        running.platform.database.clock = utc_now


async def test_sec_17_a_session_ends_when_nothing_is_done_and_after_half_a_day(
    clinic: Clinic, clock: Clock
) -> None:
    who = await worker(clinic)
    idle, busy = (await who.sign_in()).token, (await who.sign_in()).token
    for _ in range(51):
        clock.forward(minutes=14)
        assert await opened(busy) is not None, clock.at
        let_pass()
    assert await opened(idle) is None
    held = await who.session(busy)
    left = held.absolute_until - clock.at
    assert left.total_seconds() == 6 * 60
    clock.forward(seconds=left.total_seconds())
    assert await opened(busy) is None
    fresh = (await who.sign_in()).token
    clock.forward(minutes=14, seconds=59)
    now = clock.at
    assert await sessions.opened(fresh, now=now, seen=False) is not None  # a page by itself
    clock.forward(seconds=1)
    assert await opened(fresh) is None


async def test_the_end_of_idleness_moves_with_what_is_done(clinic: Clinic, clock: Clock) -> None:
    who = await worker(clinic)
    token = (await who.sign_in()).token
    first = await who.session(token)
    clock.forward(minutes=10)
    second = await who.session(token)
    assert (second.idle_until - first.idle_until).total_seconds() == 600
    assert second.absolute_until == first.absolute_until


@pytest.mark.parametrize("change", ["role", "aside", "elsewhere", "everywhere"])
async def test_sec_17_a_session_is_over_within_a_second(clinic: Clinic, change: str) -> None:
    who = await worker(clinic, "clinician")
    token = (await who.sign_in()).token
    session = await who.session(token)
    path = f"/staff/{who.id}"
    if change == "role":
        body = {"email": who.email, "display_name": "Dana", "role": "auditor"}
        assert (await clinic.put(path, body)).status_code == 200
    elif change == "aside":
        assert (await clinic.delete(path)).status_code == 200
    else:
        other = await who.session((await who.sign_in()).token)
        async with begin(other.caller) as tx:
            if change == "elsewhere":
                await sessions.end(tx, who.id, session.id)
            else:
                assert await sessions.end_others(tx, who.id, but=other.id) == 1
        assert await opened(token) is not None  # remembered here, for less than a second
    deadline = time.monotonic() + 1
    while await opened(token) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    if change in {"role", "aside"}:
        body = {"email": who.email, "display_name": "Dana", "role": "clinician"}
        assert (await clinic.put(path, body)).status_code == 200
        let_pass()
        assert await opened(token) is None  # it stays over
        assert await who.sign_in()


async def test_sec_17_a_role_that_changes_behind_our_back_ends_the_session(clinic: Clinic) -> None:
    who = await worker(clinic, "clinician")
    token = (await who.sign_in()).token
    changed = Command("UPDATE staff_users SET role = 'administrator' WHERE id = $1")
    async with begin(clinic.caller) as tx:
        await tx.run(changed, who.id)
    let_pass()
    assert await opened(token) is None


async def test_sec_17_no_token_is_stored_and_none_that_is_brought_is_taken(clinic: Clinic) -> None:
    who = await worker(clinic)
    brought = new_token()
    assert await opened(brought) is None
    started = await who.sign_in()
    assert started.token != brought
    assert await opened(brought) is None
    async with begin(clinic.caller) as tx:
        stored = await tx.value(STORED)
    assert started.token.removeprefix("cct_") not in stored
    session = await who.session(started.token)
    assert session.csrf not in stored
    assert session.csrf not in started.token
    for bad in (
        "",
        "cct_",
        started.token[:-1],
        f"{started.token}x",
        "é" * 47,
        started.token.upper(),
    ):
        assert await opened(bad) is None


async def test_sec_17_csrf_is_of_one_session_and_of_its_token_of_now(clinic: Clinic) -> None:
    who = await worker(clinic)
    first, second = [await who.session((await who.sign_in()).token) for _ in range(2)]
    assert first.csrf != second.csrf
    token = (await who.sign_in()).token
    before = await who.session(token)
    async with begin(before.caller) as tx:
        fresh = await sessions.rotate(tx, token, before.id, until=before.absolute_until)
    after = await who.session(fresh)
    assert (after.id, after.absolute_until) == (before.id, before.absolute_until)
    assert after.csrf != before.csrf
    assert await opened(token) is None


async def test_a_session_that_has_ended_is_not_rotated(clinic: Clinic) -> None:
    who = await worker(clinic)
    token = (await who.sign_in()).token
    session = await who.session(token)
    async with begin(session.caller) as tx:
        await sessions.end(tx, who.id, session.id)
    async with begin(session.caller) as tx:
        with pytest.raises(NotFound):
            await sessions.end(tx, who.id, session.id)
    async with begin(session.caller) as tx:
        with pytest.raises(Unauthenticated):
            await sessions.rotate(tx, token, session.id)


async def test_sec_17_sessions_of_others_are_neither_listed_nor_ended(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    who, colleague, stranger = [await worker(one) for one in (clinic, clinic, other_clinic)]
    mine = await who.session((await who.sign_in()).token)
    others = [await one.session((await one.sign_in()).token) for one in (colleague, stranger)]
    async with begin(mine.caller) as tx:
        [listed] = await sessions.listed(tx, who.id)
        assert (listed.id, listed.ip_address, listed.device) == (
            mine.id, "10.0.0.7", "Firefox on Linux",
        )  # fmt: skip
        for other in others:
            with pytest.raises(NotFound):
                await sessions.end(tx, who.id, other.id)
        assert await sessions.listed(tx, others[1].staff_id) == []
    assert others[1].caller.tenant_id == other_clinic.tenant_id


async def test_a_session_sees_what_a_token_of_an_issuer_sees(clinic: Clinic, clock: Clock) -> None:
    who = await worker(clinic)
    token = (await who.sign_in()).token
    caller = (await who.session(token)).caller
    assert "insurance_info" in hidden(caller, "GET", "patients")
    assert "medications:read" not in caller.scopes
    async with begin(caller) as tx:
        glass = await emergency.start(tx, BreakGlassWrite(reason="Unconscious at the desk"))
    let_pass()
    during = (await who.session(token)).caller
    assert during.emergency_id == glass.id
    assert "medications:read" in during.scopes
    assert not hidden(during, "GET", "patients")
    for _ in range(5):
        clock.forward(minutes=13)
        let_pass()
        assert await opened(token) is not None
    assert (await who.session(token)).caller == replace(caller, request_id="")


async def test_language_and_look_are_kept(clinic: Clinic) -> None:
    who = await worker(clinic)
    token = (await who.sign_in()).token
    session = await who.session(token)
    assert (session.locale, session.theme) == ("en", "auto")
    async with begin(session.caller) as tx:
        await sessions.prefer(tx, session, locale="es", theme="dark")
    let_pass()
    after = await who.session(token)
    assert (after.locale, after.theme) == ("es", "dark")


async def test_what_is_long_over_is_deleted(clinic: Clinic, clock: Clock) -> None:
    who = await worker(clinic)
    await who.sign_in()
    clock.forward(hours=35)
    async with begin(clinic.caller) as tx:
        await accounts.tidy(tx)
        assert await tx.value(COUNT) == 1
    clock.forward(hours=2)
    async with begin(clinic.caller) as tx:
        assert await accounts.tidy(tx) == 1
        assert await tx.value(COUNT) == 0


async def test_a_process_forgets_sessions_before_it_has_too_many(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_MOST", 2)
    who = await worker(clinic)
    let_pass()
    for _ in range(5):
        await who.session((await who.sign_in()).token)
        assert len(sessions._memory.held) <= 2
    assert isinstance(who.id, UUID)
    assert database().settings.session_idle_minutes == 15

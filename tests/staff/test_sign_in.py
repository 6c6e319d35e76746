"""Local accounts (SEC-17): who gets in, who waits, and what is remembered of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from chroniccare.core.errors import Invalid
from chroniccare.platform import passwords
from chroniccare.platform.postgres import Command, begin, database, utc_now
from chroniccare.staff.accounts import actions
from chroniccare.staff.accounts.attempts import AccountRests, SignInFailed
from chroniccare.staff.accounts.signing_in import Reception
from chroniccare.tenancy import keys, resealing
from chroniccare.tenancy.guesses import Guesses, TooManyGuesses
from chroniccare.worker import SEALED
from tests.client import Clinic, kept_answers
from tests.conftest import Running
from tests.notifications.support import Clock
from tests.staff.accounts import OWN, PLACE, Worker, let_pass, opened, worker

LOGINS = Command("SELECT jsonb_agg(l)::text FROM staff_logins l")
HASH = Command("SELECT password_hash FROM staff_logins")
AUDIT = Command(
    "SELECT jsonb_agg(jsonb_build_array(action, metadata->>'outcome', changes, user_type,"
    " host(ip_address)) ORDER BY created_at, id)::text FROM audit_logs WHERE action = ANY($1)"
)
WRONG = "wrong horse battery 9"
ATTEMPTS = Command("SELECT count(*) FROM staff_attempts")


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


async def fails(who: Worker, password: str = WRONG, **typed: str) -> None:
    with pytest.raises(SignInFailed):
        await who.sign_in(password, **typed)


async def test_whoever_knows_the_password_has_a_session(clinic: Clinic) -> None:
    who = await worker(clinic, "clinician")
    started = await who.sign_in(email=f" {who.email.upper()} ", clinic=who.subdomain.upper())
    assert started.needs == ""
    session = await who.session(started.token)
    caller = session.caller
    assert (caller.tenant_id, caller.actor_id, caller.role) == (
        clinic.tenant_id, who.id, "clinician",
    )  # fmt: skip
    assert "medications:write" in caller.scopes
    assert session.display_name == "Dana Lee"
    assert not session.must_change_password


async def test_sec_17_nobody_is_told_what_was_wrong(clinic: Clinic, other_clinic: Clinic) -> None:
    who, other = await worker(clinic), await worker(other_clinic)
    answers = set()
    for typed in (
        {}, {"email": "nobody@clinic.example"}, {"clinic": "no-such-clinic"}, {"email": ""},
        {"clinic": other.subdomain}, {"email": other.email}, {"clinic": "a\0b"},
        {"email": "a\0b"}, {"email": "x" * 100_000},
    ):  # fmt: skip
        with pytest.raises(SignInFailed) as refused:
            await who.sign_in(WRONG, **typed)
        answers.add((refused.value.code, refused.value.status, refused.value.message))
    assert len(answers) == 1
    for typed in ({"clinic": other.subdomain}, {"email": other.email}):
        await fails(who, who.password, **typed)


async def test_sec_17_an_account_rests_after_wrong_passwords_whether_it_exists_or_not(
    clinic: Clinic, clock: Clock
) -> None:
    who = await worker(clinic)
    for email in (who.email, "nobody@clinic.example"):
        waits = []
        for _ in range(7):
            tries = 0
            while True:
                try:
                    await who.sign_in(WRONG, email=email)
                except SignInFailed:
                    tries += 1
                except AccountRests as rests:
                    waits.append((tries, rests.retry_after))
                    break
            clock.forward(seconds=waits[-1][1] or 0)
        assert waits == [(5, 30), (1, 60), (1, 120), (1, 240), (1, 480), (1, 900), (1, 900)]
    assert (await who.sign_in()).needs == ""
    async with begin(clinic.caller) as tx:
        assert await tx.value(ATTEMPTS) == 1  # of nobody


async def test_sec_17_the_right_password_does_not_end_the_rest(
    clinic: Clinic, clock: Clock
) -> None:
    who = await worker(clinic)
    for _ in range(5):
        await fails(who)
    with pytest.raises(AccountRests):
        await who.sign_in()
    clock.forward(seconds=31)
    assert await who.sign_in()
    for _ in range(4):
        await fails(who)
    clock.forward(hours=25)
    await fails(who)
    await fails(who)  # the first of them have been forgotten
    assert await who.sign_in()


async def test_sec_17_of_many_guesses_at_once_few_are_looked_at(clinic: Clinic) -> None:
    who = await worker(clinic)
    found = await asyncio.gather(
        *(who.sign_in(f"wrong horse battery {n}") for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(one, SignInFailed) for one in found) == 5
    assert sum(isinstance(one, AccountRests) for one in found) == 15


async def test_sec_17_who_guesses_at_many_accounts_must_wait(clinic: Clinic) -> None:
    who = await worker(clinic)
    who.reception = Reception(Guesses(6, of=f"test:{who.id}:"))
    for number in range(6):
        await fails(who, email=f"nobody-{number}@clinic.example")
    with pytest.raises(TooManyGuesses) as refused:
        await who.sign_in(WRONG, email="nobody@clinic.example")
    assert refused.value.retry_after == 60
    with pytest.raises(TooManyGuesses):
        await who.sign_in()


async def test_sec_17_every_step_is_audited_and_no_secret_is(clinic: Clinic) -> None:
    who = await worker(clinic)
    await fails(who)
    await fails(who, email="nobody@clinic.example")
    device, codes = await who.with_codes()
    async with begin(clinic.caller) as tx:
        kept = await tx.value(AUDIT, ["sign_in", "sign_out", "reset", "update", "use"])
        stored = await tx.value(LOGINS)
    wanted = (
        '["reset", "success", ', '["sign_in", "refused", {}, "staff", "10.0.0.7"]',
        '["sign_in", "refused", {}, "system", "10.0.0.7"]',
        '["sign_in", "success", {"after": {}, "before": {}}, "staff", "10.0.0.7"]',
        '{"second_factor": "set up"}',
    )  # fmt: skip
    for part in wanted:
        assert part in kept, kept
    for secret in (who.password, device.secret, *codes, codes[0].replace("-", ""), "argon2"):
        assert secret not in kept
    for secret in (who.password, device.secret, *codes):
        assert secret not in stored


async def test_a_password_that_was_given_must_be_changed_within_three_days(
    clinic: Clinic, clock: Clock
) -> None:
    who = await worker(clinic, must_change=True)
    started = await who.sign_in()
    session = await who.session(started.token)
    assert (started.needs, session.must_change_password) == ("password", True)
    assert session.caller.scopes == frozenset()
    for new, code in (("Password12345", "common"), (who.password, "same"), ("short", "too_short")):
        with pytest.raises(Invalid) as refused:
            await actions.change_password(session, started.token, old=who.password, new=new)
        assert [(one.field, one.code) for one in refused.value.details] == [("new_password", code)]
    token = await actions.change_password(session, started.token, old=who.password, new=OWN)
    assert await opened(started.token) is None
    assert "patients:read" in (await who.session(token)).caller.scopes
    await fails(who, who.password)
    assert (await who.sign_in(OWN)).needs == ""
    late = await worker(clinic, must_change=True)
    clock.forward(hours=73)
    await fails(late, late.password)
    assert (await who.sign_in(OWN)).needs == ""


async def test_sec_17_who_changes_the_password_must_know_it_and_is_alone_afterwards(
    clinic: Clinic,
) -> None:
    who = await worker(clinic)
    first, second = (await who.sign_in()).token, (await who.sign_in()).token
    session = await who.session(first)
    for _ in range(5):
        with pytest.raises(SignInFailed):
            await actions.change_password(session, first, old="wrong", new=OWN)
    with pytest.raises(AccountRests):
        await actions.change_password(session, first, old=who.password, new=OWN)
    other = await worker(clinic)
    one, two = (await other.sign_in()).token, (await other.sign_in()).token
    token = await actions.change_password(
        await other.session(one), one, old=other.password, new=OWN
    )
    let_pass()
    assert [await opened(given) is None for given in (one, two, token)] == [True, True, False]
    assert await opened(second) is not None


async def test_an_administrator_resets_a_password_and_everybody_is_out(clinic: Clinic) -> None:
    who, boss = await worker(clinic), await worker(clinic, "administrator")
    await who.with_codes()
    who.password = await actions.give_password(clinic.caller, who.id)
    assert (await who.sign_in()).needs == "code"
    token = (await who.sign_in()).token
    who.password = await actions.give_password(clinic.caller, who.id, factor_too=True)
    let_pass()
    assert await opened(token) is None
    assert (await who.sign_in()).needs == "password"
    session = await boss.session((await boss.sign_in()).token)
    with pytest.raises(actions.OwnAccount):
        await actions.give_password(session.caller, boss.id)


async def test_a_hash_of_before_is_made_anew_at_the_next_sign_in(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await worker(clinic)
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(2, 1024, 1))
    await who.sign_in()
    async with begin(clinic.caller) as tx:
        kept = await tx.value(HASH)
    assert kept.startswith("$argon2id$v=19$m=1024,t=2,p=1$")
    assert await who.sign_in()


async def test_sec_17_a_second_factor_is_asked_for_and_a_code_is_good_once(
    clinic: Clinic, clock: Clock
) -> None:
    who = await worker(clinic)
    device, codes = await who.with_codes()
    clock.forward(seconds=60)
    first, second = await who.sign_in(), await who.sign_in()
    assert first.needs == second.needs == "code"
    assert await opened(first.token) is None  # half a sign-in opens nothing
    code = device.at(clock.at)
    done = await who.reception.second_step(first.token, f" {code[:3]} {code[3:]} ", PLACE)
    assert done.token != first.token
    assert await opened(done.token) is not None
    assert await opened(first.token) is None
    for used in (code, "000000", codes[0] + "x", ""):
        with pytest.raises(SignInFailed):
            await who.reception.second_step(second.token, used, PLACE)
    assert await who.reception.second_step(second.token, codes[0].upper(), PLACE)
    third = await who.sign_in()
    with pytest.raises(SignInFailed):
        await who.reception.second_step(third.token, codes[0], PLACE)
    clock.forward(minutes=6)
    with pytest.raises(SignInFailed):  # too long ago
        await who.reception.second_step(third.token, device.at(clock.at), PLACE)


async def test_sec_17_of_twenty_with_one_code_one_gets_in(clinic: Clinic, clock: Clock) -> None:
    who = await worker(clinic)
    device, _ = await who.with_codes()
    clock.forward(seconds=60)
    started = [await who.sign_in() for _ in range(4)]
    code = device.at(clock.at)
    found = await asyncio.gather(
        *(who.reception.second_step(one.token, code, PLACE) for one in started),
        return_exceptions=True,
    )
    assert sum(not isinstance(one, BaseException) for one in found) == 1


async def test_sec_17_who_knows_the_password_cannot_try_codes_at_will(
    clinic: Clinic, clock: Clock
) -> None:
    who = await worker(clinic)
    await who.with_codes()
    for _ in range(5):
        started = await who.sign_in()
        with pytest.raises(SignInFailed):
            await who.reception.second_step(started.token, "000000", PLACE)
    with pytest.raises(AccountRests):
        await who.sign_in()
    clock.forward(seconds=31)
    assert (await who.sign_in()).needs == "code"


async def test_a_second_factor_is_removed_with_one_of_its_codes(
    clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await worker(clinic)
    device, codes = await who.with_codes()
    clock.forward(seconds=60)
    token = (await who.reception.second_step((await who.sign_in()).token, codes[0], PLACE)).token
    session = await who.session(token)
    with pytest.raises(actions.FactorStands):
        await actions.begin_factor(session, password=who.password)
    with pytest.raises(SignInFailed):
        await actions.remove_factor(session, token, code="000000")
    wanted = database().settings.model_copy(update={"second_factor": "required"})
    with monkeypatch.context() as patch:
        patch.setattr(database(), "settings", wanted)
        with pytest.raises(actions.FactorNeeded):
            await actions.remove_factor(session, token, code=codes[1])
        other = await worker(clinic)
        started = await other.sign_in()
        assert started.needs == "factor"
        held = await other.session(started.token)
        assert held.caller.scopes == frozenset()
        secret = (await actions.begin_factor(held, password=None)).secret
        assert secret != device.secret
    fresh = await actions.remove_factor(session, token, code=device.at(clock.at))
    assert (await who.sign_in()).needs == ""
    assert await opened(fresh) is not None


async def test_the_secret_of_codes_is_sealed_anew_after_a_rotation(
    clinic: Clinic, clock: Clock
) -> None:
    who = await worker(clinic)
    device, _ = await who.with_codes()
    before = Command("SELECT code_secret FROM staff_logins")
    async with begin(clinic.caller) as tx:
        held = await tx.value(before)
        await keys.rotate(tx)
    await resealing.run(clinic.tenant_id, SEALED)
    async with begin(clinic.caller) as tx:
        assert (await tx.value(before))[:5] != held[:5]
    clock.forward(seconds=60)
    started = await who.sign_in()
    assert await who.reception.second_step(started.token, device.at(clock.at), PLACE)


async def test_an_administrator_gives_a_password_that_is_shown_once(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    who = await worker(clinic)
    device, _ = await who.with_codes()
    path, key = f"/staff/{who.id}/password", {"Idempotency-Key": "give-7"}
    keep = {"remove_second_factor": False}
    given = (await clinic.post(path, keep, headers=key)).json()["data"]
    assert given["has_second_factor"]
    again = (await clinic.post(path, keep, headers=key)).json()["data"]
    assert again == {**given, "password": None}
    assert given["password"] not in await kept_answers(clinic)
    await fails(who)
    assert (await who.sign_in(given["password"])).needs == "code"
    lost = (await clinic.post(path, {"remove_second_factor": True})).json()["data"]
    assert not lost["has_second_factor"]
    assert (await who.sign_in(lost["password"])).needs == "password"
    assert (await other_clinic.post(path, keep)).status_code == 404
    async with begin(clinic.caller) as tx:
        kept = await tx.value(AUDIT, ["reset"])
    assert '{"given": "password", "must_change": true, "second_factor": "removed"}' in kept
    assert lost["password"] not in kept
    assert device.secret not in kept

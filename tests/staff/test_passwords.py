"""Passwords, codes and waits on paper."""

import string
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.errors import Unavailable
from chroniccare.platform import passwords
from chroniccare.staff.accounts import rules
from chroniccare.staff.sessions import rules as tokens

ABOUT = ("dana.lee", "Dana Lee", "Riverside Chronic Care", "riverside")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short pass", "too_short"),
        ("x" * 129, "too_long"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abcabcabcabcabc", "repeats"),
        ("abababababababab", "repeats"),
        ("Password12345", "common"),
        ("P@ssw0rd2026!", "common"),
        ("Welcome-2026-!!", "common"),
        ("passwordpassword1", "common"),
        ("1234567890123", "common"),
        ("qwertyuiop12", "common"),
        ("1qaz2wsx3edc4rfv", "common"),
        ("zyxwvutsrqpon", "common"),
        ("Riverside2026!", "common"),
        ("dana.lee.1984", "common"),
        ("Dana Lee Riverside", "common"),
        ("ilovey0ulovely", "common"),
    ],
)
def test_a_password_that_anybody_would_try_is_refused(password: str, code: str) -> None:
    fault = rules.password_fault(password, ABOUT)
    assert fault is not None
    assert fault[0] == code
    assert password not in fault[1]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "violeta come pan de noche",
        "tr0ub4dor&3 hut",
        "我们喜欢在河边散步看日落和星星",
        "7mq2k-x9fpd-3hw8n-zt5rv",
        "kayak welcome glacier 12",
        "x" * 3 + "ylophone marble gate",
    ],
)
def test_a_password_of_ones_own_is_taken_without_rules_of_composition(password: str) -> None:
    assert rules.password_fault(password, ABOUT) is None


def test_a_password_that_is_given_to_somebody_can_be_taken_by_the_rules() -> None:
    made = {rules.one_time_password() for _ in range(200)}
    assert len(made) == 200
    assert not [one for one in made if rules.password_fault(one, ABOUT)]


@given(st.text(min_size=0, max_size=140))
def test_no_text_breaks_the_rules_and_length_is_what_counts_first(text: str) -> None:
    fault = rules.password_fault(text, ABOUT)
    if len(text.encode()) < rules.LEAST:
        assert fault is not None


def test_waits_grow_and_end() -> None:
    waits = [rules.rest(count) for count in range(1, 40)]
    assert waits[:4] == [None] * 4
    lengths = [wait.total_seconds() for wait in waits[4:] if wait is not None]
    assert lengths[:6] == [30, 60, 120, 240, 480, 900]
    assert set(lengths[6:]) == {900}


@given(st.integers(min_value=-200, max_value=200))
def test_a_code_is_taken_for_half_a_minute_around_its_own(seconds: int) -> None:
    secret = rules.new_secret()
    code = pyotp.TOTP(secret).at(NOON)
    step = rules.code_step(secret, code, NOON + timedelta(seconds=seconds))
    apart = (int(NOON.timestamp()) + seconds) // 30 - int(NOON.timestamp()) // 30
    assert (step is not None) == (abs(apart) <= 1)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "12 34 5x", "\ud800" * 6])
def test_what_is_no_code_is_none(code: str) -> None:
    assert rules.code_step(rules.new_secret(), code, NOON) is None


def test_recovery_codes_are_found_however_they_are_typed() -> None:
    codes = rules.new_recovery_codes()
    assert len(set(codes)) == rules.RECOVERY_CODES
    kept = rules.recovery_hash(codes[0], "a", "pepper")
    assert rules.recovery_hash(codes[0].replace("-", " ").upper(), "a", "pepper") == kept
    assert rules.recovery_hash(codes[0], "b", "pepper") != kept


@given(st.text(alphabet=string.printable, max_size=60))
def test_a_token_is_one_by_its_form_and_proves_one_session(text: str) -> None:
    token = tokens.new_token()
    assert tokens.is_token(token)
    assert not tokens.is_token(text)
    assert not tokens.is_token(f"{token}\n")
    assert tokens.csrf(token, "p") != tokens.csrf(tokens.new_token(), "p")
    assert tokens.csrf(token, "p") != tokens.token_hash(token, "p").hex()


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0",
         "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
         "Safari on iPhone"),
        ("", "Browser"),
        ("<script>" * 900, "Browser"),
    ],
)  # fmt: skip
def test_a_browser_is_named_in_a_few_words(agent: str, device: str) -> None:
    assert tokens.device(agent) == device


async def test_a_hash_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    kept = await passwords.hashed("correct horse battery")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.is_right("correct horse battery", kept)
    assert not await passwords.is_right("correct horse batterY", kept)
    assert not passwords.is_stale(kept)
    assert passwords.is_stale(PasswordHasher(1, 8, 1).hash("x"))


async def test_one_password_is_one_however_its_letters_are_composed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(1, 8, 1))
    kept = await passwords.hashed("contrase\u00f1a m\u00eda y larga")
    assert await passwords.is_right("contrasen\u0303a mi\u0301a y larga", kept)
    assert not await passwords.is_right("contrasena mia y larga", kept)
    assert not await passwords.is_right("anything", "no hash")


async def test_more_passwords_than_can_be_hashed_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "_waiting", 42)
    with pytest.raises(Unavailable):
        await passwords.hashed("correct horse battery")
    assert passwords._waiting == 42

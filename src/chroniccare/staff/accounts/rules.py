"""Passwords, codes and waits on paper (NIST SP 800-63B, RFC 6238)."""

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta

import pyotp

from chroniccare.staff.accounts.rules_common import ROWS, WORDS

LEAST = 12
MOST = 128
"""Characters of a password."""
ONE_TIME_LASTS = timedelta(hours=72)
"""How long a password is good that somebody else has given."""
_FREE = 8
"""Characters that must be left when what everybody would try is taken away."""
_FREE_KINDS = 5
_RUN = 4
_LEAST_WORD = 4
_LONGEST_UNIT = 6
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_LEET = str.maketrans("013457@$!", "oieastasi")
_YEAR = re.compile(r"(19|20)\d\d")
_SPLIT = re.compile(r"[^\w]+|_")

FAILURES = 5
"""Wrong attempts after which an account rests."""
_FIRST_REST = timedelta(seconds=30)
_LONGEST_REST = timedelta(minutes=15)
FORGOTTEN = timedelta(hours=24)
"""Without another one, wrong attempts are forgotten."""

_STEP_S = 30
_AROUND = 1
"""Half minutes by which a telephone's clock may be off."""
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
RECOVERY_CODES = 10
_RECOVERY_LENGTH = 12


def password_fault(password: str, about: Iterable[str]) -> tuple[str, str] | None:
    """Return code and reason why a password cannot be taken; None: it can.

    There are no rules of composition. `about` is what others know of this person: their name,
    address and clinic.
    """
    text = unicodedata.normalize("NFKC", password)
    if len(text) < LEAST:
        return "too_short", f"must have {LEAST} characters or more"
    if len(text) > MOST:
        return "too_long", f"must have {MOST} characters or fewer"
    if _repeats(text) or len(set(text)) < _FREE_KINDS:
        return "repeats", "must not repeat the same few characters"
    words = WORDS | {
        part for one in about for part in _SPLIT.split(one.lower()) if len(part) >= _LEAST_WORD
    }
    left = _without_words(_without_rows(text.lower()), words)
    if len(left) < _FREE:
        return "common", "is among the first that anybody would try: use more words of your own"
    return None


def _repeats(text: str) -> bool:
    low = text.lower()
    return any((low[:n] * len(low))[: len(low)] == low for n in range(1, _LONGEST_UNIT + 1))


def _without_rows(text: str) -> str:
    """Return `text` without years and without rows of keys, letters or digits."""
    text = _YEAR.sub("", text)
    both = (*ROWS, *(row[::-1] for row in ROWS))
    at = 0
    kept: list[str] = []
    while at < len(text):
        length = max(_prefix(text[at:], row) for row in both)
        if length < _RUN:
            kept.append(text[at])
            length = 1
        at += length
    return "".join(kept)


def _prefix(text: str, row: str) -> int:
    """Return how many characters of `text` stand so in `row`."""
    length = 0
    while length < len(text) and text[: length + 1] in row:
        length += 1
    return length


def _without_words(text: str, words: Iterable[str]) -> str:
    for form in (text, text.translate(_LEET)):
        left = form
        for word in sorted(words, key=len, reverse=True):
            left = left.replace(word, "")
        if len(left) < _FREE:
            return left
    return text


def one_time_password() -> str:
    """Return a password to be given to somebody: 20 characters, 99 bits, no look-alikes."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def rest(failures: int) -> timedelta | None:
    """Return how long an account rests after so many wrong attempts in a row; None: not at all."""
    if failures < FAILURES:
        return None
    return min(_LONGEST_REST, _FIRST_REST * (1 << min(failures - FAILURES, 10)))


def account_hash(email: str, pepper: str) -> bytes:
    """Return by what wrong attempts at an account are counted, whether it exists or not."""
    text = unicodedata.normalize("NFKC", email).strip().lower().encode("utf-8", "surrogatepass")
    return hmac.digest(pepper.encode(), b"account|" + text, hashlib.sha256)


def code_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the half minute whose code this is, one before or after now included; else None."""
    if not _CODE.fullmatch(code):
        return None
    of, here = pyotp.TOTP(secret), int(now.timestamp()) // _STEP_S
    found = None
    for step in range(here - _AROUND, here + _AROUND + 1):  # all of them: the time tells nothing
        if hmac.compare_digest(of.generate_otp(step), code):
            found = step
    return found


def new_secret() -> str:
    """Return a new secret of 160 bits for an authenticator."""
    return pyotp.random_base32()


def address_of(secret: str, *, account: str, clinic: str) -> str:
    """Return the `otpauth:` address that an authenticator reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=f"Chronic Care {clinic}")


def plain_code(text: str) -> str:
    """Return a code without what people put between its parts."""
    return re.sub(r"[\s-]", "", text).lower()


def new_recovery_codes() -> list[str]:
    """Return codes for whoever has lost the authenticator: 59 bits each, good once."""
    made = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_LENGTH))
        for _ in range(RECOVERY_CODES)
    ]
    return ["-".join(one[at : at + 4] for at in range(0, _RECOVERY_LENGTH, 4)) for one in made]


def recovery_hash(code: str, staff: str, pepper: str) -> str:
    """Return what is kept of a recovery code: an HMAC-SHA256 under the pepper, as hex."""
    text = f"recovery|{staff}|{plain_code(code)}".encode("utf-8", "surrogatepass")
    return hmac.digest(pepper.encode(), text, hashlib.sha256).hex()

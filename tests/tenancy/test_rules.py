"""API keys on paper."""

import hashlib
import hmac
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.tenancy.rules import KeyParts, key_hash, new_key, parse_key

PEPPER = "a pepper that only this test knows"


@pytest.mark.parametrize("environment", ["live", "test"])
def test_a_new_key_says_what_it_is_and_comes_apart_again(environment: str) -> None:
    key, parts = new_key(environment)
    prefix, named, key_id, rest = key.split("_", 3)
    assert (prefix, named, key_id) == ("cck", environment, parts.key_id)
    assert rest == f"{parts.secret}_{key[-6:]}"
    assert (len(key_id), len(parts.secret)) == (12, 43)
    assert parse_key(key) == parts


def test_keys_do_not_repeat() -> None:
    keys = {new_key("live")[0] for _ in range(1000)}
    assert len(keys) == len({key[:21] for key in keys}) == 1000


def test_the_check_is_the_crc_of_what_stands_before_it() -> None:
    key, _ = new_key("live")
    digits = string.digits + string.ascii_lowercase
    number = sum(digits.index(digit) * 36**place for place, digit in enumerate(key[-6:]))
    assert number == zlib.crc32(key[:-7].encode()) % 36**6


@given(st.integers(0, 74), st.characters())
def test_one_wrong_character_is_noticed(place: int, other: str) -> None:
    key, _ = new_key("live")
    place %= len(key)
    if key[place] != other:
        assert parse_key(key[:place] + other + key[place + 1 :]) is None


@given(st.integers(0, 74))
def test_two_characters_swapped_are_noticed(place: int) -> None:
    key, _ = new_key("live")
    place %= len(key) - 1
    swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    assert swapped == key or parse_key(swapped) is None


@given(st.text())
def test_no_other_text_is_a_key(text: str) -> None:
    assert parse_key(text) is None
    assert parse_key(new_key("live")[0] + text) is None or not text


def test_the_hash_is_keyed_and_covers_every_part() -> None:
    parts = KeyParts("live", "a" * 12, "b" * 43)
    found = key_hash(parts, PEPPER)
    message = f"live:{'a' * 12}:{'b' * 43}".encode()
    assert found == hmac.new(PEPPER.encode(), message, hashlib.sha256).digest()
    others = [
        key_hash(parts, PEPPER + "x"),
        key_hash(KeyParts("test", parts.key_id, parts.secret), PEPPER),
        key_hash(KeyParts("live", "c" * 12, parts.secret), PEPPER),
        key_hash(KeyParts("live", parts.key_id, "d" * 43), PEPPER),
    ]
    assert len({found, *others}) == 5

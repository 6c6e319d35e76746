"""How an SMS is charged: vectors of 3GPP TS 23.038 and TS 23.040, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications.templates import segments
from chroniccare.notifications.templates.segments import BASIC, EXTENDED, Dear, count, plain

LIMITS = {"gsm7": (160, 153), "ucs2": (70, 67)}


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts", "left"),
    [
        ("", "gsm7", 0, 1, 160),
        ("a" * 160, "gsm7", 160, 1, 0),
        ("a" * 161, "gsm7", 161, 2, 145),
        ("a" * 306, "gsm7", 306, 2, 0),
        ("a" * 307, "gsm7", 307, 3, 152),
        ("a" * 459, "gsm7", 459, 3, 0),
        # An extended character takes an escape as well.
        ("€" * 80, "gsm7", 160, 1, 0),
        ("€" * 81, "gsm7", 162, 2, 143),  # 76 of them in the first part: 153 is odd
        ("a" + "€" * 79, "gsm7", 159, 1, 1),
        ("a" * 159 + "€", "gsm7", 161, 2, 145),
        ("a" * 152 + "€" + "a" * 10, "gsm7", 164, 2, 141),  # no part ends on an escape
        ("^{}\\[~]|\f", "gsm7", 18, 1, 142),
        ("@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¡ÄÖÑÜ§¿äöñüà\n\r", "gsm7", 43, 1, 117),
        ("í", "ucs2", 1, 1, 69),
        ("ç", "ucs2", 1, 1, 69),  # the alphabet has Ç alone
        ("`", "ucs2", 1, 1, 69),
        ("í" + "a" * 69, "ucs2", 70, 1, 0),
        ("í" + "a" * 70, "ucs2", 71, 2, 63),
        ("í" + "a" * 133, "ucs2", 134, 2, 0),
        ("í" + "a" * 134, "ucs2", 135, 3, 66),
        ("í€" + "a" * 68, "ucs2", 70, 1, 0),  # € takes one unit here
        ("😀", "ucs2", 2, 1, 68),
        ("😀" * 35, "ucs2", 70, 1, 0),
        ("😀" * 36, "ucs2", 72, 2, 61),  # 33 in the first part: no pair is torn apart
        ("a" * 66 + "😀" + "a" * 3, "ucs2", 71, 2, 62),
        ("👨‍👩‍👧", "ucs2", 8, 1, 62),
        ("Núñez / Clínica São José", "ucs2", 24, 1, 46),
    ],
)
def test_vectors(text: str, encoding: str, units: int, parts: int, left: int) -> None:
    found = count(text)
    assert (found.encoding, found.units, found.segments, found.left) == (
        encoding, units, parts, left,
    )  # fmt: skip


def test_the_alphabet_has_as_many_characters_as_the_standard_says() -> None:
    assert len(BASIC) == 127  # 128 less the escape
    assert len(EXTENDED) == 10  # of which the form feed is one
    assert not BASIC & EXTENDED


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_a_count_adds_up(text: str) -> None:
    found = count(text)
    single, part = LIMITS[found.encoding]
    if found.encoding == "ucs2":
        assert found.units == len(text.encode("utf-16-le")) // 2
    else:
        assert found.units == len(text) + sum(text.count(char) for char in EXTENDED)
    if found.units <= single:
        assert (found.segments, found.left) == (1, single - found.units)
    else:
        # At most one unit of a part is lost to a character that does not fit.
        assert 0 <= found.segments * part - found.units - found.left <= found.segments - 1
        assert 0 <= found.left < part
    assert (found.encoding == "ucs2") == any(c not in BASIC | EXTENDED for c in text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("María Núñez", "Maria Nuñez"),  # ñ costs nothing and stays
        ("Zoë à la carte", "Zoe à la carte"),
        ("“O’Brien” – 10 % …", '"O\'Brien" - 10 % ...'),
        ("Łukasz Đoković Œuvre", "Lukasz Dokovic OEuvre"),
        ("Jose\u0301", "Jose"),
        ("zero\u200bwidth", "zerowidth"),
        ("½", None),
        ("Борис", None),
        ("李", None),
        ("😀", None),
        ("plain", "plain"),
    ],
)
def test_letters_that_double_a_price_have_a_plain_writing(text: str, written: str | None) -> None:
    assert plain(text) == written


@given(st.text(max_size=60))
def test_a_plain_writing_is_gsm7_and_changes_nothing_that_was(text: str) -> None:
    written = plain(text)
    if written is not None:
        assert count(written).encoding == "gsm7"
        if count(text).encoding == "gsm7":
            assert written == text


def test_each_dear_character_is_named_once_with_its_rewrite() -> None:
    assert count("María y José, 李 María").dear == (Dear("í", "i"), Dear("李", None))
    assert segments.count("José").dear == ()

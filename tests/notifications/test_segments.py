"""Segments: the alphabets, the limits of one and of several, and pairs that are not divided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications.segments import Segments, count

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = "\f^{}\\[~]|€"


def test_the_basic_alphabet_is_that_of_the_standard() -> None:
    assert len(_BASIC) == 127  # 128 positions, of which one is the escape
    assert count(_BASIC) == Segments("gsm-7", 1, 127)
    assert count(_EXTENDED) == Segments("gsm-7", 1, 20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("gsm-7", 0, 0)),
        ("a", ("gsm-7", 1, 1)),
        ("a" * 160, ("gsm-7", 1, 160)),
        ("a" * 161, ("gsm-7", 2, 161)),
        ("a" * 306, ("gsm-7", 2, 306)),
        ("a" * 307, ("gsm-7", 3, 307)),
        ("a" * 459, ("gsm-7", 3, 459)),
        ("€" * 80, ("gsm-7", 1, 160)),
        ("€" * 81, ("gsm-7", 2, 162)),
        # 153 is odd: one septet of a segment stays empty in front of a pair.
        ("€" * 152, ("gsm-7", 2, 304)),
        ("€" * 153, ("gsm-7", 3, 306)),
        ("a" * 152 + "€" + "a" * 10, ("gsm-7", 2, 164)),
        ("a" * 152 + "€" + "a" * 151, ("gsm-7", 2, 305)),
        ("a" * 152 + "€" + "a" * 152, ("gsm-7", 3, 306)),
        ("ñ é ü ¿ Ç", ("gsm-7", 1, 9)),
        ("ç", ("ucs-2", 1, 1)),
        ("á", ("ucs-2", 1, 1)),
        ("á" * 70, ("ucs-2", 1, 70)),
        ("á" * 71, ("ucs-2", 2, 71)),
        ("á" * 134, ("ucs-2", 2, 134)),
        ("á" * 135, ("ucs-2", 3, 135)),
        # In UCS-2 the characters of the extension are like any other.
        ("á" + "€" * 69, ("ucs-2", 1, 70)),
        ("😀", ("ucs-2", 1, 2)),
        ("😀" * 35, ("ucs-2", 1, 70)),
        ("😀" * 36, ("ucs-2", 2, 72)),
        ("😀" * 66, ("ucs-2", 2, 132)),
        ("😀" * 67, ("ucs-2", 3, 134)),
        ("a" * 66 + "😀" + "a" * 60, ("ucs-2", 2, 128)),
        ("👩‍⚕️", ("ucs-2", 1, 5)),
        ("’", ("ucs-2", 1, 1)),
        ("`", ("ucs-2", 1, 1)),
    ],
    ids=repr,
)
def test_vectors(text: str, expected: tuple[str, int, int]) -> None:
    found = count(text)
    assert (found.encoding, found.segments, found.units) == expected


@given(st.text(alphabet=st.sampled_from(_BASIC + _EXTENDED + "áé😀ÿ"), max_size=500))
def test_units_and_segments_are_those_of_the_encoded_text(text: str) -> None:
    found = count(text)
    if found.encoding == "ucs-2":
        assert found.units == len(text.encode("utf-16-be")) // 2
        room, joined = 70, 67
    else:
        assert set(text) <= set(_BASIC + _EXTENDED)
        assert found.units == len(text) + sum(c in _EXTENDED for c in text)
        room, joined = 160, 153
    if found.units <= room:
        assert found.segments == bool(text)
    else:
        assert (found.segments - 1) * (joined - 1) < found.units <= found.segments * joined

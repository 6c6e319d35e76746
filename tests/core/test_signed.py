"""Addresses that are the key: what they open, and that a telephone takes the whole of them."""

import re
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core import signed

IDS = st.uuids()
PEPPERS = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())
SECONDS = st.integers(0, 2**37)


@given(IDS, IDS, SECONDS, PEPPERS)
def test_an_address_opens_what_it_was_made_of_and_ends_at_a_words_edge(
    tenant_id: UUID, record_id: UUID, second: int, pepper: str
) -> None:
    at = datetime.fromtimestamp(second, UTC)
    made = signed.dated_token(b"x", tenant_id, record_id, at, pepper)
    assert signed.opened_dated(b"x", made, pepper) == (tenant_id, record_id, at)
    assert signed.opened_dated(b"y", made, pepper) is None
    plain = signed.token(b"x", tenant_id, record_id, pepper)
    assert signed.opened(b"x", plain, pepper) == (tenant_id, record_id)
    for one, length in ((made, 72), (plain, 86)):
        # What a telephone makes a link of ends where a word ends.
        assert re.fullmatch(rf"[A-Za-z0-9_-]{{{length}}}", one)
        assert re.search(r"\b$", one)

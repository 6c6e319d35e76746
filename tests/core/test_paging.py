"""Cursors: they come back whole, and a damaged one is an error of the client's."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.errors import Invalid
from chroniccare.core.paging import decode, encode, page

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)
instants = st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)


@given(text, st.uuids(), instants, st.lists(st.none() | text))
def test_a_cursor_comes_back_as_the_key_it_was_made_of(
    name: str, key: UUID, instant: datetime, filters: list[str | None]
) -> None:
    cursor = encode("things", filters, [name, key, instant])
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")
    parsers: list[Any] = [str, UUID, datetime.fromisoformat]
    assert decode(cursor, "things", filters, parsers) == [name, key, instant]


@given(st.data())
def test_a_changed_cursor_is_refused_or_means_the_same(data: st.DataObject) -> None:
    key = ["Gonzalez", UUID(int=7)]
    cursor = encode("things", ["a"], key)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters())
    damaged = data.draw(
        st.sampled_from(
            [cursor[:place], cursor[:place] + other + cursor[place + 1 :], cursor + other, other]
        )
    )
    # The last character has bits that mean nothing, so a changed cursor may be the same.
    assert outcome(damaged) in (["cursor"], key)


def outcome(cursor: str) -> Any:
    """Return the key in `cursor`, or the names of the fields at fault."""
    try:
        return decode(cursor, "things", ["a"], [str, UUID])
    except Invalid as error:
        return [detail.field for detail in error.details]


@pytest.mark.parametrize(
    ("listing", "filters", "parsers"),
    [
        ("others", ["a"], [str, UUID]),
        ("things", ["b"], [str, UUID]),
        ("things", [], [str, UUID]),
        ("things", ["a"], [str]),
        ("things", ["a"], [str, str, UUID]),
        ("things", ["a"], [UUID, UUID]),
        ("things", ["a"], [str, datetime.fromisoformat]),
    ],
)
def test_a_cursor_of_another_list_is_refused(
    listing: str, filters: list[str], parsers: list[Any]
) -> None:
    cursor = encode("things", ["a"], ["x", UUID(int=7)])
    with pytest.raises(Invalid):
        decode(cursor, listing, filters, parsers)


@pytest.mark.parametrize(
    "part", ["a\0b", "0001-01-01T00:00:00+14:00", "2026-01-01", 5, None, {}, []]
)
def test_a_forged_key_that_the_database_could_not_take_is_refused(part: Any) -> None:
    cursor = encode("things", [], [part])
    parser: Any = str if part == "a\0b" else datetime.fromisoformat
    with pytest.raises(Invalid):
        decode(cursor, "things", [], [parser])


def test_no_cursor_is_the_first_page() -> None:
    assert decode(None, "things", [], [str]) is None


@given(st.lists(st.integers(), max_size=8), st.integers(1, 8))
def test_a_page_has_a_next_only_when_a_row_is_left(rows: list[int], limit: int) -> None:
    def key(row: int) -> list[str]:
        return [str(row)]

    found = page(rows[: limit + 1], limit, listing="things", filters=[], key=key)
    assert found.items == rows[:limit]
    assert (found.next_cursor is not None) == (len(rows) > limit)
    if found.next_cursor is not None:
        assert decode(found.next_cursor, "things", [], [int]) == [found.items[-1]]

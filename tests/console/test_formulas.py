"""Files that the console hands out: nothing in them is a formula to a spreadsheet."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from chroniccare.console import messages

_BEGIN = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_TEXT = st.text(st.sampled_from("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20\"',;a1 "), max_size=6)


@given(st.lists(_TEXT | st.none() | st.integers(-9, 9), min_size=10, max_size=10))
def test_sec_36_no_cell_is_a_formula_and_none_becomes_two(values: list[str | int | None]) -> None:
    row = dict(zip(messages._COLUMNS, values, strict=True))
    written = messages.csv_lines([row]).decode()
    [read] = csv.reader(io.StringIO(written, newline=""))
    assert [cell for cell in read if cell.startswith(_BEGIN)] == []
    assert [cell.removeprefix("'") if str(value)[:1] in _BEGIN else cell
            for cell, value in zip(read, values, strict=True)] == [
        "" if value is None else str(value) for value in values
    ]  # fmt: skip

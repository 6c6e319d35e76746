"""docs/security-statements.md has a line for every statement, and every test it names exists."""

import pytest

from tests.checks.code import ROOT
from tests.checks.test_regressions import gaps

_PAGE = ROOT / "docs" / "security-statements.md"
_FIRST = (
    "tests/contracts/test_isolation.py::test_sec_02_a_role_owns_nothing_and_gets_round_no_policy"
    "`<br>`"
    "tests/contracts/test_isolation.py::test_nothing_runs_with_the_owners_rights"
)
_KNOWN = [f"SEC-{number:02d}" for number in range(1, 45)]


def test_every_statement_has_its_test_or_what_it_waits_for() -> None:
    assert gaps(_PAGE.read_text(encoding="utf-8"), _KNOWN) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("| SEC-44 |", "| SEC-45 |", "not every"),
        ("test_sec_06_interleaved", "test_sec_06_inter", "SEC-06: no tests/"),
        (f"| `{_FIRST}` |", "| Not our business. |", "SEC-02: neither"),
    ],
)
def test_a_gap_in_the_page_is_found(old: str, new: str, found: str) -> None:
    page = _PAGE.read_text(encoding="utf-8")
    assert any(one.startswith(found) for one in gaps(page.replace(old, new, 1), _KNOWN))

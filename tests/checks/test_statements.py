"""docs/security-statements.md: every statement has a line; its tests exist, and are all named."""

import re
from pathlib import Path

import pytest

from tests.checks.code import ROOT
from tests.checks.test_regressions import gaps

_PAGE = ROOT / "docs" / "security-statements.md"
_FIRST = (
    "tests/contracts/test_isolation.py::test_sec_02_a_role_owns_nothing_and_gets_round_no_policy"
    "`<br>`"
    "tests/contracts/test_isolation.py::test_nothing_runs_with_the_owners_rights"
)
_NAMED = re.compile(r"^(?:async )?def (test_sec_(\d\d)_\w+)", re.MULTILINE)
_KNOWN = [f"SEC-{number:02d}" for number in range(1, 45)]


def test_every_statement_has_its_test_or_what_it_waits_for() -> None:
    assert gaps(_PAGE.read_text(encoding="utf-8"), _KNOWN) == []


def unnamed(page: str, tests: Path) -> list[str]:
    """Return the tests named after a statement that its line does not name."""
    lines = {line[2:8]: line for line in page.splitlines() if line.startswith("| SEC-")}
    return [
        f"{found[2]}: {file} {found[1]}"
        for file in sorted(tests.rglob("test_*.py"))
        for found in _NAMED.finditer(file.read_text(encoding="utf-8"))
        if f"/{file.name}::{found[1]}`" not in lines.get(f"SEC-{found[2]}", "")
    ]


def test_every_test_of_a_statement_is_named_on_its_line() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    assert unnamed(page, ROOT / "tests") == []
    shorter = page.replace("`tests/staff/test_break_glass.py::test_sec_18_colleagues_are_told`", "")
    [found] = unnamed(shorter, ROOT / "tests")
    assert found.startswith("18: ")
    assert found.endswith(" test_sec_18_colleagues_are_told")


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

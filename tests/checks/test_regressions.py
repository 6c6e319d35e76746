"""docs/regressions.md has a line for every known defect, and every test it names exists."""

import re

import pytest

from tests.checks.code import ROOT

_PAGE = ROOT / "docs" / "regressions.md"
_LINE = re.compile(r"^\| ((?:SEC-|D|N)\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`")
_KNOWN = [
    *(f"D{number:02d}" for number in range(1, 50)),
    *(f"N{number}" for number in range(1, 11)),
]
_D44 = "tests/deploy/test_notifier.py::test_d44_nothing_is_tagged_production_but_production"
_NOT_YET = re.compile(r"\b(yet|AWS stack|lookup service|come with|Waits for)\b")


def gaps(page: str, known: list[str]) -> list[str]:
    """Return what the page leaves out of `known`, or names in vain."""
    lines = _LINE.findall(page)
    wrong = [] if [number for number, *_ in lines] == known else ["not every number, in order"]
    for number, _, held in lines:
        named = _TEST.findall(held)
        if not named and not _NOT_YET.search(held):
            wrong.append(f"{number}: neither a test nor a reason")
        wrong += [f"{number}: no {file} {test}" for file, test in named if not _is(file, test)]
    return wrong


def _is(file: str, test: str) -> bool:
    path = ROOT / file
    if not path.exists():
        return False
    return not test or bool(re.search(rf"^(async )?def {test}\(", path.read_text(), re.MULTILINE))


def test_every_known_defect_has_its_test_or_its_reason() -> None:
    assert gaps(_PAGE.read_text(encoding="utf-8"), _KNOWN) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("| N10 |", "| N11 |", "not every"),
        ("test_n1_a_booking_that", "test_n1_a_cooking_that", "N1: no tests/"),
        ("tests/platform/test_cache.py", "tests/platform/test_stash.py", "N10: no tests/"),
        (f"| `{_D44}` |", "| Not our business. |", "D44: neither"),
    ],
)
def test_a_gap_in_the_page_is_found(old: str, new: str, found: str) -> None:
    page = _PAGE.read_text(encoding="utf-8")
    assert any(one.startswith(found) for one in gaps(page.replace(old, new, 1), _KNOWN))

"""ICD-10-CM as shipped: every code, looked up and listed."""

import bisect
import hashlib
import itertools
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.codes import icd10, rules
from chroniccare.codes.rules_forms import ICD10_PATTERN
from tests.client import Clinic

ALL = icd10.table().begin("", after=None, limit=200_000)
CODES = [one.code for one in ALL]


def test_the_table_is_whole_in_order_and_what_its_checksum_says() -> None:
    table = icd10.table()
    codes = [one.code for one in ALL]
    assert len(codes) == table.codes == 98_186
    assert codes == sorted(set(codes))
    lines = [f"{one.code}\t{int(one.billable)}\t{one.description}" for one in ALL]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == table.sha256
    form = re.compile(ICD10_PATTERN)
    assert [code for code in codes if not form.fullmatch(code)] == []


def test_a_code_is_billable_when_none_stands_below_it() -> None:
    behind = [one.code for one in ALL[1:]] + [""]
    wrong = [
        one.code
        for one, after in zip(ALL, behind, strict=True)
        if one.billable and after.replace(".", "").startswith(one.code.replace(".", ""))
    ]
    assert wrong == []


@given(st.sampled_from(ALL))
def test_each_code_is_found_however_it_is_written(one: icd10.Code) -> None:
    assert icd10.table().find(one.code) == one
    assert rules.icd10(one.code.replace(".", "").lower()) == one.code


@given(st.sampled_from(ALL), st.integers(1, 8), st.integers(1, 300))
def test_a_prefix_lists_what_begins_with_it_page_by_page(
    one: icd10.Code, length: int, limit: int
) -> None:
    prefix = rules.dotted(one.code[:length])
    first = bisect.bisect_left(CODES, prefix)
    expected = list(
        itertools.takewhile(lambda other: other.code.startswith(prefix), ALL[first : first + 1000])
    )
    found: list[icd10.Code] = []
    for _ in range(3):
        after = found[-1].code if found else None
        found += icd10.table().begin(prefix, after=after, limit=limit)
    assert found == expected[: 3 * limit]


@given(st.text(max_size=10))
def test_what_has_no_form_of_a_code_is_none(text: str) -> None:
    code = rules.icd10(text)
    assert code is None or re.fullmatch(ICD10_PATTERN, code)
    icd10.table().begin(text, after=None, limit=3)


def test_nothing_is_read_before_the_first_lookup() -> None:
    """Opening the table takes a few milliseconds, which no process pays that looks nothing up."""
    script = (
        "import sys; from chroniccare.codes import icd10;"
        "sys.exit(icd10.table.cache_info().currsize)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


async def test_a_code_is_looked_up(clinic: Clinic) -> None:
    for written in ("E11.9", "e119"):
        data = (await clinic.get(f"/codes/icd-10-cm/{written}")).json()["data"]
        assert data == {
            "code": "E11.9",
            "known": True,
            "billable": True,
            "description": "Type 2 diabetes mellitus without complications",
            "warning": None,
            "release": "2026-04",
            "effective_from": "2026-04-01",
            "effective_until": "2026-09-30",
        }
    above = (await clinic.get("/codes/icd-10-cm/E11")).json()["data"]
    assert (above["billable"], "longer code" in above["warning"]) == (False, True)


async def test_a_code_that_is_not_known_is_a_warning_and_one_without_form_an_error(
    clinic: Clinic,
) -> None:
    data = (await clinic.get("/codes/icd-10-cm/E11.9ZZZ")).json()["data"]
    assert (data["known"], data["description"]) == (False, None)
    assert data["warning"].startswith("not in release 2026-04")
    refused = await clinic.get("/codes/icd-10-cm/diabetes")
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["field"] == "code"


async def test_codes_are_listed_by_how_they_begin(clinic: Clinic) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        query = {"prefix": "e112", "limit": "2", **cursor}
        page = (await clinic.get("/codes/icd-10-cm", params=query)).json()["data"]
        found += [one["code"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ["E11.2", "E11.21", "E11.22", "E11.29"]


@pytest.mark.parametrize("code", ["U07.1", "QA0.0101", "E11.9ZZZ", "C4A.0"])
async def test_a_patient_may_have_any_code_of_the_form(clinic: Clinic, code: str) -> None:
    """Codes of U and of letters in the second place are real, and new ones come twice a year."""
    made = await clinic.patient(icd10_codes=[code])
    assert made["icd10_codes"] == [code]

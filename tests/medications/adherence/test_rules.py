"""What may follow what, and when adherence is low and has recovered, on paper."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.medications.adherence import rules
from chroniccare.medications.adherence.measures import Fill
from chroniccare.medications.adherence.words import EXCUSED, Status
from chroniccare.migrations import runner

MIGRATIONS = Path(runner.__file__).parent / "sql"
TODAY = date(2031, 3, 4)
EVERYBODY = rules.thresholds(None, None)


def low(codes: str) -> str | None:
    return rules.why_low(rules.course(codes), EVERYBODY)


def recovered(codes: str, reason: str = "rate") -> bool:
    return rules.has_recovered(rules.course(codes), EVERYBODY, reason)


@pytest.mark.parametrize(
    ("own", "drug_class", "limits"),
    [
        (None, None, (80, 85)),
        (None, "statin", (80, 85)),
        (None, "antiretroviral", (90, 95)),
        (95, "antiretroviral", (95, 100)),
        (70, None, (70, 75)),
        (100, None, (100, 100)),
    ],
)
def test_thresholds(own: int | None, drug_class: str | None, limits: tuple[int, int]) -> None:
    found = rules.thresholds(own, drug_class)
    assert (found.low, found.clear) == limits


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ("", None),
        ("t" * 30, None),
        ("m", None),
        ("mtmtmtmtm", None),  # nine are too few to tell
        ("mtmtmtmtmt", "rate"),
        ("m" * 2 + "t" * 8, None),  # 80 % is not below 80 %
        ("mmtttttttmt", "rate"),  # 8 of 11
        ("smttttttttt", None),
        ("lsltlltlts" + "t", None),
        ("mtmtmtmtms" + "t", "rate"),  # skipped counts
        ("mtmtmtmtme" + "t", "rate"),  # excused does not: ten without it
        ("mtmtmtmte" + "t", None),
        ("mtmtmtmti" + "t", None),  # nor does an inference
        ("mmm", "missed_doses"),
        ("mms", "missed_doses"),
        ("mmem", "missed_doses"),
        ("mmet", None),
        ("iii" * 10, None),  # silence alone says nothing
        ("t" * 20 + "iii", "missed_doses"),  # of somebody who reports, it does
        ("t" * 9 + "iii", None),
        ("t" * 20 + "iti", None),
    ],
)
def test_low(codes: str, reason: str | None) -> None:
    assert low(codes) == reason


@pytest.mark.parametrize(
    ("codes", "reason", "over"),
    [
        ("mmm" + "t" * 12, "rate", False),  # 80 %
        ("mmm" + "t" * 16, "rate", False),  # 84.2 %
        ("mmm" + "t" * 17, "rate", True),  # 85 %
        ("mmm" + "t" * 17, "missed_doses", True),
        ("mmmtt", "missed_doses", False),
        ("mmmttt", "missed_doses", True),
        ("mmmttt", "rate", False),  # too few to tell that the rate is well again
        ("mmmttm", "missed_doses", False),
        ("", "gap", True),
        ("t" * 20 + "mmm", "gap", False),
    ],
)
def test_recovered(codes: str, reason: str, over: bool) -> None:
    assert recovered(codes, reason) is over


@pytest.mark.parametrize(
    ("days_ago", "supply", "codes", "gap"),
    [
        (30, 30, "", False),  # it ended yesterday
        (59, 30, "", False),
        (60, 30, "", True),
        (60, 30, "mt", False),  # who takes it has it
        (60, 30, "tm", True),
        (200, 90, "", True),
    ],
)
def test_a_gap_as_long_as_the_supply(days_ago: int, supply: int, codes: str, gap: bool) -> None:
    # 60 days ago for 30 days: the last covered day was 31 days ago.
    fills = [Fill(TODAY - timedelta(days=days_ago), supply)]
    assert rules.course(codes, fills, TODAY).gap is gap


def test_an_early_fill_lasts_longer() -> None:
    fills = [Fill(TODAY - timedelta(days=61), 30), Fill(TODAY - timedelta(days=60), 30)]
    assert not rules.course("", fills, TODAY).gap


@given(st.text("tlsemi", max_size=60), st.sampled_from(["rate", "missed_doses", "gap"]))
def test_what_is_low_has_not_recovered(codes: str, reason: str) -> None:
    assert not (low(codes) and recovered(codes, reason))


@given(st.sampled_from(sorted(rules.NEXT)), st.sampled_from(["taken", "skipped", "missed"]))
def test_an_inference_corrects_nobody(state: str, status: Status) -> None:
    inferred = rules.may_become(state, status, "inference")
    assert inferred == (state in rules.OPEN and status == "missed")
    assert rules.may_become(state, status, "patient") == (
        state not in {"cancelled", "not_applicable"}
    )


def test_every_state_of_the_table_has_its_steps() -> None:
    assert set(rules.NEXT) == {
        "planned", "due", "reminded", "taken", "skipped", "missed", "cancelled", "not_applicable",
    }  # fmt: skip


def test_the_database_excuses_the_same_reasons() -> None:
    [migration] = MIGRATIONS.glob("*_adherence.sql")
    [listed] = re.findall(r"reason IN \((.*?)\)", migration.read_text(encoding="utf-8"))[:1]
    assert {one.strip(" '") for one in listed.split(",")} == EXCUSED

"""The capacity model: what it plans holds when it is tried, and docs say what it says."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import capacity, capacity_trial
from tools.capacity import BUSY, CLASSES, HEADROOM, SIZES, Habits, breaks, load, plan

from tests.checks.code import ROOT
from tests.deploy.template import AWS
from tests.deploy.template import load as template

DATA = template(AWS / "data.yaml")
APP = template(AWS / "app.yaml")


@pytest.mark.parametrize(
    ("page", "text"), [("scale", capacity.tables()), ("aws", capacity.costs())]
)
def test_docs_hold_the_models_tables(page: str, text: str) -> None:
    found = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for table in text.split("\n\n"):
        assert table in found, "python tools/capacity.py prints them"


def test_the_model_counts_as_was_measured() -> None:
    measured = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for figure in ("0.69, 0.53, 0.22", "3,249", "1,296", "335 / 295 us", "72 / 63 us", "2,350 us",
                   "3,475 us", "21 us ours, 30 us PostgreSQL", "14,278 a second", "| 361 |",
                   "0.77 to 0.95", "0.49 to 0.60", "0.95 ms of CPU each", "3.5 ms, quiet",
                   "1,370 bytes and 2,650"):  # fmt: skip
        assert figure in measured, figure
    assert capacity.BYTES["observation"] == 1_370 + 2_650 + 1_370 + 390


def test_classes_are_those_that_the_stack_takes() -> None:
    allowed = DATA["Parameters"]["DatabaseClass"]["AllowedValues"]
    assert {name for name, _, _ in CLASSES} <= set(allowed)
    assert capacity.PRICES.database.keys() == {name for name, _, _ in CLASSES}
    begins = DATA["Mappings"]["Sizes"]["production"]["Class"]
    assert any(begins in part for part, _, _ in breaks())
    sizes = APP["Mappings"]["Sizes"]["production"]
    parts = {part for part, _, _ in breaks()}
    assert f"{sizes['MostApi']} tasks of the API" in parts
    assert f"{sizes['MostWorker']} workers" in parts


@pytest.mark.parametrize("patients", SIZES)
def test_a_shard_is_no_larger_than_its_parts_bear(patients: int) -> None:
    made, whole = plan(patients), load(patients)
    spare = HEADROOM if made.shards > 1 else 1.0
    [(cpus, gib)] = [(cpus, gib) for name, cpus, gib in CLASSES if name == made.database]
    assert whole.postgres * spare / made.shards <= cpus * BUSY
    assert whole.stored * spare / made.shards <= min(capacity.SHARD_BYTES, gib * 2**36)
    assert made.disk_gb * capacity.GB >= whole.stored
    most = int(DATA["Mappings"]["Sizes"]["production"]["Connections"])
    assert made.connections <= most * 40 // 100  # as much again is for functions
    sizes = APP["Mappings"]["Sizes"]["production"]
    assert sizes["Api"] <= made.api / made.shards <= sizes["MostApi"]
    assert sizes["Worker"] <= made.workers / made.shards <= sizes["MostWorker"]


@given(st.integers(100, 10**8), st.integers(1, 10))
def test_more_patients_never_need_less(patients: int, times: int) -> None:
    one, more = plan(patients), plan(patients * times)
    assert more.shards >= one.shards
    assert more.disk_gb >= one.disk_gb
    assert more.api >= one.api
    assert more.messages_month >= one.messages_month
    assert load(patients * times).stored == pytest.approx(load(patients).stored * times)


def test_what_breaks_first_is_said_first() -> None:
    reached = [at for _, _, at in breaks()]
    assert reached == sorted(reached)
    twice = breaks(replace(Habits(), dose_messages=2 * Habits().dose_messages))
    before = {part: at for part, _, at in breaks()}
    for part, _, at in twice:
        assert (at < before[part]) is (at != before[part]), part
    assert breaks()[0][0].startswith("the audit as one table")


def test_the_audit_has_a_row_for_each_record_of_a_page() -> None:
    measured = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert f"{capacity.READ_BY_A_PAGE} rows of the audit a page" in measured
    habits = Habits()
    one, none = load(1), load(1, replace(habits, pages=0.0))
    rows = habits.pages * capacity.READ_BY_A_PAGE * habits.years * capacity.YEAR_D
    assert one.largest_table - none.largest_table == pytest.approx(rows)
    assert one.stored - none.stored == pytest.approx(rows * capacity.BYTES["audit"])


@pytest.mark.parametrize("shards", [8, 72, 718])
def test_whole_clinics_fit_onto_shards_with_the_headroom_there_is(shards: int) -> None:
    found = [capacity_trial.fullest(shards, seed=seed) for seed in range(2)]
    assert 1 <= max(found) <= HEADROOM
    assert capacity_trial.fullest(shards, seed=3, hashed=True) > HEADROOM


@pytest.mark.parametrize("patients", SIZES)
def test_the_end_of_quiet_hours_is_over_within_half_a_minute(patients: int) -> None:
    last, urgent = capacity_trial.morning(patients)
    assert last <= 30
    assert urgent <= min(last, 1)


@pytest.mark.parametrize("patients", [SIZES[0], SIZES[-1]])
def test_requests_of_the_busiest_hour_hardly_wait(patients: int) -> None:
    assert capacity_trial.busy_second(patients, requests=5_000) < 0.02


def test_too_few_servers_are_seen_by_the_trial() -> None:
    crowded = capacity_trial.waits([0.0] * 100, [1.0] * 100, 1)
    assert crowded == list(range(100))
    assert max(capacity_trial.waits([0.0] * 100, [1.0] * 100, 100)) == 0


def test_figures_have_two_digits_that_count() -> None:
    shown = [capacity.rounded(value) for value in (0.004, 0.17, 1.74, 19.4, 1_108, 2_416_000)]
    assert shown == ["0.00", "0.17", "1.7", "19", "1,100", "2,400,000"]
    assert all(re.fullmatch(r"[\d,.]+", one) for one in shown)

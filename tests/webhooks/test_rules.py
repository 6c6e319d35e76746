"""Retries, pauses and wishes on paper."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.webhooks import rules

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@given(st.lists(st.floats(0, 1), min_size=400, max_size=400))
def test_retries_end_exactly_three_days_after_the_first_attempt(jitters: list[float]) -> None:
    now, tried = NOON, [NOON]
    for number, jitter in enumerate(jitters, 1):
        again = rules.next_attempt(number=number, first=NOON, now=now, jitter=jitter)
        if again is None:
            break
        now = again
        tried.append(now)
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert min(waits) > timedelta(0)
    assert max(waits) <= timedelta(hours=12)
    if len(tried) <= len(jitters):
        assert tried[-1] == NOON + rules.RETRY_SPAN


def test_with_the_usual_jitter_there_are_some_fifteen_tries() -> None:
    now, count = NOON, 1
    while again := rules.next_attempt(number=count, first=NOON, now=now, jitter=0.5):
        now, count = again, count + 1
    assert 14 <= count <= 20


@pytest.mark.parametrize(
    ("asked", "wait"),
    [(timedelta(minutes=7), timedelta(minutes=7)), (timedelta(days=9), timedelta(days=1)),
     (timedelta(0), timedelta(seconds=2.5))],
)  # fmt: skip
def test_retry_after_lengthens_the_wait_within_bounds(asked: timedelta, wait: timedelta) -> None:
    again = rules.next_attempt(number=1, first=NOON, now=NOON, jitter=0.5, asked=asked)
    assert again == NOON + wait


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120), (" 5 ", 5), ("Tue, 01 Dec 2026 12:01:00 GMT", 60),
        ("Tue, 01 Dec 2026 11:00:00 GMT", 0), ("-1", None), ("soon", None), ("", None),
        ("1e9", None), ("\u0661", None), ("9" * 30, None), (None, None),
        ("Tue, 01 Dec 99999999999999999999 12:00:00 GMT", None),
        ("Tue, 01 Dec 2026 12:00:00 +99999999999999999999", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: int | None) -> None:
    found = rules.retry_after(text, NOON)
    assert found == (None if seconds is None else timedelta(seconds=seconds))


def test_an_endpoint_rests_longer_with_each_failure_up_to_five_minutes() -> None:
    rests = [rules.pause(failures=n, jitter=1).total_seconds() for n in range(1, 12)]
    assert rests[:4] == [1, 2, 4, 8]
    assert max(rests) == 300
    assert rules.pause(failures=3, jitter=0) == timedelta(seconds=2)
    assert rules.pause(failures=1, jitter=0, asked=timedelta(hours=1)) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("patterns", "event", "wanted"),
    [
        (["*"], "patient.created", True),
        (["appointment.*"], "appointment.created", True),
        (["appointment.*"], "appointments.created", False),
        (["medication.adherence.*"], "medication.adherence.low", True),
        (["medication.*"], "medication.adherence.low", True),
        (["patient.created"], "patient.updated", False),
        ([], "patient.updated", False),
    ],
)
def test_wishes(patterns: list[str], event: str, wanted: bool) -> None:
    assert rules.wants(patterns, event) is wanted


def test_an_answer_is_kept_as_one_line_of_text() -> None:
    assert rules.shown(b"a\r\nb\x00\xff" + b"c" * 9000) == ("a  b \ufffd" + "c" * 494)

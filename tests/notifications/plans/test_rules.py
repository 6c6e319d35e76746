"""Plans on paper: whose order counts, and when a step is over."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications.plans import rules
from chroniccare.notifications.rules import useful_until

NOON = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
CHANNELS = ["sms", "email", "push"]
STEPS = st.lists(st.sampled_from(CHANNELS), unique=True, min_size=1).map(
    lambda names: [{"channel": one, "timeout_minutes": 9, "evidence": "delivered"} for one in names]
)
SOME = st.lists(st.sampled_from(CHANNELS), unique=True)


@given(
    st.integers(5, 4320), st.sampled_from(["accepted", "delivered"]),
    st.none() | st.integers(-60, 6000),
)  # fmt: skip
def test_a_step_ends_while_the_next_channel_is_still_of_use(
    minutes: int, evidence: rules.Evidence, left: int | None
) -> None:
    expires_at = None if left is None else NOON + timedelta(minutes=left)
    step = rules.Step("sms", minutes, evidence)
    due = rules.evidence_due(step, now=NOON, expires_at=expires_at)
    waits = evidence == "delivered"
    if due is None:
        in_time = expires_at is None or useful_until(expires_at) >= NOON + timedelta(minutes=5)
        assert not (waits and in_time)
        return
    assert waits
    assert NOON + timedelta(minutes=5) <= due <= NOON + timedelta(minutes=minutes)
    if expires_at is None:
        assert due == NOON + timedelta(minutes=minutes)
    else:
        assert due <= expires_at - timedelta(minutes=30)
        assert due in {NOON + timedelta(minutes=minutes), expires_at - timedelta(minutes=30)}


def test_a_channel_that_stands_in_no_step_is_not_waited_for() -> None:
    assert rules.evidence_due(None, now=NOON, expires_at=None) is None


@given(STEPS, SOME.filter(bool), st.none() | SOME)
def test_a_patients_choice_orders_and_limits_the_plan(
    stored: list[dict[str, object]], planned: list[str], preferred: list[str] | None
) -> None:
    allowed = [str(one["channel"]) for one in stored]
    found = rules.merged(stored, planned, preferred)
    assert found
    assert len(set(found)) == len(found)
    wished = [one for one in planned if one in (preferred or [])]
    if not wished:
        assert found == allowed
    elif set(wished) & set(allowed):
        assert found == [one for one in wished if one in allowed]
    else:
        assert found == wished  # nobody is left without a channel


@pytest.mark.parametrize(
    ("kind", "minutes"),
    [("appointment_reminder", 60), ("waitlist_offer", 10), ("medication_reminder", 15)],
)
def test_the_default_is_sms_and_then_email(kind: str, minutes: int) -> None:
    assert rules.steps(None, kind) == (
        rules.Step("sms", minutes, "delivered"), rules.Step("email", minutes, "delivered"),
    )  # fmt: skip
    own = [{"channel": "push", "timeout_minutes": 7, "evidence": "accepted"}]
    assert rules.steps(own, kind) == (rules.Step("push", 7, "accepted"),)

"""Which message a reply is about, and what follows from it; on paper."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications.inbound import rules
from chroniccare.notifications.inbound.rules import Asked, Prompt, Reading
from tests.notifications.support import NOON

DAY = timedelta(days=1)


def prompt(number: int, *, days: float = 2, **changes: object) -> Prompt:
    made = Prompt(
        UUID(int=number), UUID(int=900), None, NOON + days * DAY, NOON + days * DAY, "scheduled",
        None, NOON - DAY,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def offer(number: int, **changes: object) -> Prompt:
    open_one = {"offer_id": UUID(int=70 + number), "held_until": NOON + DAY / 24}
    return replace(prompt(number, status="held"), **{**open_one, **changes})  # type: ignore[arg-type]


def outcome(text: str, *prompts: Prompt, asked: Asked | None = None) -> str:
    return rules.decide(rules.classify(text), prompts, asked, now=NOON).outcome


def test_an_offer_is_taken_by_a_yes_and_given_up_by_a_no() -> None:
    assert outcome("yes", offer(1)) == "accepting"
    assert outcome("1", offer(1)) == "accepting"
    assert outcome("no", offer(1)) == "declining"
    assert outcome("2", offer(1)) == "declining"
    # Who wants another time has not said no to this one.
    assert outcome("reschedule", offer(1)) == "change_asked"
    assert outcome("yes", offer(1), prompt(2)) == "asked"
    assert outcome("yes", offer(1, held_until=NOON)) == "outdated"
    assert outcome("yes", offer(1, offer_id=None)) == "outdated"


def test_what_was_written_of_lately_is_meant() -> None:
    old = prompt(2, days=60, asked_at=NOON - 8 * DAY)
    assert rules.meant([old, prompt(1)], NOON) == [prompt(1)]
    assert rules.meant([old], NOON) == [old]
    assert outcome("yes", old, prompt(1)) == "confirming"
    assert outcome("yes", old) == "confirming"


def test_what_is_over_is_answered_and_what_never_was_is_said() -> None:
    for changes in ({"status": "cancelled"}, {"status": "completed"}, {"starts_at": NOON}):
        assert outcome("yes", prompt(1, **changes)) == "outdated"
    assert outcome("yes", prompt(1, told_start=NOON + DAY)) == "outdated"
    assert outcome("no", prompt(1, told_start=NOON + DAY)) == "change_asked"
    assert outcome("yes") == "nothing_open"
    assert outcome("no") == "nothing_open"
    assert outcome("reschedule") == "change_asked"
    assert outcome("yes", prompt(1, status="cancelled", asked_at=NOON - 8 * DAY)) == "nothing_open"


def test_a_letter_names_what_was_asked_about_for_a_day() -> None:
    first, second = prompt(1), prompt(2, days=3)
    asked = Asked("confirm", rules.codes([first, second]), NOON - DAY / 2)
    assert rules.decide(Reading("unknown", "B"), [first, second], asked, now=NOON).prompt == second
    assert outcome("1A", first, second, asked=asked) == "confirming"
    assert outcome("2A", first, second, asked=asked) == "change_asked"
    assert outcome("B", first, second, asked=replace(asked, intent="no")) == "change_asked"
    assert outcome("D", first, second, asked=asked) == "unread"
    assert outcome("1A", first, second, asked=replace(asked, at=NOON - DAY)) == "unread"
    assert outcome("1A", first, second) == "unread"
    assert outcome("1B", first, replace(second, status="cancelled"), asked=asked) == "outdated"
    assert outcome("1B", first, asked=asked) == "outdated"
    assert outcome("yes", first, second, asked=asked) == "unread"
    assert outcome("yes", first, second, asked=replace(asked, latest=False)) == "asked"


def test_more_visits_than_a_message_can_tell_apart_are_for_staff() -> None:
    several = [prompt(number, days=number) for number in range(1, rules.MOST_CHOICES + 2)]
    assert outcome("yes", *several) == "unread"
    assert outcome("yes", *several[:-1]) == "asked"
    decision = rules.decide(Reading("confirm"), several[:-1][::-1], None, now=NOON)
    assert list(rules.codes(decision.choices)) == ["A", "B", "D", "E"]
    assert list(decision.choices) == several[:-1]  # by start


_PROMPTS = st.builds(
    prompt,
    st.integers(1, 6),
    days=st.sampled_from([-1, 0.01, 2, 30]),
    status=st.sampled_from(["held", "scheduled", "confirmed", "cancelled", "no_show"]),
    offer_id=st.sampled_from([None, UUID(int=77)]),
    held_until=st.sampled_from([None, NOON, NOON + DAY]),
    told_start=st.sampled_from([NOON + 2 * DAY, NOON + 3 * DAY]),
    asked_at=st.sampled_from([NOON - DAY, NOON - 9 * DAY]),
)


@given(
    st.sampled_from(["yes", "no", "2", "1A", "B", "stop", "cancel", "help", "start", "what?"]),
    st.lists(_PROMPTS, max_size=7, unique_by=lambda one: one.appointment_id),
    st.booleans(),
)
def test_nothing_is_ever_done_about_what_is_not_open_or_not_certain(
    text: str, prompts: list[Prompt], ask: bool
) -> None:
    asked = Asked("confirm", rules.codes(prompts[:4]), NOON - DAY / 4) if ask else None
    reading = rules.classify(text)
    decision = rules.decide(reading, prompts, asked, now=NOON)
    if decision.outcome in {"confirming", "accepting", "declining"}:
        assert decision.prompt is not None
        assert decision.prompt.is_open(NOON)
        if decision.outcome != "declining":
            assert not decision.prompt.moved
        assert (decision.prompt.status == "held") == (decision.outcome != "confirming")
        assert reading.code is not None or len(rules.meant(prompts, NOON)) == 1
    if text in {"stop", "cancel", "help", "start"}:
        assert decision.prompt is None  # whatever is open
    assert bool(decision.choices) == (decision.outcome == "asked")


def test_a_reply_goes_to_one_clinic_and_a_stop_to_all() -> None:
    first, second, third = (UUID(int=number) for number in (1, 2, 3))
    wrote = {first: NOON - DAY, second: NOON}
    assert rules.clinics("confirm", named=third, wrote={}, only=None) == [third]
    assert rules.clinics("confirm", named=None, wrote=wrote, only=None) == [second]
    assert rules.clinics("stop", named=third, wrote=wrote, only=None) == [first, second, third]
    assert rules.clinics("stop_unsure", named=None, wrote=wrote, only=None) == [first, second]
    assert rules.clinics("start", named=None, wrote=wrote, only=None) == [first, second]
    assert rules.clinics("stop", named=None, wrote={}, only=third) == [third]
    assert rules.clinics("unknown", named=None, wrote={}, only=third) == [third]
    assert rules.clinics("unknown", named=None, wrote={}, only=None) == []

"""Sends, answers, receipts, doubts and cancellations in any order: what is final stays final."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chroniccare.notifications.receipts import rules
from tests.notifications.receipts.test_rules import KINDS

_FINAL = {"delivered", "failed", "unconfirmed", "cancelled"}
_PLAN = ("sms", "email")


class Message(RuleBasedStateMachine):
    """One message as the database keeps it, worked on by `rules` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.row = rules.Standing("pending", "sms", _PLAN, None, "", "sms")
        self.attempts: list[tuple[str, str]] = []  # channel and status of each
        self.early: list[tuple[int, rules.Kind]] = []
        self.told: set[tuple[int, rules.Kind]] = set()
        self.was = "pending"

    def _attempt(self, number: int) -> rules.Standing:
        channel, status = self.attempts[number]
        later = [status for _, status in self.attempts[number + 1 :]]
        return replace(
            self.row, attempt_status=status, attempt_channel=channel,
            last=all(one == "prepared" for one in later), coming="prepared" in later,
            hoped=any(status == "accepted" for _, status in self.attempts[:number]),
            beyond="accepted" in later,
            left=any(
                status in rules.REFUSED or (status != "prepared" and other != channel)
                for other, status in self.attempts[number + 1 :]
            ),
        )  # fmt: skip

    @property
    def _taken(self) -> str | None:
        """The channel of an accepted attempt that the message has not gone on from."""
        for number in reversed(range(len(self.attempts))):
            channel, status = self.attempts[number]
            if status == "accepted" and not self._attempt(number).left:
                return channel
        return None

    @property
    def _begun(self) -> int:
        return sum(status != "prepared" for _, status in self.attempts)

    def _set(self, number: int, then: rules.Standing) -> None:
        self.attempts[number] = (self.attempts[number][0], then.attempt_status)
        self.row = then

    @precondition(lambda self: self.row.status == "pending")
    @rule()
    def send(self) -> None:
        assert all(status != "delivered" for _, status in self.attempts)
        if self._taken is not None:  # as `decide` has it
            rest = [one for one in self.row.plan if one != self._taken]
            self.row = replace(
                self.row, status="accepted", channel=self._taken, plan=(self._taken, *rest)
            )
            return
        if not self.attempts or self.attempts[-1] != (self.row.channel, "prepared"):
            self.attempts.append((self.row.channel, "prepared"))
        self.row = replace(self.row, status="sending")

    @precondition(lambda self: self.row.status == "sending" and self.attempts[-1][1] == "prepared")
    @rule()
    def begin(self) -> None:
        assert self._taken is None, "it has been taken"
        self.attempts[-1] = (self.attempts[-1][0], "in_flight")

    @precondition(lambda self: self.row.status == "sending" and self.attempts[-1][1] == "prepared")
    @rule()
    def drop(self) -> None:
        self.row = replace(self.row, status="pending")

    @precondition(lambda self: self.attempts and self.attempts[-1][1] == "in_flight")
    @rule(answer=st.sampled_from(["accepted", "unknown", "transient", "rejected"]))
    def answer(self, answer: str) -> None:
        channel, _ = self.attempts[-1]
        self.attempts[-1] = (channel, answer)
        if self.row.status != "sending":
            return
        rest = tuple(one for one in self.row.plan if one != channel)
        if answer == "rejected" and rest:
            self.row = replace(self.row, status="pending", channel=rest[0], plan=rest)
        else:
            now = {"transient": "pending", "rejected": "failed"}.get(answer, answer)
            self.row = replace(self.row, status=now)

    @precondition(lambda self: self.row.status == "sending" and self.attempts[-1][1] == "accepted")
    @rule(answer=st.sampled_from(["accepted", "unknown", "pending"]))
    def answer_after_an_echo(self, answer: str) -> None:
        self.row = replace(self.row, status=answer)

    @precondition(lambda self: self._begun)
    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def receipt(self, data: st.DataObject, kind: rules.Kind) -> None:
        begun = [n for n, (_, status) in enumerate(self.attempts) if status != "prepared"]
        self._apply(data.draw(st.sampled_from(begun)), kind)

    def _apply(self, number: int, kind: rules.Kind) -> None:
        then = rules.follow(self._attempt(number), kind, None)
        if isinstance(then, rules.Later):
            self.early.append((number, kind))
            return
        self._set(number, then)
        self.told.add((number, kind))
        again = rules.follow(self._attempt(number), kind, None)
        assert again == self._attempt(number), "twice is once"

    @rule()
    def look_again(self) -> None:
        early, self.early = self.early, []
        for number, kind in early:
            self._apply(number, kind)

    @precondition(lambda self: self.row.status == "unknown")
    @rule(kind=st.sampled_from(["medication_reminder", "low_adherence", "appointment_reminder"]),
          expired=st.booleans())  # fmt: skip
    def reconcile(self, kind: str, expired: bool) -> None:
        doubts = sum(status == "unknown" for _, status in self.attempts)
        now = self._attempt(len(self.attempts) - 1)
        taken = any(
            status == "accepted" and not self._attempt(number).left
            for number, (_, status) in enumerate(self.attempts[:-1])
        )
        then = rules.resolve(rules.Doubt(kind, False, expired, doubts, now, taken))
        assert then.status != "unknown"
        self._set(len(self.attempts) - 1, then)

    @precondition(lambda self: self.row.status == "pending")
    @rule()
    def cancel(self) -> None:
        self.row = replace(self.row, status="cancelled")

    @invariant()
    def what_is_final_stays_so(self) -> None:
        now = self.row.status
        if self.was in _FINAL and now != self.was:
            assert (self.was in {"failed", "unconfirmed"}, now) == (True, "delivered")
        self.was = now

    @invariant()
    def a_proof_is_believed(self) -> None:
        proved = any(kind in rules.PROOF for _, kind in self.told)
        assert proved == any(status == "delivered" for _, status in self.attempts)
        if proved:
            assert self.row.status in {"delivered", "cancelled"}
        elif self.row.status == "delivered":
            raise AssertionError("delivered, and nobody said so")

    @invariant()
    def the_plan_fits(self) -> None:
        assert self.row.plan[0] == self.row.channel
        assert set(self.row.plan) <= set(_PLAN)
        assert len(self.attempts) <= 60


TestMessage = Message.TestCase
TestMessage.settings = settings(max_examples=300, stateful_step_count=30)


def test_an_echo_of_the_first_of_two_in_doubt_prevents_a_third() -> None:
    message = Message()
    for _ in range(2):
        message.send()
        message.begin()
        message.answer("unknown")
        if len(message.attempts) == 1:
            message.reconcile("medication_reminder", False)
    message._apply(0, "accepted")
    assert (message.row.status, message.row.channel) == ("accepted", "sms")

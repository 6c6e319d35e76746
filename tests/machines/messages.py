"""A message in plain Python: its attempts, what is told of them, and what is still to be sent."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import get_args
from uuid import UUID

import asyncpg

from chroniccare.notifications.receipts import rules
from chroniccare.platform.postgres import Command, Tx, begin
from tests.client import Clinic
from tests.machines.running import DiffersError, taken_back
from tests.notifications.edges import LEGAL, STATES

KINDS: tuple[rules.Kind, ...] = get_args(rules.Kind)
TYPES = ("appointment_reminder", "medication_reminder", "refill_reminder", "low_adherence",
         "care_message", "recall")  # fmt: skip
_HAD_IT = {"delivered", "complained"}
_NO_USE = {"undelivered", "rejected", "bounced_soft", "bounced_hard", "opted_out"}
_WAITS = {"pending", "held", "queued"}
_DOUBTED = {"unknown", "needs_staff"}
_CLOSED = {"cancelled", "superseded", "expired", "suppressed", "delivered", "undelivered"}
_ANSWERS = ("accepted", "unknown", "transient", "rejected")
_SET = Command("UPDATE notifications SET delivery_status = $2 WHERE id = $1")
_LAST = Command(
    "SELECT from_status || ' ' || to_status FROM notification_history WHERE notification_id = $1"
    " ORDER BY seq DESC LIMIT 1"
)
_IDS = Command("SELECT array_agg(id) FROM notifications WHERE delivery_status = 'pending'")


@dataclass(slots=True)
class Message:
    """A message; `tries` are channel and state of its attempts, the oldest first."""

    channel: str
    plan: list[str]
    status: str = "pending"
    tries: list[list[str]] = field(default_factory=list)

    def told(self, which: int, kind: str) -> bool:
        """Hear of an attempt; return whether that can be applied now."""
        channel, state = self.tries[which]
        newest = all(one == "prepared" for _, one in self.tries[which + 1 :])
        coming = any(one == "prepared" for _, one in self.tries[which + 1 :])
        if kind in _HAD_IT:
            self.tries[which][1] = "delivered"
            if self.status not in _CLOSED:
                self._settle("delivered", channel)
        elif state == "delivered":
            pass
        elif kind in _NO_USE:
            return self._useless(which, newest=newest)
        elif state in {"in_flight", "unknown", "transient"}:
            gone_on = self._gone_on(which)
            if not newest and not gone_on and self.status == "sending" and not coming:
                return False  # another is on the wire: its answer comes first
            self.tries[which][1] = "accepted"
            unsent = self.status in _WAITS | _DOUBTED or (coming and self.status == "sending")
            if (newest or not gone_on) and unsent:
                self._settle("accepted", channel)
        return True

    def _settle(self, status: str, channel: str) -> None:
        self.status, self.channel = status, channel
        self.plan = [channel, *(one for one in self.plan if one != channel)]

    def _useless(self, which: int, *, newest: bool) -> bool:
        channel, state = self.tries[which]
        if self.status == "sending" and newest:
            return False  # its own worker will say so
        if state == "rejected":
            return True
        self.tries[which][1] = "undelivered"
        taken = any(one == "accepted" for _, one in self.tries)
        its_own = self.status == "accepted" and self.channel == channel and not taken
        if state == "undelivered" or not (newest or its_own):
            return True
        rest = [one for one in self.plan if one != channel]
        if self.status in _WAITS and self.channel != channel:
            self.plan = rest
        elif self.status in _WAITS | _DOUBTED | {"accepted"}:
            hoped = any(one == "accepted" for _, one in self.tries[:which])
            self._go_on(rest, "unconfirmed" if hoped else "failed")
        return True

    def _taken(self) -> str | None:
        """Return the channel of an earlier attempt that was accepted, with no refusal since."""
        for which in reversed(range(len(self.tries) - 1)):
            channel, state = self.tries[which]
            if state == "accepted" and not self._gone_on(which):
                return channel
        return None

    def _gone_on(self, which: int) -> bool:
        """Whether a later attempt was refused, or was made by another channel."""
        return any(
            state in _NO_USE or (state != "prepared" and channel != self.tries[which][0])
            for channel, state in self.tries[which + 1 :]
        )

    def _go_on(self, rest: list[str], otherwise: str) -> None:
        if rest:
            self.status, self.channel, self.plan = "pending", rest[0], rest
        else:
            self.status = otherwise

    def decide(self, kind: str, *, today: bool, late: bool) -> None:
        """End the doubt about the last attempt."""
        channel, state = self.tries[-1]
        doubts = sum(one == "unknown" for _, one in self.tries)
        again = kind in {"medication_reminder", "refill_reminder"} or today
        taken = self._taken()
        if state in {"accepted", "delivered"}:
            self.status = state
        elif taken is not None:
            self._settle("accepted", taken)
        elif late:
            self.status = "unconfirmed"
        elif kind in {"low_adherence", "care_message"}:
            self.status = "needs_staff"
        elif again and doubts == 1:
            self.status = "pending"
        else:
            self._go_on([one for one in self.plan if one != channel], "unconfirmed")


class _Real:
    """The same message as the rules have it."""

    def __init__(self, channel: str, plan: list[str]) -> None:
        self.row = rules.Standing("pending", channel, tuple(plan), None, "", channel)
        self.tries: list[list[str]] = []

    def standing(self, which: int) -> rules.Standing:
        later = [state for _, state in self.tries[which + 1 :]]
        return replace(
            self.row, attempt_channel=self.tries[which][0], attempt_status=self.tries[which][1],
            last=all(one == "prepared" for one in later), coming="prepared" in later,
            hoped=any(state == "accepted" for _, state in self.tries[:which]),
            beyond="accepted" in later,
            left=any(
                state in rules.REFUSED or (state != "prepared" and channel != self.tries[which][0])
                for channel, state in self.tries[which + 1 :]
            ),
        )  # fmt: skip

    def taken(self) -> str | None:
        found = [
            channel
            for which, (channel, state) in enumerate(self.tries[:-1])
            if state == "accepted" and not self.standing(which).left
        ]
        return found[-1] if found else None

    def set(self, which: int, then: rules.Standing) -> None:
        self.row, self.tries[which][1] = then, then.attempt_status


def on_paper(steps: int, dice: Random) -> int:
    """Compare `receipts.rules` with the model; return how many steps were compared.

    Raises:
        DiffersError: they differ.
    """
    done = 0
    while done < steps:
        plan = dice.sample(("sms", "email", "push"), dice.randint(1, 3))
        model, real = Message(plan[0], list(plan)), _Real(plan[0], plan)
        for _ in range(25):
            said = _step(model, real, dice)
            done += 1
            got = (real.row.status, real.row.channel, list(real.row.plan), real.tries)
            if got != (model.status, model.channel, model.plan, model.tries):
                raise DiffersError(f"{said}: {got} and not {model}")
    return done


def _able(model: Message) -> list[str]:
    """Return what the product itself may do with a message now, likelier things more often."""
    last = model.tries[-1][1] if model.tries else None
    return [
        *["prepare"] * (model.status == "pending"),
        *["close"] * (model.status in _WAITS),
        *["call"] * (model.status == "sending" and last == "prepared"),
        *["answer"] * 2 * (last == "in_flight"),
        *["doubt"] * 3 * (model.status == "unknown"),
    ]


def _step(model: Message, real: _Real, dice: Random) -> str:
    """Do one thing that may happen now, with both."""
    begun = [n for n, (_, state) in enumerate(model.tries) if state != "prepared"]
    can = _able(model) + ["receipt"] * 3 * bool(begun)
    if not can or (model.status == "needs_staff" and dice.random() < 0.3):
        _both(model, real, dice.choice(("pending", "held", "queued")))
        return "again"
    what = dice.choice(can)
    if what == "prepare":
        for tries in (model.tries, real.tries):
            tries.append([model.channel, "prepared"])
        _both(model, real, "sending")
    elif what == "close":
        _both(model, real, dice.choice(("cancelled", "expired", "suppressed", "held", "queued")))
    elif what == "call":
        _both(model, real, model.status, "in_flight")
    elif what == "answer":
        answer = dice.choice(_ANSWERS)
        now = {"transient": "pending", "rejected": "failed"}.get(answer, answer)
        _both(model, real, now if model.status == "sending" else model.status, answer)
    elif what == "receipt":
        which, kind = dice.choice(begun), dice.choice(KINDS)
        then = rules.follow(real.standing(which), kind, None)
        if model.told(which, kind) == isinstance(then, rules.Later):
            raise DiffersError(f"{kind} of {which}: {then} and not {model}")
        if not isinstance(then, rules.Later):
            real.set(which, then)
        return f"{kind} of {which}"
    else:
        _doubt(model, real, dice)
    return what


def _both(model: Message, real: _Real, status: str, attempt: str | None = None) -> None:
    model.status, real.row = status, replace(real.row, status=status)
    if attempt is not None:
        model.tries[-1][1] = real.tries[-1][1] = attempt


def _doubt(model: Message, real: _Real, dice: Random) -> None:
    kind, today, late = dice.choice(TYPES), dice.random() < 0.3, dice.random() < 0.2
    doubts = sum(state == "unknown" for _, state in real.tries)
    last = len(real.tries) - 1
    doubt = rules.Doubt(kind, today, late, doubts, real.standing(last), real.taken() is not None)
    real.set(last, rules.resolve(doubt))
    model.decide(kind, today=today, late=late)


class Stored:
    """Messages in the database, which refuses what may not follow; each round is taken back."""

    def __init__(self, clinic: Clinic, dice: Random) -> None:
        self.clinic, self.dice = clinic, dice
        self.ids: list[UUID] = []

    async def begin(self) -> None:
        """Book visits, whose messages these are."""
        provider = await self.clinic.provider()
        patient = await self.clinic.patient()
        for day in range(1, 4):
            body = {
                "patient_id": patient["id"], "provider_id": provider["id"],
                "facility_id": provider["facilities"][0]["facility_id"],
                "appointment_type": "follow_up", "duration_minutes": 30,
                "scheduled_start": f"2027-03-0{day}T15:00:00Z",
            }  # fmt: skip
            await self.clinic.make("/appointments", body)
        async with begin(self.clinic.caller) as tx:
            self.ids = await tx.value(_IDS)

    async def round(self, steps: int) -> int:
        """Change states in one transaction; what is refused must have changed nothing.

        Raises:
            DiffersError: a change was taken or refused as it should not be, or history lacks it.
        """
        self.states = dict.fromkeys(self.ids, "pending")
        async with taken_back(self.clinic) as tx:
            for _ in range(steps):
                await self._step(tx)
        return steps

    async def _step(self, tx: Tx) -> None:
        one = self.dice.choice(self.ids)
        was, then = self.states[one], self.dice.choice(sorted(STATES - {self.states[one]}))
        if {edge for edge in LEGAL if edge[0] == was} and self.dice.random() < 0.6:
            then = self.dice.choice(sorted(after for before, after in LEGAL if before == was))
        taken = True
        await tx.connection.execute("SAVEPOINT tried")
        try:
            await tx.run(_SET, one, then)
        except asyncpg.CheckViolationError:
            await tx.connection.execute("ROLLBACK TO tried")
            taken = False
        if taken != ((was, then) in LEGAL):
            raise DiffersError(f"{was} to {then}: {'taken' if taken else 'refused'}")
        if taken:
            self.states[one] = then
            if await tx.value(_LAST, one) != f"{was} {then}":
                raise DiffersError(f"{was} to {then} is not what the history says last")

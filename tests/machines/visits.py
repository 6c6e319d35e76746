"""A visit in plain Python: what may follow what, written by hand and not taken from the code."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from chroniccare.core.errors import Problem
from chroniccare.platform.postgres import Command, Tx
from chroniccare.scheduling import actions, lifecycle, queries, rules
from tests.client import Clinic
from tests.machines.running import DiffersError, taken_back

STEPS = {
    "book": 4, "confirm": 4, "check_in": 4, "start": 4, "complete": 3, "no_show": 5, "cancel": 1,
    "undo": 4,
}  # fmt: skip
"""How often each is tried: what ends a visit for good, seldom."""
_AFTER = {
    ("held", "book"): "scheduled",
    ("held", "cancel"): "cancelled",
    ("scheduled", "confirm"): "confirmed",
    ("scheduled", "check_in"): "checked_in",
    ("scheduled", "no_show"): "no_show",
    ("scheduled", "cancel"): "cancelled",
    ("confirmed", "check_in"): "checked_in",
    ("confirmed", "no_show"): "no_show",
    ("confirmed", "cancel"): "cancelled",
    ("checked_in", "start"): "in_progress",
    ("checked_in", "complete"): "completed",
    ("checked_in", "cancel"): "cancelled",
    ("in_progress", "complete"): "completed",
}
_BACK = {
    "checked_in": ("confirmed", "scheduled"),
    "no_show": ("confirmed", "scheduled"),
    "in_progress": ("checked_in",),
    "completed": ("in_progress", "checked_in"),
}
_HALF_A_DAY = timedelta(hours=12)
_TWO_YEARS = timedelta(days=731)
_MINUTE = timedelta(minutes=1)
_OCCUPIED = Command(
    "SELECT array_agg(DISTINCT appointment_id) FROM occupancy"
    " WHERE appointment_id = ANY($1::uuid[])"
)
_WAITING = Command(
    "SELECT count(*) FROM notifications n JOIN appointments a ON a.id = n.appointment_id"
    " WHERE n.delivery_status IN ('pending', 'held') AND n.notification_type ="
    " 'appointment_reminder' AND a.status IN ('completed', 'no_show', 'cancelled')"
)
VISITS = 16
_LOOKS = 10
"""Steps after which occupancy and messages are looked at."""


@dataclass(slots=True)
class Visit:
    """A visit as staff would tell of it; `since`: when it came to each state that it has been in.

    `undo` is how long a step can be taken back.
    """

    start: datetime
    end: datetime
    undo: timedelta
    status: str = "scheduled"
    held_until: datetime | None = None
    since: dict[str, datetime] = field(default_factory=dict)
    version: int = 1

    def take(self, step: str, now: datetime) -> str | None:
        """Take a step; return the code of the refusal, which leaves everything as it was."""
        if step == "undo":
            return self._undo(now)
        if step == "book" and self.held_until is not None and self.held_until <= now:
            return "HOLD_EXPIRED"
        if step == "cancel" and self.status == "cancelled":
            return None  # once more is not wrong, and changes nothing
        then = _AFTER.get((self.status, step))
        if then is None:
            return "APPOINTMENT_STATE"
        if self._is_untimely(step, now):
            return "UNPROCESSABLE"
        if then not in {"scheduled", "cancelled"}:
            self.since[then] = now
        self._become(then)
        return None

    def _is_untimely(self, step: str, now: datetime) -> bool:
        if step == "book":
            return not now < self.start <= now + _TWO_YEARS
        if step == "check_in":
            return now < self.start - _HALF_A_DAY or now > self.end + _HALF_A_DAY
        return step == "no_show" and now <= self.start

    def _undo(self, now: datetime) -> str | None:
        before = _BACK.get(self.status)
        if before is None:
            return "APPOINTMENT_STATE"
        if now >= self.since[self.status] + self.undo:
            return "UNDO_EXPIRED"
        then = next((one for one in before if one in self.since), before[-1])
        del self.since[self.status]
        self._become(then)
        return None

    def _become(self, status: str) -> None:
        self.status, self.held_until = status, None
        self.version += 1

    @property
    def takes_time(self) -> bool:
        return self.status not in {"cancelled", "no_show"}

    def moments(self) -> tuple[datetime, ...]:
        """Return when it makes a difference what time it is, and a little after."""
        edges = [
            self.start - _HALF_A_DAY, self.start, self.end + _HALF_A_DAY, self.held_until,
            *(one + self.undo for one in self.since.values()),
        ]  # fmt: skip
        known = [one for one in edges if one is not None]
        return tuple(one + more for one in known for more in (-_MINUTE, 0 * _MINUTE, _MINUTE))


def chosen(visit: Visit, dice: Random) -> str:
    """Return a step: half of the time one that its state allows, if there is any."""
    able = [step for status, step in _AFTER if status == visit.status]
    able += ["undo"] * (visit.status in _BACK)
    some = able if able and dice.random() < 0.5 else list(STEPS)
    return dice.choices(some, [STEPS[one] for one in some])[0]


def later(visit: Visit, now: datetime, dice: Random) -> datetime:
    """Return now, or mostly soon, a moment at which something changes."""
    if dice.random() < 0.6:
        return now
    coming = [one for one in visit.moments() if one > now]
    if coming and dice.random() < 0.8:
        return dice.choice(coming)
    return now + dice.choice((_MINUTE, timedelta(minutes=20), timedelta(hours=3)))


def on_paper(steps: int, dice: Random) -> int:
    """Compare `rules` with the model; return how many steps were compared.

    Raises:
        DiffersError: they differ.
    """
    done = 0
    while done < steps:
        now = datetime.fromisoformat("2026-11-30T10:00:00+00:00")
        start = now + timedelta(hours=dice.choice((-30, 1, 11, 13, 40)))
        held = dice.random() < 0.3
        visit = Visit(start, start + timedelta(minutes=30), timedelta(minutes=60))
        visit.status = "held" if held else "scheduled"
        status, been = visit.status, set[str]()
        for _ in range(30):
            now = later(visit, now, dice)
            step = chosen(visit, dice)
            if step == "undo" and visit.status in visit.since:
                visit.since[visit.status] = now  # when it is too late is not of `rules`
            code = visit.take(step, now)
            done += 1
            got = None
            try:
                then = _by_rules(step, status, been, start, now)
            except Problem as problem:
                got = problem.code
            else:
                been = been - {status} if step == "undo" else been | {then} & set(rules.STAMPS)
                status = then
            if (got, status, been) != (code, visit.status, set(visit.since)):
                raise DiffersError(f"{step}: {(got, status, been)} and not {code}, {visit}")
    return done


def _by_rules(step: str, status: str, been: set[str], start: datetime, now: datetime) -> str:
    if step == "undo":
        return rules.status_before(status, been)
    if step == "cancel" and status == "cancelled":
        return status
    then = rules.next_status(step, status)  # type: ignore[arg-type]
    if step == "book":
        rules.check_start(start, now=now)
    end = start + timedelta(minutes=30)
    rules.check_step_time(step, start=start, end=end, now=now)  # type: ignore[arg-type]
    return then


class Stored:
    """Visits in the database; each round is taken back, so that the next begins where it did."""

    def __init__(self, clinic: Clinic, dice: Random) -> None:
        self.clinic, self.dice = clinic, dice
        self.ids: list[UUID] = []

    async def begin(self) -> None:
        """Book visits, and hold some."""
        provider = await self.clinic.provider()
        patient = await self.clinic.patient()
        for number in range(VISITS):
            body = {
                "patient_id": patient["id"], "provider_id": provider["id"],
                "facility_id": provider["facilities"][0]["facility_id"],
                "appointment_type": "follow_up", "duration_minutes": 30,
                "scheduled_start": f"2027-0{1 + number // 8}-0{1 + number % 8}T15:00:00Z",
                **({"hold_minutes": 10} if number % 3 == 0 else {}),
            }  # fmt: skip
            self.ids.append(UUID((await self.clinic.make("/appointments", body))["id"]))

    async def round(self, steps: int) -> int:
        """Take steps in one transaction, and compare each row before and behind each step.

        Raises:
            DiffersError: a row and its model differ.
        """
        async with taken_back(self.clinic) as tx:
            await self._round(tx, steps)
        return steps

    async def _round(self, tx: Tx, steps: int) -> None:
        models: dict[UUID, Visit] = {}
        clocks: dict[UUID, datetime] = {}
        for one in self.ids:
            row = await actions.get_locked(tx, one)
            undo = timedelta(minutes=tx.settings.undo_minutes)
            visit = Visit(row.scheduled_start, row.scheduled_end, undo, row.status, row.held_until)
            visit.version = row.version
            models[one], clocks[one] = visit, tx.now
        for number in range(steps):
            one = self.dice.choice(self.ids)
            visit = models[one]
            clocks[one] = tx.now = later(visit, clocks[one], self.dice)
            step = chosen(visit, self.dice)
            row = await actions.get_locked(tx, one)
            _compare(row, visit, step)
            code = visit.take(step, tx.now)
            got = None
            try:
                row = await _step(tx, row, step)
            except Problem as problem:
                got = problem.code
            if got != code:
                raise DiffersError(f"{step}: {got} and not {code}, {visit}, at {tx.now}")
            _compare(row, visit, step)
            if number % _LOOKS == 0:
                await self._look_around(tx, models)

    async def _look_around(self, tx: Tx, models: dict[UUID, Visit]) -> None:
        """Compare what follows from the visits."""
        occupied = set(await tx.value(_OCCUPIED, self.ids) or ())
        if occupied != {one for one, visit in models.items() if visit.takes_time}:
            raise DiffersError("occupancy is not what the visits say")
        if waiting := await tx.value(_WAITING):
            raise DiffersError(f"{waiting} reminders of visits that are over are still to be sent")


async def _step(tx: Tx, row: queries.Appointment, step: str) -> queries.Appointment:
    if step == "book":
        return await lifecycle.take_up(tx, row)
    if step == "undo":
        return await lifecycle.undo(tx, row)
    if step == "cancel":
        return await actions.cancel(tx, row, reason="A test.")
    return await lifecycle.advance(tx, row, step)  # type: ignore[arg-type]


def _compare(row: queries.Appointment, visit: Visit, step: str) -> None:
    stamps = {name: getattr(row, stamp) for name, stamp in rules.STAMPS.items()}
    since = {name: at for name, at in stamps.items() if at is not None}
    got = (row.status, since, row.held_until, row.version)
    if got != (visit.status, visit.since, visit.held_until, visit.version):
        raise DiffersError(f"at {step}: {got} and not {visit}")

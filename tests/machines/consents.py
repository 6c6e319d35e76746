"""Consent in plain Python: what was said about a channel, what bars it, and what may be sent."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal
from uuid import UUID

from chroniccare.core.errors import Problem
from chroniccare.notifications.inbound import queries as inbound
from chroniccare.notifications.preferences import actions, optouts, rules
from chroniccare.notifications.preferences.schemas import PreferencesWrite, ResubscribeWrite
from chroniccare.notifications.receipts import queries as receipts
from chroniccare.platform.postgres import Tx
from chroniccare.tenancy.addresses import either
from tests.client import Clinic
from tests.machines.running import DiffersError, taken_back

CHANNELS = ("sms", "email", "push")
CATEGORIES = ("appointments", "waitlist", "medications", "refills", "adherence", "recalls")
_SYSTEMS = {"sms": "phone", "email": "email", "push": "push"}
_STRICT = {"DE", "GB", "CA"}
"""Where an invitation by text or email needs a yes that is on record."""
_OWN_WILL = {"opted_out", "complained"}


@dataclass(slots=True)
class Person:
    """A patient, or somebody who receives messages for one, who `must` have said yes first."""

    addresses: dict[str, list[str]]
    country: str = "US"
    must: bool = False
    said: dict[str, bool] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    off: set[str] = field(default_factory=set)
    own: dict[str, list[str]] = field(default_factory=dict)

    def wanted(self, category: str) -> list[str]:
        return self.own.get(category) or self.channels or ["sms", "email"]

    def refusal(self, category: str, channel: str, bars: dict[tuple[str, str], str]) -> str | None:
        """Return why a message must not go out."""
        wished = self.own.get(category) or self.channels
        invited = category == "recalls" and channel != "push" and self.country in _STRICT
        yes = self.said.get(channel) is True
        may = yes if self.must or invited else yes or channel not in self.said
        found = self.addresses.get(channel, [])
        for reason, holds in (
            ("category_off", category in self.off),
            ("channel_not_wanted", bool(wished) and channel not in wished),
            ("no_consent", not may),
            ("no_contact_point", not found),
            ("opted_out", all((channel, one) in bars for one in found)),
        ):
            if holds:
                return reason
        return None

    def shown(self, category: str, bars: dict[tuple[str, str], str]) -> dict[str, str | None]:
        """Return what is shown of each channel: one that may be used may still be tried by none."""
        wanted = self.wanted(category)
        return {
            one: self.refusal(category, one, bars)
            or (None if one in wanted else "channel_not_wanted")
            for one in CHANNELS
        }


def on_paper(steps: int, dice: Random) -> int:
    """Compare `preferences.rules` with the model; return how many verdicts were compared.

    Raises:
        DiffersError: they differ.
    """
    done = 0
    while done < steps:
        person = Person({}, dice.choice(("US", "DE", "GB", "CA", "BD")), must=dice.random() < 0.3)
        bars: dict[tuple[str, str], str] = {}
        for _ in range(15):
            _change(person, bars, dice)
            who = _recipient(person)
            category = dice.choice(CATEGORIES)
            for channel in CHANNELS:
                got = rules.refusal(who, category, channel, set(bars))  # type: ignore[arg-type]
                expected = person.refusal(category, channel, bars)
                done += 1
                if got != expected:
                    raise DiffersError(
                        f"{category} by {channel}: {got} and not {expected}, {person}"
                    )
            wanted = rules.wanted(who, category)  # type: ignore[arg-type]
            usable = rules.usable(who, category, set(bars))  # type: ignore[arg-type]
            may = [one for one in wanted if person.refusal(category, one, bars) is None]
            if (wanted, list(usable)) != (person.wanted(category), may):
                raise DiffersError(f"{category}: {wanted}, {usable} and not {may}, {person}")
    return done


def _change(person: Person, bars: dict[tuple[str, str], str], dice: Random) -> None:
    channel, category = dice.choice(CHANNELS), dice.choice(CATEGORIES)
    address = f"{channel}-{dice.randrange(2)}"
    match dice.randrange(7):
        case 0:
            person.said[channel] = dice.random() < 0.6
        case 1:
            person.said.pop(channel, None)
        case 2:
            person.channels = dice.sample(CHANNELS, dice.randrange(3))
        case 3:
            person.off ^= {category}
        case 4:
            person.own[category] = dice.sample(CHANNELS, dice.randrange(3))
        case 5:
            held = person.addresses.setdefault(channel, [])
            held.remove(address) if address in held else held.append(address)
        case _:
            if bars.pop((channel, address), None) is None:
                bars[channel, address] = "opted_out"


def _recipient(person: Person) -> rules.Recipient:
    contacts = [
        {"system": _SYSTEMS[channel], "value": one}
        for channel, some in person.addresses.items()
        for one in some
    ]
    named = person.off | person.own.keys()
    choices = {
        one: rules.Choice(enabled=one not in person.off, channels=tuple(person.own.get(one, ())))
        for one in named
    }
    return rules.Recipient(
        "UTC", person.channels, person.said, contacts, person.country, choices,
        must_say_yes=person.must,
    )  # fmt: skip


class Stored:
    """Patients in the database, two of whom share a phone; each round is taken back."""

    def __init__(self, clinic: Clinic, dice: Random) -> None:
        self.clinic, self.dice = clinic, dice
        self.ids: list[UUID] = []
        self.people: list[Person] = []
        self.bars: dict[tuple[str, str], str] = {}

    async def begin(self) -> None:
        """Register the patients."""
        for number in range(3):
            phone = f"+1415555019{min(number, 1)}"
            mail = {"system": "email", "value": f"p{number}@example.com"}
            points = [{"system": "phone", "value": phone}, mail]
            made = await self.clinic.patient(contact_info={"telecom": points})
            self.ids.append(UUID(made["id"]))

    async def round(self, steps: int) -> int:
        """Take steps in one transaction, and compare what is shown behind each.

        Raises:
            DiffersError: what is shown and the model differ.
        """
        self.bars = {}
        self.people = [
            Person({"sms": [f"+1415555019{min(number, 1)}"], "email": [f"p{number}@example.com"]})
            for number in range(3)
        ]
        async with taken_back(self.clinic) as tx:
            for _ in range(steps):
                await self._step(tx)
        return steps

    async def _step(self, tx: Tx) -> None:
        number = self.dice.randrange(len(self.ids))
        what = self.dice.choice(
            (self._replace, self._replace, self._resubscribe, self._stop, self._start, self._bounce)
        )
        told = await what(tx, number)
        which = self.dice.randrange(len(self.ids))  # another one may share the phone
        if told is None or which != number:
            told, number = await actions.shown(tx, self.ids[which]), which
        person = self.people[number]
        if told["consents"] != {one: person.said.get(one) for one in CHANNELS}:
            raise DiffersError(f"{what.__name__}: {told['consents']} and not {person.said}")
        for one in told["categories"]:
            got = {each["channel"]: each["reason"] for each in one["by_channel"]}
            if got != person.shown(one["category"], self.bars):
                raise DiffersError(f"{what.__name__}: {one} and not {person}, {self.bars}")

    async def _replace(self, tx: Tx, number: int) -> dict[str, Any] | None:
        said = {one: self.dice.choice((True, False, None)) for one in CHANNELS}
        channels = self.dice.sample(CHANNELS, self.dice.randrange(3))
        off = {one for one in CATEGORIES if self.dice.random() < 0.2}
        own = {one: [self.dice.choice(CHANNELS)] for one in CATEGORIES if self.dice.random() < 0.2}
        body = PreferencesWrite.model_validate(
            {
                "channels": channels,
                "consents": said,
                "categories": [
                    {"category": one, "enabled": one not in off, "channels": own.get(one, [])}
                    for one in sorted(off | own.keys())
                ],
            }
        )
        person = self.people[number]
        barred = any(
            given and person.said.get(one) is not True
            and any(self.bars.get((one, at)) in _OWN_WILL for at in person.addresses.get(one, []))
            for one, given in said.items()
        )  # fmt: skip
        stored = await actions.locked(tx, self.ids[number])
        told = await _refused(actions.replace(tx, stored, body), "OPTED_OUT" if barred else None)
        if told is not None:
            person.said = {one: given for one, given in said.items() if given is not None}
            person.channels, person.off, person.own = channels, off, own
        return told

    async def _resubscribe(self, tx: Tx, number: int) -> dict[str, Any] | None:
        channel: Literal["sms", "email"] = self.dice.choice(("sms", "email"))
        person = self.people[number]
        here = [(channel, one) for one in person.addresses.get(channel, [])]
        lifted = [one for one in here if one in self.bars]
        free = not lifted and person.said.get(channel, True)
        body = ResubscribeWrite(channel=channel, because="asked")
        called = actions.resubscribe(tx, self.ids[number], body)
        told = await _refused(called, "NOT_OPTED_OUT" if free else None)
        if told is not None:
            for one in lifted:
                del self.bars[one]
            person.said[channel] = True
        return told

    def _of(self, channel: str, address: str, *, said: bool) -> None:
        for person in self.people:
            if address in person.addresses.get(channel, []):
                person.said[channel] = said

    async def _stop(self, tx: Tx, number: int) -> None:
        """A text that says STOP."""
        [address] = self.people[number].addresses["sms"]
        entry = await optouts.entry(tx, channel="sms", address=address)
        await tx.one(inbound.SUPPRESS, *entry, tx.caller.tenant_id, tx.now)
        await optouts.recorded(tx, channel="sms", address=address, reason="opted_out")
        if self.bars.get(("sms", address)) != "complained":
            self.bars["sms", address] = "opted_out"
        self._of("sms", address, said=False)

    async def _start(self, tx: Tx, number: int) -> None:
        """A text that says START."""
        [address] = self.people[number].addresses["sms"]
        lifted = await tx.one(inbound.LIFT, either(await tx.keyring(), [address]), tx.now)
        if (lifted is not None) != (self.bars.get(("sms", address)) == "opted_out"):
            raise DiffersError(f"START lifted {lifted}, and the bar is {self.bars}")
        if lifted is not None:
            await optouts.set_consent(tx, channel="sms", address=address, given=True)
            del self.bars["sms", address]
            self._of("sms", address, said=True)

    async def _bounce(self, tx: Tx, number: int) -> None:
        """A provider tells of an address that is none, or of a complaint."""
        channel = self.dice.choice(("sms", "email"))
        reason = self.dice.choice(("bounced_hard", "complained", "opted_out"))
        for address in self.people[number].addresses.get(channel, []):
            entry = await optouts.entry(tx, channel=channel, address=address)
            made = await tx.one(
                receipts.SUPPRESS, *entry, tx.caller.tenant_id, channel, reason, tx.now
            )
            if (made is None) != ((channel, address) in self.bars):
                raise DiffersError(f"{reason}: {made}, and the bars are {self.bars}")
            if made is None:
                continue
            await optouts.recorded(tx, channel=channel, address=address, reason=reason)
            self.bars[channel, address] = reason
            if reason in _OWN_WILL:
                self._of(channel, address, said=False)


async def _refused(called: Any, code: str | None) -> dict[str, Any] | None:
    """Return an answer, or nothing where the refusal is the one expected."""
    got = None
    try:
        told: dict[str, Any] = await called
    except Problem as problem:
        got = problem.code
    if got != code:
        raise DiffersError(f"{got} and not {code}")
    return told if got is None else None

"""Whether a recipient may be written to, by which channel, and when. Pure.

Who shows it, who plans a message and who sends it ask here, so that the three agree.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from chroniccare.core.time import to_local, zone
from chroniccare.notifications import packs, rules
from chroniccare.notifications.rules_categories import DUE_ON_TIME, INVITING, Topic

CHANNELS = tuple(rules.SYSTEM_OF)
LEAST_OPEN_H = 4
"""Hours of a day that a patient's own quiet hours must leave."""

Suppressions = Collection[tuple[str, str]]
"""(channel, address) pairs that must not be written to."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a recipient chose for a category; no channels: those they want for everything."""

    enabled: bool = True
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """A patient or a related person as a message needs them.

    `contacts` are `{"system", "value"}` by rank; `otherwise` is the choice for categories that
    `categories` does not name; `own_quiet` are quiet hours that they added themselves;
    `must_say_yes`: without a consent on record nothing is sent, as to somebody who is no patient.
    """

    time_zone: str
    channels: Sequence[str] | None
    consents: Mapping[str, Any]
    contacts: Sequence[Mapping[str, str]]
    country: str
    categories: Mapping[str, Choice] = field(default_factory=dict)
    otherwise: Choice = Choice()
    own_quiet: rules.QuietHours | None = None
    must_say_yes: bool = False

    def choice(self, category: Topic) -> Choice:
        """Return what they chose for a category."""
        return self.categories.get(category, self.otherwise)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A related person who may stand in for a patient; the period is local days, both ends in."""

    id: str
    recipient: Recipient
    receives: str
    is_active: bool
    period_start: date | None
    period_end: date | None

    def is_current(self, now: datetime) -> bool:
        """Return whether they receive messages today, where they live."""
        return self.is_active and in_period(
            self.period_start, self.period_end, local_day(now, self.recipient.time_zone)
        )


def local_day(at: datetime, time_zone: str) -> date:
    """Return the date on a calendar in `time_zone`."""
    return to_local(at, zone(time_zone)).date()


def in_period(start: date | None, end: date | None, day: date) -> bool:
    """Return whether `day` lies in [start, end]; None stands for no bound."""
    return (start is None or start <= day) and (end is None or day <= end)


def chosen(who: Recipient, category: Topic) -> list[str]:
    """Return the channels that they chose for a category, or for everything; none: any will do."""
    own = [one for one in who.channels or () if one in CHANNELS]
    return list(who.choice(category).channels) or own


def wanted(who: Recipient, category: Topic) -> list[str]:
    """Return the channels to try for a category, in order: those they chose, else ours."""
    return rules.wanted_channels(chosen(who, category))


def addresses(who: Recipient, channel: str) -> list[str]:
    """Return where a channel leads, the first to be tried first."""
    system = rules.SYSTEM_OF[channel]
    return [point["value"] for point in who.contacts if point["system"] == system]


def refusal(
    who: Recipient, category: Topic, channel: str, suppressed: Suppressions = ()
) -> str | None:
    """Return why a message of `category` must not go out by `channel`, as a code; None: it may."""
    if not who.choice(category).enabled:
        return "category_off"
    wished = chosen(who, category)
    if wished and channel not in wished:
        return "channel_not_wanted"
    if not consents(who, category, channel):
        return "no_consent"
    found = addresses(who, channel)
    if not found:
        return "no_contact_point"
    if all((channel, value) in suppressed for value in found):
        return "opted_out"
    return None


def consents(who: Recipient, category: Topic, channel: str) -> bool:
    """Return whether they let us use a channel; silence is a yes where the law leaves it one."""
    if needs_opt_in(who, category, channel):
        return who.consents.get(channel) is True
    return rules.consents(dict(who.consents), channel)


def needs_opt_in(who: Recipient, category: Topic, channel: str) -> bool:
    """Return whether a consent has to be on record before the first message of a category."""
    return who.must_say_yes or (
        category == INVITING and channel in packs.pack_of(who.country).opt_in
    )


def usable(who: Recipient, category: Topic, suppressed: Suppressions = ()) -> list[str]:
    """Return the channels that a message of `category` may go out by, in order."""
    channels = wanted(who, category)
    return [channel for channel in channels if not refusal(who, category, channel, suppressed)]


def stands_in(
    proxies: Iterable[Proxy], category: Topic, now: datetime, suppressed: Suppressions = ()
) -> list[Proxy]:
    """Return who receives a category in the patient's place now: only who can be reached counts."""
    return [
        proxy
        for proxy in proxies
        if proxy.receives == "instead"
        and proxy.is_current(now)
        and usable(proxy.recipient, category, suppressed)
    ]


def quiet_of(who: Recipient, category: Topic, clinic: rules.Quiet) -> rules.Quiet:
    """Return when a message that can wait must: the clinic's hours, their own, and the law's.

    A dose is due when it was agreed with the patient that it is: its reminder waits for nothing but
    hours in which they themselves want no message.
    """
    own = (who.own_quiet,) if who.own_quiet is not None else ()
    if category == DUE_ON_TIME:
        return rules.QuietTogether(own)
    quiet = packs.pack_of(who.country).quiet
    law = () if quiet is None else (quiet,)
    return rules.QuietTogether((clinic, *own, *law, *_outreach(who, category)))


def law_of(who: Recipient, category: Topic) -> rules.Quiet:
    """Return when the law forbids it outright: there is no grace for what is a little late.

    That is so for messages that invite. Those about care are no solicitation in any of the
    countries: there the hours are a courtesy.
    """
    return rules.QuietTogether(_outreach(who, category))


def _outreach(who: Recipient, category: Topic) -> tuple[rules.Quiet, ...]:
    return (packs.pack_of(who.country).outreach,) if category == INVITING else ()


def open_minutes(quiet: Iterable[rules.QuietHours]) -> int:
    """Return how many minutes of a day without a change of clocks all of these leave."""
    shut = {
        minute % _DAY_MIN
        for one in quiet
        for start, end in one.on(_ANY_DAY)
        for minute in range(_minute(start), _minute(end) + (_DAY_MIN if end <= start else 0))
    }
    return _DAY_MIN - len(shut)


_DAY_MIN = 24 * 60
_ANY_DAY = date(2026, 1, 5)


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


def choices(stored: Mapping[str, Any]) -> dict[str, Choice]:
    """Return the categories of the column `notification_preferences`."""
    return {
        name: Choice(enabled=one.get("enabled", True), channels=tuple(one.get("channels", ())))
        for name, one in (stored.get("categories") or {}).items()
    }


def own_quiet(stored: Mapping[str, Any]) -> rules.QuietHours | None:
    """Return the quiet hours of the column `notification_preferences`."""
    hours = stored.get("quiet_hours")
    if not hours:
        return None
    return rules.QuietHours(time.fromisoformat(hours["start"]), time.fromisoformat(hours["end"]))


def patient(
    *, time_zone: str, channels: Sequence[str] | None, consents: Mapping[str, Any],
    contacts: Sequence[Mapping[str, str]], address_country: str | None, stored: Mapping[str, Any],
) -> Recipient:  # fmt: skip
    """Return a patient as a recipient; `stored` is the column `notification_preferences`."""
    return Recipient(
        time_zone, channels, consents, contacts, packs.country_of(contacts, address_country),
        choices(stored), own_quiet=own_quiet(stored),
    )  # fmt: skip


def related_person(
    *, time_zone: str, channels: Sequence[str] | None, consents: Mapping[str, Any],
    contacts: Sequence[Mapping[str, str]], address_country: str | None, categories: Sequence[str],
) -> Recipient:  # fmt: skip
    """Return a related person as a recipient: of the categories that they receive, and no other."""
    return Recipient(
        time_zone, channels, consents, contacts, packs.country_of(contacts, address_country),
        {name: Choice() for name in categories}, otherwise=Choice(enabled=False),
        must_say_yes=True,
    )  # fmt: skip

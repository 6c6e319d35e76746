"""What becomes of a due message: sent, held, or given up, and what follows an attempt. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from chroniccare.core.time import to_local, zone
from chroniccare.notifications import packs, queries_due, rules
from chroniccare.notifications.channels.message import DEVICE_GONE, Outcome
from chroniccare.notifications.inbound import texts as answers
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.notifications.rules_categories import INVITING, category_of
from chroniccare.notifications.spend import rules as spending
from chroniccare.notifications.templates.making import Texts, make
from chroniccare.notifications.templates.text import Asks, Facts, Text


@dataclass(frozen=True, slots=True)
class Send:
    """Write to `recipient` on `channel`; `plan` is that channel and those that can follow it.

    `more`: the channel has another address, if this one turns out to be gone.
    """

    channel: str
    plan: list[str]
    recipient: str
    skipped: dict[str, str]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing will be sent; `status` is final, and `channel` the one that has had it."""

    status: str
    reason: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: look again at `until`; no `reason` means quiet hours.

    `since` is when it began to wait for the same reason, where that matters.
    """

    until: datetime
    reason: str | None = None
    since: datetime | None = None


Suppressions = preferences.Suppressions


def decide(
    due: queries_due.Due, *, now: datetime, quiet: rules.Quiet, suppressed: Suppressions
) -> Send | Stop | Hold:
    """Return what to do with a claimed row; `suppressed` are (channel, address) pairs."""
    found = _decide(due, now=now, quiet=quiet, suppressed=suppressed)
    if isinstance(found, Stop) and due.moved_on and found.status not in {"cancelled", "superseded"}:
        # An earlier channel's provider took it: it may have arrived.
        return found if found.reason == "accepted_late" else Stop("unconfirmed", found.reason)
    return found


def _decide(
    due: queries_due.Due, *, now: datetime, quiet: rules.Quiet, suppressed: Suppressions
) -> Send | Stop | Hold:
    moved_on = due.attempt_status == "accepted" and due.attempt_id == due.moved_on
    if due.attempt_status in {"accepted", "delivered"} and not moved_on:
        # Its worker lost the lease after the provider had answered; there is nothing left to do.
        return Stop(due.attempt_status, "accepted_late")
    if due.taken_on is not None:
        return Stop("accepted", "accepted_late", due.taken_on)
    who = recipients.of_due(due)
    stop = _moot(due, now) or _not_theirs(due, now, suppressed)
    if stop is not None:
        return stop
    # What follows an hour later is nothing that somebody has just asked for.
    waits = rules.is_reminder(due.notification_type) or due.moved_on is not None
    if waits and due.time_zone is not None:
        category, home = category_of(due.notification_type), zone(due.time_zone)
        quiet = preferences.quiet_of(who, category, quiet)
        period = rules.quiet_period(now, home, quiet)
        if period is not None:
            law = rules.quiet_period(now, home, preferences.law_of(who, category))
            if law is not None or not _is_overdue(due, now, home, quiet):
                if due.expires_at is None or period[1] < due.expires_at:
                    return Hold(period[1])
                return Stop("expired", "quiet_hours")
    return _address(due, who, suppressed)


def _is_overdue(due: queries_due.Due, now: datetime, home: ZoneInfo, quiet: rules.Quiet) -> bool:
    if due.doses is not None:
        return False  # it was never to go out before its doses are due
    return due.expires_at is not None and rules.is_overdue(
        due.scheduled_send_time, now=now, planned=due.created_at, deadline=due.expires_at,
        zone=home, quiet=quiet,
    )  # fmt: skip


def _moot(due: queries_due.Due, now: datetime) -> Stop | None:
    """Return why the message has lost its point, if it has: read again, not as it was planned."""
    if due.expires_at is not None and due.expires_at <= now:
        return Stop("expired", "too_late")
    if not due.reachable:
        return Stop("cancelled", "patient_inactive")
    if due.doses is not None:
        return _doses_over(due.doses)
    if due.supply is not None:
        return _supply_over(due.supply)
    return _visit_over(due) if due.care_stands else Stop("cancelled", "care_over")


def _visit_over(due: queries_due.Due) -> Stop | None:
    needed = rules.visit_states(due.notification_type)
    if due.appointment_id is None or not needed:
        return None
    if due.visit_status not in needed:
        return Stop("cancelled", f"visit_{due.visit_status}")
    planned = datetime.fromisoformat(due.template_data["starts_at"])
    if due.visit_start != planned or due.visit_provider_id != due.provider_id:
        return Stop("superseded", "visit_moved")
    return None


def _doses_over(doses: list[dict[str, Any]]) -> Stop | None:
    """Return why a message about doses has lost its point; `doses` are those still open."""
    if any(not one["moved"] for one in doses):
        return None
    # Those that were moved have another message.
    return Stop("superseded", "doses_moved") if doses else Stop("cancelled", "doses_settled")


def _supply_over(supply: dict[str, Any]) -> Stop | None:
    if supply["status"] != "active":
        return Stop("cancelled", f"medication_{supply['status']}")
    if supply["as_needed"]:
        return Stop("cancelled", "medication_as_needed")
    return None if supply["is_last"] else Stop("cancelled", "supply_changed")


def _not_theirs(due: queries_due.Due, now: datetime, suppressed: Suppressions) -> Stop | None:
    """Return why this recipient is not the one to write to any more, if so."""
    category = category_of(due.notification_type)
    if due.related_person_id is None:
        if due.proxies and preferences.stands_in(
            recipients.proxies_of_due(due), category, now, suppressed
        ):
            return Stop("cancelled", "goes_to_proxy")
        return None
    day = preferences.local_day(now, due.time_zone or "UTC")
    if not due.proxy_active or not preferences.in_period(due.period_start, due.period_end, day):
        return Stop("cancelled", "proxy_inactive")
    return None


def _address(
    due: queries_due.Due, who: preferences.Recipient, suppressed: Suppressions
) -> Send | Stop:
    """Return the first channel of the plan that may be used, and where it leads."""
    category = category_of(due.notification_type)
    if due.notification_type in rules.ANSWERED_ANYWAY:
        suppressed = ()
    skipped: dict[str, str] = {}
    usable: dict[str, list[str]] = {}
    for channel in due.channel_plan:
        reason = preferences.refusal(who, category, channel, suppressed)
        if reason is not None:
            skipped[channel] = reason
            continue
        found = preferences.addresses(who, channel)
        allowed = [one for one in found if (channel, one) not in suppressed]
        near = [one for one in allowed if _may_go(due, channel, one)]
        if near:
            usable[channel] = near
        else:
            skipped[channel] = spending.COUNTRY
    if usable:
        first, near = next(iter(usable.items()))
        return Send(first, list(usable), near[0], skipped, more=len(near) > 1)
    if due.attempt_id is not None:
        return Stop("failed", "no_channel_left")
    return Stop("suppressed", next(iter(skipped.values()), "no_contact_point"))


def _may_go(due: queries_due.Due, channel: str, value: str) -> bool:
    return channel != "sms" or spending.allowed(value, due.sms_countries)


def every_address(due: queries_due.Due) -> list[str]:
    """Return the addresses that a suppression may forbid."""
    own = [point["value"] for point in recipients.of_due(due).contacts]
    return own + [point["value"] for proxy in due.proxies for point in proxy["contacts"]]


def text(
    due: queries_due.Due, channel: str, *, now: datetime, texts: Texts, link: str | None = None,
    asks: str = "nothing",
) -> Text:  # fmt: skip
    """Render the message from what is true now; a row of a file has only what the file said.

    `asks` is how a text message about a visit or doses asks for an answer: settings.sms_asks.
    """
    data = due.template_data
    if due.notification_type in answers.KINDS:
        return answers.render(due.notification_type, due.language or data.get("language"), data)
    about_open = due.notification_type in rules.ABOUT_OPEN_VISITS
    asks_by_link = channel == "email" or asks == "link"
    if due.notification_type in rules.ANSWERED_BY_LINK and not asks_by_link:
        link = None  # a segment more, unless the clinic wants it
    names = _medicines(due)
    facts = Facts(
        _starts_at(due),
        first_name=due.first_name,
        facility_name=_place(due),
        facility_phone=due.facility_phone["value"] if due.facility_phone else None,
        provider_name=due.provider_name or data.get("provider_name"),
        until=_until(data),
        link=link,
        # The way into a video visit is the patient's and the provider's alone.
        join=due.visit_link if about_open else None,
        reply=_reply(due, channel) if asks == "reply" else None,
        medication=", ".join(names) or data.get("medication"),
        medicines=len(names),
        # Only where the patient wants it, and to nobody else.
        named=bool(names)
        and due.related_person_id is None
        and (due.preferences or {}).get("drug_names") is True,
        credentials=tuple(due.provider_degrees),
        now=now,
        opt_out=_says_how_to_stop(due),
        is_copy=due.related_person_id is not None,
    )
    return make(due.notification_type, channel, due.language, facts, texts)


def _place(due: queries_due.Due) -> str | None:
    """Return where the message is from: a recall names its place itself, others what is true."""
    named: str | None = due.template_data.get("facility_name")
    if due.notification_type == "recall":
        return named or due.facility_name
    return due.facility_name or named


def _says_how_to_stop(due: queries_due.Due) -> bool:
    """Return whether the recipient's country asks that the message says how such ones end."""
    if category_of(due.notification_type) != INVITING:
        return False
    return "opt_out" in packs.pack_of(recipients.of_due(due).country).wording


def _medicines(due: queries_due.Due) -> list[str]:
    """Return the names of the drugs that the message is about, each once."""
    if due.supply is not None:
        return [due.supply["name"]]
    standing = [one for one in due.doses or () if not one["moved"]]
    return list({one["medication_id"]: one["name"] for one in standing}.values())


def _reply(due: queries_due.Due, channel: str) -> Asks | None:
    """Return what a text message asks to be answered, if anything."""
    if channel != "sms":
        return None
    if due.notification_type in rules.ABOUT_OPEN_VISITS:
        return "visit"
    return None if due.doses is None else "doses"


def _starts_at(due: queries_due.Due) -> datetime | None:
    """Return when what the message is about begins, on the clock of its place; None: it has none.

    That is the clinic's zone for a visit; what a row says itself for all else.
    """
    data = due.template_data
    if due.visit_start is not None and due.facility_zone is not None:
        return to_local(due.visit_start, zone(due.facility_zone))
    if data.get("zone") and "starts_at" in data:
        return to_local(datetime.fromisoformat(data["starts_at"]), zone(data["zone"]))
    # Its offset is all that is known.
    return datetime.fromisoformat(data["local"]) if "local" in data else None


def _until(data: dict[str, Any]) -> datetime | None:
    """Return until when a time is kept, on the clinic's clock; None where none is."""
    if "until" not in data or data.get("zone") is None:
        return None
    return to_local(datetime.fromisoformat(data["until"]), zone(data["zone"]))


def settle(
    due: queries_due.Due, send: Send, outcome: Outcome, *, now: datetime, jitter: float,
    elsewhere: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return the columns that follow from an attempt; `jitter` lies in [0, 1).

    `elsewhere`: the channel has another driver, which is tried at once after the first failure.

    A channel is left after a few failures only if another can follow. On the last one the tries go
    on, except for a row of a file (it has no patient): whoever runs `notify` waits for it.
    """
    rest = send.plan[1:]
    row: dict[str, Any] = {
        "status": outcome.status,
        "channel": send.channel,
        "channel_plan": send.plan,
        "next_at": None,
        "sent_at": None,
        "retry_count": due.retry_count,
        "details": {},
    }
    if outcome.status in {"accepted", "delivered"}:
        return row | {"sent_at": now}
    if outcome.status == "unknown":
        return row | {"details": {"reason": outcome.error_code}}
    if outcome.status == "transient":
        # `tries` counts earlier failures on the row's channel, which was left if it was skipped.
        tries = 1 + (due.tries if send.channel == due.channel else 0)
        at_once = elsewhere and tries == 1
        again = now if at_once else now + rules.backoff(tries, jitter=jitter)
        row["retry_count"] += 1
        hurried = rest or due.patient_id is None or due.expires_at is None
        most = rules.MAX_TRIES if hurried else rules.LAST_TRIES
        if tries < most and (due.expires_at is None or again < due.expires_at):
            return row | {"status": "pending", "next_at": again}
    if send.more and outcome.error_code == DEVICE_GONE:
        # It is disabled by now, so that the next look finds the patient's other device.
        return row | {"status": "pending", "next_at": now}
    if rest:
        return row | {
            "status": "pending", "channel": rest[0], "channel_plan": rest, "next_at": now,
        }  # fmt: skip
    # An earlier channel's provider took it: it may have arrived.
    status = "unconfirmed" if due.moved_on is not None else "failed"
    return row | {"status": status, "details": {"reason": outcome.error_code or "refused"}}
